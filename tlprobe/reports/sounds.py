"""The sounds of attributions: a clip, what its map keeps of it and what it removes, to be played in the page.

``tlprobe attribute --listen`` writes what is kept and removed as 32-bit floats at the clip's own rate; they add up to
the clip. In the page they are 16-bit WAV, which every browser plays, and not above the rate of the network's images:
it was shown nothing that is higher.
"""

import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from tlprobe.audio.load import decode, to_mono, to_rate
from tlprobe.errors import DataError
from tlprobe.plots.style import number
from tlprobe.records import Record
from tlprobe.reports.pictures import data_link
from tlprobe.reports.words import plain

__all__ = ["ClipSounds", "Sound", "has_sounds", "sounds_of"]

_DEFAULT_HZ = 16_000


@dataclasses.dataclass(frozen=True)
class Sound:
    """A sound in the page: what it is, and a data link."""

    what: str
    link: str


@dataclasses.dataclass(frozen=True)
class ClipSounds:
    """The sounds of one clip, and what the network says of them."""

    title: str
    sounds: tuple[Sound, ...]


def has_sounds(row: Mapping[str, Any]) -> bool:
    """Say whether a row names the sounds of its clip."""
    return all(isinstance(row.get(f"{what}_wav"), str) for what in ("kept", "removed"))


def sounds_of(row: Mapping[str, Any], record: Record, *, folder: Path) -> ClipSounds:
    """Read the sounds of a row.

    Parameters
    ----------
    row : dict
        With ``kept_wav`` and ``removed_wav``.
    record : Record
        Its ``params["image"]["sr"]`` is the rate not to exceed.
    folder : Path
        Where these files lie.

    Raises
    ------
    DataError
        If one is missing, no plain file name, or damaged, or they do not belong together.
    """
    image = record.params.get("image")
    limit = number(image.get("sr")) if isinstance(image, Mapping) else 0
    sr = int(limit) if limit > 0 else _DEFAULT_HZ
    parts = []
    for what in ("kept", "removed"):
        name = str(row[f"{what}_wav"])
        file = folder / name
        if Path(name).name != name or not file.is_file():
            raise DataError(f"{plain(name)} is not in {folder.name}/")
        samples, header = decode(file)
        rate = min(header.sr, sr)
        parts.append(to_rate(to_mono(samples, channel=None, path=file), sr_from=header.sr, sr_to=rate))
    if len(parts[0]) != len(parts[1]):
        raise DataError(f"{plain(row['kept_wav'])} and {plain(row['removed_wav'])} are not of one clip")
    clip = Sound("the clip", _wav(parts[0] + parts[1], rate))
    kept, removed = (
        Sound(f"what is {what}{_says(row, what)}", _wav(part, rate))
        for what, part in zip(("kept", "removed"), parts, strict=True)
    )
    title = (
        f"{plain(row.get('clip'))}: {plain(row.get('label') or 'no label')}, explained as {plain(row.get('target'))}"
    )
    return ClipSounds(title, (clip, kept, removed))


def _says(row: Mapping[str, Any], what: str) -> str:
    probability, named = number(row.get(f"{what}_probability")), row.get(f"{what}_predicted")
    if not np.isfinite(probability):
        return ""
    said = f", named {plain(named)}" if named is not None else ""
    return f": probability {probability:.2f}{said}"


def _wav(samples: npt.NDArray[np.float32], sr: int) -> str:
    content = io.BytesIO()
    soundfile.write(content, np.clip(samples, -1, 1), sr, format="WAV", subtype="PCM_16")
    return data_link(content.getvalue(), "audio/wav")
