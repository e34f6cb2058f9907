import dataclasses
import math

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import ndimage

from tlprobe.plots.attribute import MAX_ROWS, draw, height_in
from tlprobe.plots.attribute_ways import MAX_CLIPS, MAX_WAYS


@pytest.fixture
def figure():
    return Figure(layout="constrained")


def images(axes):
    return [ax.images[0] for ax in axes]


def test_the_first_channel_the_sum_and_both(figure, fake):
    record = fake.attribute(3)
    axes = draw(record, figure=figure)
    assert len(axes) == 9
    for row, (left, middle, right) in enumerate(zip(axes[::3], axes[1::3], axes[2::3], strict=True)):
        total = record.arrays["attribution"][row].sum(axis=0)
        np.testing.assert_array_equal(left.images[0].get_array(), record.arrays["spectrogram"][row, 0])
        np.testing.assert_allclose(middle.images[0].get_array(), total)
        below, above = right.images
        np.testing.assert_array_equal(below.get_array(), record.arrays["spectrogram"][row, 0])
        colours, smooth = above.get_array(), ndimage.gaussian_filter(total.astype(float), 2, mode="nearest")
        assert colours.shape == (*total.shape, 4)
        strong = np.abs(smooth) > np.percentile(np.abs(smooth), 99.9)
        assert (colours[..., 3][np.abs(smooth) < 0.1 * np.abs(smooth).max()] < 0.5).all()  # what is below is seen
        assert (colours[..., 3][strong] > 0.9).all()
        assert ((colours[..., 0] > colours[..., 2]) == (smooth > 0))[strong].all()  # red for the class, blue against


def test_each_channel_beside_the_sum(figure, fake):
    record = fake.attribute(2, channels=("25 ms", "50 ms", "100 ms"))
    axes = draw(record, figure=figure)
    assert len(axes) == 10
    for row in range(2):
        for channel, ax in enumerate(axes[5 * row + 2 : 5 * row + 5]):
            np.testing.assert_allclose(ax.images[0].get_array(), record.arrays["attribution"][row, channel])
            assert ax.images[0].get_clim() == axes[1].images[0].get_clim()
    assert [ax.get_xlabel() for ax in axes[-3:]] == ["time (s)\n25 ms", "time (s)\n50 ms", "time (s)\n100 ms"]


def test_waveforms_above_their_spectrograms(figure, fake):
    record = fake.attribute(2)
    plain = height_in(record)
    record.arrays["peaks"] = np.array([[[-k] * 100, [k] * 100] for k in (0.2, 0.5)])
    axes = draw(record, figure=figure)
    assert height_in(record) > plain
    strips = [ax for ax in figure.axes if ax.collections and not ax.axison]
    assert [ax.get_ylim() for ax in strips] == [(-0.2, 0.2), (-0.5, 0.5)]
    assert [ax.get_title(loc="left") for ax in strips] == ["true: dog (4-1000-A-0)", "true: rooster (4-1001-A-1)"]
    assert {ax.get_title(loc="left") for ax in axes} == {""}
    figure.draw_without_rendering()
    for strip, ax in zip(strips, axes[::3], strict=True):
        assert strip.get_position().y0 >= ax.get_position().y1
        assert strip.get_position().x0 == pytest.approx(ax.get_position().x0, abs=1e-3)


def test_rows_find_their_arrays_by_index(figure, fake):
    record = fake.attribute(3)
    axes = draw(dataclasses.replace(record, rows=record.rows[::-1]), figure=figure)
    np.testing.assert_array_equal(axes[0].images[0].get_array(), record.arrays["spectrogram"][2, 0])


def test_one_scale_for_all_rows_symmetric_and_from_silence(figure, fake):
    record = fake.attribute(3)
    axes = draw(record, figure=figure)
    left, right = ({image.get_clim() for image in images(side)} for side in (axes[::3], axes[1::3]))
    assert len(left) == len(right) == 1
    assert left.pop() == pytest.approx((math.log(1e-6), record.arrays["spectrogram"][:, 0].max()))
    low, high = right.pop()
    assert low == -high
    assert high == pytest.approx(np.percentile(np.abs(record.arrays["attribution"].sum(1)), 99.5))
    bar = next(ax for ax in figure.axes if any("silence" in t.get_text() for t in ax.get_xticklabels()))
    assert bar.get_xticklabels()[0].get_text() == "silence (\N{MINUS SIGN}13.8)"


