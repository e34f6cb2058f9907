"""``tlprobe data``: info, verify, prepare, from the command line."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile


@pytest.fixture
def folder(tiny_data, tmp_path):
    return shutil.copytree(tiny_data, tmp_path / "set")


def test_info_says_what_is_there(cli, folder, tmp_path):
    soundfile.write(folder / "low" / "0.wav", np.zeros(6400), 8000)
    code, out, err = cli("data", "info", folder, "--out", "about", "-q", "--jobs", 1)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "set: 30 clips of 3 classes, 0.01 h, 30 sources, 5 folds (stratified, seed 0)"
    assert "rates (Hz): 8000: 30" in lines
    assert "silent: 1 (low/0.wav)" in lines
    assert "classes: 10 to 10 clips each" in lines
    assert any(line.split()[:3] == ["noise", "10", "clips,"] for line in lines)
    assert not any("in folds" in line for line in lines)
    record = json.loads((tmp_path / "about" / "record.json").read_text())
    assert [row["n_silent"] for row in record["rows"]] == [0, 1, 0]
    assert (tmp_path / "about" / "data_info.png").stat().st_size > 0
    code, out, _ = cli("figure", "about", "--out", "again.pdf", "-q")
    assert code == 0


def test_info_without_out_leaves_nothing(cli, folder, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    assert cli("data", "info", folder, "-q", "--jobs", 1)[0] == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_verify_tells_bad_files_and_notes(cli, folder):
    code, out, err = cli("data", "verify", folder, "-q", "--jobs", 1)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "30 files, 0 cannot be used, 0 have a note"
    (folder / "high" / "3.wav").write_bytes(b"RIFF")
    soundfile.write(folder / "low" / "0.wav", np.zeros(6400), 8000)
    code, out, err = cli("data", "verify", folder, "-q", "--jobs", 1)
    assert code == 3
    assert "3.wav is" in out
    assert f"{folder / 'low' / '0.wav'}: silent" in out
    assert out.splitlines()[-1] == "30 files, 1 cannot be used, 1 have a note"
    assert err == f"tlprobe: 1 of the 30 recordings in {folder} cannot be used\n"


def test_prepare_computes_once(cli, folder, monkeypatch):
    code, out, err = cli("data", "prepare", folder, "-q", "--jobs", 1)
    assert (code, err) == (0, "")
    assert out == "set: 30 images of (3, 128, 40) are there\n"
    monkeypatch.setattr("tlprobe.data.cache.render_all", lambda *_, **__: pytest.fail("rendered again"))
    assert cli("data", "prepare", folder, "-q")[:2] == (0, out)
    assert cli("data", "prepare", folder, "-q", "--check")[:2] == (0, out)
    assert cli("data", "prepare", folder, "-q", "--data-seed", 3)[:2] == (0, out)  # other folds, the same images


def test_prepare_with_check_sees_a_damaged_image(cli, folder, cache, capfd):
    cli("data", "prepare", folder, "-q", "--clip-s", 0.5, "--jobs", 1)
    (file,) = (path for path in cache.glob("images/*/images.npy") if path.stat().st_mtime_ns == newest(cache))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert "damaged" not in cli("data", "prepare", folder, "--clip-s", 0.5)[2]
    assert "is damaged; it is computed again" in cli("data", "prepare", folder, "--clip-s", 0.5, "--check")[2]


def newest(cache):
    return max(path.stat().st_mtime_ns for path in cache.glob("images/*/images.npy"))


def test_no_torch_is_loaded_for_data(folder):
    code = (
        "import sys\nfrom tlprobe.cli.app import run\n"
        f"assert run(['data', 'prepare', {str(folder)!r}, '-q', '--jobs', '1']) == 0\n"
        f"assert run(['data', 'verify', {str(folder)!r}, '-q', '--jobs', '1']) == 0\n"
        "assert 'torch' not in sys.modules and 'librosa' not in sys.modules, 'too much is imported'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["info", "nowhere"], ["nowhere is missing"]),
        (["verify", "nowhere"], ["nowhere is missing"]),
    ],
)
def test_what_is_not_there(fails, arguments, words):
    fails(3, ["data", *arguments, "-q"], *words)


def test_impossible_options(fails, folder):
    fails(2, ["data", "info", folder, "--dataset", "esc100", "-q"], "dataset='esc100'", "choose from esc50, esc10")
    fails(2, ["data", "info", folder, "--on-error", "ignore", "-q"], "on_error='ignore'; choose from fail, skip")
    fails(2, ["data", "prepare", folder, "--sr", 1, "-q"], "sr=1")
    fails(2, ["data", "info", folder, "--dataset", "esc50", "-q"], "esc50 needs a folder with meta/esc50.csv")
