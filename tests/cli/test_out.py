"""--out: nothing that is there is lost, unless --overwrite says so; a run never."""

import shutil

import pytest

from tlprobe.files import lock_folder
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
        (copied / "resume.pt").write_bytes(b"half")
    before = content(copied)
    fails(2, ["eval", "--ckpt", random_run.path, "--out", copied, "-q", *overwrite], copied, "give another --out")
    assert content(copied) == before


def test_a_folder_in_use(fails, fit_arguments, small_run, tmp_path):
    with lock_folder(tmp_path / "busy"):
        fails(6, fit_arguments("--out", "busy", "-q"), "busy is in use by another tlprobe process")
        fails(6, ["figure", small_run.path, "--out", small_run.path / "record.json" / "x.pdf"], "cannot write")


def test_a_folder_in_use_by_the_time_of_delivery(cli, small_run, tmp_path):
    with lock_folder(tmp_path / "busy"):
        code, _, err = cli("eval", "--ckpt", small_run.path, "--out", "busy", "-q")
    assert code == 6
    assert err == "tlprobe: busy is in use by another tlprobe process; wait, or give another --out\n"
    assert not (tmp_path / "busy" / "record.json").exists()