def test_axes_are_seconds_and_hertz(figure, fake):
    record = fake.attribute(2, clip_s=5.0, width=100)
    axes = draw(record, figure=figure)
    assert axes[0].get_xlim() == (0, 5)
    assert axes[3].get_xlabel() == "time (s)"
    assert axes[0].get_ylabel() == "Hz"
    labels = {tick.get_text(): y for tick, y in zip(axes[0].get_yticklabels(), axes[0].get_yticks(), strict=True)}
    assert list(labels) == ["250", "1000", "4000"]
    mel = np.array(record.params["row_hz"])
    band = int(np.abs(mel - 1000).argmin())
    assert abs(labels["1000"] - band) <= 1


@pytest.mark.parametrize(("features", "value"), [("log-mel3", "log-mel power (ln), 25 ms"), ("gammatone", "gammatone")])
def test_the_colour_bar_says_what_is_shown(figure, fake, features, value):
    draw(fake.attribute(1, features=features), figure=figure)
    assert any(value in ax.get_xlabel() for ax in figure.axes)


def test_linear_frequency_has_ticks_of_its_own(figure, fake):
    record = fake.attribute(1, features="log-spec")
    record.params["row_hz"] = np.linspace(0, 8000, 128).tolist()
    axes = draw(record, figure=figure)
    labels = {tick.get_text(): y for tick, y in zip(axes[0].get_yticklabels(), axes[0].get_yticks(), strict=True)}
    assert labels == {"2000": pytest.approx(127 / 4), "5000": pytest.approx(127 * 5 / 8)}


def test_rows_of_mfccs_are_coefficients_on_a_scale_of_both_signs(figure, fake):
    record = fake.attribute(2, features="mfcc")
    record.arrays["spectrogram"][:] = np.linspace(-3, 3, 100)
    record.arrays["spectrogram"][:, :, 0] = -156.0  # the level does not set the scale
    axes = draw(record, figure=figure)
    assert {ax.get_ylabel() for ax in axes[::3]} == {"coefficient"}
    for image in images(axes[::3]):
        assert image.get_clim() == pytest.approx((-3, 3))
    texts = [text.get_text() for ax in figure.axes for text in ax.get_xticklabels()]
    assert not any("silence" in text for text in texts)
    figure.draw_without_rendering()


def test_text_names_class_prediction_and_gap(figure, fake):
    axes = draw(fake.attribute(3), figure=figure)
    assert axes[0].get_title(loc="left") == "true: dog (4-1000-A-0)"
    assert axes[1].get_title(loc="left") == "predicted: dog (0.98), gap 1.23 %"
    assert axes[4].get_title(loc="left").endswith("gap 0.025*")
    assert axes[7].get_title(loc="left").startswith("predicted: rain")
    assert "* absolute" in figure.get_supxlabel()


def test_a_clip_without_label_is_named_by_its_file_and_a_given_target_is_said(figure, fake):
    record = fake.attribute(1)
    row = record.rows[0] | {"label": None, "target": "rain", "probability": None, "gap": None}
    row["clip"] = "audio/" + "x" * 200 + "_end.wav"
    axes = draw(dataclasses.replace(record, rows=[row]), figure=figure)
    assert axes[0].get_title(loc="left").startswith("clip: xxx")
    assert axes[0].get_title(loc="left").endswith("x end.wav")
    assert len(axes[0].get_title(loc="left")) < 50
    assert axes[1].get_title(loc="left") == "predicted: dog, shown: rain"


def test_many_clips_the_figure_says_how_many_it_shows(figure, fake):
    axes = draw(fake.attribute(MAX_ROWS + 2, width=40, n_mels=32), figure=figure)
    assert len(axes) == 3 * MAX_ROWS
    assert f"{MAX_ROWS} of {MAX_ROWS + 2} clips" in figure.get_supxlabel()


def test_zero_attributions_and_no_params(figure, fake):
    record = fake.attribute(1)
    arrays = record.arrays | {"attribution": np.zeros_like(record.arrays["attribution"])}
    axes = draw(dataclasses.replace(record, arrays=arrays, params={}), figure=figure)
    assert axes[1].images[0].get_clim() == (-1, 1)
    assert axes[0].get_xlabel() == "frame"
    figure.draw_without_rendering()


@pytest.mark.parametrize("change", [{"rows": []}, {"arrays": {}}, {"rows": [{"array_index": None, "image_index": 0}]}])
def test_nothing_to_draw_is_said(figure, fake, change):
    (ax,) = draw(dataclasses.replace(fake.attribute(1), **change), figure=figure)
    assert [text.get_text() for text in ax.texts] == ["no attributions in this record"]


RUNS = [
    {"run": "a", "init": "imagenet", "treatment": "full", "blocks": ""},
    {"run": "b", "init": "random", "treatment": "random", "blocks": ""},
    {"run": "c", "init": "imagenet", "treatment": "freeze", "blocks": "stem block1 block2"},
]


