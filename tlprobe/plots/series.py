"""Which rows of a record make one series: networks of one initialisation, backbone and number of epochs.

Networks are averaged with their like only, and a legend says no more than what tells them apart.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from tlprobe.plots.style import BASELINE, RANDOM_PAIR, Look, init_label, init_look, readable, series_look

__all__ = ["Series", "series_of"]


class Series(NamedTuple):
    """Rows of one kind of network, with their look and their name in a legend."""

    label: str
    look: Look
    rows: list[dict[str, Any]]


def series_of(rows: Sequence[dict[str, Any]]) -> list[Series]:
    """Return the rows by kind of network, in order of appearance, two untrained networks last.

    Parameters
    ----------
    rows : sequence of dict
        With ``init``, ``backbone`` and ``epochs``.

    Returns
    -------
    series : list of Series
        An initialisation keeps its look of all figures, unless several kinds share it. Of two untrained
        networks, and of weight files, no epochs are named.

    Examples
    --------
    >>> rows = [{"init": "imagenet", "backbone": "resnet50", "epochs": n} for n in (4, 10)]
    >>> [series.label for series in series_of(rows)]
    ['ImageNet init, 4 epochs', 'ImageNet init, 10 epochs']
    """
    kinds: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        kinds.setdefault(_kind(row), []).append(row)
    kinds = dict(sorted(kinds.items(), key=lambda item: item[0][0] == RANDOM_PAIR))
    inits, backbones, epochs = (list(dict.fromkeys(kind[k] for kind in kinds)) for k in range(3))
    several_epochs = len(set(epochs) - {""}) > 1
    found = []
    for index, ((init, backbone, n_epochs), own) in enumerate(kinds.items()):
        look = init_look(init, others=inits) if len(inits) == len(kinds) else series_look(index)
        if init == RANDOM_PAIR:
            look = look._replace(color=BASELINE)
        parts = [init_label(init)]
        parts += [readable(backbone, limit=22)] * (len(backbones) > 1)
        parts += [f"{n_epochs} epochs"] * (several_epochs and n_epochs != "")
        found.append(Series(", ".join(parts), look, own))
    return found


def _kind(row: dict[str, Any]) -> tuple[str, ...]:
    epochs = None if row.get("init") == RANDOM_PAIR else row.get("epochs")
    return str(row.get("init")), str(row.get("backbone")), "" if epochs is None else str(epochs)
