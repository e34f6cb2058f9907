"""The worker process of `tlprobe.data.render`: reads what to render line by line, answers line by line.

It ends when its input does, that is, when the process that started it ends, however that ends.
"""

import dataclasses
import json
import os
import sys
from pathlib import Path

from tlprobe.audio.image import ImageMaker
from tlprobe.audio.settings import ImageSettings
from tlprobe.audio.vary import Variation
from tlprobe.data.render import Item, write_image


def main() -> None:
    """Serve standard input."""
    target = json.loads(sys.stdin.readline())
    image_maker = ImageMaker(ImageSettings.model_validate(target["settings"]))
    handle = os.open(target["file"], os.O_WRONLY)
    for line in sys.stdin:
        wanted = json.loads(line)
        variation = None if wanted["variation"] is None else Variation(**wanted["variation"])
        item = Item(wanted["row"], Path(wanted["path"]), variation, wanted["start_s"], wanted["end_s"])
        try:
            answer = dataclasses.asdict(write_image(item, image_maker, handle=handle, offset=target["offset"]))
        except OSError as error:
            answer = {"os_error": [error.errno, error.strerror]}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
