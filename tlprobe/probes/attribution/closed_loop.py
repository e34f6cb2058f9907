"""The closed loop: what an attribution keeps of a sound, and what it removes, is heard and classified again.

If a map says what the answer rests on, the kept sound should give the answer and the removed one should not.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from tlprobe.audio.image import ImageMaker
from tlprobe.audio.length import fit_length
from tlprobe.audio.load import decode, to_mono, to_rate
from tlprobe.probes.attribution.listen import listen, safe_name, write_pair
from tlprobe.probes.attribution.path import logits_of
from tlprobe.train.checkpoint import Checkpoint

__all__ = ["hear", "sound_name"]


def hear(
    checkpoint: Checkpoint,
    model: nn.Module,
    file: Path,
    part: tuple[float | None, float | None],
    attribution: npt.NDArray[np.float32],
    *,
    column: int,
    folder: Path,
    name: str,
    device: torch.device,
) -> dict[str, Any]:
    """Write what a map keeps and removes of a recording as sounds, and classify both.

    Parameters
    ----------
    checkpoint : Checkpoint
        Of whose images and classes.
    model : nn.Module
        Its network, on `device`.
    file : Path
        The recording.
    part : (float or None, float or None), in seconds
        The part of it that was shown.
    attribution : np.ndarray [shape=(3, n_mels, width)]
    column : int
        The explained class.
    folder : Path
        Gets ``NAME_kept.wav`` and ``NAME_removed.wav``, at the recording's rate, mono.
    name : str
    device : torch.device

    Returns
    -------
    found : dict
        ``kept_probability`` and ``removed_probability`` of the explained class, ``kept_predicted`` and
        ``removed_predicted``, and the names of the files, ``kept_wav`` and ``removed_wav``.

    Raises
    ------
    DataError
        If the recording cannot be used.
    ParameterError
        If what is shown cannot be heard, see `tlprobe.probes.attribution.listen`.
    ResourceError
        If a file cannot be written.
    """
    settings = checkpoint.material.settings
    samples, header = decode(file, start_s=part[0], end_s=part[1])
    sounds = listen(to_mono(samples, channel=settings.channel, path=file), header.sr, attribution, settings)
    maker = ImageMaker(settings)
    images = np.stack(
        [
            maker(fit_length(to_rate(sound, sr_from=header.sr, sr_to=settings.sr), n_samples=maker.n_samples)[0])
            for sound in sounds
        ]
    )
    x = checkpoint.standardise(torch.from_numpy(images)).to(device)
    probabilities = torch.softmax(logits_of(model, x, batch=2).double(), dim=1).cpu().numpy()
    files = write_pair(folder, name, *sounds, header.sr)
    found: dict[str, Any] = {}
    for what, said, path in zip(("kept", "removed"), probabilities, files, strict=True):
        found[f"{what}_probability"] = float(said[column])
        found[f"{what}_predicted"] = checkpoint.classes[int(said.argmax())]
        found[f"{what}_wav"] = path.name
    return found


def sound_name(row: Mapping[str, Any], *, runs: int, ways: int, used: set[str]) -> str:
    """Return a name for a row's sounds that none of `used` has, and add it to these.

    `runs` and `ways`: how many networks, and ways to explain, there are; with one of them, the name says nothing of it.
    """
    parts = [row["clip"], *([] if row["start_s"] is None else [f"{row['start_s']:g}s"])]
    if runs > 1:
        parts.append(row["run"])
    if ways > 1:
        parts += [row[name] for name in ("method", "block", "baseline") if row[name] is not None]
    name = "_".join(parts)
    number = 1
    while (found := safe_name(name if number == 1 else f"{name}_{number}")) in used:
        number += 1
    used.add(found)
    return found
