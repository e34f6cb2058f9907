"""Batches: every clip once, standardised by the training clips alone."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tlprobe.data.loader import Standardiser, channel_statistics, epoch_order, image_batches
from tlprobe.errors import DataError


def some_images(n=6, *, width=5, seed=0):
    return np.random.default_rng(seed).normal(-8, 2, size=(n, 3, 4, width)).astype(np.float32)


def test_statistics_by_hand():
    # One row of two columns a channel; two training clips: means 2, 0, 5; variances 2.5, 4, 1.
    images = np.array(
        [
            [[[0, 3]], [[-2, 2]], [[4, 4]]],
            [[[1, 4]], [[2, -2]], [[6, 6]]],
            [[[900, 900]], [[900, 900]], [[900, 900]]],  # held out: must not count
        ],
        np.float32,
    )
    found = channel_statistics(images, np.array([0, 1]))
    assert found.mean == (2.0, 0.0, 5.0)
    assert found.std == pytest.approx((np.sqrt(2.5), 2.0, 1.0))
    first = found(torch.from_numpy(images[:1]))
    assert first[0, 1].tolist() == [[-1.0, 1.0]]
    assert first[0, 2].tolist() == [[-1.0, -1.0]]


@pytest.mark.parametrize("n", [3, 64, 65, 150])
def test_standardised_training_clips_have_mean_0_and_variance_1(n):
    images = some_images(n + 4)
    images[n:] += 50  # the held-out clips are of another kind
    standardise = channel_statistics(images, np.arange(n))
    result = standardise(torch.from_numpy(images[:n])).double()
    assert torch.allclose(result.mean((0, 2, 3)), torch.zeros(3, dtype=torch.float64), atol=1e-5)
    assert torch.allclose(result.std((0, 2, 3), correction=0), torch.ones(3, dtype=torch.float64), atol=1e-5)


def test_statistics_do_not_depend_on_the_held_out_clips():
    images = some_images()
    train = np.array([0, 2, 5])
    before = channel_statistics(images, train)
    images[[1, 3, 4]] = 1e6
    assert channel_statistics(images, train) == before


def test_a_constant_channel_is_a_data_error():
    images = some_images()
    images[:, 1] = -13.8
    with pytest.raises(DataError, match="all 4 training clips have the same constant image"):
        channel_statistics(images, np.arange(4))


def test_the_default_standardiser_changes_nothing():
    images = torch.from_numpy(some_images())
    assert torch.equal(Standardiser()(images), images)


@given(n=st.integers(2, 200), batch_size=st.integers(2, 64), seed=st.integers(0, 1000), epoch=st.integers(1, 500))
def test_an_epoch_has_each_clip_once_in_even_batches(n, batch_size, seed, epoch):
    index = np.arange(n) * 3 + 1
    batches = epoch_order(index, batch_size=batch_size, seed=seed, epoch=epoch)
    assert sorted(np.concatenate(batches)) == index.tolist()
    sizes = [len(batch) for batch in batches]
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    assert len(batches) == int(np.ceil(n / batch_size))
    again = epoch_order(index, batch_size=batch_size, seed=seed, epoch=epoch)
    assert all(np.array_equal(*pair) for pair in zip(batches, again, strict=True))


def test_the_order_changes_with_seed_and_epoch_but_not_with_the_batch_size():
    def order(**changes):
        return np.concatenate(
            epoch_order(np.arange(50), **({"batch_size": 8, "seed": 0, "epoch": 1} | changes))
        ).tolist()

    orders = [order(), order(epoch=2), order(seed=1), order(seed=1, epoch=2)]
    assert len({tuple(item) for item in orders}) == 4
    assert order(batch_size=13) == order()


def test_batches_are_the_images_asked_for_and_copies_of_them():
    images = some_images()
    images.flags.writeable = False  # as the cache's memory map is
    order = [np.array([4, 0]), np.array([5])]
    batches = list(image_batches(images, order))
    for index, batch in zip(order, batches, strict=True):
        np.testing.assert_array_equal(batch.numpy(), images[index])
    batches[0] += 1
    assert not np.array_equal(batches[0].numpy(), images[[4, 0]])
