"""Wilson's interval by its definition: the shares p that a score test at z does not reject.

A slow twin of `tlprobe.numerics.intervals`: |p - share| = z sqrt(p (1 - p) / n), solved by bisection.
"""

import math

Z95 = 1.959963984540054  # 97.5 % quantile of the normal distribution


def wilson(n_correct, n, *, z=Z95):
    """Return (low, high)."""
    share = n_correct / n

    def accepted(p):
        return abs(p - share) <= z * math.sqrt(p * (1 - p) / n)

    return edge(accepted, share, 0.0), edge(accepted, share, 1.0)


def edge(accepted, inside, outside):
    """Return where `accepted` stops to hold between two points."""
    if accepted(outside):
        return outside
    for _ in range(200):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if accepted(middle) else (inside, middle)
    return inside
