"""How long does an interval over recordings take?

2000 clips of 1,200 recordings, scored by 20 runs of four folds' worth each, as a fifth of the clips is held out at a
time: 10,000 resamples of all runs at once, beside a plain loop over resamples that gathers each run's clips anew
(timed on fewer resamples, and scaled). Target: under a second.

    python tests/benchmarks/resampling.py
"""

import argparse
import time

import numpy as np

from tlprobe.numerics.resampling import cluster_bootstrap

N_CLIPS, N_GROUPS, N_RUNS = 2000, 1200, 20


def plain(values: np.ndarray, groups: np.ndarray, *, n_resamples: int) -> np.ndarray:
    """Resample by gathering clips."""
    rng = np.random.default_rng(0)
    members = [np.flatnonzero(groups == group) for group in range(N_GROUPS)]
    means = []
    for _ in range(n_resamples):
        clips = np.concatenate([members[group] for group in rng.integers(N_GROUPS, size=N_GROUPS)])
        means.append(np.nanmean(values[:, clips], axis=1))
    return np.quantile(means, [0.025, 0.975], axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--plain-resamples", type=int, default=200)
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    groups = np.concatenate([np.arange(N_GROUPS), rng.integers(0, N_GROUPS, N_CLIPS - N_GROUPS)])
    values = (rng.random((N_RUNS, N_CLIPS)) < 0.8).astype(float)
    for run in range(N_RUNS):
        values[run, np.arange(N_CLIPS) % 5 != run % 5] = np.nan
    began = time.perf_counter()
    cluster_bootstrap(values, groups, n_resamples=asked.resamples)
    ours = time.perf_counter() - began
    began = time.perf_counter()
    plain(values, groups, n_resamples=asked.plain_resamples)
    theirs = (time.perf_counter() - began) * asked.resamples / asked.plain_resamples
    print(f"{asked.resamples} resamples of {N_CLIPS} clips x {N_RUNS} runs: {ours:.2f} s")
    print(f"a plain loop: {theirs:.2f} s, {theirs / ours:.1f} times as long")


if __name__ == "__main__":
    main()
