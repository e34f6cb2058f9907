"""LaTeX itself reads what is written for it, whatever the names in a record."""

import shutil
import string
import subprocess

import pytest

from tlprobe.plots.captions.caption import caption_of
from tlprobe.plots.figure import render, save_figure
from tlprobe.plots.latex import figure_environment
from tlprobe.records import Record

pytestmark = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")

HOSTILE = r"\input{/etc/passwd} 50 % & #1 _x ^y ~z {a} $b$ --' <c> | "


def hostile(fake):
    return fake.evaluate(3, names=[f"{HOSTILE}{k}" for k in range(3)])


def compiled(folder, body, *packages):
    names = "".join(rf"\usepackage{{{name}}}" for name in packages)
    text = rf"\documentclass{{article}}{names}\begin{{document}}{body}\end{{document}}"
    (folder / "document.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "document.tex"]
    result = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout[-2000:].decode(errors="replace")
    return (folder / "document.pdf").read_bytes()


@pytest.mark.parametrize("style", ["paper", "talk"])
def test_it_compiles_with_images_and_hostile_names(fake, tmp_path, style):
    records = [fake.svcca(), hostile(fake), fake.attribute(1, width=40, n_mels=32), fake.weight_distance()]
    save_figure(render(records, style=style), tmp_path / "a_b.c.pgf", formats=["pgf"])
    assert compiled(tmp_path, r"\input{a_b.c.pgf}", "pgf").startswith(b"%PDF")


def test_it_compiles_with_hostile_names(fake, tmp_path):
    row = {"clip": HOSTILE, "predicted": HOSTILE, "probability": 0.5, "run": HOSTILE, "backbone": HOSTILE}
    row |= {"init": HOSTILE, "label": string.punctuation}
    about = {"data": {"name": HOSTILE + string.punctuation, "n_clips": 5}}
    moved = [row | {"init": HOSTILE, "block": "$#_{"} for row in fake.weight_distance().rows]
    records = [Record("eval", {}, [row], about), Record("weight_distance", {}, moved, about), fake.fit()]
    save_figure(render([fake.fit()]), tmp_path / "a_b", formats=["pdf"])
    tex = figure_environment("a_b.pdf", caption_of(records), wide=False)
    (tmp_path / "a_b.tex").write_text(tex, encoding="utf-8")
    assert compiled(tmp_path, r"\input{a_b.tex}", "graphicx").startswith(b"%PDF")


def test_a_document_in_another_folder_imports_it(fake, tmp_path):
    save_figure(render([fake.attribute(1, width=40, n_mels=32)]), tmp_path / "there" / "f", formats=["pgf"])
    (tmp_path / "there" / "f.tex").write_text(figure_environment("f.pgf", "x", wide=False), encoding="utf-8")
    if shutil.which("kpsewhich") and not subprocess.run(["kpsewhich", "import.sty"], capture_output=True).stdout:
        pytest.skip("no import.sty here")
    assert compiled(tmp_path, r"\import{there/}{f.tex}", "pgf", "import").startswith(b"%PDF")
