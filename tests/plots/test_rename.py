"""Other words in a figure, other widths and other formats."""

import pytest
from matplotlib.text import Text

from tlprobe.errors import ParameterError
from tlprobe.plots.figure import render, save_figure


def said(figure):
    figure.draw_without_rendering()
    return {text.get_text() for text in figure.findobj(Text) if text.get_visible()}


def test_labels_legends_and_named_ticks_are_renamed(fake):
    record = fake.sweep("freeze")
    before = said(render([record]))
    assert "block1" in before  # a named tick
    label = next(ax.get_ylabel() for ax in render([record]).axes if ax.get_ylabel())
    figure = render([record], labels={"block1": "first block", label: "Genauigkeit (%)"})
    after = said(figure)
    assert {"first block", "Genauigkeit (%)"} <= after
    assert not {"block1", label} & after
    assert len(after) == len(before)


def test_where_a_figure_breaks_a_line_is_no_matter(fake):
    label = "similarity to init (SVCCA)"
    record = fake.svcca()
    broken = next(text for text in said(render([record])) if text.startswith("similarity") and "\n" in text)
    assert " ".join(broken.split()) == label
    assert "likeness" in said(render([record], labels={label: "likeness"}))


def test_a_text_that_is_not_there_is_told_with_those_that_are(fake):
    with pytest.raises(ParameterError, match=r"label 'blokc1' is no text of this figure; choose from .*'block1'"):
        render([fake.sweep("freeze")], labels={"blokc1": "x"})


@pytest.mark.parametrize(("width", "inches"), [("single", 3.25), ("double", 6.75), (12, 12 / 2.54), ("18", 18 / 2.54)])
def test_widths(fake, width, inches):
    assert render([fake.sweep("freeze")], width=width).get_figwidth() == pytest.approx(inches)


@pytest.mark.parametrize("width", ["triple", 6.9, 61, float("nan"), "-3"])
def test_no_such_width(fake, width):
    with pytest.raises(ParameterError, match=r"is no figure width; choose from single, double, or 7 to 60 \(cm\)"):
        render([fake.sweep("freeze")], width=width)


def test_formats_and_the_same_bytes(fake, tmp_path):
    figure = render([fake.sweep("freeze")])
    paths = save_figure(figure, tmp_path / "a.svg", formats=["svg", "pdf", "svg"])
    assert [path.name for path in paths] == ["a.svg", "a.pdf"]
    save_figure(render([fake.sweep("freeze")]), tmp_path / "b.svg", formats=["svg"])
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert b"<text" in paths[0].read_bytes()  # texts stay texts
    assert not (tmp_path / "a.png").exists()
    with pytest.raises(ParameterError, match="format='eps'; choose from pdf, png, svg"):
        save_figure(figure, tmp_path / "a", formats=["eps"])
    with pytest.raises(ParameterError, match=r"ends in '\.jpg'; choose from \.pdf, \.png, \.svg"):
        save_figure(figure, tmp_path / "a.jpg")
