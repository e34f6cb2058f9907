import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from tlprobe.plots.sweep import draw
from tlprobe.records import Record


@pytest.fixture
def ax():
    return Figure().subplots()


def curve(ax):
    return next(line for line in ax.lines if line.get_marker() == "o" and line.get_linestyle() == "-")


def level(ax, label):
    return next(line for line in ax.lines if str(line.get_label()).startswith(label))


def bars(ax):
    """Return the lower and upper ends of the error bars, (n, 2)."""
    container = next(c for c in ax.containers if isinstance(c, ErrorbarContainer))
    return np.array([[end[1] for end in segment] for segment in container[2][0].get_segments()])


@pytest.mark.parametrize(
    ("probe", "label", "expected"),
    [
        ("fuse", "pretrained up to", [53, 55, 60, 69, 81, 85]),
        ("freeze", "frozen up to", [85, 84.75, 84, 80, 69, 43]),
        ("cutoff", "network ends after", [31, 49, 62, 78, 85]),
    ],
)
def test_points_and_levels_in_percent(ax, fake, probe, label, expected):
    record = fake.sweep(probe)
    assert draw(record, ax=ax) is ax
    np.testing.assert_allclose(curve(ax).get_ydata(), expected)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == record.params["blocks"]
    assert level(ax, "fully fine-tuned").get_ydata()[0] == pytest.approx(85)
    assert level(ax, "random init").get_ydata()[0] == pytest.approx(53)
    assert ax.get_xlabel() == label
    assert ax.get_ylabel() == "held-out accuracy (%)"
    assert ax.get_legend().get_title().get_text() == "n = 400 clips, fold 4, 4 epochs"
    low, high = ax.get_ylim()
    assert 0 <= low < min(expected)
    assert max(expected) < high <= 100


def test_the_uncut_network_is_a_point_of_the_cutoff_whatever_it_started_from(ax, fake):
    record = fake.sweep("cutoff")
    rows = [{**row, "init": "random"} for row in record.rows if row["treatment"] == "cutoff"]
    rows.append({**rows[-1], "treatment": "random", "block": "block4", "accuracy": 0.5})
    draw(Record("cutoff", record.params, rows, {}), ax=ax)
    np.testing.assert_allclose(curve(ax).get_ydata(), [31, 49, 62, 78, 50])


def test_bars_are_the_intervals_of_the_rows(ax, fake):
    record = fake.sweep("freeze")
    draw(record, ax=ax)
    expected = [[100 * row["ci_low"], 100 * row["ci_high"]] for row in record.rows[:6]]
    np.testing.assert_allclose(bars(ax), expected)
    assert len(ax.patches) == 2  # the bands of the two levels
    band = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    np.testing.assert_allclose([band.y0, band.y1], [100 * record.rows[6]["ci_low"], 100 * record.rows[6]["ci_high"]])


def test_a_level_row_is_no_point_of_the_sweep(ax, fake):
    # freeze@block4 is not "full", although the level may be filed under block4
    record = fake.sweep("freeze")
    rows = [row for row in record.rows if row["treatment"] != "freeze"]
    draw(Record("freeze", record.params, rows, {}), ax=ax)
    assert np.isnan(curve(ax).get_ydata()).tolist() == [False, True, True, True, True, True]


def test_several_folds_are_drawn_as_mean_and_single_points(ax, fake):
    draw(fake.sweep("fuse", folds=(3, 4, 5)), ax=ax)
    np.testing.assert_allclose(curve(ax).get_ydata(), [53, 55, 60, 69, 81, 85])
    faint = [points for points in ax.lines if points.get_alpha()]
    np.testing.assert_allclose(faint[0].get_ydata(), [51.7, 53, 54.3])
    assert not any(isinstance(c, ErrorbarContainer) for c in ax.containers)
    assert ax.get_legend().get_title().get_text() == "n = 400 clips each, folds 3\N{EN DASH}5, 4 epochs"


def test_a_marker_at_100_percent_is_shown_whole(ax):
    row = {"treatment": "fuse", "block": "stem", "accuracy": 1.0, "ci_low": 0.99, "ci_high": 1.0}
    draw(Record("fuse", {"blocks": ["stem"]}, [row], {}), ax=ax)
    assert ax.get_ylim() == (90, 102)


def test_one_point(ax, fake):
    draw(fake.sweep("freeze", upto="block2"), ax=ax)
    np.testing.assert_allclose(curve(ax).get_ydata(), [80])
    assert level(ax, "fully fine-tuned").get_ydata()[0] == pytest.approx(85)


def test_a_level_trained_for_longer_says_so(ax, fake):
    draw(fake.sweep("cutoff", full_epochs=10), ax=ax)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["fully fine-tuned (10 epochs)", "random init"]
    assert ax.get_legend().get_title().get_text() == "n = 400 clips, fold 4, 4 epochs"


def test_backbones_are_not_averaged(ax, fake):
    draw(fake.sweep("cutoff", backbones=("densenet201", "resnet50")), ax=ax)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["densenet201", "resnet50", "fully fine-tuned", "random init"]
    np.testing.assert_allclose(level(ax, "resnet50").get_ydata(), [25, 43, 56, 72, 79])


def test_runs_that_differ_in_their_start_alone_are_all_drawn(ax):
    row = {"treatment": "freeze", "block": "stem", "fold": 1, "seed": 0, "epochs": 4}
    found = zip(("imagenet", "a.pth", "b.pth"), (0.8, 0.8, 0.5), strict=True)
    rows = [{**row, "init": init, "accuracy": accuracy} for init, accuracy in found]
    draw(Record("freeze", {"blocks": ["stem"]}, [*rows, rows[0]], {}), ax=ax)  # the first is listed twice
    np.testing.assert_allclose(curve(ax).get_ydata(), [70])  # (80 + 80 + 50) / 3


def test_missing_accuracies_and_intervals(ax, fake):
    record = fake.sweep("fuse")
    rows = [row | {"ci_low": None, "ci_high": None} for row in record.rows]
    rows[2]["accuracy"] = None
    draw(Record("fuse", record.params, rows, {}), ax=ax)
    assert np.isnan(curve(ax).get_ydata()).tolist() == [False, False, True, False, False, False]
    assert not ax.patches
    ax.figure.draw_without_rendering()


@pytest.mark.parametrize("rows", [[], [{"treatment": "fuse", "block": "stem", "accuracy": None}]])
def test_nothing_to_draw_is_said(ax, rows):
    draw(Record("fuse", {"blocks": ["stem"]}, rows, {}), ax=ax)
    assert [text.get_text() for text in ax.texts] == ["no accuracies in this record"]
