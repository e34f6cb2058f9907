import dataclasses
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from tlprobe.errors import ParameterError
from tlprobe.plots.figure import render, save_figure, save_with_record
from tlprobe.plots.panels import PROBES
from tlprobe.records import Record


@pytest.fixture
def fig2(fake):
    both = ("positions", "pool")
    return [fake.svcca(conv=both), fake.sweep("fuse"), fake.sweep("freeze"), fake.sweep("cutoff")]


@pytest.fixture
def similarities(fake):
    """Records of ``tlprobe svcca`` with much to find room for."""
    inits, measures = ("imagenet", "random", "random pair"), ("svcca", "pwcca", "cka")
    long = fake.svcca(("my_very_long_pretraining_run_on_audioset.safetensors", "random"), mode="against")
    return {
        "change": fake.svcca(inits, conv=("positions", "pool")),
        "six runs": fake.svcca(("imagenet",), runs=6),
        "one block": fake.svcca(n_blocks=1),
        "measures": fake.svcca(measures=measures, conv=("positions", "pool")),
        "measures apart": fake.svcca(inits, measures=measures, conv=("positions", "pool")),
        "layers": fake.svcca_layers(),
        "few layers": fake.svcca_layers(sizes=(1, 3, 4, 6, 6)),
        "against": long,
        "grid": fake.svcca_grid(),
        "grids": fake.svcca_grid(("imagenet", "random", "x.pth"), n=8),
        "grids of runs": fake.svcca_grid(runs=6),
        "grid of layers": fake.svcca_grid(n=60, against="full-efficientnet_lite0-imagenet-fold4-seed0-b136233658"),
        "training": fake.svcca_training(),
        "training of runs": fake.svcca_training(runs=2, measures=measures),
    }


SIMILARITIES = [
    *("change", "six runs", "one block", "measures", "measures apart", "layers", "few layers", "against"),
    *("grid", "grids", "grids of runs", "grid of layers", "training", "training of runs"),
]


def letters(figure):
    return [t.get_text() for ax in figure.axes for t in ax.texts if t.get_fontweight() == "bold"]


def texts(figure):
    """Return every text that is drawn, with something in it."""
    found = figure.findobj(lambda artist: isinstance(artist, mpl.text.Text) and artist.get_visible())
    axes = [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]
    beyond = {
        tick.label1
        for axis in axes
        for tick in axis.get_major_ticks()
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    }
    return [text for text in found if text.get_text().strip() and text not in beyond]


def test_one_narrow_record(fig2):
    figure = render(fig2[1:2])
    assert (len(figure.axes), letters(figure), figure.get_figwidth()) == (1, [], 3.25)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_panels(fig2, n):
    figure = render(fig2[:n])
    assert len(figure.axes) == n
    assert letters(figure) == list("abcd")[:n]
    assert figure.get_figwidth() == 6.75
    accuracies = figure.axes[1:]
    assert len({ax.get_ylim() for ax in accuracies}) <= 1
    if n == 3:  # side by side: one label for the shared axis
        assert [ax.get_ylabel() for ax in accuracies] == ["held-out accuracy (%)", ""]


def test_shared_range_holds_every_point(fig2):
    low, high = render(fig2).axes[1].get_ylim()
    accuracies = [100 * row["accuracy"] for record in fig2[1:] for row in record.rows]
    assert low < min(accuracies)
    assert high > max(accuracies)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("width", ["single", "double"])
def test_nothing_is_cut_off_and_no_text_covers_another(fig2, n, width):
    require_room(render(fig2[:n], width=width))


@pytest.mark.parametrize("runs", [1, 3])
@pytest.mark.parametrize("width", ["single", "double"])
def test_two_panels_of_one_record_leave_each_other_room(fake, runs, width):
    require_room(render([fake.weight_distance(runs=runs)], width=width))


@pytest.mark.parametrize("kind", SIMILARITIES)
def test_similarities_have_room_alone_and_among_others(similarities, fake, kind):
    figure = render([similarities[kind]])
    require_room(figure)
    assert min(text.get_fontsize() for text in texts(figure)) >= 6
    require_room(render([fake.sweep("fuse"), similarities[kind], fake.weight_distance()]))


