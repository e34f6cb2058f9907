"""--out: nothing that is there is lost, unless --overwrite says so; a run never."""

import shutil
from types import SimpleNamespace

import pytest

from tlprobe.errors import ResourceError
from tlprobe.files import lock_folder
from tlprobe.records import Record
from tlprobe.train.run import Run


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def evaluated(cli, small_run, tmp_path):
    assert cli("eval", "--ckpt", small_run.path, "--out", "o", "-q")[0] == 0
    return tmp_path / "o"


def test_another_result_is_refused_and_stays(cli, fails, evaluated, small_run, random_run):
    before = content(evaluated)
    for other in (
        ["eval", "--ckpt", random_run.path],
        ["svcca", "--ckpt", small_run.path],
        ["freeze", "--upto", "none", "--ckpt", small_run.path],
    ):
        fails(2, [*other, "--out", "o", "-q"], "o holds a finished eval", "--overwrite")
    assert content(evaluated) == before
    assert cli("eval", "--ckpt", random_run.path, "--out", "o", "--overwrite", "-q")[0] == 0
    assert content(evaluated)["record.json"] != before["record.json"]


def test_the_same_request_may_be_repeated(cli, evaluated, small_run):
    assert cli("eval", "--ckpt", small_run.path, "--out", "o", "-q")[0] == 0


def test_a_fit_into_another_result_is_refused(fails, evaluated, fit_arguments):
    before = content(evaluated)
    fails(2, fit_arguments("--out", "o", "-q"), "o holds the result of another verb", "--overwrite")
    assert content(evaluated) == before


def test_a_fit_into_another_run_is_refused(cli, fails, fit_arguments, small_run, tmp_path):
    copied = tmp_path / "copy"
    shutil.copytree(small_run.path, copied)
    before = content(copied)
    fails(2, fit_arguments("--out", copied, "--seed", 3, "-q"), "a finished run with other seed", "--overwrite")
    assert content(copied) == before
    assert cli(*fit_arguments("--out", copied, "--seed", 3, "--overwrite", "-q"))[0] == 0
    assert Run.load(copied).config.seed == 3


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
@pytest.mark.parametrize("finished", [True, False])
def test_a_run_is_no_place_for_another_record(fails, small_run, random_run, tmp_path, overwrite, finished):
    """Of an unfinished run it would make a finished one, without weights."""
    copied = tmp_path / "copy"
    shutil.copytree(small_run.path, copied)
    if not finished:
        (copied / "record.json").unlink()
        (copied / "resume").mkdir()
    before = content(copied)
    fails(2, ["eval", "--ckpt", random_run.path, "--out", copied, "-q", *overwrite], copied, "give another --out")
    assert content(copied) == before


def test_a_folder_in_use(fails, fit_arguments, small_run, tmp_path):
    with lock_folder(tmp_path / "busy"):
        fails(6, fit_arguments("--out", "busy", "-q"), "busy is in use by process")
        fails(6, ["figure", small_run.path, "--out", small_run.path / "record.json" / "x.pdf"], "cannot write")


@pytest.fixture
def no_work(monkeypatch):
    def fail(*_, **__):
        raise AssertionError("worked before it looked at --out")

    monkeypatch.setattr("tlprobe.probes.evaluate.evaluate", fail)


def test_out_is_held_before_the_work(fails, small_run, tmp_path, no_work):
    with lock_folder(tmp_path / "busy"):
        fails(6, ["eval", "--ckpt", small_run.path, "--out", "busy", "-q"], "busy is in use by process")
    (tmp_path / "file").touch()
    fails(6, ["eval", "--ckpt", small_run.path, "--out", "file/x", "-q"], "file/x")


def test_nobody_else_delivers_there_meanwhile(cli, small_run, tmp_path, monkeypatch):
    """The second of two processes is told so at its start, not after its work."""
    from tlprobe.probes.evaluate import evaluate

    seen = []

    def slow(*arguments, **options):
        try:
            with lock_folder(tmp_path / "o"):
                seen.append("free")
        except ResourceError:
            seen.append("held")
        return evaluate(*arguments, **options)

    monkeypatch.setattr("tlprobe.probes.evaluate.evaluate", slow)
    assert cli("eval", "--ckpt", small_run.path, "--out", "o", "-q")[0] == 0
    assert seen == ["held"]


def test_a_figures_list_of_panels_replaces_no_other_json(cli, fails, evaluated, small_run):
    for folder, name in ((evaluated, "record"), (small_run.path, "config")):
        before = content(folder)
        fails(2, ["figure", evaluated, "--out", folder / f"{name}.pdf", "-q"], f"{name}.json", "give another")
        assert content(folder) == before
    for _ in range(2):  # its own it does replace
        assert cli("figure", evaluated, "--out", evaluated / "again.pdf", "-q")[0] == 0


def test_panels_of_different_data_are_noted(cli, tmp_path):
    for name, digest in (("a", "1" * 64), ("b", "2" * 64)):
        Record("svcca", {"mode": "change"}, [], {"data": {"name": name, "n_clips": 3, "hash": digest}}).save(
            tmp_path / name
        )
    assert "note" not in cli("figure", "a", "a", "--out", "f.pdf", "-q")[2]
    code, _, err = cli("figure", "a", "b", "--out", "f.pdf", "-q")
    assert code == 0
    assert err == "note: the panels are of different data sets: a (3 clips, 11111111), b (3 clips, 22222222)\n"


def test_the_demo_replaces_no_other_demo(cli, fails, monkeypatch):
    record = Record("demo", {}, [], {})
    result = SimpleNamespace(record=record, summary=["done"], figures=[])
    monkeypatch.setattr("tlprobe.studies.demo.demo", lambda **_: result)
    assert cli("demo", "--epochs", "1", "--out", "d", "-q")[0] == 0
    assert cli("demo", "--epochs", "1", "--out", "d", "-q")[0] == 0
    fails(2, ["demo", "--epochs", "2", "--out", "d", "-q"], "d holds a finished demo", "--overwrite")
    assert cli("demo", "--epochs", "2", "--out", "d", "--overwrite", "-q")[0] == 0
