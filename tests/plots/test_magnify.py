"""The styles for a talk and a poster are the paper's figure, larger by one factor, with all that is in it."""

import numpy as np
import pytest
from matplotlib.text import Text

from tlprobe.errors import ParameterError
from tlprobe.plots.figure import inches, render, save_figure, spans_columns
from tlprobe.plots.magnify import STYLES, magnify
from tlprobe.plots.style import paper_style


@pytest.fixture
def records(fake):
    return {
        "fuse": [fake.sweep("fuse")],
        "svcca": [fake.svcca(("imagenet", "random", "random pair"), conv=("positions", "pool"))],
        "grid": [fake.svcca_grid(("imagenet", "random"))],
        "training": [fake.svcca_training()],
        "layers": [fake.svcca_layers()],
        "weights": [fake.weight_distance(runs=2)],
        "fit": [fake.fit()],
        "eval": [fake.evaluate(10)],
        "ensemble": [fake.ensemble()],
        "attribute": [fake.attribute(2, width=40, n_mels=32)],
        "panels": [fake.svcca(), fake.sweep("freeze"), fake.attribute(1, width=40, n_mels=32), fake.fit()],
    }


KINDS = ("fuse", "svcca", "grid", "training", "layers", "weights", "fit", "eval", "ensemble", "attribute", "panels")


def pixels(figure, dpi):
    figure.set_dpi(dpi)
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(float)


@pytest.mark.parametrize("kind", KINDS)
def test_twice_as_large_at_half_the_dots_per_inch_is_the_same_picture(records, kind):
    large = render(records[kind])
    with paper_style():
        magnify(large, 2)
    difference = np.abs(pixels(render(records[kind]), 200) - pixels(large, 100)).max(axis=-1)
    assert (difference > 60).mean() < 0.006  # type is hinted at its size, so its edges differ


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("style", ["talk", "poster"])
def test_every_text_keeps_its_place_and_its_share_of_the_page(records, kind, style):
    paper, large = render(records[kind]), render(records[kind], style=style)
    both = []
    for figure in (paper, large):
        figure.set_dpi(600)  # at fewer, the hinting of small type shows
        figure.draw_without_rendering()
        shown = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
        size = (*figure.bbox.size, *figure.bbox.size)
        both.append([(text.get_text(), np.array(text.get_window_extent().bounds) / size) for text in shown])
    assert [text for text, _ in both[0]] == [text for text, _ in both[1]]
    np.testing.assert_allclose([box for _, box in both[1]], [box for _, box in both[0]], atol=0.012)


def test_type_lines_and_page_grow_together(records):
    paper, poster = render(records["fuse"]), render(records["fuse"], style="poster")
    assert poster.get_figwidth() == pytest.approx(3 * paper.get_figwidth())
    for one, other in zip(paper.axes[0].get_lines(), poster.axes[0].get_lines(), strict=True):
        assert other.get_linewidth() == pytest.approx(3 * one.get_linewidth())
        assert other.get_markersize() == pytest.approx(3 * one.get_markersize())
    (tick, *_), (large, *_) = paper.axes[0].get_xticklabels(), poster.axes[0].get_xticklabels()
    assert large.get_fontsize() == pytest.approx(3 * tick.get_fontsize())
    entries, larger = (figure.axes[0].get_legend().get_texts() for figure in (paper, poster))
    assert larger[0].get_fontsize() == pytest.approx(3 * entries[0].get_fontsize())


@pytest.mark.parametrize("style", STYLES)
def test_widths_are_times_the_style(fake, style):
    factor = STYLES[style]
    assert inches("double", style=style) == pytest.approx(6.75 * factor)
    figure = render([fake.sweep("freeze")], width=40, style=style)
    assert figure.get_figwidth() == pytest.approx(40 / 2.54)
    assert spans_columns(figure, style=style) == (40 / 2.54 / factor > 5)


def test_no_such_style_or_width_of_it(fake):
    with pytest.raises(ParameterError, match="style='slide'; choose from paper, talk, poster"):
        render([fake.fit()], style="slide")
    with pytest.raises(ParameterError, match=r"or 21 to 180 \(cm\)"):
        render([fake.fit()], style="poster", width=12)


def test_styles_give_the_same_bytes_twice_and_paper_is_the_default(records, tmp_path):
    for style in ("talk", "poster"):
        first, second = (
            save_figure(render(records["fuse"], style=style), tmp_path / name, formats=["pdf", "png", "svg"])
            for name in ("first", "second")
        )
        assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    (plain,) = save_figure(render(records["fuse"]), tmp_path / "plain", formats=["pdf"])
    (paper,) = save_figure(render(records["fuse"], style="paper"), tmp_path / "paper", formats=["pdf"])
    assert plain.read_bytes() == paper.read_bytes()
