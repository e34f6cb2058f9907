"""Faithfulness: is an attribution any good, and does it say more than "look where it is loud"?

Integrated Gradients from silence are compared, clip by clip, with their absolute values (where the network looks,
whether it speaks for the class or against it) and with rankings that know nothing of the network: energy, edges of the
spectrogram, chance. Measures: insertion and deletion curves over patches, infidelity in its scale-free form, and beyond
the number of patches gone; whether the channels agree; sensitivity, agreement between baselines, and whether the map
changes when the network forgets. See `tlprobe.probes.attribution` for each of them and its source.
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tlprobe.audio.image import silence_image
from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.backbones.registry import build
from tlprobe.bars import progress_bar
from tlprobe.errors import ParameterError
from tlprobe.numerics.resampling import mean_with_interval, paired_difference
from tlprobe.numerics.seeds import derive_seed
from tlprobe.probes.attribution.baselines import BASELINES, baselines_of
from tlprobe.probes.attribution.choose import Chosen, choose
from tlprobe.probes.attribution.curves import N_POINTS, area, insertion_and_deletion
from tlprobe.probes.attribution.fidelity import changes, sensitivity, unexplained, unexplained_beyond_number
from tlprobe.probes.attribution.memory import batch_within
from tlprobe.probes.attribution.nulls import NULLS, null_maps, rank_correlations
from tlprobe.probes.attribution.patches import patch_sums
from tlprobe.probes.attribution.path import Explained, integrated_gradients, logits_of
from tlprobe.probes.attribution.randomise import forgetting
from tlprobe.probes.attribution.shortcuts import sounding_columns
from tlprobe.records import Record, provenance
from tlprobe.train.checkpoint import Checkpoint, FileOptions, open_checkpoint
from tlprobe.train.device import resolve_device, set_up_for_speed
from tlprobe.train.run import Run

__all__ = ["IG", "IG_ABSOLUTE", "MEASURES", "faithfulness"]

IG = "integrated gradients"
IG_ABSOLUTE = "integrated gradients, absolute"
MEASURES = ("insertion", "deletion", "infidelity", "infidelity beyond number")
"""Of each ranking; the first is large where it is good, the others are small."""

_TOLERANCE = 0.01  # completeness gap that a clip's steps are to reach
_MAX_STEPS = 128  # a clip that needs more is kept as it is, and counted
_CHECK_STEPS = 32  # at most, of the many maps that a clip's own is compared with
_N_CHANGES = 100  # random removals, for the infidelity of a clip
_N_MOVES = 2  # small changes of a clip, for its sensitivity
_RADIUS = 0.02  # of them, in standard deviations of the network's input


def faithfulness(
    ckpt: Path | str | Run,
    *,
    n_clips: int = 50,
    rule: str = "typical",
    n_steps: int | None = None,
    checks: bool = True,
    memory_gb: float | None = None,
    seed: int = 0,
    data: Path | str | None = None,
    options: FileOptions | None = None,
    device: str = "auto",
    progress: bool | None = None,
) -> Record:
    """Measure how faithful Integrated Gradients are, and how faithful rankings are that know no network.

    Parameters
    ----------
    ckpt : path or Run
        A run directory, or a weight file with `options`.
    n_clips : int >= 2
        Held-out clips, of two sources at least.
    rule : str
        Which, see `tlprobe.probes.attribution.choose`.
    n_steps : int > 0, optional
        Of each path. Default: what a completeness gap of 1 % needs, at most 128. ``params["steps"]`` and ``["gaps"]``
        tell each clip's, ``["n_not_reached"]`` how many clips stay above 1 %.
    checks : bool
        Also sensitivity, agreement between baselines and the randomisation check, which take most of the time.
    memory_gb, seed, data, options, device, progress
        As in `tlprobe.probes.attribute.attribute`.

    Returns
    -------
    record : Record
        Rows of several kinds. ``measure`` one of `MEASURES`, all in [0, 1]: one a ``ranking``, with the ``mean`` over
        clips, its 95 % bootstrap interval over source recordings ``low``, ``high``, ``n``, and the paired
        ``difference`` of Integrated Gradients to the ranking with interval and ``p_value`` (sign flips by recording).
        ``measure`` rank correlation: of the absolute map with energy and edges, and of energy with edges, value by
        value, over columns that are more than digital silence, as all rank correlations here; ``channels``: of the
        absolute maps of two channels, where these have windows of their own. With `checks`: ``sensitivity``, with each
        clip's own number of steps; ``agreement``, the rank correlation of the map with that from another baseline;
        ``randomisation``, with that of the network that has forgotten its head, ..., its stem. These other maps have 32
        steps, or `n_steps` if that is less, and so an error of their own.
        Arrays ``insertion`` and ``deletion`` ``(n_rankings, n_clips, N_POINTS)``, with ``params["rankings"]``.

    Raises
    ------
    CheckpointError, DataError, ParameterError, ResourceError
        If the checkpoint or an argument cannot be used, or one image does not fit into the memory.

    Examples
    --------
    >>> import tlprobe
    >>> record = tlprobe.faithfulness("runs/full", n_clips=2, n_steps=8, checks=False)
    >>> [row["measure"] for row in record.rows if row.get("ranking") == "integrated gradients"]
    ['insertion', 'deletion', 'infidelity', 'infidelity beyond number']
    >>> record.arrays["deletion"].shape[1]  # clips
    2
    """
    if n_clips < 2 or (n_steps is not None and n_steps < 1):
        raise ParameterError(f"n_clips={n_clips}, n_steps={n_steps}; at least 2 and 1 are needed")
    where = resolve_device(device)
    checkpoint = open_checkpoint(ckpt, data=data, options=options, progress=progress)
    chosen = choose(checkpoint, n_clips=n_clips, rule=rule, seed=seed, device=where)
    if len(set(chosen.groups)) < 2:
        raise ParameterError(f"the clips of fold {checkpoint.fold} by rule {rule} are of one source; two are needed")
    model = set_up_for_speed(checkpoint.after(), device=where).requires_grad_(False)
    random = _random_twin(checkpoint, seed=seed).to(where) if checks else None
    x = checkpoint.standardise(torch.from_numpy(chosen.images)).to(where)
    batch = batch_within(model, x[:1], limit_gb=memory_gb)
    columns = logits_of(model, x, batch=batch).argmax(dim=1).tolist()
    start = baselines_of("silence", chosen.images, checkpoint=checkpoint).to(where)

    def explain(
        network: Any, images: torch.Tensor, of: Sequence[int], begin: torch.Tensor = start, steps: int | None = n_steps
    ) -> Explained:
        limits: dict[str, Any] = {"tolerance": _TOLERANCE, "n_steps": steps, "max_steps": _MAX_STEPS, "batch": batch}
        return integrated_gradients(network, images, baselines=begin, columns=of, **limits)

    bar = _bar(progress)
    found = _one_by_one(x, columns, functools.partial(explain, model), bar("integrated gradients"))
    maps = _maps(chosen, checkpoint, found.attributions, seed=seed)
    arrays, values = _rankings(model, x, start[0, 0], maps, columns, chosen, batch=batch, seed=seed, bar=bar)
    rows = _compared(values, chosen.groups)
    shown = {"attribution": maps[IG_ABSOLUTE], "energy": maps["energy"], "edges": maps["edges"]}
    settings = checkpoint.material.settings
    heard = [sounding_columns(image, settings) for image in chosen.images]
    rows += _correlated("rank correlation", shown, heard, chosen.groups)
    windows = [f"{window} ms" for window, _ in settings.windows_ms]
    channels = np.abs(found.attributions).swapaxes(0, 1)
    of_window = dict(zip(windows, channels, strict=False))  # with one window, the other two channels are its copies
    rows += _correlated("channels", of_window, heard, chosen.groups)
    if random is not None:
        rows += _checks(
            checkpoint, model, random, x, columns, chosen, found, heard, explain=explain, seed=seed, bar=bar
        )
    params = {
        "run": checkpoint.name,
        "backbone": checkpoint.backbone,
        "init": checkpoint.init,
        "fold": checkpoint.fold,
        "epochs": checkpoint.epochs,
        "n_steps": n_steps,
        "max_steps": _MAX_STEPS,
        "tolerance": _TOLERANCE,
        "n_changes": _N_CHANGES,
        "sensitivity": {"radius": _RADIUS, "n": _N_MOVES},
        "target": "predicted",
        "gaps": found.gap.tolist(),
        "steps": found.n_steps.tolist(),
        "n_not_reached": int((found.gap > _TOLERANCE).sum()),
        "clips": chosen.names,
        "labels": chosen.labels,
        "groups": chosen.groups,
        "chosen": chosen.why,
        "rankings": list(maps),
        "shares": np.linspace(0, 1, N_POINTS).tolist(),
        "seed": seed,
        "image": settings.model_dump(mode="json"),
    }
    about = provenance(data=checkpoint.material.dataset.describe(), device=str(where))
    return Record("faithfulness", params, rows, about, arrays)


def _random_twin(checkpoint: Checkpoint, *, seed: int) -> BlockedCNN:
    """Return a network of random weights that is built, and cut, as the checkpoint's."""
    return build(
        checkpoint.backbone,
        n_classes=len(checkpoint.classes),
        seed=seed + 1,
        image_shape=checkpoint.material.image_shape,
        cut_after=checkpoint.after().cut_after,
    )


