"""Weight change: how much did training change what each block says?

Outputs of a layer in two networks, on the same clips: before against after fine-tuning, one run against
another, every layer against every other, or each kept epoch against the end. By default every position of the
map is a sample and the channels are the features (Raghu et al. 2017, section 3: channels, since a convolution
treats all positions alike). Each similarity stands beside its null: the same networks shown *different*
clips, position by position. What the null reaches is shared by all clips (frequency profile, borders) or
chance (n against d), not learned about a clip.
Reference: Palanisamy et al. 2020, https://arxiv.org/abs/2007.11154, Fig. 2a; Raghu et al. 2019 (Transfusion),
https://arxiv.org/abs/1902.07208, section 4, for two random initialisations as the baseline.
"""

import dataclasses
import logging
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from tlprobe.errors import ParameterError
from tlprobe.numerics.canonical import Rule
from tlprobe.numerics.similarity import check_choices, measure_names
from tlprobe.probes.capture import CONV, Conv
from tlprobe.probes.comparison import compare
from tlprobe.probes.estimates import Outcome, Settings
from tlprobe.probes.matchings import SPLITS, Split, clips_of, matchings, mode_of
from tlprobe.records import Record, provenance
from tlprobe.train.checkpoint import FileOptions, open_checkpoints
from tlprobe.train.device import resolve_device
from tlprobe.train.run import Run

__all__ = ["svcca"]

_log = logging.getLogger(__name__)

_MIN_PERMUTATIONS = 20


