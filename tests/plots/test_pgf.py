"""Figures as pgf: drawn by LaTeX itself, whatever the names in them."""

import shutil

import pytest
from matplotlib.text import Text

from tlprobe.errors import ParameterError
from tlprobe.plots import pgf
from tlprobe.plots.figure import render, save_figure

needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")


def test_without_latex_it_is_told_and_nothing_is_written(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(pgf.shutil, "which", lambda _: None)
    with pytest.raises(
        ParameterError, match=r"format=pgf needs LaTeX .* or lualatex here; .*choose from pdf, png, svg"
    ):
        save_figure(render([fake.fit()]), tmp_path / "a", formats=["png", "pgf"])
    assert not list(tmp_path.iterdir())


def test_a_broken_latex_is_told_in_one_line(fake, tmp_path, monkeypatch):
    program = tmp_path / "bin" / "pdflatex"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\ncat > /dev/null\necho '! LaTeX Error: File underscore.sty not found.'\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(pgf.shutil, "which", lambda name: str(program) if name == "pdflatex" else None)
    pgf_cache_clear()
    with pytest.raises(ParameterError, match=r"pdflatex cannot set this figure \(.*underscore") as caught:
        save_figure(render([fake.fit()]), tmp_path / "out" / "a", formats=["pgf"])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def pgf_cache_clear():
    from matplotlib.backends.backend_pgf import LatexManager

    LatexManager._get_cached_or_new_impl.cache_clear()


def test_a_name_that_latex_cannot_write_is_refused(fake, tmp_path):
    with pytest.raises(ParameterError, match=r"out='my figure%' is no name that a LaTeX document can include"):
        save_figure(render([fake.fit()]), tmp_path / "my figure%", formats=["pgf"])
    assert not list(tmp_path.iterdir())


@needs_latex
def test_same_bytes_twice_and_the_figure_is_left_as_it_was(fake, tmp_path):
    records = [
        fake.fit(),
        fake.evaluate(3, names=["50 % & #1", "_x ^y", r"\relax ~"]),
        fake.attribute(1, width=40, n_mels=32),
    ]
    figure = render(records)
    before = [text.get_text() for text in figure.findobj(Text)]
    first = save_figure(figure, tmp_path / "one" / "f", formats=["pgf", "svg"])
    assert [text.get_text() for text in figure.findobj(Text)] == before
    second = save_figure(render(records), tmp_path / "two" / "f", formats=["pgf", "svg"])
    assert [path.name for path in first[:2]] == ["f-img0.png", "f-img1.png"]
    assert [path.name for path in first[-2:]] == ["f.pgf", "f.svg"]
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == sorted(path.name for path in first)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
