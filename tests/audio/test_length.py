"""Waveforms of a given length."""

import numpy as np
import pytest

from tlprobe.audio.length import fit_length


@pytest.mark.parametrize(
    ("n", "fit"), [(1, "padded"), (99, "padded"), (100, "exact"), (101, "cropped"), (1000, "cropped")]
)
def test_fit_length_keeps_the_centre_or_appends_silence(n, fit):
    waveform = np.arange(1, n + 1, dtype=np.float32)
    fitted, how = fit_length(waveform, n_samples=100)
    assert (fitted.shape, how) == ((100,), fit)
    if fit == "padded":
        np.testing.assert_array_equal(fitted[:n], waveform)
        assert not fitted[n:].any()
    else:
        before, after = fitted[0] - 1, n - fitted[-1]
        assert 0 <= after - before <= 1
