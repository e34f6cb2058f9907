"""Likelihood, calibration error and disagreement by their definitions, clip by clip and bin by bin.

A slow twin of `tlprobe.numerics.calibration`.
"""

import math


def negative_log_likelihood(probabilities, labels):
    """-1/n sum ln p_i[y_i]; a probability below 2^-149 counts as that."""
    return sum(-math.log(max(row[true], 2.0**-149)) for row, true in zip(probabilities, labels, strict=True)) / len(
        labels
    )


def calibration_error(probabilities, labels, *, n_bins):
    """sum_m |B_m|/n |acc(B_m) - conf(B_m)|, B_m of confidences in ((m-1)/M, m/M]: Guo et al. 2017, eq. 3."""
    total = 0.0
    for m in range(1, n_bins + 1):
        members = [
            (max(row), list(row).index(max(row)) == true)
            for row, true in zip(probabilities, labels, strict=True)
            if (m - 1) / n_bins < max(row) <= m / n_bins
        ]
        if members:
            confidence = sum(value for value, _ in members) / len(members)
            accuracy = sum(right for _, right in members) / len(members)
            total += len(members) / len(labels) * abs(accuracy - confidence)
    return total


def disagreement(predicted):
    """Of each clip, the share of ordered pairs of different members that name it differently; mean over clips."""
    n_members, n = len(predicted), len(predicted[0])
    total = 0.0
    for i in range(n):
        different = sum(predicted[a][i] != predicted[b][i] for a in range(n_members) for b in range(n_members))
        total += different / (n_members * (n_members - 1))
    return total / n
