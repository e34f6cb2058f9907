"""An axis of layers: one named place a block where each has one layer, else one place a layer, by block."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from matplotlib.axes import Axes

from tlprobe.plots.style import block_axis, readable, size_in

__all__ = ["Layers", "layer_axis", "layers_of"]

_NAME_PT = 7
_CHARACTER_IN, _LINE_IN = 0.58 * _NAME_PT / 72, 1.2 * _NAME_PT / 72
_EDGE = "0.85"


class Layers(NamedTuple):
    """Where each layer stands.

    Parameters
    ----------
    place : dict of str to int
        Of each layer: 0, 1, ... from input to output.
    blocks : tuple of str
        Of each place.
    are_blocks : bool
        Whether each network has one layer a block: then those of a block share its place.
    """

    place: dict[str, int]
    blocks: tuple[str, ...]
    are_blocks: bool

    def place_of(self, row: Mapping[str, Any]) -> int:
        """Return where the layer of a row stands."""
        return self.place[str(row.get("layer"))]


def layers_of(rows: Sequence[Mapping[str, Any]], params: Mapping[str, Any], *, side: Literal["", "_y"] = "") -> Layers:
    """Return where the layers of some rows stand.

    Parameters
    ----------
    rows : sequence of dict
        With ``run``, ``layer`` and ``block``.
    params : dict
        Of their record: ``layers`` and ``blocks`` give the order; what they do not name comes last.
    side : str
        ``"_y"`` reads ``layer_y`` and ``block_y`` instead.

    Examples
    --------
    >>> rows = [{"run": "r", "layer": f"layer{k}", "block": f"block{k}"} for k in (2, 1)]
    >>> layers_of(rows, {"blocks": ["block1", "block2"]}).place
    {'layer2': 1, 'layer1': 0}
    """
    block_of: dict[str, str] = {}
    of_run: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        layer, block = str(row.get(f"layer{side}")), str(row.get(f"block{side}"))
        block_of.setdefault(layer, block)
        of_run.setdefault((str(row.get("run")), block), set()).add(layer)
    if all(len(layers) == 1 for layers in of_run.values()):
        blocks = _ordered(block_of.values(), params.get("blocks"))
        return Layers({layer: blocks.index(block) for layer, block in block_of.items()}, blocks, are_blocks=True)
    layers = _ordered(block_of, params.get("layers"))
    place = {layer: index for index, layer in enumerate(layers)}
    return Layers(place, tuple(block_of[layer] for layer in layers), are_blocks=False)


def layer_axis(ax: Axes, layers: Layers, *, axis: Literal["x", "y"] = "x") -> None:
    """Make an axis one of layers: blocks named at their places, or in the middle of their layers between lines."""
    if axis == "x" and layers.are_blocks:
        block_axis(ax, layers.blocks, label="block")
        return
    n = len(layers.blocks)
    spans = [(name, len(list(group))) for name, group in itertools.groupby(layers.blocks)]
    starts = [0, *itertools.accumulate(size for _, size in spans)]
    centres = [start + (size - 1) / 2 for start, (_, size) in zip(starts, spans, strict=False)]
    names = [readable(name, limit=16) for name, _ in spans]
    centres_in = [size_in(ax, axis) * centre / n for centre in centres]
    if not layers.are_blocks:
        line = ax.axvline if axis == "x" else ax.axhline
        for start in starts[1:-1]:
            line(start - 0.5, color=_EDGE, linewidth=0.6, zorder=0.5)  # over a heat map, under lines
    if axis == "x":
        ax.set_xticks(centres, _staggered(names, centres_in), fontsize=_NAME_PT)
        ax.set_xlim(-0.5, n - 0.5)
        ax.set_xlabel(f"layer (1\N{EN DASH}{n}), by block")
    else:
        ax.set_yticks(centres, _thinned(names, centres_in), fontsize=_NAME_PT)
        ax.set_ylim(-0.5, n - 0.5)
    if not layers.are_blocks:
        ax.tick_params(axis=axis, length=0, pad=5)  # clear of the first number on the other axis


def _ordered(found: Iterable[str], order: Iterable[str] | None) -> tuple[str, ...]:
    there = dict.fromkeys(found)
    return tuple(dict.fromkeys([*(name for name in map(str, order or ()) if name in there), *there]))


def _staggered(names: Sequence[str], centres_in: Sequence[float]) -> list[str]:
    """Put each name on the first line where it does not touch the one before it there."""
    ends_in: list[float] = []
    labels = []
    for name, centre_in in zip(names, centres_in, strict=True):
        half_in = (len(name) + 1) * _CHARACTER_IN / 2
        line = next((line for line, end_in in enumerate(ends_in) if end_in <= centre_in - half_in), len(ends_in))
        ends_in[line:] = [centre_in + half_in, *ends_in[line + 1 :]]
        labels.append("\n" * line + name)
    return labels


def _thinned(names: Sequence[str], centres_in: Sequence[float]) -> list[str]:
    """Leave out each name that would touch the one under it."""
    top_in = -_LINE_IN
    labels = []
    for name, centre_in in zip(names, centres_in, strict=True):
        fits = centre_in - top_in >= _LINE_IN
        top_in = centre_in if fits else top_in
        labels.append(name if fits else "")
    return labels
