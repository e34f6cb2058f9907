"""Grids over what a clip is shown as and over splits of one data set."""

import pytest

from tlprobe.cli.analysis import Analysis
from tlprobe.data.gtzan import GENRES
from tlprobe.data.options import DataOptions
from tlprobe.errors import ParameterError
from tlprobe.studies import trials as trials_module
from tlprobe.studies.cells import cells
from tlprobe.studies.plan import View, plan_study
from tlprobe.studies.space import Space
from tlprobe.studies.study import run_study
from tlprobe.studies.study_file import Study
from tlprobe.studies.tables import cells_table

SMALL = "timm/test_efficientnet"


@pytest.fixture(scope="module")
def gtzan(tmp_path_factory):
    """Empty files under GTZAN's names: a plan reads none of them where rate and length are given."""
    root = tmp_path_factory.mktemp("data") / "gtzan"
    for genre in GENRES:
        (root / genre).mkdir(parents=True)
        for number in range(100):
            (root / genre / f"{genre}.{number:05d}.wav").touch()
    return root


@pytest.fixture
def by_features(tiny_data, start_file):
    return Study.model_validate(
        {
            "data": tiny_data,
            "networks": (SMALL,),
            "inits": (str(start_file), "random"),
            "folds": (1, 2),
            "features": ("log-mel3", "mfcc", "log-spec"),
            "treatments": ("full", {"freeze": {"blocks": ["stem"]}}),
            "changes": {"epochs": 1, "batch_size": 8},
        }
    )


def test_each_split_has_its_own_folds(gtzan, start_file):
    values = {"data": gtzan, "networks": (SMALL,), "inits": (str(start_file),), "treatments": ("full",)}
    values |= {"data_splits": ("paper", "artists", "fault-filtered"), "sr": 8000, "clip_s": 1.0, "width": 40}
    plan = plan_study(Study.model_validate({**values, "folds": "all"}))
    found = [(trial.options.data_split, trial.config.fold, trial.config.inner_fold) for trial in plan.trials]
    assert found[:3] == [("paper", 1, None), ("artists", 1, None), ("fault-filtered", 1, 2)]
    assert found[3:] == [("artists", fold, None) for fold in (2, 3, 4, 5)]
    assert len({trial.name for trial in plan.trials}) == 7
    assert [view.data_split for _, _, view, _ in plan.grid] == ["paper", "artists", "fault-filtered"]
    with pytest.raises(ParameterError, match="fold=2 is no fold of gtzan; choose from 1"):
        plan_study(Study.model_validate({**values, "folds": (2,)}))


def test_trials_are_shown_their_features_and_compared_with_the_first(by_features, tmp_path, epochs, monkeypatch):
    shown = []
    real = trials_module.fit_network

    def spy(model, *, config, material, **options):
        shown.append((config.image, material.settings))
        return real(model, config=config, material=material, **options)

    monkeypatch.setattr(trials_module, "fit_network", spy)
    record = run_study(by_features, out=tmp_path / "out", trials=tmp_path / "runs", device="cpu", progress=False)
    assert len(shown) == 2 * 3 * 3  # folds, features; from the file full and frozen, from random weights full
    assert all(asked == given for asked, given in shown)
    assert {(row["features"], row["data_split"]) for row in record.rows} == {
        (features, None) for features in by_features.features
    }
    assert sum("-mfcc-" in row["run"] for row in record.rows) == 6

    found = cells(plan_study(by_features), trials=tmp_path / "runs")
    start = by_features.inits[0].rpartition("/")[2].removesuffix(".safetensors")
    compared = {(r["sweep"], r["start"], r["features"]): r["compared_with"] for r in found.rows}
    assert compared == {
        ("full", start, "log-mel3"): None,  # what the others are read against
        ("full", start, "mfcc"): f"{start}, log-mel3",
        ("full", start, "log-spec"): f"{start}, log-mel3",
        **{("freeze", start, features): start for features in by_features.features},  # the network shown the same
        **{("full", "random", features): start for features in by_features.features},
    }
    assert {row["n_leaked"] for row in found.rows} == {0}
    assert "features" not in found.params["image"]  # which all runs share
    assert found.params["image"]["n_mels"] == 128
    table = cells_table(found)
    assert table.header[:3] == ["features", "network", "start"]
    assert table.rows[0][0] == "log-mel3"


def test_what_compares_runs_takes_one_view(by_features, tmp_path):
    asked = Analysis(plan_study(by_features), tmp_path, by_features.data, "cpu", False)
    with pytest.raises(ParameterError, match="takes one of features; the study has log-mel3, mfcc, log-spec"):
        asked.runs("full")


def test_a_space_is_searched_on_its_own_view():
    space = Space.model_validate(
        {
            "space": {"lr": [0.1, 0.2]},
            "features": "gammatone",
            "data_options": DataOptions(data_split="artists", data_seed=3),
        }
    )
    study = space.study({"lr": 0.1})
    assert (study.features, study.data_splits) == (("gammatone",), ("artists",))
    assert study.data_options == DataOptions(data_seed=3)
    assert View("gammatone", "artists") == View(study.features[0], study.data_splits[0])