def test_networks_are_rows_with_a_scale_each(figure, fake):
    record = fake.attribute(3, ways=RUNS)
    axes = np.array(draw(record, figure=figure)).reshape(4, 3)
    for way in range(3):
        for clip in range(3):
            shown = axes[1 + way, clip].images[0].get_array()
            np.testing.assert_allclose(shown, record.arrays["attribution"][3 * way + clip].sum(axis=0))
    assert [len({ax.images[0].get_clim() for ax in row}) for row in axes[1:]] == [1, 1, 1]
    limits = [row[0].images[0].get_clim()[1] for row in axes[1:]]
    assert limits == pytest.approx([limits[0], 2 * limits[0], 3 * limits[0]])  # as their maps are
    assert [ax.get_ylabel().replace("\n", " ") for ax in axes[1:, 0]] == [
        "ImageNet init, full", "random init", "ImageNet init, freeze stem to block2",
    ]  # fmt: skip
    assert axes[0, 0].get_title(loc="left") == "dog"
    assert axes[1, 0].get_title(loc="left") == "dog (0.98), gap 1.23 %"
    figure.draw_without_rendering()


def test_methods_have_scales_of_their_own(figure, fake):
    ways = [{"method": "integrated-gradients"}, {"method": "integrated-gradients", "baseline": "mean"},
            {"method": "grad-cam", "baseline": None, "block": "block2", "gap": None}]  # fmt: skip
    record = fake.attribute(2, ways=ways)
    record.params["refused"] = [{"run": "run", "way": "deeplift", "why": "why"}]
    axes = np.array(draw(record, figure=figure)).reshape(4, 2)
    assert [len({ax.images[0].get_clim() for ax in row}) for row in axes[1:]] == [1, 1, 1]
    assert [ax.get_ylabel().replace("\n", " ") for ax in axes[1:, 0]] == [
        "integrated gradients from silence", "integrated gradients from mean", "grad-cam at block2",
    ]  # fmt: skip
    assert axes[0, 0].get_title(loc="left") == "dog\ndog (0.98)"
    assert axes[3, 0].get_title(loc="left") == ""
    assert "Wrong for the network and left out: deeplift." in figure.get_supxlabel()


def test_what_does_not_fit_is_said(figure, fake):
    ways = [{"method": "grad-cam", "block": f"block{k}"} for k in range(MAX_WAYS + 1)]
    record = fake.attribute(MAX_CLIPS + 1, ways=ways, width=20, n_mels=16)
    axes = draw(record, figure=figure)
    assert len(axes) == MAX_CLIPS * (MAX_WAYS + 1)
    said = f"{MAX_CLIPS} of {MAX_CLIPS + 1} clips, {MAX_WAYS} of {MAX_WAYS + 1} rows of maps"
    assert said in figure.get_supxlabel().replace("\n", " ")


def test_networks_of_one_kind_are_told_apart(figure, fake):
    same = {"init": "random", "treatment": "random", "blocks": "", "backbone": "a_net"}
    ways = [
        {"run": "a", **same, "seed": 0},
        {"run": "b", **same, "seed": 1},
        {"run": "c", **same, "seed": 0, "backbone": "b_net"},
        {"run": "d", **same, "seed": 1},
    ]
    axes = np.array(draw(fake.attribute(1, ways=ways), figure=figure)).reshape(5, 1)
    assert [ax.get_ylabel().replace("\n", " ") for ax in axes[1:, 0]] == [
        "random init, a net, seed 0", "random init, a net, seed 1, b", "random init, b net",
        "random init, a net, seed 1, d",
    ]  # fmt: skip


def test_the_explained_class_is_said_where_it_is_not_the_predicted_one(figure, fake):
    record = fake.attribute(3, ways=RUNS)
    for row in record.rows:
        row |= {"target": "rain", "target_probability": 0.04}
    axes = np.array(draw(record, figure=figure)).reshape(4, 3)
    assert axes[1, 0].get_title(loc="left") == "dog (0.98), shown: rain (0.04), gap 1.23 %"
    assert axes[1, 2].get_title(loc="left").startswith("rain (0.76), gap")
    assert "of the logit of a class" in figure.get_supxlabel()


def test_clips_that_were_stretched_have_no_common_seconds(figure, fake):
    record = fake.attribute(2)
    record.rows[1]["shown_s"] = 2.5
    axes = draw(record, figure=figure)
    assert axes[0].get_xlim() == (0, 1)
    assert axes[3].get_xlabel() == "share of the clip"
