"""The linear probe: what can be read off features by one linear layer, in closed form.

Ridge regression of the classes' indicators on standardised features, with an intercept; the class of the highest value
is the answer. The penalty is the one with the least squared error on recordings that were left out, each in turn. The
fits without them follow from the fit with all of them, by one small system of equations a recording: PRESS, by groups.

References: Alain & Bengio 2016, https://arxiv.org/abs/1610.01644 (linear probes); Allen 1974, The relationship
between variable selection and data augmentation and a method for prediction, Technometrics 16 (PRESS).
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from tlprobe.errors import ParameterError
from tlprobe.numerics.activations import FloatArray
from tlprobe.numerics.clip_scores import as_features, decompose, indicators
from tlprobe.numerics.resampling import Labels, codes_of

__all__ = ["PENALTIES", "Fitted", "RidgeProbe"]

PENALTIES = tuple(float(value) for value in np.logspace(-4, 3, 15))
"""To choose from, per clip: a standardised feature has variance 1."""
_CONSTANT = 1e-6  # a standard deviation below this share of the largest value is rounding


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A linear probe.

    Parameters
    ----------
    penalty : float, one of `PENALTIES`
        Chosen.
    classes : np.ndarray [shape=(k,), int64]
        That it knows.
    weights : np.ndarray [shape=(n_features, k)]
        Of standardised features.
    intercept : np.ndarray [shape=(k,)]
    mean, scale : np.ndarray [shape=(n_features,)]
        Of the training clips' features.
    """

    penalty: float
    classes: npt.NDArray[np.int64]
    weights: FloatArray
    intercept: FloatArray
    mean: FloatArray
    scale: FloatArray

    def predict(self, features: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return the class of each clip, ``(n_clips,)``, from features ``(n_clips, n_features)``."""
        x = (np.asarray(features, dtype=np.float64) - self.mean) / self.scale
        return np.asarray(self.classes[(x @ self.weights + self.intercept).argmax(1)])


class RidgeProbe:
    """Linear probes on some features, for labels of any number of kinds: the decomposition is made once.

    Parameters
    ----------
    features : array_like [shape=(n_clips, n_features)]
        Of the training clips.
    groups : sequence of hashable [shape=(n_clips,)]
        The source recording of each; at least two.

    Raises
    ------
    ParameterError, UndefinedError
        If the features are no such array, not finite, or all constant, or there is one recording.
    """

    def __init__(self, features: npt.ArrayLike, groups: Labels) -> None:
        x = as_features(features)
        self._n = len(x)
        names, codes = codes_of(groups, self._n, "group")
        if len(names) < 2:
            raise ParameterError(f"{self._n} clips of {len(names)} recording(s); need at least 2 to leave one out")
        self._mean, scale = x.mean(0), x.std(0)
        self._scale = np.where(scale > _CONSTANT * abs(x).max(0), scale, np.inf)  # a constant feature becomes 0
        self._u, self._s, self._vt = decompose((x - self._mean) / self._scale)
        self._members = _by_size(codes)

    def fit(self, labels: npt.NDArray[np.int64]) -> Fitted:
        """Return the probe of labels ``(n_clips,)``, with the penalty that serves recordings left out best.

        Raises
        ------
        ParameterError, UndefinedError
            If there is not a label a clip, or only one class.
        """
        classes, y = indicators(labels, self._n)  # y: (n, k)
        intercept = y.mean(0)
        z = self._u.T @ (y - intercept)  # (rank, k)
        errors = [self._left_out_error(y - intercept, z, penalty) for penalty in PENALTIES]
        penalty = PENALTIES[int(np.argmin(errors))]
        weights = self._vt.T @ ((self._s / (self._s**2 + self._n * penalty))[:, None] * z)
        return Fitted(penalty, np.array(classes), weights, intercept, self._mean, self._scale)

    def left_out_error(self, labels: npt.NDArray[np.int64], penalty: float) -> float:
        """Return the mean squared error of the indicators, each recording predicted from all others."""
        _, y = indicators(labels, self._n)
        centred = y - y.mean(0)
        return self._left_out_error(centred, self._u.T @ centred, penalty)

    def _left_out_error(self, centred: FloatArray, z: FloatArray, penalty: float) -> float:
        kept = self._s**2 / (self._s**2 + self._n * penalty)
        residual = centred - self._u @ (kept[:, None] * z)
        total = 0.0
        for members in self._members:
            if members.shape[1] == 1:
                free = 1 - 1 / self._n - self._u[members[:, 0]] ** 2 @ kept
                left_out = residual[members[:, 0]] / free[:, None]
            else:
                rows = self._u[members]  # (recordings, size, rank)
                hat = (rows * kept) @ rows.swapaxes(1, 2) + 1 / self._n
                left_out = np.asarray(np.linalg.solve(np.eye(members.shape[1]) - hat, residual[members]))
            total += float((left_out**2).sum())
        return total / centred.size


def _by_size(codes: npt.NDArray[np.intp]) -> list[npt.NDArray[np.intp]]:
    """Return the clips of the recordings of each size, ``(recordings, size)``."""
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    starts = np.cumsum(sizes) - sizes
    return [order[starts[sizes == size][:, None] + np.arange(size)] for size in np.unique(sizes)]
