"""LogME, H-score, LEEP and left-out errors of ridge regression straight from the formulas of their papers.

Slow twins of `tlprobe.numerics`: explicit covariances, inverses, loops over classes and clips, nothing shared.
"""

import numpy as np
from scipy import optimize


def one_hot(labels):
    return np.array([[float(label == name) for name in sorted(set(labels))] for label in labels])


def log_evidence(f, y, alpha, beta):
    """Return log p(y | F). You et al. 2021, section 4."""
    n, d = f.shape
    a = alpha * np.eye(d) + beta * f.T @ f
    m = beta * np.linalg.solve(a, f.T @ y)
    fit = beta / 2 * np.sum((f @ m - y) ** 2) + alpha / 2 * m @ m
    log_det = np.linalg.slogdet(a)[1]
    return n / 2 * np.log(beta) + d / 2 * np.log(alpha) - n / 2 * np.log(2 * np.pi) - fit - log_det / 2


def logme_by_iteration(f, labels, *, n_steps=2000):
    """Return LogME. You et al. 2021, Algorithm 1: alpha and beta in turn, from 1."""
    values = []
    for y in one_hot(labels).T:
        alpha = beta = 1.0
        for _ in range(n_steps):
            powers = np.linalg.eigvalsh(f.T @ f)
            m = beta * np.linalg.solve(alpha * np.eye(f.shape[1]) + beta * f.T @ f, f.T @ y)
            gamma = np.sum(beta * powers / (alpha + beta * powers))
            alpha, beta = gamma / (m @ m), (len(f) - gamma) / np.sum((f @ m - y) ** 2)
        values.append(log_evidence(f, y, alpha, beta) / len(f))
    return np.mean(values)


def logme_by_search(f, labels):
    """Return LogME as the best of a search over log alpha and log beta, from several places."""
    values = []
    for y in one_hot(labels).T:

        def loss(at, y=y):
            return -log_evidence(f, y, *np.exp(np.clip(at, -30, 30)))

        starts = [(a, b) for a in (-2, 2, 6) for b in (0, 3)]
        options = {"xatol": 1e-8, "fatol": 1e-10, "maxiter": 4000}
        found = [optimize.minimize(loss, at, method="Nelder-Mead", options=options) for at in starts]
        values.append(-min(one.fun for one in found) / len(f))
    return np.mean(values)


def ledoit_wolf(f):
    """Return shrinkage and shrunk covariance. Ledoit & Wolf 2004, with clips one by one."""
    n, d = f.shape
    x = f - f.mean(0)
    s = x.T @ x / n
    target = np.trace(s) / d * np.eye(d)
    spread = np.sum((s - target) ** 2)
    noise = sum(np.sum((np.outer(row, row) - s) ** 2) for row in x) / n**2
    shrinkage = min(noise, spread) / spread
    return shrinkage, shrinkage * target + (1 - shrinkage) * s


def h_score(f, labels, *, shrinkage=None):
    """Return tr(cov_a(f)^-1 (1 - a) cov(E[f | y])). Ibrahim et al. 2021; of a = 0, Bao et al. 2019."""
    a, covariance = ledoit_wolf(f)
    if shrinkage is not None:
        a, covariance = shrinkage, np.cov(f.T, bias=True).reshape(f.shape[1], -1)
    labels = np.asarray(labels)
    means = np.array([f[labels == label].mean(0) for label in labels])
    return np.trace(np.linalg.pinv(covariance) @ ((1 - a) * np.cov(means.T, bias=True).reshape(covariance.shape)))


def leep(p, labels):
    """Return LEEP. Nguyen et al. 2020: the joint table, the conditional one, the mean log of what is expected."""
    names = sorted(set(labels))
    joint = np.zeros((len(names), p.shape[1]))
    for row, label in zip(p, labels, strict=True):
        joint[names.index(label)] += row / len(p)
    given = joint / joint.sum(0)
    return np.mean([np.log(given[names.index(label)] @ row) for row, label in zip(p, labels, strict=True)])


def left_out_error(f, labels, groups, penalty):
    """Return the mean squared error of ridge regression fitted without each group; scale and mean are those of all."""
    x, y, groups = (f - f.mean(0)) / f.std(0), one_hot(labels), np.asarray(groups)
    errors = []
    for group in sorted(set(groups)):
        out = groups == group
        x_in, y_in = x[~out], y[~out]
        bordered = np.column_stack([np.ones(len(x_in)), x_in])  # an intercept that is not penalised
        ridge = len(x) * penalty * np.diag([0.0] + [1.0] * x.shape[1])
        w = np.linalg.solve(bordered.T @ bordered + ridge, bordered.T @ y_in)
        errors.append((y[out] - np.column_stack([np.ones(out.sum()), x[out]]) @ w) ** 2)
    return np.concatenate(errors).mean()
