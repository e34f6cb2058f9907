"""Attribution: which parts of a spectrogram does the network's answer rest on?

By default Integrated Gradients of a class logit on the image, from silence (the floor of its representation, as the
network sees it: the number 0 would be loud) to the clip, with as many steps as they need to add up to F(x) - F(x');
other baselines, methods and networks for comparison. Reference: Palanisamy et al. 2020,
https://arxiv.org/abs/2007.11154, Fig. 3.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tlprobe.audio.image import row_hz, silence_image
from tlprobe.audio.settings import ImageSettings
from tlprobe.bars import progress_bar
from tlprobe.errors import ParameterError
from tlprobe.probes.attribution.answers import PREDICTED, TRUE, ask, named_apart, network_of, require_alike
from tlprobe.probes.attribution.baselines import baselines_of
from tlprobe.probes.attribution.choose import choose
from tlprobe.probes.attribution.closed_loop import hear, sound_name
from tlprobe.probes.attribution.listen import require_audible
from tlprobe.probes.attribution.shortcuts import cut_of, shortcuts
from tlprobe.probes.attribution.waveform import peaks
from tlprobe.probes.attribution.ways import ALL, INTEGRATED_GRADIENTS, Way, explain, require_fitting, ways_of
from tlprobe.records import Record, provenance
from tlprobe.train.checkpoint import Checkpoint, FileOptions, open_checkpoints
from tlprobe.train.device import resolve_device
from tlprobe.train.run import Run

__all__ = ["attribute"]

_log = logging.getLogger(__name__)


def attribute(
    ckpt: Path | str | Run | Sequence[Path | str | Run],
    *,
    clips: Sequence[Path | str] = (),
    n_clips: int = 4,
    rule: str = "drawn",
    target: str = PREDICTED,
    method: str | Sequence[str] = INTEGRATED_GRADIENTS,
    baseline: str = "silence",
    block: str | None = None,
    tolerance: float = 0.01,
    n_steps: int | None = None,
    memory_gb: float | None = None,
    above_hz: float | None = None,
    sounds: Path | str | None = None,
    waveform: bool = False,
    channels: bool = False,
    seed: int = 0,
    data: Path | str | None = None,
    options: FileOptions | None = None,
    device: str = "auto",
    progress: bool | None = None,
) -> Record:
    """Attribute a network's answers to parts of its input images.

    Parameters
    ----------
    ckpt : path, Run, or a sequence of them
        A run directory, or a weight file with `options`. Of several runs, on the same data and fold, the first chooses
        the clips.
    clips : sequence of path
        Recordings: paths in the data set, or any files. None given: `n_clips` held-out clips by `rule`.
    n_clips : int > 0
        How many.
    rule : str
        See `tlprobe.probes.attribution.choose`.
    target : str
        ``"predicted"`` (by each network), ``"true"``, or a class name: whose logit is explained.
    method : str or sequence of str
        ``"integrated-gradients"``, others of `tlprobe.probes.attribution.methods`, or ``"all"``: those that are right
        for the network.
    baseline : str
        See `tlprobe.probes.attribution.baselines`; ``"all"`` for a row each. Of methods that compare with one.
    block : str, optional
        Of ``grad-cam``; default: a row for each.
    tolerance : float > 0
        Completeness gap to be reached, by Integrated Gradients.
    n_steps : int > 0, optional
        Their points on the path (Gauss-Legendre quadrature). Default: as many as the tolerance needs, 1000 at most.
    memory_gb : float > 0, optional
        What images may take in memory on their way through the network and back. Default: half of what is free.
    above_hz : float > 0, in Hz, optional
        Whose share of the attribution is told. Default: half of what the images show, sr / 4.
    sounds : path, optional
        A folder that gets what each map keeps and removes of its clip, as two WAV files; both are classified again, see
        `tlprobe.probes.attribution.closed_loop`.
    waveform : bool
        Keep the clips' waveforms, for the figure of one network in one way, and for contact sheets.
    channels : bool
        Keep the attribution of each channel and not their sum alone; figures then show them in place of the overlay.
    seed : int
        Of all draws.
    data : path, optional
        The data set, where it has moved.
    options : FileOptions, optional
        What a bare weight file does not say.
    device : {"auto", "cpu", "cuda"}
        Where.
    progress : bool or None
        None shows a bar on a terminal and in a notebook only.

    Returns
    -------
    record : Record
        One row a network, method (with its baseline or block) and clip: ``run``, ``backbone``, ``init``, ``seed``,
        ``treatment``, ``blocks``; ``label`` (None if not known), ``group`` (its source), ``target`` and its
        ``target_probability``, ``predicted`` and its ``probability``; ``method``, ``baseline``, ``block``, ``n_steps``;
        of complete methods the ``gap``: |sum - (F(x) - F(x'))| / |F(x) - F(x')|, or without the division where
        |F(x) - F(x')| < 0.1 (``gap_absolute`` is then true), and ``reached``, whether it is within the tolerance.
        ``on_padding``, ``on_above``, ``on_ends``: the shares of the absolute map where no event should be, with
        ``_area``, what a map that prefers nothing would have there (`tlprobe.probes.attribution.shortcuts`); None of
        padding from silence, where it is 0 by construction. With `sounds`, ``kept_probability``,
        ``removed_probability`` and what is predicted for both. ``params["refused"]``: of a network, methods that are
        wrong for it, and why.
        Arrays: by ``array_index`` ``attribution`` ``(n_rows, 1, n_mels, width)``, the sum of the channels in the units
        of the method; by ``image_index`` ``spectrogram`` ``(n_clips, 1, n_mels, width)``, the first channel of a clip's
        image (`tlprobe.audio.image`), and, with `waveform`, ``peaks`` ``(n_clips, 2, width)``. With `channels`, all
        three of both: of ``log-mel3`` its windows of 25, 50, 100 ms.

    Raises
    ------
    CheckpointError, DataError, ParameterError, ResourceError
        If a checkpoint, a clip or an argument cannot be used, networks do not share data, fold and images, a method is
        wrong for a network, or one image does not fit into the memory.

    Examples
    --------
    >>> import tlprobe
    >>> record = tlprobe.attribute("runs/full", n_clips=2)
    >>> record.arrays["attribution"].shape
    (2, 1, 128, 100)
    >>> all(row["gap"] < 0.01 for row in record.rows if row["reached"])
    True
    """
    if n_clips < 1:
        raise ParameterError(f"n_clips={n_clips} must be at least 1")
    if not 0 < tolerance < float("inf"):
        raise ParameterError(f"tolerance={tolerance} must be more than 0")
    methods = (method,) if isinstance(method, str) else tuple(method)
    paths = (ckpt,) if isinstance(ckpt, Path | str | Run) else tuple(ckpt)
    require_fitting(methods, baseline=baseline, n_steps=n_steps)  # before anything is opened
    where = resolve_device(device)
    checkpoints = named_apart(open_checkpoints(paths, data=data, options=options, progress=progress))
    first = require_alike(checkpoints)
    settings = first.material.settings
    cut_hz = cut_of(settings, above_hz)
    if sounds is not None:
        require_audible(settings)
    ways = {found.name: _ways(found, methods, baseline=baseline, block=block) for found in checkpoints}
    if target not in (PREDICTED, TRUE, *first.classes):
        choices = ", ".join((PREDICTED, TRUE, *first.classes))
        raise ParameterError(f"target={target!r} is no class; choose from {choices}")
    chosen = choose(first, clips, n_clips=n_clips, rule=rule, seed=seed, device=where)
    if target == TRUE and None in chosen.labels:
        name = chosen.names[chosen.labels.index(None)]
        raise ParameterError(f"target=true needs the class of each clip; that of {name} is not known")
    n_maps = len(chosen.names) * sum(map(len, ways.values()))
    attributions = np.empty((n_maps, *chosen.images.shape[1:]), np.float32)
    rows: list[dict[str, Any]] = []
    refused: list[dict[str, str]] = []
    sound_names: set[str] = set()
    n_ways = max(map(len, ways.values()))
    with progress_bar(show=progress, total=n_maps, desc="attributions") as bar:
        for checkpoint in checkpoints:
            asked = ask(checkpoint, chosen, target=target, memory_gb=memory_gb, device=where)
            for way in ways[checkpoint.name]:
                start = None
                if way.baseline is not None:
                    start = baselines_of(way.baseline, chosen.images, checkpoint=checkpoint, seed=seed).to(where)
                try:
                    maps, about = explain(
                        way,
                        asked.model,
                        asked.x,
                        baselines=start,
                        columns=asked.columns,
                        tolerance=tolerance,
                        n_steps=n_steps,
                        batch=asked.batch,
                        seed=seed,
                        on_clip=bar.update,
                    )
                except ParameterError as error:
                    if ALL not in methods or way.method == INTEGRATED_GRADIENTS:
                        raise
                    refused.append({"run": checkpoint.name, "way": way.text, "why": str(error)})
                    _log.warning("%s of %s is left out: %s", way.text, checkpoint.name, error)
                    continue
                attributions[len(rows) : len(rows) + len(maps)] = maps
                for number, attribution in enumerate(maps):
                    shares = shortcuts(
                        attribution,
                        chosen.images[number],
                        settings,
                        above_hz=cut_hz,
                        shown_s=chosen.shown_s[number],
                        from_silence=way.baseline == "silence",
                    )
                    row = {
                        **network_of(checkpoint),
                        **asked.answer(number, chosen),
                        **way._asdict(),
                        **about[number],
                        **{f"on_{place}": share for place, share in shares.items()},
                        "image_index": number,
                        "array_index": len(rows),
                    }
                    if sounds is not None:
                        row |= hear(
                            checkpoint,
                            asked.model,
                            chosen.files[number],
                            chosen.parts[number],
                            attribution,
                            column=asked.columns[number],
                            folder=Path(sounds),
                            name=sound_name(row, runs=len(checkpoints), ways=n_ways, used=sound_names),
                            device=where,
                        )
                    rows.append(row)
                    if row["reached"] is False:
                        _tell(row, fixed=n_steps is not None)
    hz = row_hz(settings)
    params = {
        "runs": [checkpoint.name for checkpoint in checkpoints],
        "backbone": first.backbone,
        "fold": first.fold,
        "methods": list(dict.fromkeys(row["method"] for row in rows)),
        "refused": refused,
        "baseline": baseline,
        "silence": float(silence_image(settings)[0, 0, 0]),  # in row 0; of log power, everywhere
        "target": target,
        "tolerance": tolerance,
        "n_steps": n_steps,
        "above_hz": cut_hz,
        "seed": seed,
        "clips": chosen.names,
        "chosen": chosen.why,
        "channels": _channel_names(settings) if channels else [],
        "image": settings.model_dump(mode="json"),
        "row_hz": None if hz is None else hz.tolist(),
    }
    arrays = {"spectrogram": chosen.images, "attribution": attributions[: len(rows)]}
    if not channels:
        arrays = {
            "spectrogram": chosen.images[:, :1],
            "attribution": arrays["attribution"].sum(axis=1, keepdims=True),
        }
    if waveform:
        found = [peaks(file, part, settings) for file, part in zip(chosen.files, chosen.parts, strict=True)]
        arrays["peaks"] = np.stack(found)
    about_data = provenance(data=first.material.dataset.describe(), device=str(where))
    return Record(probe="attribute", params=params, rows=rows, provenance=about_data, arrays=arrays)


def _ways(checkpoint: Checkpoint, methods: Sequence[str], *, baseline: str, block: str | None) -> tuple[Way, ...]:
    model = checkpoint.after()
    try:
        return ways_of(methods, baseline=baseline, block=block, block_names=model.block_names)
    except ParameterError as error:
        raise ParameterError(f"{checkpoint.name}: {error}") from error


def _channel_names(settings: ImageSettings) -> list[str]:
    """Return what the image's channels are: windows, or copies of the one spectrogram."""
    if len(settings.windows_ms) == 3:
        return [f"{window} ms" for window, _ in settings.windows_ms]
    return [f"copy {number}" for number in (1, 2, 3)]


def _tell(row: Mapping[str, Any], *, fixed: bool) -> None:
    missed = f"{row['gap']:.2g} logits" if row["gap_absolute"] else f"{100 * row['gap']:.2g} %"
    _log.warning(
        "%s: from %s the attributions miss their sum by %s%s, with %d steps",
        row["clip"],
        row["baseline"],
        missed,
        "" if fixed else " at best",
        row["n_steps"],
    )
