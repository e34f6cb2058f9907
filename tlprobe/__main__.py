"""``python -m tlprobe`` is the command ``tlprobe``."""

from tlprobe.cli import main

if __name__ == "__main__":
    main()
