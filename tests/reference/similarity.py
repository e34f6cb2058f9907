"""SVCCA, mean CCA, PWCCA, CKA, debiased CKA and Procrustes straight from the formulas of their papers.

Slow twins of `tlprobe.numerics`: on the raw activations, in one piece, in float64, with explicit decompositions
and n x n kernels.
"""

import numpy as np


def svcca(x, y, *, variance=0.99, rule="squared"):
    """Return (mean correlation, k_x, k_y). Raghu et al. 2017, section 2: an SVD of each side, then CCA."""
    x_kept, y_kept = leading(x, variance, rule), leading(y, variance, rule)
    return correlations(x_kept, y_kept).mean(), x_kept.shape[1], y_kept.shape[1]


def mean_cca(x, y):
    """Return the mean of all min(rank_x, rank_y) canonical correlations."""
    return correlations(all_directions(x), all_directions(y)).mean()


def pwcca(x, y):
    """Return the correlations weighted by x's features. Morcos et al. 2018, section 2.1."""
    u = all_directions(x)
    left, rho, _ = np.linalg.svd(u.T @ all_directions(y), full_matrices=False)
    variates = u @ left  # h_i, orthonormal
    alpha = np.abs(variates.T @ (x - x.mean(0))).sum(1)
    return (alpha / alpha.sum()) @ rho


def cka(x, y):
    """Return linear CKA. Kornblith et al. 2019, eq. 3: HSIC with the centring matrix H."""
    n = len(x)
    h = np.eye(n) - np.ones((n, n)) / n

    def hsic(k, m):
        return np.trace(k @ h @ m @ h) / (n - 1) ** 2

    k, m = x @ x.T, y @ y.T
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


def cka_debiased(x, y):
    """Return CKA made of Song et al. 2012's unbiased HSIC, eq. 5."""
    n, one = len(x), np.ones(len(x))

    def hsic(k, m):
        k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
        middle = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
        return (np.trace(k @ m) + middle - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3))

    k, m = x @ x.T, y @ y.T
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


def procrustes(x, y):
    """Return |Y'X|_* / (|X|_F |Y|_F) of centred activations."""
    x, y = x - x.mean(0), y - y.mean(0)
    return np.linalg.svd(y.T @ x)[1].sum() / (np.linalg.norm(x) * np.linalg.norm(y))


def leading(x, variance, rule):
    """Return the samples in the fewest directions whose (squared) singular values reach `variance` of the sum."""
    u, s, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    weights = s**2 if rule == "squared" else s
    k = 1
    while weights[:k].sum() < variance * weights.sum() * (1 - 1e-12):
        k += 1
    return u[:, : min(k, rank(s, x.shape))]


def all_directions(x):
    """Return the samples in all directions that are no rounding."""
    u, s, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    return u[:, : rank(s, x.shape)]


def rank(s, shape):
    """Return the number of singular values whose squares are above max(n, d) eps of the largest."""
    return int((s**2 > max(shape) * np.finfo(float).eps * s[0] ** 2).sum())


def correlations(u, v):
    """Return the canonical correlations of two orthonormal bases: cosines of their principal angles."""
    return np.linalg.svd(u.T @ v)[1]
