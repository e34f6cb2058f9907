"""A report as a whole: what it is made from, what it holds, how large it is, and what it says of what is missing."""

import base64
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest

import tlprobe
from tlprobe.errors import DataError, ParameterError
from tlprobe.records import Record
from tlprobe.reports import report as module
from tlprobe.reports.report import report
from tlprobe.reports.tables import rows_table, texts_table

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def test_it_is_one_page_that_asks_for_nothing(fake, page, tmp_path):
    fake.study_cells().save(tmp_path / "a")
    fake.save_run(tmp_path / "run", fake.fit())
    fake.save_attribute(tmp_path / "heard")
    found = page(tmp_path / "a", tmp_path / "run", tmp_path / "heard")
    for attrs in found.all("img", "script", "link", "audio", "a", "iframe", "source", "object", "use"):
        for name in ("src", "href", "srcset", "xlink:href", "data"):
            assert attrs.get(name, "#").startswith(("#", "data:"))
    assert "@import" not in found.html
    assert "url(" not in found.html
    policies = [attrs["content"] for attrs in found.all("meta") if "http-equiv" in attrs]
    assert policies[0].startswith("default-src 'none'")


def test_ids_are_unique_and_links_lead_somewhere(fake, page, tmp_path):
    for name in ("a", "b"):
        fake.study_cells().save(tmp_path / name)
    found = page(tmp_path / "a", tmp_path / "b")
    ids = [attrs["id"] for _, attrs in found.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = [attrs["href"][1:] for attrs in found.all("a") if attrs["href"].startswith("#")]
    targets += [attrs["aria-labelledby"] for _, attrs in found.tags if "aria-labelledby" in attrs]
    assert set(targets) <= set(ids)


def test_headings_are_in_order_and_pictures_have_words(fake, page, tmp_path):
    fake.study_cells().save(tmp_path / "a")
    fake.save_attribute(tmp_path / "heard")
    found = page(tmp_path / "a", tmp_path / "heard")
    levels = [int(tag[1]) for tag, _ in found.tags if tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    alts = [attrs["alt"] for attrs in found.all("img")]
    assert any("freeze prefix block2 61.0 %" in alt for alt in alts)
    assert all(alts)
    assert found.all("html")[0]["lang"] == "en"
    assert len(found.all("caption")) == len(found.all("table"))
    assert all(attrs.get("scope") == "col" for attrs in found.all("th"))


def test_a_sentence_said_by_several_records_is_there_once(fake, page, tmp_path):
    for name in ("a", "b"):
        fake.study_cells().save(tmp_path / name)
    assert page(tmp_path / "a", tmp_path / "b").text.count("pretraining helped by 45.0 points") == 1


@pytest.mark.parametrize("name", [HOSTILE, "x" * 10_000, "a\x00\u202eb\ud800", "{{ 7 * 7 }}", "$\\frac{", "<!-- -->"])
def test_hostile_names_stay_text(fake, page, tmp_path, name):
    record = fake.fit(classes=(name, "rain"), run=name)
    record.rows[0]["backbone"] = name
    text = json.dumps({"schema": 1, **{f: getattr(record, f) for f in ("probe", "params", "rows", "provenance")}})
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "record.json").write_text(text)
    cells = fake.cells(fake.cell("full", 0.8, backbone="net"), name="n")
    cells.rows[0]["backbone"] = cells.provenance["data"]["name"] = name
    cells.rows[0][name] = 3
    text = json.dumps({"schema": 1, **{f: getattr(cells, f) for f in ("probe", "params", "rows", "provenance")}})
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "record.json").write_text(text)
    found = page(tmp_path / "run", tmp_path / "cells")
    assert len(found.all("script")) == 1
    assert all(attrs["src"].startswith("data:") for attrs in found.all("img"))
    assert "x" * 500 not in found.html
    assert "\x00" not in found.html
    assert "49" not in found.text.partition("Summary")[0]


def test_runs_have_curves_classes_and_records_to_save(fake, page, tmp_path):
    found = page(fake.save_run(tmp_path / "run", fake.fit()))
    assert "Confusion matrix of 3 classes" in " ".join(attrs["alt"] for attrs in found.all("img"))
    assert "Lines over 4 epochs" in found.all("img")[0]["alt"]
    assert "most often taken for" in found.text
    assert "The worst classes of run, by clips named right, are" in found.text
    saved = {attrs["download"]: attrs["href"] for attrs in found.all("a") if "download" in attrs}
    content = base64.b64decode(saved["run-record.json"].partition(",")[2])
    assert content == (tmp_path / "run" / "record.json").read_bytes()


