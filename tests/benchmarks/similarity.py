"""What does `tlprobe.similarity` cost beyond the arithmetic that nobody can avoid?

Limit: centre, X'X, X'Y, Y'Y in float32, two symmetric eigenproblems and one singular value decomposition
with both sets of vectors, of size d in float64 (LAPACK's divide and conquer). Ours: SVCCA, PWCCA, CKA and
debiased CKA from float32 activations. Both on one thread, in turns, in one process; the best of `--repeat`.
Memory: peak of what NumPy and SciPy allocate, beyond the inputs, in d x d doubles.

    python tests/benchmarks/similarity.py
"""

import argparse
import os
import sys
import time
import tracemalloc

import numpy as np
import scipy.linalg

from tlprobe.numerics.rows import BLOCK_ROWS
from tlprobe.numerics.similarity import similarity

SHAPES = ((20_000, 112), (20_000, 320), (5_000, 1280), (2_000, 1920))
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
TARGET_TIME, TARGET_MEMORY = 1.5, 6.0


def activations(n, d, *, kind, seed=0):
    """Return two related sets; of "steep" ones the variances fall by 1e5, of "dead" ones some features are constant."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, d))
    x = shared + rng.normal(size=(n, d))
    y = shared @ rng.normal(size=(d, d)) / np.sqrt(d) + rng.normal(size=(n, d))
    if kind == "steep":
        fall = np.geomspace(1, 10**-2.5, d)
        x, y = x * fall, y * fall
    if kind == "dead":
        x[:, 5], y[:, [0, 7]] = 1.5, 0
    return (x + 3).astype(np.float32), (y - 1).astype(np.float32)


def limit(x, y):
    """Do the arithmetic that nobody can avoid."""
    x = x - x.mean(0)
    y = y - y.mean(0)
    xx, xy, yy = x.T @ x, x.T @ y, y.T @ y
    for product in (xx, yy):
        scipy.linalg.eigh(product.astype(np.float64).T, driver="evd", overwrite_a=True, check_finite=False)
    scipy.linalg.svd(xy.astype(np.float64).T, lapack_driver="gesdd", overwrite_a=True, check_finite=False)


def seconds(call, *arguments):
    """Return how long a call takes."""
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


def peak_doubles(x, y):
    """Return the peak of allocations beyond the inputs, less one batch of both sides, in d x d doubles."""
    tracemalloc.start()
    similarity(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    d = x.shape[1]
    batch = 2 * min(BLOCK_ROWS, len(x)) * d * x.itemsize
    return (peak - batch) / (8 * d * d)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    repeat = parser.parse_args().repeat
    print(
        f"{'n x d':>12} {'data':>6} {'limit s':>8} {'ours s':>8} {'ratio':>6} (at most {TARGET_TIME})   "
        f"memory in d x d doubles (at most {TARGET_MEMORY:g})"
    )
    for n, d in SHAPES:
        for kind in ("flat", "dead", "steep"):
            x, y = activations(n, d, kind=kind)
            limits, ours = [], []
            for _ in range(repeat):
                limits.append(seconds(limit, x, y))
                ours.append(seconds(similarity, x, y))
            ratio = min(ours) / min(limits)
            print(
                f"{f'{n} x {d}':>12} {kind:>6} {min(limits):8.3f} {min(ours):8.3f} {ratio:6.2f} {'':18}"
                f"{peak_doubles(x, y):.1f}",
                flush=True,
            )


if __name__ == "__main__":
    if any(os.environ.get(name) != "1" for name in THREADS):  # libraries read them when they are loaded
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **dict.fromkeys(THREADS, "1")})
    main()
