import dataclasses
import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from tlprobe.plots.attribute import MAX_ROWS, draw


@pytest.fixture
def figure():
    return Figure(layout="constrained")


def images(axes):
    return [ax.images[0] for ax in axes]


def test_left_the_first_channel_right_the_sum(figure, fake):
    record = fake.attribute(3)
    axes = draw(record, figure=figure)
    assert len(axes) == 6
    for row, (left, right) in enumerate(zip(axes[::2], axes[1::2], strict=True)):
        np.testing.assert_array_equal(left.images[0].get_array(), record.arrays["spectrogram"][row, 0])
        np.testing.assert_allclose(right.images[0].get_array(), record.arrays["attribution"][row].sum(axis=0))


def test_rows_find_their_arrays_by_index(figure, fake):
    record = fake.attribute(3)
    axes = draw(dataclasses.replace(record, rows=record.rows[::-1]), figure=figure)
    np.testing.assert_array_equal(axes[0].images[0].get_array(), record.arrays["spectrogram"][2, 0])


def test_one_scale_for_all_rows_symmetric_and_from_silence(figure, fake):
    record = fake.attribute(3)
    axes = draw(record, figure=figure)
    left, right = ({image.get_clim() for image in images(side)} for side in (axes[::2], axes[1::2]))
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
    assert axes[2].get_xlabel() == "time (s)"
    assert axes[0].get_ylabel() == "Hz"
    labels = {tick.get_text(): y for tick, y in zip(axes[0].get_yticklabels(), axes[0].get_yticks(), strict=True)}
    assert list(labels) == ["250", "1000", "4000"]
    mel = np.array(record.params["row_hz"])
    band = int(np.abs(mel - 1000).argmin())
    assert abs(labels["1000"] - band) <= 1


@pytest.mark.parametrize(
    ("features", "value"), [("log-mel3", "log-mel power (ln), 25/10 ms channel"), ("gammatone", "gammatone filters")]
)
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
    assert {ax.get_ylabel() for ax in axes[::2]} == {"coefficient"}
    for image in images(axes[::2]):
        assert image.get_clim() == pytest.approx((-3, 3))
    texts = [text.get_text() for ax in figure.axes for text in ax.get_xticklabels()]
    assert not any("silence" in text for text in texts)
    figure.draw_without_rendering()


def test_text_names_class_prediction_and_gap(figure, fake):
    axes = draw(fake.attribute(3), figure=figure)
    assert axes[0].get_title(loc="left") == "true: dog"
    assert axes[1].get_title(loc="left") == "predicted: dog (0.98), gap 1.2 %"
    assert axes[3].get_title(loc="left").endswith("gap 0.025*")
    assert axes[5].get_title(loc="left").startswith("predicted: rain")
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
    assert len(axes) == 2 * MAX_ROWS
    assert f"{MAX_ROWS} of {MAX_ROWS + 2} clips" in figure.get_supxlabel()


def test_zero_attributions_and_no_params(figure, fake):
    record = fake.attribute(1)
    arrays = record.arrays | {"attribution": np.zeros_like(record.arrays["attribution"])}
    axes = draw(dataclasses.replace(record, arrays=arrays, params={}), figure=figure)
    assert axes[1].images[0].get_clim() == (-1, 1)
    assert axes[0].get_xlabel() == "frame"
    figure.draw_without_rendering()


@pytest.mark.parametrize("change", [{"rows": []}, {"arrays": {}}, {"rows": [{"array_index": None}]}])
def test_nothing_to_draw_is_said(figure, fake, change):
    (ax,) = draw(dataclasses.replace(fake.attribute(1), **change), figure=figure)
    assert [text.get_text() for text in ax.texts] == ["no attributions in this record"]