def test_damaged_predictions_are_named(fake, page, tmp_path):
    run = fake.save_run(tmp_path / "run", fake.fit())
    (run / "predictions.csv").write_text("clip\n")
    assert "No confusion: run/predictions.csv is damaged" in page(run).text


def test_missing_and_damaged_records_are_named(fake, page, tmp_path):
    fake.study_cells().save(tmp_path / "a")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "record.json").write_text("{")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "config.json").write_text("{}")
    changed = fake.save_run(tmp_path / "changed", fake.fit())
    (changed / "record.json").write_bytes((changed / "record.json").read_bytes().replace(b"0.8", b"0.9"))
    text = page(tmp_path / "a", tmp_path / "broken", tmp_path / "begun", changed).text
    assert "broken/record.json is not a tlprobe record" in text
    assert "begun is an unfinished run" in text
    assert "changed/record.json is damaged" in text
    assert str(tmp_path) not in text


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda p: [], ParameterError, "nothing to report"),
        (lambda p: [p / "gone"], DataError, "gone does not exist"),
        (lambda p: [p], DataError, "holds no record.json; there are some in its folders a"),
        (lambda p: [p / "empty"], DataError, "holds no record.json"),
        (lambda p: [p / "broken"], DataError, "none of the records can be read: broken"),
    ],
)
def test_what_cannot_be_reported(fake, tmp_path, make, error, words):
    fake.study_cells().save(tmp_path / "a")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "record.json").write_text("[]")
    if words.startswith("holds no record.json;"):
        (tmp_path / "broken" / "record.json").unlink()
    with pytest.raises(error, match=words):
        report(make(tmp_path), out=tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_where_it_may_be_written(fake, tmp_path):
    fake.study_cells().save(tmp_path / "a")
    (tmp_path / "mine.html").write_text("<html>")
    with pytest.raises(ParameterError, match="no tlprobe report"):
        report([tmp_path / "a"], out=tmp_path / "mine.html")
    with pytest.raises(ParameterError, match=r"ends in '\.pdf'"):
        report([tmp_path / "a"], out=tmp_path / "r.pdf")
    with pytest.raises(ParameterError, match="audio=-1"):
        report([tmp_path / "a"], out=tmp_path / "r.html", audio=-1)
    first = tlprobe.report([tmp_path / "a"], out=tmp_path / "r.html").read_bytes()
    assert report([tmp_path / "a"], out=tmp_path / "r.html").read_bytes() == first


def test_without_jinja2_it_says_what_to_install(fake, tmp_path, monkeypatch):
    fake.study_cells().save(tmp_path / "a")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ParameterError, match=r"pip install 'tlprobe\[report\]'"):
        report([tmp_path / "a"], out=tmp_path / "r.html")


def test_fifty_runs_stay_under_ten_megabytes(fake, page, tmp_path, caplog):
    folders = [
        fake.save_run(tmp_path / f"run{k}", fake.fit(seed=k, run=f"run{k}", init="random" if k % 2 else "imagenet"))
        for k in range(50)
    ]
    found = page(*folders)
    assert len(found.html) < 10_000_000
    assert len(found.all("img")) == 1 + 2 * module.MOST_RUNS
    assert "The curves, classes and records of 38 further runs are left out" in found.text
    assert "25 runs of net from random weights over 1 fold and 25 seeds name 80.0 %" in found.text
    assert "38 further runs" in caplog.text


def test_sounds_are_there_for_few_clips(fake, page, tmp_path):
    folder = fake.save_attribute(tmp_path / "heard", n=8)
    assert len(page(folder).all("audio")) == 6 * 3
    assert "The sounds of 2 clips are left out; --audio N" in page(folder).text
    assert len(page(folder, audio=8).all("audio")) == 8 * 3
    assert page(folder, audio=0).all("audio") == []


def test_long_sounds_find_no_room_unless_asked_for(fake, page, tmp_path):
    folder = fake.save_attribute(tmp_path / "heard", n=2, seconds=40)
    assert len(page(folder).all("audio")) == 3
    assert len(page(folder, audio=2).all("audio")) == 6


