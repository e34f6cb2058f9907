"""What defines a run survives JSON, and nothing else gets in."""

import pytest
from pydantic import ValidationError

from tlprobe.train.config import TREATMENTS, FitConfig


def test_json_round_trip(tiny_run):
    config = tiny_run.config
    assert FitConfig.model_validate_json(config.model_dump_json()) == config
    assert FitConfig.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    "changes", [{"device": "cpu"}, {"treatment": "other"}, {"seed": -1}, {"recipe": {}}, {"classes": None}]
)
def test_what_does_not_belong_is_refused(tiny_run, changes):
    with pytest.raises(ValidationError, match=next(iter(changes))):
        FitConfig.model_validate(tiny_run.config.model_dump(mode="json") | changes)


def test_treatments():
    assert TREATMENTS == ("full", "random", "fuse", "freeze", "cutoff")