def svcca(
    ckpt: Sequence[Path | str | Run] | Path | str | Run,
    *,
    against: Path | str | Run | None = None,
    grid: bool = False,
    over_training: bool = False,
    baseline: Literal["random-pair"] | None = None,
    measures: str | Iterable[str] = "svcca",
    layers: str | Sequence[str] = "blocks",
    conv: Conv | Sequence[Conv] = "positions",
    variance: float = 0.99,
    rule: Rule = "squared",
    split: Split = "held-out",
    n_clips: int | None = None,
    n_positions: int | None = None,
    n_groups: int = 10,
    n_permutations: int = 20,
    memory_gib: float = 2.0,
    data: Path | str | None = None,
    options: FileOptions | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: bool | None = None,
) -> Record:
    """Compare layers of fine-tuned networks before and after fine-tuning, or with another run's.

    Parameters
    ----------
    ckpt : path or Run, or several
        Run directories, or a weight file with `options`.
    against : path or Run, optional
        Compare with this run's network, on the same clips, instead of with the start of training.
    grid : bool
        Every layer against every other.
    over_training : bool
        Each kept epoch, and the start, against the end (``tlprobe fit --keep-epochs``).
    baseline : {"random-pair"}, optional
        Add the similarity of two random initialisations of the same network.
    measures : str or iterable of str
        Of ``svcca, mean_cca, pwcca, cka, cka_debiased, procrustes``; ``"all"`` for every one.
    layers : str or sequence of str
        ``"blocks"``, ``"all"`` convolutions and dense layers of the blocks, or names: see
        `tlprobe.probes.capture.find_layers`.
    conv : {"positions", "pool", "flatten"}, or several
        What is a sample: every position of the map, the clip by its mean over positions, or the clip by its
        whole map. Maps of unequal size are pooled to the smaller one.
    variance : float in (0, 1]
        Share of the variance that SVCCA's directions explain.
    rule : {"squared", "sum"}
        Of what that is a share: squared singular values, or plain ones.
    split : {"held-out", "train", "all"}
        Which clips.
    n_clips : int >= 2, optional
        Draw so many of them.
    n_positions : int > 0, optional
        Draw so many positions of each map, the same in all clips.
    n_groups : int, 0 or >= 2
        Groups of clips of the jackknife interval; clips of one source stay together. 0: no intervals.
    n_permutations : int, 0 or >= 20
        Of clips, for the null. 0: no null.
    memory_gib : float > 0
        For the rows that null and Gram side keep of all layers; working on one pair takes a few copies of its own.
    data : path, optional
        The data set, where it has moved.
    options : FileOptions, optional
        What a bare weight file does not say.
    seed : int
        Of the draws of clips, positions, groups and permutations.
    device : {"auto", "cpu", "cuda"}
        Where.
    progress : bool or None
        None shows bars on a terminal and in a notebook only.

    Returns
    -------
    record : Record
        One row a run, treatment of maps, pair of layers and measure: ``value`` in [0, 1] (None where it is not
        defined) with its 95 % interval ``ci_low, ci_high`` over clips; ``null`` (mean over permutations) with its
        95 % band ``null_low, null_high``, where the next permutation would lie; ``corrected``, that is (value - null)
        / (1 - null); ``n`` samples, ``n_null`` of the null, ``n_clips``, ``n_groups`` of the jackknife, ``d_x, d_y``
        features, ``k_x, k_y`` directions kept and ``rule`` (of SVCCA alone); ``warnings``.

    Raises
    ------
    CheckpointError, DataError, ParameterError
        If a checkpoint or its data cannot be used, or the choices do not go together.

    Examples
    --------
    >>> import tlprobe
    >>> record = tlprobe.svcca("runs/full", conv="pool", n_permutations=0)
    >>> [row["block"] for row in record.rows]
    ['stem', 'block1', 'block2', 'block3', 'block4']
    >>> all(0 <= row["value"] <= 1 for row in record.rows)
    True
    """
    mode = mode_of(against=against is not None, grid=grid, over_training=over_training, baseline=baseline)
    treatments = list(dict.fromkeys([conv] if isinstance(conv, str) else conv))
    settings = Settings(
        measures=measure_names(measures),
        variance=variance,
        rule=rule,
        conv="positions",
        n_positions=n_positions,
        n_groups=n_groups,
        n_permutations=n_permutations,
        memory=int(memory_gib * 2**30) if math.isfinite(memory_gib) else 0,
        seed=seed,
    )
    _check(settings, treatments, split=split, n_clips=n_clips, memory_gib=memory_gib)
    where = resolve_device(device)
    paths = [ckpt] if isinstance(ckpt, str | Path | Run) else list(ckpt)
    opened = open_checkpoints([*paths, *([against] if against is not None else [])], data=data, options=options)
    checkpoints, other = (opened[:-1], opened[-1]) if against is not None else (opened, None)
    rows: list[dict[str, Any]] = []
    seconds: Counter[str] = Counter()
    for matching in matchings(
        checkpoints, other, mode=mode, baseline=baseline, layers=layers, split=split, seed=seed, device=where
    ):
        clips = clips_of(matching.checkpoint, split=split, n_clips=n_clips, seed=seed)
        for treatment in treatments:
            outcomes, spent = compare(
                matching.networks,
                matching.pairs,
                clips,
                dataclasses.replace(settings, conv=treatment),
                device=where,
                title=f"svcca {matching.labels['run']}",
                progress=progress,
            )
            seconds.update(spent)
            for outcome, epoch in zip(outcomes, matching.epochs, strict=True):
                rows += _rows(outcome, {**matching.labels, "epoch": epoch}, settings, n_clips=len(clips.index))
    _tell(rows)
    params = {
        "mode": mode,
        "runs": [checkpoint.name for checkpoint in checkpoints],
        "against": None if other is None else other.name,
        "backbones": [checkpoint.backbone for checkpoint in checkpoints],
        "folds": [checkpoint.fold for checkpoint in checkpoints],
        "epochs": [checkpoint.epochs for checkpoint in checkpoints],
        "blocks": list(dict.fromkeys(row["block"] for row in rows)),
        "layers": list(dict.fromkeys(row["layer"] for row in rows)),
        "measures": list(settings.measures),
        "conv": treatments,
        "variance": variance,
        "rule": rule,
        "split": split,
        "n_positions": n_positions,
        "baseline": baseline,
        "null": "clips permuted",
        "n_permutations": n_permutations,
        "n_groups": n_groups,
        "memory_gib": memory_gib,
        "seed": seed,
    }
    about = provenance(
        data=checkpoints[0].material.dataset.describe(),
        device=str(where),
        n_threads=torch.get_num_threads(),
        seconds={name: round(spent, 2) for name, spent in seconds.items()},
    )
    return Record(probe="svcca", params=params, rows=rows, provenance=about)


