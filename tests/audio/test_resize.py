"""Resizing weights against torch."""

import numpy as np
import pytest
import torch

from tlprobe.audio.resize import resize_weights


@pytest.mark.parametrize(("n_in", "n_out"), [(501, 250), (201, 250), (101, 250), (7, 7), (10, 3), (3, 10)])
def test_resize_weights_are_those_of_torch(n_in, n_out):
    """To the rounding of its own float32 weights: antialiased when shrinking."""
    eye = torch.eye(n_in)[None, None]
    expected = torch.nn.functional.interpolate(eye, size=(n_in, n_out), mode="bilinear", antialias=True)[0, 0]
    np.testing.assert_allclose(resize_weights(n_in, n_out), expected, atol=2e-5)
