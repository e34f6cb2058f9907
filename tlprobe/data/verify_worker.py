"""The worker process of `tlprobe.data.verify`: decodes the recordings it is told, and says how each is.

A file that makes the decoder crash ends this process, and not the one that wants to know.
"""

import dataclasses
import json
import sys
from pathlib import Path

from tlprobe.audio.condition import condition_of
from tlprobe.errors import DataError


def main() -> None:
    """Serve standard input."""
    for line in sys.stdin:
        answer: dict[str, object]
        try:
            answer = {"condition": dataclasses.asdict(condition_of(Path(json.loads(line)["path"])))}
        except DataError as error:
            answer = {"error": str(error)}
        except MemoryError:
            answer = {"error": "it does not fit into memory"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