def _check(
    settings: Settings, treatments: Sequence[str], *, split: str, n_clips: int | None, memory_gib: float
) -> None:
    """Refuse what cannot be, before anything is opened."""
    check_choices(variance=settings.variance, rule=settings.rule)
    for treatment in treatments:
        if treatment not in CONV:
            raise ParameterError(f"conv={treatment!r}; choose from {', '.join(CONV)}")
    if not treatments:
        raise ParameterError(f"conv is empty; choose from {', '.join(CONV)}")
    if split not in SPLITS:
        raise ParameterError(f"split={split!r}; choose from {', '.join(SPLITS)}")
    least = {"n_clips": (n_clips, 2), "n_positions": (settings.n_positions, 1)}
    for name, (value, low) in least.items():
        if value is not None and value < low:
            raise ParameterError(f"{name}={value}; need at least {low}")
    if settings.n_groups < 0 or settings.n_groups == 1:
        raise ParameterError(f"n_groups={settings.n_groups}; need 0 (no intervals) or at least 2")
    if settings.n_permutations and settings.n_permutations < _MIN_PERMUTATIONS:
        raise ParameterError(
            f"n_permutations={settings.n_permutations}; need 0 (no null) or at least {_MIN_PERMUTATIONS}"
        )
    if settings.memory <= 0:
        raise ParameterError(f"memory_gib={memory_gib:g}; need a finite number of GiB above 0")
    if settings.n_positions is not None and "positions" not in treatments:
        raise ParameterError(f"n_positions={settings.n_positions} is of conv positions alone; it would be ignored")


def _rows(outcome: Outcome, labels: dict[str, Any], settings: Settings, *, n_clips: int) -> list[dict[str, Any]]:
    pairing = outcome.pairing
    return [
        {
            **labels,
            "block": pairing.x.spot.layer.block,
            "layer": pairing.x.spot.layer.name,
            "block_y": pairing.y.spot.layer.block,
            "layer_y": pairing.y.spot.layer.name,
            "measure": name,
            "value": estimate.value,
            "ci_low": estimate.ci_low,
            "ci_high": estimate.ci_high,
            "null": estimate.null,
            "null_low": estimate.null_low,
            "null_high": estimate.null_high,
            "n_permutations": settings.n_permutations if estimate.null is not None else 0,
            "n_null": outcome.n_null if estimate.null is not None else 0,
            "n_groups": outcome.n_groups if estimate.ci_low is not None else 0,
            "corrected": estimate.corrected,
            "n": outcome.n,
            "n_clips": n_clips,
            "d_x": pairing.x.d,
            "d_y": pairing.y.d,
            "k_x": outcome.k_x if name == "svcca" else None,
            "k_y": outcome.k_y if name == "svcca" else None,
            "conv": pairing.conv,
            "rule": settings.rule if name == "svcca" else None,
            "warnings": "; ".join(outcome.warnings),
        }
        for name, estimate in outcome.estimates.items()
    ]


def _tell(rows: Sequence[dict[str, Any]]) -> None:
    """Say once a run how many of its comparisons have warnings, and the last layer's: of those the deepest has most."""
    of_run: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        of_run.setdefault(row["run"], []).append(row)
    for run, own in of_run.items():
        warned = [row for row in own if row["warnings"]]
        if warned:
            layer, other, conv, said = (warned[-1][name] for name in ("layer", "layer_y", "conv", "warnings"))
            pair = layer if layer == other else f"{layer} and {other}"
            counts = f"{len(warned)} of {len(own)} comparisons have warnings"
            _log.info("%s: %s, see the record; of %s (%s): %s", run, counts, pair, conv, said)
