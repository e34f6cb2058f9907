"""The verb ``rm``: runs go when they are meant, and nothing else ever does."""

import io
import shutil

import pytest

from tlprobe.files import lock_folder


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def folder(small_run, random_run, tmp_path):
    shutil.copytree(small_run.path, tmp_path / "runs" / "a")
    shutil.copytree(random_run.path, tmp_path / "runs" / "b")
    return tmp_path / "runs"


def _content(folder):
    files = (file for file in folder.rglob("*") if file.is_file() and not file.name.startswith(".tlprobe"))
    return {file.relative_to(folder): file.read_bytes() for file in files}


def test_it_asks_and_says_what_goes(cli, folder, small_run, monkeypatch):
    before = _content(folder)
    row = small_run.record.rows[0]
    for answer, gone in (("n\n", False), ("\n", False), ("y\n", True)):
        monkeypatch.setattr("sys.stdin", Terminal(answer))
        code, out, err = cli("rm", "runs/a")
        assert (code, err) == (0, "")
        assert out.startswith(f"runs/a  {100 * row['accuracy']:.1f} % [")
        assert "MB\nremove this run, " in out
        assert out.splitlines()[-1].endswith("removed runs/a" if gone else "nothing was removed")
        assert (folder / "a").exists() != gone
    assert _content(folder) == {name: data for name, data in before.items() if name.parts[0] == "b"}


def test_without_a_terminal_it_needs_yes(cli, folder, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    before = _content(folder)
    code, _out, err = cli("rm", folder / "a", folder / "b")
    assert (code, err.count("\n")) == (2, 1)
    assert "--yes" in err
    assert _content(folder) == before
    code, out, err = cli("rm", folder / "a", folder / "b", folder / "a" / ".." / "b", "--yes")
    assert (code, err, out.count("removed ")) == (0, "", 2)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("other", ["model", "hollow", "nowhere", "file", "link", "."])
def test_what_is_no_run_is_refused_with_all_else_kept(fails, folder, tmp_path, other):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"schema": 5}')
    (tmp_path / "hollow").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(folder / "a")
    before = _content(tmp_path)
    fails(2, ["rm", folder / "a", other, "--yes"], other)
    assert _content(tmp_path) == before


def test_a_run_that_is_in_use_is_refused_with_all_else_kept(fails, folder):
    before = _content(folder)
    with lock_folder(folder / "b"):
        fails(6, ["rm", folder / "a", folder / "b", "--yes"], folder / "b", "is in use by process")
    assert _content(folder) == before


def test_other_files_stay(cli, folder):
    (folder / "a" / "notes.txt").write_text("mine")
    shutil.copytree(folder / "b", folder / "a" / "inner")
    code, out, err = cli("rm", folder / "a", "-y")
    assert (code, err) == (0, "")
    assert out.endswith("no part of the run: inner, notes.txt\n")
    assert sorted(file.name for file in (folder / "a").iterdir() if not file.name.startswith(".")) == [
        "inner",
        "notes.txt",
    ]
    assert (folder / "a" / "inner" / "record.json").is_file()


def test_unfinished_and_damaged_runs_can_go_and_inner_ones_first(cli, folder):
    shutil.copytree(folder / "b", folder / "a" / "inner")
    (folder / "a" / "record.json").unlink()
    (folder / "a" / "resume" / "00001-000000").mkdir(parents=True)
    (folder / "b" / "config.json").write_text("{")
    code, out, _ = cli("rm", folder / "a", folder / "a" / "inner", folder / "b", "-y")
    assert code == 0
    assert "unfinished: saved after epoch 1 of 2" in out
    assert "damaged: config.json is damaged" in out
    assert list(folder.iterdir()) == []
