"""Ways to explain: a method, with the baseline or the block that it needs, and what it says of some clips."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from tlprobe.errors import ParameterError
from tlprobe.probes.attribution.baselines import BASELINES, names_of
from tlprobe.probes.attribution.methods import METHODS, attribute_by
from tlprobe.probes.attribution.path import completeness_gap, integrated_gradients, logits_of

__all__ = ["ALL", "INTEGRATED_GRADIENTS", "Way", "explain", "require_fitting", "ways_of"]

ALL = "all"
INTEGRATED_GRADIENTS = "integrated-gradients"

_FROM_A_BASELINE = (INTEGRATED_GRADIENTS, "deeplift", "occlusion")
_OF_A_BLOCK = "grad-cam"
_OF_COMPLETE_METHODS = ("logit_baseline", "gap", "gap_absolute", "reached", "n_steps")


class Way(NamedTuple):
    """How clips are explained.

    Parameters
    ----------
    method : str
        `INTEGRATED_GRADIENTS`, or one of `tlprobe.probes.attribution.methods.METHODS`.
    baseline : str or None
        Of methods that compare with one, see `tlprobe.probes.attribution.baselines`.
    block : str or None
        Of ``grad-cam``.
    """

    method: str
    baseline: str | None = None
    block: str | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Way":
        """Return the way that a row of a record was made in."""
        return cls(row["method"], row["baseline"], row["block"])

    @property
    def text(self) -> str:
        """The way in words, for notes."""
        parts = (self.method, self.block and f"at {self.block}", self.baseline and f"from {self.baseline}")
        return " ".join(filter(None, parts))


def require_fitting(methods: Sequence[str], *, baseline: str, n_steps: int | None) -> None:
    """Refuse names that are wrong, and options that none of the methods has.

    Raises
    ------
    ParameterError
        As `ways_of`; or if a baseline or a number of steps would be ignored.
    """
    ways = ways_of(methods, baseline=baseline, block=None, block_names=("any",))
    named = ", ".join(dict.fromkeys(way.method for way in ways))
    if baseline != BASELINES[0] and not any(way.baseline for way in ways):
        raise ParameterError(f"baseline={baseline!r} is of {', '.join(_FROM_A_BASELINE)}; the method is {named}")
    if n_steps is not None and all(way.method != INTEGRATED_GRADIENTS for way in ways):
        raise ParameterError(f"n_steps={n_steps} is of {INTEGRATED_GRADIENTS} alone; the method is {named}")


def ways_of(methods: Sequence[str], *, baseline: str, block: str | None, block_names: Sequence[str]) -> tuple[Way, ...]:
    """Return the ways that some names stand for.

    Parameters
    ----------
    methods : sequence of str
        Names of methods; ``"all"`` for each.
    baseline : str
        Of the methods that have one; ``"all"`` for each.
    block : str or None
        Of ``grad-cam``; None for each of the network's.
    block_names : sequence of str
        The network's.

    Raises
    ------
    ParameterError
        If there is no such method, baseline or block, or the block is of none of the methods.
    """
    known = (INTEGRATED_GRADIENTS, *METHODS)
    wanted = list(dict.fromkeys(name for given in methods for name in (known if given == ALL else (given,))))
    if unknown := [name for name in wanted if name not in known]:
        raise ParameterError(f"method={unknown[0]!r}; choose from {', '.join(known)}, {ALL}")
    if block is not None and _OF_A_BLOCK not in wanted:
        raise ParameterError(f"block={block!r} is of {_OF_A_BLOCK} alone; the method is {', '.join(wanted)}")
    if block is not None and block not in block_names:
        raise ParameterError(f"block={block!r} is no block of the network; choose from {', '.join(block_names)}")
    baselines = names_of(baseline)
    ways: list[Way] = []
    for name in wanted:
        if name in _FROM_A_BASELINE:
            ways += [Way(name, baseline=one) for one in baselines]
        elif name == _OF_A_BLOCK:
            ways += [Way(name, block=one) for one in (block_names if block is None else (block,))]
        else:
            ways.append(Way(name))
    return tuple(ways)


def explain(
    way: Way,
    model: nn.Module,
    x: torch.Tensor,
    *,
    baselines: torch.Tensor | None,
    columns: Sequence[int],
    tolerance: float,
    n_steps: int | None,
    batch: int,
    seed: int,
    on_clip: Callable[[], object],
) -> tuple[npt.NDArray[np.float32], list[dict[str, Any]]]:
    """Explain some clips in one way.

    Parameters
    ----------
    way : Way
    model, x, columns, tolerance, n_steps, batch, on_clip
        As `tlprobe.probes.attribution.path.integrated_gradients` takes them; tolerance and steps are of it alone.
    baselines : torch.Tensor [shape=(k, 1 or n, 3, n_mels, width)] or None
        Of a way with one; the result is the mean over the k.
    seed : int
        Of a method's own draws.

    Returns
    -------
    attributions : np.ndarray [shape=(n, 3, n_mels, width), float32]
        In the units of the method.
    about : list of dict
        Of each clip ``logit``; of complete methods (Integrated Gradients, DeepLift) ``logit_baseline``, ``gap`` and
        ``gap_absolute``, of the former also ``n_steps`` and ``reached``; None where a method has no such thing.

    Raises
    ------
    ParameterError
        If the method is wrong for this network.
    CheckpointError
        If the network's answer is not finite.
    """
    about: list[dict[str, Any]]
    if way.method == INTEGRATED_GRADIENTS:
        assert baselines is not None  # it always has one
        found = integrated_gradients(
            model,
            x,
            baselines=baselines,
            columns=columns,
            tolerance=tolerance,
            n_steps=n_steps,
            batch=batch,
            on_clip=on_clip,
        )
        about = [
            {
                "logit": float(found.logit[i]),
                "logit_baseline": float(found.logit_baseline[i]),
                "gap": float(found.gap[i]),
                "gap_absolute": bool(found.gap_absolute[i]),
                "reached": bool(found.gap[i] <= tolerance),
                "n_steps": int(found.n_steps[i]),
            }
            for i in range(len(x))
        ]
        return found.attributions, about
    starts = torch.zeros_like(x[None, :1]) if baselines is None else baselines
    total = torch.zeros(x.shape)
    for start in starts:
        part = attribute_by(
            way.method, model, x, baseline=start, columns=columns, batch=batch, seed=seed, block=way.block
        )
        total += part / len(starts)
    attributions = total.numpy()
    own = torch.as_tensor(columns, device=x.device)[:, None]
    logit = logits_of(model, x, batch=batch).gather(1, own)[:, 0].double().tolist()
    about = [{"logit": value, **dict.fromkeys(_OF_COMPLETE_METHODS)} for value in logit]
    for _ in about:
        on_clip()
    if way.method == "deeplift":
        at_start = torch.zeros(len(x), dtype=torch.float64)
        for start in starts:
            at_start += logits_of(model, start, batch=batch).expand(len(x), -1).gather(1, own)[:, 0].double().cpu()
        for i, row in enumerate(about):
            row["logit_baseline"] = float(at_start[i]) / len(starts)
            missed = completeness_gap(
                float(attributions[i].sum(dtype=np.float64)), row["logit"] - row["logit_baseline"]
            )
            row["gap"], row["gap_absolute"] = missed
    return attributions, about
