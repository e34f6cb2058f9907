"""The mask of a map: where its rows and columns lie, and what its values are worth."""

import numpy as np
import pytest

from tlprobe.audio.gammatone import gammatone_gains
from tlprobe.audio.mel import mel_filters
from tlprobe.audio.resize import resize_weights
from tlprobe.audio.settings import FEATURES
from tlprobe.probes.attribution.listen import soft_mask


@pytest.mark.parametrize("width", [60, 101, 300])
def test_columns_lie_where_the_image_makers_resize_puts_them(signals, width):
    """Frame numbers, resized to columns as images are, must come back as frame numbers."""
    image = signals.settings(width=width)
    numbers = 10 + np.arange(101) @ resize_weights(101, width)
    mask = soft_mask(np.broadcast_to(numbers, (3, 64, width)).astype(np.float32), image)
    at_frames = mask[100, 1:102] / mask[100, 51] * 60  # the first frame is p = -1; frame 50 has 10 + 50
    np.testing.assert_allclose(at_frames[20:80], 10 + np.arange(20, 80), atol=0.05)


def test_no_column_of_a_wide_image_falls_between_frames(signals):
    image = signals.settings(width=606)  # six a frame
    for column in range(300, 306):
        attribution = signals.flat(0, image)
        attribution[:, :, column] = 1
        assert soft_mask(attribution, image).max() > 0.8


@pytest.mark.parametrize("features", [name for name in FEATURES if name != "mfcc"])
def test_frequencies_are_spread_by_the_transposed_filters(signals, features):
    """A slow twin on the image's own bins: the filter-weighted mean of the rows, by definition."""
    image = signals.settings(features=features, sr=8000)
    attribution = signals.flat(0, image) + np.linspace(0.1, 1, image.n_mels, dtype=np.float32)[:, None]
    n_bins = image.n_fft // 2 + 1
    if features == "log-spec":
        filters = resize_weights(n_bins, image.n_mels).T
    else:
        filters = gammatone_gains(image) if features == "gammatone" else mel_filters(image)
    rows = soft_mask_rows(attribution)
    mask = soft_mask(attribution, image)
    for k in range(n_bins):
        total = sum(float(f[k]) for f in filters)
        if total > 0:
            expected = sum(float(f[k]) * value for f, value in zip(filters, rows, strict=True)) / total
            np.testing.assert_allclose(mask[k], expected, atol=1e-5)
    if features.startswith("log-mel"):  # triangles end at 0 Hz and sr/2
        np.testing.assert_array_equal(mask[0], mask[1])
        np.testing.assert_array_equal(mask[-1], mask[-2])


def soft_mask_rows(attribution):
    """The smoothed and scaled map of one that does not change in time."""
    rows = attribution.sum(axis=0, dtype=float)[:, 0]
    reach = np.arange(-4, 5)
    kernel = np.exp(-(reach**2) / 2)
    padded = np.pad(rows, 4, mode="edge")
    smooth = np.convolve(padded, kernel / kernel.sum(), mode="valid")
    return np.clip(smooth / np.percentile(np.repeat(smooth, attribution.shape[2]), 99), 0, 1)  # of all cells


def test_the_scale_of_a_map_and_what_speaks_against_the_class_do_not_matter(signals):
    image = signals.settings()
    attribution = np.random.default_rng(4).normal(size=(3, 64, 60)).astype(np.float32)
    mask = soft_mask(attribution, image)
    assert mask.min() >= 0
    assert mask.max() == pytest.approx(1)
    np.testing.assert_allclose(soft_mask(attribution * 1e-6, image), mask, atol=1e-5)
    negative = attribution.sum(axis=0) < 0
    np.testing.assert_allclose(soft_mask(np.where(negative, 9 * attribution, attribution), image), mask, atol=1e-5)


def test_one_cell_is_enough_and_one_outlier_does_not_mute_the_rest(signals):
    image = signals.settings()
    single = signals.flat(0, image)
    single[1, 30, 20] = 1e-3
    assert soft_mask(single, image).max() > 0.7  # less than 1 % of the map is above 0
    loud = signals.flat(1, image)
    loud[0, 30, 20] = 1e6
    assert np.median(soft_mask(loud, image)) < 0.02  # smoothing spreads it over more than 1 % of the cells ...
    wide = signals.settings(width=600)
    loud = signals.flat(1, wide)
    loud[0, 30, 300] = 1e6
    assert np.median(soft_mask(loud, wide)) > 0.5  # ... of a small map, not of one of usual size
