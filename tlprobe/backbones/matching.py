"""Do these tensors fit this network? The answer in one line, block by block.

A wrong weight file usually fails in a telling way (one block deeper, one block wider, nothing in
common), so the summary counts missing, unexpected and mis-shaped tensors for each block.
"""

from collections.abc import Iterable, Mapping, Sequence

__all__ = ["mismatch_summary"]

Shape = tuple[int, ...]


def mismatch_summary(wanted: Mapping[str, Shape], found: Mapping[str, Shape], *, block_of: Mapping[str, str]) -> str:
    """Return what keeps `found` from being `wanted`, or an empty text if nothing does.

    Parameters
    ----------
    wanted, found : mapping of str to tuple of int
        Tensor name -> shape.
    block_of : mapping of str to str
        Tensor name -> block, for every name the network knows, in the order of the blocks. An
        unexpected name is counted to the block it shares its longest dotted prefix with.

    Returns
    -------
    summary : str
        For example ``stem: 1 mis-shaped (conv1.weight (64, 3, 7, 7) instead of (32, 3, 3, 3))``.

    Examples
    --------
    >>> mismatch_summary({"a.w": (2,)}, {"a.w": (3,), "a.b": (2,)}, block_of={"a.w": "stem"})
    'stem: 1 unexpected (a.b), 1 mis-shaped (a.w (3,) instead of (2,))'
    """
    prefixes = _prefixes(block_of)
    problems: dict[str, dict[str, list[str]]] = {}

    def note(block: str, kind: str, text: str) -> None:
        problems.setdefault(block, {}).setdefault(kind, []).append(text)

    for name in wanted:
        if name not in found:
            note(block_of[name], "missing", name)
    for name, shape in sorted(found.items()):
        if name not in wanted:
            note(_nearest_block(name, prefixes), "unexpected", name)
        elif shape != wanted[name]:
            note(block_of[name], "mis-shaped", f"{name} {shape} instead of {wanted[name]}")
    order = [*dict.fromkeys(block_of.values()), "other"]
    return "; ".join(f"{block}: {_counts(problems[block])}" for block in order if block in problems)


def _counts(kinds: Mapping[str, Sequence[str]]) -> str:
    parts = []
    for kind in ("missing", "unexpected", "mis-shaped"):
        names = kinds.get(kind, ())
        if names:
            more = ", ..." if len(names) > 1 else ""
            parts.append(f"{len(names)} {kind} ({names[0]}{more})")
    return ", ".join(parts)


def _prefixes(block_of: Mapping[str, str]) -> dict[str, str | None]:
    """Dotted prefix -> its block, or None where several blocks share it."""
    prefixes: dict[str, str | None] = {}
    for name, block in block_of.items():
        for prefix in _dotted_prefixes(name):
            if prefixes.setdefault(prefix, block) != block:
                prefixes[prefix] = None
    return prefixes


def _nearest_block(name: str, prefixes: Mapping[str, str | None]) -> str:
    for prefix in _dotted_prefixes(name):
        if prefix in prefixes:
            return prefixes[prefix] or "other"
    return "other"


def _dotted_prefixes(name: str) -> Iterable[str]:
    """Yield the prefixes of a dotted name, longest first, without the name itself."""
    while "." in name:
        name = name.rpartition(".")[0]
        yield name
