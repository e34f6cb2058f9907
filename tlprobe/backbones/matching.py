"""Do these tensors fit this network? The answer in one line, block by block.

A wrong weight file usually fails in a telling way (one block deeper, one block wider, nothing in
common), so the summary counts missing, unexpected and mis-shaped tensors for each block.
"""

from collections.abc import Iterable, Mapping, Sequence

__all__ = ["match_table", "mismatch_summary"]

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
    problems = _problems(wanted, found, block_of=block_of)
    return "; ".join(f"{block}: {_counts(kinds)}" for block, kinds in problems.items())


def match_table(wanted: Mapping[str, Shape], found: Mapping[str, Shape], *, block_of: Mapping[str, str]) -> str:
    """Return a table of how `found` fits `wanted`, one line a block; arguments as in `mismatch_summary`.

    Examples
    --------
    >>> wanted, block_of = {"a.w": (2,), "b.w": (3,)}, {"a.w": "stem", "b.w": "head"}
    >>> print(match_table(wanted, {"a.w": (2,), "b.x": (1,)}, block_of=block_of))
    block  tensors  matched  missing  unexpected  mis-shaped
    stem         1        1        0           0           0
    head         1        0        1           1           0  b.w missing
    """
    problems = _problems(wanted, found, block_of=block_of)
    blocks = [block for block in dict.fromkeys(block_of.values()) if any(block_of[name] == block for name in wanted)]
    blocks += [block for block in problems if block not in blocks]
    width = max(len("block"), *map(len, blocks))
    lines = [f"{'block':{width}}  tensors  matched  missing  unexpected  mis-shaped"]
    for block in blocks:
        kinds = problems.get(block, {})
        n = sum(block_of[name] == block for name in wanted)
        missing, unexpected, shaped = (len(kinds.get(kind, ())) for kind in _KINDS)
        example = next((f"  {names[0]} {kind}" for kind, names in kinds.items()), "")
        counts = f"{n:9d}{n - missing - shaped:9d}{missing:9d}{unexpected:12d}{shaped:12d}"
        lines.append(f"{block:{width}}{counts}{example}")
    return "\n".join(lines)


_KINDS = ("missing", "unexpected", "mis-shaped")


def _problems(
    wanted: Mapping[str, Shape], found: Mapping[str, Shape], *, block_of: Mapping[str, str]
) -> dict[str, dict[str, list[str]]]:
    """Return block -> kind -> texts, in the order of the blocks and of `_KINDS`."""
    prefixes = _prefixes(block_of)
    noted: dict[tuple[str, str], list[str]] = {}
    for name in wanted:
        if name not in found:
            noted.setdefault((block_of[name], "missing"), []).append(name)
    for name, shape in sorted(found.items()):
        if name not in wanted:
            noted.setdefault((_nearest_block(name, prefixes), "unexpected"), []).append(name)
        elif shape != wanted[name]:
            text = f"{name} {shape} instead of {wanted[name]}"
            noted.setdefault((block_of[name], "mis-shaped"), []).append(text)
    order = [*dict.fromkeys(block_of.values()), "other"]
    return {
        block: {kind: noted[block, kind] for kind in _KINDS if (block, kind) in noted}
        for block in order
        if any((block, kind) in noted for kind in _KINDS)
    }


def _counts(kinds: Mapping[str, Sequence[str]]) -> str:
    parts = []
    for kind, names in kinds.items():
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
