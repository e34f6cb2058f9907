"""The worker process of `tlprobe.data.render`: reads what to render line by line, answers line by line.

It ends when its input does, that is, when the process that started it ends, however that ends.
"""

import dataclasses
import json
import os
import sys
from pathlib import Path

from tlprobe.audio.logmel import ImageSettings, LogMel
from tlprobe.audio.vary import Variation
from tlprobe.data.render import Item, write_image


def main() -> None:
    """Serve standard input."""
    target = json.loads(sys.stdin.readline())
    log_mel = LogMel(ImageSettings.model_validate(target["settings"]))
    handle = os.open(target["file"], os.O_WRONLY)
    for line in sys.stdin:
        wanted = json.loads(line)
        variation = None if wanted["variation"] is None else Variation(**wanted["variation"])
        item = Item(row=wanted["row"], path=Path(wanted["path"]), variation=variation)
        try:
            answer = dataclasses.asdict(write_image(item, log_mel, handle=handle, offset=target["offset"]))
        except OSError as error:
            answer = {"os_error": [error.errno, error.strerror]}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
