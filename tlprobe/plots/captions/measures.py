"""Captions of what is no accuracy: similarities, weights, data, scores, and maps of what an answer rests on."""

import math
from collections.abc import Mapping, Sequence

from tlprobe.display import count, share
from tlprobe.plots.attribute_ways import way_text
from tlprobe.plots.captions.phrases import estimate, listed, named, percent_of, spread
from tlprobe.plots.captions.said import INTERVALS, Row, Said, apart, basis_of, each_of
from tlprobe.plots.series import series_of
from tlprobe.plots.similarity import measure_name, note, treatments
from tlprobe.plots.style import number, scope, values
from tlprobe.plots.transferability import SCORES
from tlprobe.records import Record

__all__ = ["data_set", "faithfulness", "maps", "scores", "similarity", "weights"]

_MEASURES = {"positions": "every position a sample", "pool": "pooled", "flatten": "flattened"}


def similarity(record: Record) -> Said:
    """Say the similarities of ``svcca``: by block where they are few, else their range."""
    field = "corrected" if record.params.get("mode") == "grid" and values(record.rows, "corrected").size else "value"
    rows = [row for row in record.rows if math.isfinite(number(row.get(field)))]
    measures = named(measure_name(str(name)) for name in dict.fromkeys(row.get("measure") for row in rows))
    mode = record.params.get("mode")
    of = {
        "grid": "of every two layers",
        "training": "of each layer to its final state, over the epochs",
        "change": "of each layer before and after fine-tuning",
        "against": "of each layer in two trainings",
    }.get(str(mode), "")
    parts = []
    for series in series_of(rows):
        for label, own in apart(series.rows, ["measure", "conv"] if mode in ("change", "against") else ["measure"]):
            name = f"{series.label}, {label}".rstrip(", ")
            parts.append(f"{name}: {_similarities(own, field, each=mode in ('change', 'against'))}")
    samples = "" if len(treatments(record)) != 1 else _MEASURES.get(treatments(record)[0], "")
    nulls = "dotted: the same with clips permuted" if mode != "grid" and values(rows, "null").size else ""
    basis = ", ".join(filter(None, [note(record, rows), samples, nulls]))
    above = " above that of permuted clips" if field == "corrected" else ""
    shows = f"Similarity{above} ({measures or 'none'}) {of}".rstrip()
    backbones = named(row.get("backbone") for row in rows)
    return Said(
        shows,
        "; ".join(parts),
        ", ".join(filter(None, [backbones, basis])),
        f"{INTERVALS} over clips",
        has_bars=mode != "grid" and bool(values(rows, "ci_low").size),
    )


def weights(record: Record) -> Said:
    """Say how far the weights of each block moved."""
    rows = [row for row in record.rows if row.get("epoch") is None and math.isfinite(number(row.get("relative_l2")))]
    parts = [
        f"{series.label}: "
        + listed(
            f"{named([block])} {spread([number(row['relative_l2']) for row in series.rows if row['block'] == block])}"
            for block in dict.fromkeys(row["block"] for row in series.rows)
        )
        for series in series_of(rows)
    ]
    shows = "How far the convolution weights of each block moved in training, relative to their length at the start"
    basis = ", ".join(filter(None, [named(row.get("backbone") for row in rows), scope(rows)]))
    return Said(shows, "; ".join(parts), f"{basis}; no intervals, points are trainings".lstrip("; "))


def data_set(record: Record) -> Said:
    """Say how large a data set is, and what is drawn of it."""
    params = record.params
    n, n_classes, n_groups = (number(params.get(name)) for name in ("n", "n_classes", "n_groups"))
    parts = [f"{n:.0f} clips" if n > 0 else "", f"{n_classes:.0f} classes" if n_classes > 0 else ""]
    parts.append(f"{n_groups:.0f} source recordings" if n_groups > 0 else "")
    folds = params.get("folds")
    parts.append(count(len(folds), "fold") if folds and isinstance(folds, Mapping) else "")
    return Said(f"One clip of each class of {named([params.get('name')]) or 'a data set'}", listed(parts), "")


