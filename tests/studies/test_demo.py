"""The demo's plan, checked without its trainings; the whole of it only in the slow suite."""

import pytest

from tlprobe.studies import demo as module
from tlprobe.studies.demo import demo


def test_the_plan(monkeypatch, small_options, tmp_path, trained):
    asked = {}
    original = module.attribute

    def quick(ckpt, **options):
        asked["attribute"] = ckpt.config.treatment
        return original(ckpt, n_steps=2, **options)

    monkeypatch.setattr(module, "attribute", quick)
    result = demo(out=tmp_path, epochs=1, options=small_options, device="cpu", progress=False)
    assert len(trained) == len(set(trained)) == 15
    assert asked["attribute"] == "full"
    assert set(result.records) == {"svcca", "fuse", "freeze", "cutoff", "attribute"}
    inits = [row["init"] for row in result.records["svcca"].rows]
    assert inits == ["start"] * 5 + ["random"] * 5
    assert sorted(path.name for path in result.figures) == ["fig2.pdf", "fig2.png", "fig3.pdf", "fig3.png"]
    assert all(path.stat().st_size > 1000 for path in result.figures)
    assert all((tmp_path / name / "record.json").is_file() for name in result.records)
    assert all(row["epochs"] == 1 for name in ("fuse", "freeze", "cutoff") for row in result.records[name].rows)
    monkeypatch.setattr(module, "save_figure", lambda figure, path: [])  # the same pictures
    monkeypatch.setattr(module, "render", lambda records: None)
    again = demo(out=tmp_path, epochs=1, options=small_options, device="cpu", progress=False)
    assert len(trained) == 15  # all found
    assert again.summary == result.summary


@pytest.mark.slow
def test_the_demo(tmp_path):
    result = demo(out=tmp_path, epochs=1, device="cpu", progress=False)
    assert len([path for path in (tmp_path / "runs").iterdir() if path.is_dir()]) == 15
    assert result.summary
