"""One seed, many independent streams.

Every draw in tlprobe comes from a generator seeded by (seed, purpose, ...), for example
``derive_seed(0, "order", epoch)``. There is no random state to save: a resumed job makes the draws
of the job that was killed.
"""

import hashlib

__all__ = ["derive_seed"]


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Return the seed of one purpose's own stream.

    Parameters
    ----------
    seed : int
        The user's seed.
    *purpose : str or int
        What the stream is for, and which part of it: ``"order", epoch``.

    Returns
    -------
    stream_seed : int in [0, 2**63)

    Examples
    --------
    >>> derive_seed(0, "head") == derive_seed(0, "head")
    True
    >>> derive_seed(0, "head") == derive_seed(1, "head")
    False
    """
    text = "\x1f".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