def test_parts_that_lay_themselves_out_stand_side_by_side_where_they_are_narrow(fake):
    narrow = [fake.svcca_grid(), fake.svcca_training(("imagenet",))]
    figure = render([fake.fit(), *narrow, fake.fit()])
    require_room(figure)
    left, right = figure.subfigs
    assert (left.get_suptitle(), right.get_suptitle(), letters(figure)) == ("b", "c", ["a", "d"])
    assert left.bbox.y0 == right.bbox.y0
    assert left.bbox.x1 <= right.bbox.x0 + 1
    assert len(render([*narrow, *narrow], width="single").subfigs) == 4


def require_room(figure):
    """Require that no text is cut off or covers another."""
    figure.draw_without_rendering()
    boxes = []
    for text in texts(figure):
        box = text.get_window_extent()
        assert box.x0 >= -1, text
        assert box.y0 >= -1, text
        assert box.x1 <= figure.bbox.x1 + 1, text
        assert box.y1 <= figure.bbox.y1 + 1, text
        blank = text.get_rotation() % 90 or text.get_text().startswith("\n")  # boxes larger than their text
        if not blank:
            boxes.append((box.padded(-1), text))
    for k, (box, text) in enumerate(boxes):
        for other, other_text in boxes[:k]:
            assert not box.overlaps(other), (text, other_text)


def test_legends_cover_no_data(fig2):
    for ax in render([fig2[0], *fig2]).axes:
        assert ax.get_legend().get_window_extent().y0 >= ax.get_window_extent().y1


def test_type_is_readable(fig2, fake):
    for figure in (render(fig2), render([fake.attribute(2)]), render([fake.fit()]), render([fake.weight_distance()])):
        assert min(text.get_fontsize() for text in texts(figure)) >= 6


@pytest.mark.parametrize(
    "kind",
    [
        *("svcca", "svcca_layers", "svcca_grid", "weight_distance", "sweep"),
        *("attribute", "evaluate", "ensemble", "fit"),
    ],
)
def test_every_probe_saves_pdf_and_png(fake, kind, tmp_path):
    options = {"n": 1, "width": 40} if kind == "attribute" else {}
    pdf, png = save_with_record(getattr(fake, kind)(**options), tmp_path / "new", "picture")
    assert (pdf, png) == (tmp_path / "new/picture.pdf", tmp_path / "new/picture.png")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["picture.pdf", "picture.png"]
    content = pdf.read_bytes()
    assert b"/FontFile2" in content  # TrueType
    assert b"/Type3" not in content
    with Image.open(png) as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert image.width == round(300 * (6.75 if kind == "attribute" else 3.25))


def test_a_confusion_matrix_among_others_has_room_for_its_colour_bar(fake):
    figure = render([fake.svcca(), fake.evaluate(10), fake.ensemble()])
    matrix = next(ax for ax in figure.axes if ax.get_ylabel() == "true class")
    bar = next(ax for ax in figure.axes if "share of the clips" in ax.get_ylabel())
    title = matrix._left_title
    assert title.get_text().startswith("accuracy")
    assert not title.get_window_extent().overlaps(bar.yaxis.label.get_window_extent())


def test_mixed_wide_and_narrow_panels(fake):
    figure = render([fake.svcca(), fake.ensemble(), fake.attribute(1), fake.fit(), fake.evaluate(4)])
    assert letters(figure) == ["a", "b", "d", "e"]
    assert [part.get_suptitle() for part in figure.subfigs] == ["c"]


def test_same_bytes_twice_whatever_the_users_settings(fig2, fake, tmp_path):
    records = [*fig2[:2], fake.attribute(1, width=40, n_mels=32), fake.evaluate(4), fake.svcca_grid(), fake.fit()]
    first = save_figure(render(records), tmp_path / "first.pdf")
    with mpl.rc_context({"font.size": 20, "pdf.fonttype": 3, "savefig.dpi": 30, "axes.grid": True}):
        second = save_figure(render(records), tmp_path / "second.png")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert b"CreationDate" not in first[0].read_bytes()


