"""Distances of two stored states, block by block, straight from their definitions.

A slow twin of `tlprobe.probes.weight_distance`: on the files' tensors by their original names, with two
long vectors a block, and no network in sight.
"""

import numpy as np

STATISTICS = ("running_mean", "running_var")


def distances(before, after, *, block_of, eps):
    """Return block -> distances of two states (name -> array); `block_of` is name -> block."""
    found = {}
    for block in dict.fromkeys(block_of[name] for name in before if name in block_of):
        names = [name for name in before if block_of.get(name) == block and not name.endswith("num_batches_tracked")]
        weights = [name for name in names if before[name].ndim >= 2]
        norm_weights = [name for name in names if before[name].ndim == 1 and not name.endswith(STATISTICS)]
        (w, a), (v, b) = (
            [np.concatenate([state[n].ravel() for n in part]).astype(np.float64) for part in (weights, norm_weights)]
            for state in (before, after)
        )
        (mean, var), (new_mean, new_var) = (
            [np.concatenate([state[n] for n in names if n.endswith(part)]).astype(np.float64) for part in STATISTICS]
            for state in (before, after)
        )
        log_ratio = np.log(np.sqrt(new_var + eps)) - np.log(np.sqrt(var + eps))
        found[block] = {
            "relative_l2": np.linalg.norm(v - w) / np.linalg.norm(w),
            "cosine": np.dot(w, v) / (np.linalg.norm(w) * np.linalg.norm(v)),
            "norm_relative_l2": np.linalg.norm(b - a) / np.linalg.norm(a),
            "bn_mean_shift": np.sqrt(np.mean(((new_mean - mean) / np.sqrt(var + eps)) ** 2)),
            "bn_log_std_shift": np.sqrt(np.mean(log_ratio**2)),
            "n_weights": len(w),
            "n_norm_weights": len(a),
            "n_bn_channels": len(mean),
        }
    return found
