"""``tlprobe figure``: styles, formats, labels and the snippet for LaTeX, all without torch."""

import json
import subprocess
import sys

import pytest
from PIL import Image

from tlprobe.plots import pgf
from tlprobe.plots.latex import MARK
from tlprobe.records import Record


@pytest.fixture
def freezing(tmp_path):
    """A folder ``freezing`` with a small record."""
    common = {"treatment": "freeze", "backbone": "small_net", "init": "imagenet", "fold": 1, "seed": 0, "n": 400}
    common |= {"epochs": 4, "ci_low": 0.7, "ci_high": 0.9}
    rows = [common | {"block": block, "accuracy": value} for block, value in {"stem": 0.79, "block1": 0.8}.items()]
    provenance = {"data": {"name": "50%_of_esc", "n_clips": 2000, "hash": "0" * 64}}
    Record("freeze", {"blocks": ["stem", "block1"]}, rows, provenance).save(tmp_path / "freezing")
    return tmp_path / "freezing"


def test_styles_enlarge_the_page(cli, freezing, tmp_path):
    for style in ("paper", "talk", "poster"):
        code, _, err = cli("figure", freezing, "--style", style, "--out", f"{style}.png", "--format", "png", "-q")
        assert (code, err) == (0, "")
    sizes = []
    for style in ("paper", "talk", "poster"):
        with Image.open(tmp_path / f"{style}.png") as image:
            sizes.append(image.width / 300)
    assert sizes == pytest.approx([3.25, 1.9 * 3.25, 3 * 3.25], abs=0.01)


def test_a_snippet_for_latex_lies_beside_the_figure(cli, freezing, tmp_path):
    code, out, err = cli("figure", freezing, freezing, "--out", "f.pdf", "--latex", "-q")
    assert (code, out, err) == (0, "figure: f.pdf, f.png, f.tex\n", "")
    tex = (tmp_path / "f.tex").read_text(encoding="utf-8")
    assert tex.startswith(MARK)
    assert r"\begin{figure*}" in tex  # two panels side by side
    assert r"\includegraphics[width=\linewidth]{f.pdf}" in tex
    assert r"(a) Held-out accuracy, frozen up to: stem 79.0 \% [70.0 to 90.0], block1" in tex
    assert r"Data: 50\% of esc (2000 clips)." in tex
    before = tex.encode()
    assert cli("figure", freezing, freezing, "--out", "f.pdf", "--latex", "-q")[0] == 0  # its own it does replace
    assert (tmp_path / "f.tex").read_bytes() == before


def test_a_document_of_ones_own_is_not_replaced(fails, freezing, tmp_path):
    (tmp_path / "paper.tex").write_text(r"\documentclass{article}", encoding="utf-8")
    fails(2, ["figure", freezing, "--out", "paper.pdf", "--latex", "-q"], "would replace paper.tex", "give another")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["freezing", "paper.tex"]


def test_a_folder_in_the_place_of_the_snippet_is_a_wrong_option(fails, freezing, tmp_path):
    (tmp_path / "f.tex").mkdir()
    fails(2, ["figure", freezing, "--out", "f.pdf", "--latex", "-q"], "would replace f.tex, which is a folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.tex", "freezing"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--style", "slide"), ("style='slide'", "paper, talk, poster")),
        (("--style", "poster", "--width", "12"), ("width='12'", "21 to 180 (cm)")),
        (("--format", "svg", "--latex"), ("--latex includes no svg", "pgf, pdf, png")),
        (("--out", "a b.pdf", "--latex"), ("out='a b'", "no name that a LaTeX document can include")),
        (("--format", "eps"), ("format='eps'", "pdf, png, svg, pgf")),
    ],
)
def test_wrong_options_are_told_and_nothing_is_written(fails, freezing, tmp_path, arguments, words):
    fails(2, ["figure", freezing, *arguments, "-q"], *words)
    assert [path.name for path in tmp_path.iterdir()] == ["freezing"]


def test_pgf_without_latex_is_told_and_nothing_is_written(fails, freezing, tmp_path, monkeypatch):
    monkeypatch.setattr(pgf.shutil, "which", lambda _: None)
    fails(2, ["figure", freezing, "--format", "pdf,pgf", "-q"], "format=pgf needs LaTeX", "choose from pdf, png, svg")
    assert [path.name for path in tmp_path.iterdir()] == ["freezing"]


def test_images_of_a_pgf_file_are_told_as_one(cli, freezing, tmp_path, monkeypatch):
    files = {"f-img0.png": b"0", "f-img1.png": b"1", "f.pgf": b"x"}
    monkeypatch.setattr("tlprobe.plots.figure.pgf_files", lambda figure, name, others: files)
    code, out, _ = cli("figure", freezing, "--out", "f.pgf", "--format", "pgf,png", "--latex", "-q")
    assert (code, out) == (0, "figure: f-img*.png (2), f.pgf, f.png, f.tex\n")
    assert (tmp_path / "f-img1.png").read_bytes() == b"1"
    assert r"\input{f.pgf}" in (tmp_path / "f.tex").read_text(encoding="utf-8")


def test_all_of_it_needs_no_torch(freezing, tmp_path):
    (tmp_path / "words.yaml").write_text("block1: first block\n", encoding="utf-8")
    arguments = ["figure", str(freezing), "--out", "f.svg", "--format", "svg,pdf", "--labels", "words.yaml"]
    arguments += ["--style", "talk", "--latex", "-q"]
    code = (
        "import json, sys; from tlprobe.cli.app import run; "
        f"code = run(json.loads({json.dumps(arguments)!r})); print(code, 'torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert result.stdout.splitlines()[-1] == "0 False"
    assert "first block" in (tmp_path / "f.svg").read_text(encoding="utf-8")