def test_same_bytes_from_the_saved_record_in_another_process(fake, tmp_path):
    fake.svcca(conv=("positions", "pool")).save(tmp_path)
    code = (
        "import sys; from tlprobe.records import Record; from tlprobe.plots.figure import render, save_figure;"
        f"save_figure(render([Record.load({str(tmp_path)!r})]), {str(tmp_path / 'there')!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    save_figure(render([fake.svcca(conv=("positions", "pool"))]), tmp_path / "here")
    for kind in ("pdf", "png"):
        assert (tmp_path / f"here.{kind}").read_bytes() == (tmp_path / f"there.{kind}").read_bytes()


def test_drawing_needs_no_torch_and_no_pyplot_figure(tmp_path):
    code = (
        "import sys, importlib, pkgutil, tlprobe.plots as plots\n"
        "for module in pkgutil.iter_modules(plots.__path__): importlib.import_module(f'tlprobe.plots.{module.name}')\n"
        "from tlprobe.plots.figure import render; from tlprobe.records import Record\n"
        "import numpy as np\n"
        "render([Record('eval', {}, [], {}, {'confusion': np.eye(3, dtype='f4')[None]})])\n"
        "import matplotlib.pyplot as plt\n"
        "assert 'torch' not in sys.modules and plt.get_fignums() == []\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_notebook_draws_the_same_picture_under_its_own_settings(fig2, fake):
    alone = [fake.fit(), fake.weight_distance(), fake.attribute(1, width=40, n_mels=32), fake.evaluate(4)]
    alone += [fig2[0], fake.svcca_grid(), fake.svcca_training()]
    for records in (fig2[:3], *([record] for record in alone)):
        figure = render(records)
        before = [(text.get_text(), text.get_window_extent().bounds) for text in texts(figure)]
        figure.draw_without_rendering()
        after = [(text.get_text(), text.get_window_extent().bounds) for text in texts(figure)]
        assert [text for text, _ in before] == [text for text, _ in after]
        np.testing.assert_allclose([box for _, box in before], [box for _, box in after], atol=0.5)


def test_matplotlib_settings_are_left_alone(fig2):
    before = dict(mpl.rcParams)
    render(fig2[:2])
    assert dict(mpl.rcParams) == before


def test_a_record_without_figure_is_named():
    with pytest.raises(ParameterError, match=r"probe='demo' has no figure; choose from svcca, fuse, "):
        render([Record("demo", {}, [], {})])


def test_a_mode_without_figure_is_named():
    with pytest.raises(ParameterError, match=r"mode=None of an svcca record has no figure; choose from change, "):
        render([Record("svcca", {}, [], {})])


def test_no_record_and_no_such_width(fake):
    with pytest.raises(ParameterError, match="no record"):
        render([])
    with pytest.raises(ParameterError, match="width='wide' is no figure width; choose from single, double"):
        render([fake.svcca()], width="wide")


def test_unknown_suffix_is_refused_before_anything_is_written(fake, tmp_path):
    with pytest.raises(ParameterError, match=r"'\.jpg'; choose from \.pdf, \.png, \.svg"):
        save_figure(render([fake.svcca()]), tmp_path / "figure.jpg")
    assert not list(tmp_path.iterdir())


def test_a_stem_with_a_dot_in_a_saved_record(fake, tmp_path):
    pdf, _ = save_with_record(fake.svcca(), tmp_path, "run.1")
    assert pdf.name == "run.1.pdf"


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("mode", ["change", "against", "grid", "training"])
def test_empty_records_draw_a_note(probe, mode):
    figure = render([Record(probe, {"mode": mode}, [], {})])
    assert any("no " in text.get_text() for text in texts(figure))


def test_formula_signs_and_long_names_are_drawn_as_they_are(fake):
    names = [f"$class_{'x' * 60}$ {k}" for k in range(5)]
    record = fake.attribute(2, names=names, width=40, n_mels=32)
    figure = render([record, fake.evaluate(5, names=names)])
    figure.draw_without_rendering()
    first = figure.axes[0].get_title(loc="left")
    assert first.startswith(r"true: \$class xxx")


def test_thirty_seconds_of_audio_draw_in_seconds(fake):
    record = fake.attribute(2, width=1500, clip_s=30.0)
    assert render([record]).axes[0].get_xlim() == (0, 30)


def test_records_are_not_changed(fake):
    record = fake.attribute(2, width=40, n_mels=32)
    copy = dataclasses.replace(record, arrays={name: array.copy() for name, array in record.arrays.items()})
    render([record])
    for name, array in record.arrays.items():
        np.testing.assert_array_equal(array, copy.arrays[name])