_Bar = Callable[[str], Callable[[Iterable[Any]], Iterable[Any]]]


def _bar(progress: bool | None) -> _Bar:
    return lambda what: lambda items: progress_bar(items, show=progress, desc=what)


def _one_by_one(
    x: torch.Tensor,
    columns: Sequence[int],
    explain: Callable[[torch.Tensor, Sequence[int]], Explained],
    shown: Callable[[Iterable[Any]], Iterable[Any]],
) -> Explained:
    """Return the attributions of some clips, made a few at a time."""
    parts = [explain(x[part], [columns[i] for i in part]) for part in shown(_parts(len(x)))]
    return Explained(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _parts(n: int) -> list[npt.NDArray[np.int64]]:
    return np.array_split(np.arange(n), -(-n // 8))


def _maps(
    chosen: Chosen, checkpoint: Checkpoint, found: npt.NDArray[np.float32], *, seed: int
) -> dict[str, npt.NDArray[np.float64]]:
    """Return what ranks the patches: a map (n, n_mels, width) each."""
    silence = silence_image(checkpoint.material.settings)
    nulls = null_maps(chosen.images, silence, names=chosen.names, seed=seed)
    signed = found.sum(axis=1, dtype=np.float64)
    return {IG: signed, IG_ABSOLUTE: np.abs(signed), **{name: nulls[name] for name in NULLS}}


def _rankings(
    model: torch.nn.Module,
    x: torch.Tensor,
    baseline: torch.Tensor,
    maps: Mapping[str, npt.NDArray[np.float64]],
    columns: Sequence[int],
    chosen: Chosen,
    *,
    batch: int,
    seed: int,
    bar: _Bar,
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, dict[str, list[float]]]]:
    """Return the curves of each ranking and clip, and each measure by ranking."""
    scores = {name: patch_sums(values) for name, values in maps.items()}
    curves = np.zeros((2, len(maps), len(x), N_POINTS))
    values: dict[str, dict[str, list[float]]] = {measure: {name: [] for name in maps} for measure in MEASURES}
    for i in bar("insertion and deletion")(range(len(x))):
        rng = np.random.default_rng(derive_seed(seed, "removals", chosen.names[i]))
        gone, lost = changes(model, x[i], baseline, column=columns[i], n=_N_CHANGES, rng=rng, batch=batch)
        for number, name in enumerate(maps):
            both = insertion_and_deletion(model, x[i], baseline, scores=scores[name][i], column=columns[i], batch=batch)
            curves[:, number, i] = both
            values["insertion"][name].append(area(both[0]))
            values["deletion"][name].append(area(both[1]))
            values["infidelity"][name].append(unexplained(scores[name][i], gone, lost))
            beyond = unexplained_beyond_number(scores[name][i], gone, lost)
            values["infidelity beyond number"][name].append(beyond)
    arrays = {"insertion": curves[0].astype(np.float32), "deletion": curves[1].astype(np.float32)}
    return arrays, values


def _compared(values: Mapping[str, Mapping[str, list[float]]], groups: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for measure, by_ranking in values.items():
        for name, series in by_ranking.items():
            row = _row(measure, name, series, groups)
            if name != IG:
                found = paired_difference(by_ranking[IG], series, groups)
                row |= {"difference": found.estimate, "difference_low": found.low, "difference_high": found.high}
                row |= {"p_value": found.p_value}
            rows.append(row)
    return rows


def _correlated(
    measure: str, maps: Mapping[str, npt.NDArray[Any]], heard: Sequence[npt.NDArray[np.bool_]], groups: Sequence[str]
) -> list[dict[str, Any]]:
    """Return a row for each two kinds of maps: their rank correlation, clip by clip."""
    return [
        _row(measure, f"{a} and {b}", rank_correlations(first, second, heard), groups)
        for (a, first), (b, second) in itertools.combinations(maps.items(), 2)
    ]


def _row(measure: str, ranking: str, series: Sequence[float], groups: Sequence[str]) -> dict[str, Any]:
    return {
        "measure": measure,
        "ranking": ranking,
        **mean_with_interval(series, groups),
        **dict.fromkeys(("difference", "difference_low", "difference_high", "p_value")),
    }


def _checks(
    checkpoint: Checkpoint,
    model: Any,
    random: BlockedCNN,
    x: torch.Tensor,
    columns: Sequence[int],
    chosen: Chosen,
    found: Explained,
    heard: Sequence[npt.NDArray[np.bool_]],
    *,
    explain: Callable[..., Explained],
    seed: int,
    bar: _Bar,
) -> list[dict[str, Any]]:
    """Return the rows of sensitivity, agreement between baselines, and randomisation."""
    moved = []
    for i in bar("sensitivity")(range(len(x))):

        def map_of(image: torch.Tensor, i: int = i) -> npt.NDArray[np.float32]:
            own = int(found.n_steps[i])  # other steps would have another error, which is no sensitivity
            return explain(model, image, [columns[i]], steps=own).attributions

        drawn = derive_seed(seed, "moves", chosen.names[i]) % 2**63
        moved.append(sensitivity(map_of, x[i], found.attributions[i], radius=_RADIUS, n=_N_MOVES, seed=drawn))
    rows = [_row("sensitivity", IG, moved, chosen.groups)]
    short = functools.partial(explain, steps=min(_CHECK_STEPS, int(found.n_steps.min())))
    sizes = np.abs(found.attributions.sum(axis=1, dtype=np.float64))

    def agreement(other: npt.NDArray[np.float32]) -> list[float]:
        return rank_correlations(sizes, np.abs(other.sum(axis=1, dtype=np.float64)), heard)

    for name in BASELINES[1:]:
        starts = baselines_of(name, chosen.images, checkpoint=checkpoint, seed=seed).to(x.device)
        parts = []
        for part in bar(f"from {name}")(_parts(len(x))):
            begin = starts if starts.shape[1] == 1 else starts[:, part]
            parts.append(short(model, x[part], [columns[i] for i in part], begin).attributions)
        rows.append(_row("agreement", f"silence and {name}", agreement(np.concatenate(parts)), chosen.groups))
    for name, network in forgetting(model, random):
        other = _one_by_one(x, columns, functools.partial(short, network), bar(f"random: {name}"))
        rows.append(_row("randomisation", name, agreement(other.attributions), chosen.groups))
    return rows
