"""SVCCA straight from Raghu et al. 2017, section 2: an SVD of each side, then CCA by whitening.

A slow twin of `tlprobe.numerics.similarity`: on the raw activations, in one piece, with explicit SVDs.
"""

import numpy as np


def svcca(x, y, *, variance=0.99):
    """Return (mean correlation, k_x, k_y) of activations (n, d_x) and (n, d_y)."""
    x_kept = leading(x - x.mean(0), variance)
    y_kept = leading(y - y.mean(0), variance)
    # CCA of two sets: the singular values of (X'X)^-1/2 X'Y (Y'Y)^-1/2.
    whitened = inverse_root(x_kept.T @ x_kept) @ x_kept.T @ y_kept @ inverse_root(y_kept.T @ y_kept)
    correlations = np.linalg.svd(whitened)[1]
    return correlations.mean(), x_kept.shape[1], y_kept.shape[1]


def leading(x, variance):
    """Project centred x onto the fewest directions whose squared singular values reach `variance`."""
    _, s, directions = np.linalg.svd(x, full_matrices=False)
    s = s[s > 1e-7 * s[0]]
    k = 1
    while (s[:k] ** 2).sum() < variance * (s**2).sum() * (1 - 1e-12):
        k += 1
    return x @ directions[:k].T


def inverse_root(symmetric):
    """Return A^-1/2 of a positive definite A."""
    values, vectors = np.linalg.eigh(symmetric)
    return vectors @ np.diag(values**-0.5) @ vectors.T