def test_a_sound_that_is_gone_or_elsewhere_is_named(fake, page, tmp_path):
    folder = fake.save_attribute(tmp_path / "heard")
    (folder / "sounds" / "0_kept.wav").unlink()
    record = Record.load(folder)
    record.rows[1]["kept_wav"] = "../../secret.wav"
    record.save(folder)
    text = page(folder).text
    assert "0_kept.wav is not in sounds/" in text
    assert "../../secret.wav is not in sounds/" in text


def test_a_probe_without_a_figure_is_still_listed(page, tmp_path):
    Record("novel", {"x": [1, 2]}, [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], {}).save(tmp_path / "novel")
    found = page(tmp_path / "novel")
    assert "A record of novel" in found.text
    assert "No figure of this record can be drawn" in found.text
    assert found.all("table")


def test_no_torch_for_records(fake, tmp_path):
    fake.study_cells().save(tmp_path / "a")
    code = (
        "import sys; from tlprobe.reports.report import report; "
        f"report([{str(tmp_path / 'a')!r}], out={str(tmp_path / 'r.html')!r}); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "False"


def test_tables_leave_out_what_tells_no_rows_apart():
    rows = [{"a": k, "twin": k, "same": "s", "none": None, "text": str(k), "array_index": k} for k in range(3)]
    table = rows_table(rows, caption="t")
    assert table.header == ["a", "text"]
    assert table.is_number == [True, False]
    assert table.notes == ["The same in all rows: same s.", "The same as another column: twin as a."]
    assert len(rows_table([{"a": k} for k in range(500)], caption="t").rows) == 200
    assert rows_table([{"a": 1.5, "b": None}], caption="t").rows[0][1].text == "1.5"
    texts = texts_table(["x", "y"], [["81.0 [79.0, 83.0]", "p"], ["—", "q"]], caption="t", note="n")
    assert texts.is_number == [True, False]
    assert [row[0].value for row in texts.rows] == [81.0, None]


def _luminance(colour):
    parts = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_contrast_is_enough_by_day_and_by_night():
    style = (module.Path(module.__file__).parent / "templates" / "report.css").read_text()
    blocks = [block.partition("}")[0] for block in style.split(":root {")[1:3]]
    for block in blocks:
        colours = dict(part.strip()[2:].split(": ") for part in block.split(";") if part.strip().startswith("--"))
        pairs = [(ink, ground) for ink in ("ink", "soft", "link") for ground in ("ground", "panel")]
        for ink, ground in [*pairs, ("warn-ink", "warn")]:
            light, dark = sorted((_luminance(colours[ink]), _luminance(colours[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)


def test_a_difference_with_an_interval_is_read_first(fake, page, tmp_path):
    rows = [
        {"backbone": "net", "fold": 1, "seed": 0, "treatment": treatment, "init": treatment, "accuracy": accuracy}
        for treatment, accuracy in (("full", 0.8), ("random", 0.5))
    ]
    Record("pretrained_vs_random", {"curves": []}, rows, {"data": fake.data}).save(tmp_path / "pairs")
    fake.study_cells().save(tmp_path / "study")
    text = page(tmp_path / "pairs", tmp_path / "study").text
    assert 0 < text.index("pretraining helped by 45.0 points") < text.index("ahead in 1 of 1 pair")


def test_a_confusion_has_its_own_guide(fake, page, tmp_path):
    text = page(fake.save_run(tmp_path / "run", fake.fit())).text
    assert "How to read it. Above, accuracy by epoch" in text
    assert "How to read it. Rows are true classes" in text


def test_remarks_stand_below_a_table_once_each():
    rows = [{"block": "stem", "v": k, "warnings": "few clips; 2 are constant" if k else "few clips"} for k in range(3)]
    table = rows_table([*rows, {"block": "block1", "v": 9, "warnings": ""}], caption="t")
    assert table.header == ["block", "v"]
    assert table.notes == ["Noted in 3 rows, of stem: few clips.", "Noted in 2 rows, of stem: 2 are constant."]


def test_many_figures_leave_room_for_sounds(fake, page, tmp_path, monkeypatch):
    monkeypatch.setattr("tlprobe.reports.room.MOST_BYTES", 80_000)
    fake.study_cells().save(tmp_path / "study")
    found = page(tmp_path / "study", fake.save_attribute(tmp_path / "heard", n=1, seconds=1))
    assert len(found.all("audio")) == 3
    assert "is left out: this page is full" in found.text
