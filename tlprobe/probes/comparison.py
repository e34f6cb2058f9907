"""Compare layers of several networks on the same clips, in one pass.

All networks see each batch, in one order. Per pair of layers: the similarity, its delete-one-group
jackknife interval (groups of clips, whole sources), and its null (clips permuted). Everything but null and
Gram side comes from streamed moments, so memory does not grow with the number of clips.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.bars import progress_bar
from tlprobe.data.loader import Standardiser
from tlprobe.errors import ParameterError
from tlprobe.numerics.jackknife import deal_groups
from tlprobe.numerics.moments import Moments
from tlprobe.numerics.seeds import derive_seed
from tlprobe.probes.capture import Capture, Reduce
from tlprobe.probes.estimates import Outcome, Settings, clock, estimate
from tlprobe.probes.pairing import Spot, View, kept_positions, pair_up, require_room_for_moments, share_memory

__all__ = ["Clips", "Network", "compare"]

_BATCH = 64  # clips at most; all of one group


@dataclasses.dataclass(frozen=True)
class Network:
    """A network and how its images are standardised."""

    model: BlockedCNN
    standardise: Standardiser


@dataclasses.dataclass(frozen=True)
class Clips:
    """The clips that all networks see.

    Parameters
    ----------
    images : np.ndarray [shape=(n_all, 3, n_mels, width)]
        Of the whole data set.
    index : np.ndarray of int
        Which of them.
    sources : tuple of str
        Of those: the recording each was cut from.
    """

    images: np.ndarray
    index: np.ndarray
    sources: tuple[str, ...]


def compare(
    networks: Sequence[Network],
    pairs: Sequence[tuple[Spot, Spot]],
    clips: Clips,
    settings: Settings,
    *,
    device: torch.device,
    title: str,
    progress: bool | None = None,
) -> tuple[list[Outcome], dict[str, float]]:
    """Compare pairs of layers.

    Parameters
    ----------
    networks : sequence of Network
        In evaluation mode, on `device`.
    pairs : sequence of (Spot, Spot)
        Which layers.
    clips : Clips
        At least two.
    settings : Settings
    device : torch.device
        Where the networks run and moments are summed.
    title : str
        Of the progress bar.
    progress : bool or None
        None shows a bar on a terminal and in a notebook only.

    Returns
    -------
    outcomes : list of Outcome
        One a pair.
    seconds : dict of str to float
        Spent in ``forward``, ``moments``, ``values``, ``intervals`` and ``nulls``.

    Raises
    ------
    ParameterError
        If there are fewer than two clips, or the rows do not fit into the memory given.
    ResourceError
        If the products do not fit into the machine's.
    """
    if len(clips.index) < 2:
        raise ParameterError(f"{len(clips.index)} clip(s) to compare networks on; need at least 2")
    seconds = dict.fromkeys(("forward", "moments", "values", "intervals", "nulls"), 0.0)
    shapes = _shapes(networks, pairs, clips, device)
    pairings = [
        pair_up(
            x,
            y,
            shapes=(shapes[x], shapes[y]),
            conv=settings.conv,
            n_clips=len(clips.index),
            n_positions=settings.n_positions,
            seed=settings.seed,
        )
        for x, y in pairs
    ]
    room = share_memory(
        pairings, n_clips=len(clips.index), memory=settings.memory, with_null=settings.n_permutations > 0
    )
    require_room_for_moments(pairings, n_groups=settings.n_groups)
    groups = _groups(clips, settings)
    order = np.argsort(groups, kind="stable")
    batches = _batches(groups[order])
    moments = [None if p.by_gram else Moments(p.x.d, p.y.d) for p in pairings]
    rows = {view: np.empty((len(order), n, view.d), np.float32) for view, n in room.items()}
    kept = {view: torch.from_numpy(kept_positions(view, n, seed=settings.seed)) for view, n in room.items()}
    views = list(dict.fromkeys(view for pairing in pairings for view in (pairing.x, pairing.y)))
    bar = progress_bar(batches, show=progress, desc=title)
    for (start, stop), seen in zip(bar, _pass(networks, views, clips, order, batches, device, seconds), strict=True):
        with clock(seconds, "moments"):
            for view, buffer in rows.items():
                buffer[start:stop] = seen[view][:, kept[view].to(device)].cpu().numpy()
            for pairing, sums in zip(pairings, moments, strict=True):
                if sums is not None:
                    sides = (seen[view].flatten(0, 1) for view in (pairing.x, pairing.y))
                    sums.update(*sides, group=int(groups[order[start]]))
    outcomes = []
    for number, pairing in enumerate(progress_bar(pairings, show=progress, desc=f"{title}: values")):
        pair_rows = rows.get(pairing.x), rows.get(pairing.y)
        outcomes.append(estimate(pairing, moments[number], pair_rows, groups[order], settings, seconds))
        moments[number] = None  # room for the next
    return outcomes, seconds


def _groups(clips: Clips, settings: Settings) -> np.ndarray:
    if settings.n_groups < 2:
        return np.zeros(len(clips.index), dtype=int)
    return deal_groups(clips.sources, settings.n_groups, seed=derive_seed(settings.seed, "groups"))


def _batches(groups: np.ndarray) -> list[tuple[int, int]]:
    """Return start and stop of each batch of sorted clips; each lies in one group."""
    cuts = [0, *(np.flatnonzero(np.diff(groups)) + 1).tolist(), len(groups)]
    batches = []
    for first, last in itertools.pairwise(cuts):
        edges = np.linspace(first, last, -(-(last - first) // _BATCH) + 1).astype(int).tolist()
        batches += list(itertools.pairwise(edges))
    return batches


def _shapes(
    networks: Sequence[Network], pairs: Sequence[tuple[Spot, Spot]], clips: Clips, device: torch.device
) -> dict[Spot, tuple[int, int, int]]:
    """Run one clip and see how large each layer's map is."""
    spots = list(dict.fromkeys(spot for pair in pairs for spot in pair))
    shapes = {}
    image = torch.from_numpy(np.array(clips.images[clips.index[:1]])).to(device)
    for number, network in enumerate(networks):
        mine = [spot for spot in spots if spot.network == number]
        with torch.inference_mode(), Capture([s.layer for s in mine], [Reduce("pool")] * len(mine)) as capture:
            network.model(network.standardise(image))
            capture.take()
        shapes.update({spot: capture.shapes[index] for index, spot in enumerate(mine)})
    return shapes


def _pass(
    networks: Sequence[Network],
    views: Sequence[View],
    clips: Clips,
    order: np.ndarray,
    batches: Sequence[tuple[int, int]],
    device: torch.device,
    seconds: dict[str, float],
) -> Iterator[dict[View, torch.Tensor]]:
    """Yield each batch's rows, of all networks."""
    mine = [[view for view in views if view.spot.network == number] for number in range(len(networks))]
    for start, stop in batches:
        images = torch.from_numpy(clips.images[clips.index[order[start:stop]]]).to(device)
        seen: dict[View, torch.Tensor] = {}
        for network, own in zip(networks, mine, strict=True):
            x = network.standardise(images).contiguous(memory_format=torch.channels_last)
            with Capture([v.spot.layer for v in own], [v.reduce for v in own]) as capture:
                with clock(seconds, "forward"), torch.inference_mode():
                    network.model(x)
                    if device.type == "cuda":
                        torch.cuda.synchronize(device)
                seen.update(zip(own, capture.take(), strict=True))
            seconds["forward"] -= capture.seconds
            seconds["moments"] += capture.seconds
        yield seen
