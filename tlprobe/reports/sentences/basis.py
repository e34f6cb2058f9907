"""What the answers rest on: attributions, the sounds they keep, and whether such maps are any good."""

import math
import statistics

from tlprobe.plots.style import number
from tlprobe.records import Record
from tlprobe.reports.sentences.sentence import Row, Sentence, rows_of
from tlprobe.reports.words import count, effect_of, joined, plain, share

__all__ = ["attributions", "faithful", "forgetful", "heard"]

# Measure -> which sign of a difference is good, the words, and those of the two outcomes.
_BETTER = {
    "insertion": (1, "Putting the most important patches in first, the answer comes back", "sooner", "later"),
    "deletion": (-1, "Taking the most important patches out first, the answer goes", "sooner", "later"),
}
_NULLS = {"energy": "loudness alone", "edges": "edges of the spectrogram", "random": "a random order"}


def faithful(record: Record) -> list[Sentence]:
    """Say whether attributions beat rankings that know nothing of the network, of a ``faithfulness`` record."""
    found: dict[tuple[str, str, int], list[str]] = {}
    for row in record.rows:
        measure, null, effect = str(row.get("measure")), _NULLS.get(str(row.get("ranking"))), effect_of(row)
        if measure in _BETTER and null and effect.is_known:
            verdict = effect.sign * _BETTER[measure][0]
            n = number(row.get("n"))
            clips = f" over {count(int(n), 'clip')}" if math.isfinite(n) else ""
            found.setdefault((measure, clips, verdict), []).append(f"{null} ({effect.raw()})")
    said = []
    for (measure, clips, verdict), nulls in found.items():
        _, words, sooner, later = _BETTER[measure]
        against = f"{joined(nulls, limit=200)}{clips} (differences of the area under the curve)"
        if verdict > 0:
            text = f"{words} {sooner} with integrated gradients than with {against}: the attributions do better."
        elif verdict < 0:
            text = f"{words} {later} with integrated gradients than with {against}: the attributions do worse."
        else:
            text = (
                f"{words} no differently with integrated gradients than with {against}: no difference could be shown."
            )
        said.append(Sentence("basis", text))
    areas = {(str(row.get("measure")), str(row.get("ranking"))): number(row.get("mean")) for row in record.rows}
    pairs = [tuple(areas.get((m, r), math.nan) for m in _BETTER) for r in ("integrated gradients, absolute", "energy")]
    if said and all(math.isfinite(area) for pair in pairs for area in pair):
        own, loud = (f"{insertion:.3f} putting in and {deletion:.3f} taking out" for insertion, deletion in pairs)
        text = (
            f"Ranked by their size, whatever their sign, the attributions have areas of {own}, loudness alone {loud}; "
        )
        said.append(Sentence("basis", f"{text}these two were not compared clip by clip."))
    return said


def forgetful(record: Record) -> list[Sentence]:
    """Say whether a map changes when the network forgets, of a ``faithfulness`` record."""
    rows = [row for row in rows_of(record, measure="randomisation") if math.isfinite(number(row.get("mean")))]
    if not rows:
        return []
    head, most = rows[0], rows[-1]
    text = (
        f"When the network forgets its {plain(head.get('ranking'))}, the map keeps a rank correlation of {_mean(head)} "
    )
    text += "with itself"
    if most is not head:
        text += f", when it forgets all back to {plain(most.get('ranking'))}, {_mean(most)}"
    low = number(most.get("low"))
    if low > 0:
        text += ": more than 0, so a part of the map does not depend on what was learnt"
    elif low <= 0:
        text += ": no rest that does not depend on what was learnt could be shown"
    return [Sentence("basis", f"{text}.")]


def attributions(record: Record) -> list[Sentence]:
    """Say how complete the attributions are, and how much lies where no sound explains it."""
    rows = [row for row in record.rows if math.isfinite(number(row.get("gap"))) and not row.get("gap_absolute")]
    said = []
    if rows:
        gaps = [number(row.get("gap")) for row in rows]
        tolerance = number(record.params.get("tolerance"))
        text = f"The attributions of {count(len(rows), 'map')} add up to the change of the logit within "
        text += f"{100 * max(gaps):.2g} % at worst"
        if math.isfinite(tolerance):
            n_over = sum(value > tolerance for value in gaps)
            text += (
                f"; {n_over or 'none'} of them miss{'es' if n_over == 1 else ''} the tolerance of {100 * tolerance:g} %"
            )
        said.append(Sentence("basis", f"{text}."))
    hz = number(record.params.get("above_hz"))
    above = f"above {hz:g} Hz" if hz > 0 else "above the frequency that was asked about"
    for name, words in (("padding", "on padding"), ("above", above)):
        shares = [number(row.get(f"on_{name}")) for row in record.rows]
        areas = [number(row.get(f"on_{name}_area")) for row in record.rows]
        both = [(a, b) for a, b in zip(shares, areas, strict=True) if math.isfinite(a) and b > 0]
        if both:
            mean, area = (statistics.fmean(values) for values in zip(*both, strict=True))
            text = f"On average {share(mean)} of the attribution lies {words}, on {share(area)} of the image, over "
            said.append(Sentence("basis", f"{text}{count(len(both), 'map')}."))
    return said


def heard(record: Record) -> list[Sentence]:
    """Say whether the network still names what an attribution keeps of a clip, and what it removes."""
    rows = [row for row in record.rows if _all_known(row, "kept_probability", "removed_probability")]
    if not rows:
        return []
    kept, removed = (
        statistics.fmean(number(row.get(f"{what}_probability")) for row in rows) for what in ("kept", "removed")
    )
    n_more = sum(number(row.get("kept_probability")) > number(row.get("removed_probability")) for row in rows)
    text = (
        f"Of what the attribution keeps of a clip, the explained class gets a probability of {kept:.2f} on average, of "
    )
    text += (
        f"what it removes {removed:.2f}; it is the kept sound that gets more in {n_more} of {count(len(rows), 'clip')}"
    )
    return [Sentence("basis", f"{text}.")]


def _mean(row: Row) -> str:
    ends = f" [{number(row.get('low')):.2f} to {number(row.get('high')):.2f}]"
    return f"{number(row.get('mean')):.2f}{ends if _all_known(row, 'low', 'high') else ''}"


def _all_known(row: Row, *names: str) -> bool:
    return all(math.isfinite(number(row.get(name))) for name in names)
