"""LEEP: how well do the answers that a network gives already, about its source classes, tell the new classes?

The network's probabilities of its source classes z are translated by the table P(y | z), counted on the very clips.
LEEP is then the mean log probability of the right class, in nats, at most 0. With many source classes and few clips it
is optimistic, so its value for permuted labels belongs beside it.

Reference: Nguyen et al. 2020, LEEP: A New Measure to Evaluate Transferability, https://arxiv.org/abs/2002.12462.
"""

import numpy as np
import numpy.typing as npt

from tlprobe.errors import ParameterError
from tlprobe.numerics.clip_scores import ClipScore, indicators
from tlprobe.numerics.resampling import Labels

__all__ = ["leep"]

_TOLERANCE = 1e-3  # of the sum of a clip's probabilities


def leep(probabilities: npt.ArrayLike, labels: Labels) -> ClipScore:
    """Return LEEP.

    Parameters
    ----------
    probabilities : array_like [shape=(n_clips, n_source_classes), in [0, 1]]
        The network's, of its source classes; each clip's add up to 1.
    labels : sequence of hashable [shape=(n_clips,)]
        The new classes.

    Returns
    -------
    score : ClipScore
        The contributions are, up to a constant, the derivatives of LEEP with respect to the weights of the clips.

    Raises
    ------
    ParameterError, UndefinedError
        If the probabilities are none, there is not a label a clip, or only one class.

    Examples
    --------
    >>> leep([[1, 0], [1, 0], [0, 1]], ["dog", "dog", "cat"]).value
    0.0
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 2 or not p.size:
        raise ParameterError(f"probabilities of shape {p.shape} given; need (n_clips, n_source_classes)")
    if not (p >= 0).all() or not (abs(p.sum(1) - 1) <= _TOLERANCE).all():  # NaN is neither
        raise ParameterError("probabilities must be 0 or more and add up to 1 for each clip")
    p = p[:, p.any(0)]  # a class that no clip is like says nothing
    _, y = indicators(labels, len(p))  # (n, k)
    mass = p.sum(0)
    table = y.T @ p / mass  # P(y | z), (k, z)
    right = ((y @ table) * p).sum(1)  # (n,)
    pull = y.T @ (p / right[:, None]) / mass  # what a clip gives to the table's entry of its class
    changes = np.log(right) + (p * (y @ pull)).sum(1) - p @ (table * pull).sum(0)
    return ClipScore.of(float(np.log(right).mean()), changes)
