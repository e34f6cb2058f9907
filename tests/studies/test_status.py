"""How a study shows itself, and how far it is."""

import re

import pytest

import tlprobe
from tlprobe.errors import ParameterError
from tlprobe.records import Record
from tlprobe.studies.study_file import Study


@pytest.fixture
def study(tiny_data):
    return Study(
        data=tiny_data,
        networks=("timm/test_efficientnet",),
        inits=("random",),
        seeds=(0, 1),
        treatments=("full",),
        changes={"epochs": 1},
    )


def test_a_study_shows_its_grid_and_opens_nothing(study):
    gone = study.model_copy(update={"data": study.data.with_name("<b>gone"), "folds": "all"})
    assert repr(gone).startswith("Study(data: <b>gone; networks: timm/test_efficientnet; inits: random; folds: all; ")
    shown = gone._repr_html_()
    assert set(re.findall(r"</?(\w+)", shown)) == {"div", "strong"}
    for text in ("seeds: 0, 1", "treatments: full", "tlprobe.study_status(study)"):
        assert text in shown


def test_status_tells_what_is_missing_finished_and_failed(study, epochs, tmp_path):
    where = {"trials": tmp_path / "trials", "out": tmp_path / "out"}
    missing = tlprobe.study_status(study, **where)
    assert [row["status"] for row in missing.rows] == ["missing", "missing"]
    assert not (tmp_path / "out").exists()
    record = Record("study", missing.params, [dict(row) for row in missing.rows], {})
    record.rows[0] |= {"status": "failed", "reason": "no room"}
    record.save(tmp_path / "out")
    assert [row["reason"] for row in tlprobe.study_status(study, **where).rows] == ["no room", None]
    done = tlprobe.run_study(study, device="cpu", progress=False, **where)
    assert tlprobe.study_status(study, **where).rows == done.rows
    assert {row["status"] for row in done.rows} == {"finished"}


def test_status_refuses_the_folder_of_another_study(study, tmp_path):
    Record("study", {"study": {}}, [], {}).save(tmp_path)
    with pytest.raises(ParameterError, match="holds a study with other"):
        tlprobe.study_status(study, out=tmp_path)