def faithfulness(record: Record) -> Said:
    """Say the area under each curve of patches put in and taken out."""
    fields = ("mean", "low", "high")
    parts = []
    for measure, words in (("insertion", "putting in"), ("deletion", "taking out")):
        rows = [row for row in record.rows if row.get("measure") == measure]
        said = listed(f"{named([row.get('ranking')])} {estimate(row, fields)}" for row in rows if estimate(row, fields))
        parts.append(f"area under the curve, {words}: {said}" if said else "")
    n = values(record.rows, "n")
    shows = "Probability of the explained class while patches of the spectrogram come and go, the highest first"
    clips = f"n = {n.max():.0f} clips" if n.size else ""
    fold, epochs = (record.params.get(name) for name in ("fold", "epochs"))
    about = scope([{"fold": fold, "epochs": epochs}])
    basis = basis_of([record.params], ", ".join(filter(None, [clips, about])))
    return Said(shows, "; ".join(filter(None, parts)), basis, f"{INTERVALS} over source recordings", has_bars=True)


def scores(record: Record) -> Said:
    """Say each score of the blocks, and its rank correlation with each sweep's accuracies."""
    fields = ("value", "low", "high")
    rows = [row for row in record.rows if row.get("kind") == "score" and row.get("block") is not None]
    parts = []
    for score in each_of(rows, "score"):
        own = [row for row in rows if row.get("score") == score]
        name, unit = SCORES.get(str(score), (named([score]), ""))
        if unit == "%":
            said = listed(f"{named([row['block']])} {percent_of(row, fields=fields)}" for row in own)
        else:
            said = listed(f"{named([row['block']])} {estimate(row, fields)}" for row in own if estimate(row, fields))
            name = f"{name} ({unit or 'no unit'})" if score in SCORES else name
        parts.append(f"{name}: {said or 'no values'}")
        for row in record.rows:
            is_own = row.get("kind") == "correlation" and row.get("score") == score and row.get("measure") == "kendall"
            if is_own and (found := estimate(row, fields)):
                parts.append(f"Kendall's \N{GREEK SMALL LETTER TAU} with {named([row.get('sweep')])} {found}")
    n_train, n_blocks = number(record.params.get("n_train")), len(record.params.get("blocks") or ())
    about = [scope([{"fold": record.params.get("fold")}]), count(n_blocks, "block")]
    about.append(f"scored on {n_train:.0f} training clips" if math.isfinite(n_train) else "")
    held_out = values([row for row in rows if row.get("score") == "linear_probe"], "n")
    about.append(f"the linear probe on n = {held_out.max():.0f} held-out clips" if held_out.size else "")
    shows = "Scores of blocks before any fine-tuning (dashed: labels permuted), and the accuracies after it"
    basis = basis_of([record.params], ", ".join(filter(None, about)))
    trained = [row for row in record.rows if row.get("kind") == "treatment"]
    has_bars = bool(values([*rows, *trained], "low").size)
    return Said(shows, "; ".join(parts), basis, f"{INTERVALS} over source recordings", has_bars=has_bars)


def maps(record: Record) -> Said:
    """Say which clips are explained, and as what they are named."""
    clips: dict[str, Row] = {}
    for row in record.rows:
        clips.setdefault(str(row.get("clip")), row)
    parts = (
        f"{named([row.get('label')]) or named([clip])} named {named([row.get('predicted')])}"
        + (f" ({share(number(row['probability']))})" if math.isfinite(number(row.get("probability"))) else "")
        for clip, row in clips.items()
    )
    ways = listed(dict.fromkeys(way_text(row) for row in record.rows))
    gaps = [number(row.get("gap")) for row in record.rows if not row.get("gap_absolute")]
    gaps = [gap for gap in gaps if math.isfinite(gap)]
    about = [ways, f"completeness gap at most {100 * max(gaps):.2g} %" if gaps else ""]
    fold = record.params.get("fold")
    about.append(scope([{**row, "fold": fold} for row in record.rows]))
    shows = f"Spectrograms of {count(len(clips), 'clip')}, and what speaks for the class (red) or against it (blue)"
    return Said(shows, listed(parts), basis_of(record.rows, ", ".join(filter(None, about))))


def _similarities(rows: Sequence[Row], field: str, *, each: bool) -> str:
    found = [number(row.get(field)) for row in rows]
    if not each or len(rows) > 8:
        span = f"{min(found):.2f} to {max(found):.2f}".replace("-", "\N{MINUS SIGN}")
        return f"{span} over {count(len(found), 'value')}"
    fields = ("value", "ci_low", "ci_high")
    return listed(f"{named([row.get('block')])} {estimate(row, fields)}" for row in rows)
