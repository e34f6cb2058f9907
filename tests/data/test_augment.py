"""Batched augmentation: each by hand on small images, each clip its own draw, nothing that waits for a GPU."""

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional

from tlprobe.audio.image import ImageMaker
from tlprobe.audio.settings import LOG_FLOOR, LOG_OFFSET, ImageSettings
from tlprobe.data.augment import SNR_RANGE_DB, Augment, Augmentation, draw, mixed_loss
from tlprobe.data.loader import Standardiser
from tlprobe.errors import ParameterError

CPU = torch.device("cpu")
SHAPE = (3, 6, 8)
PLAIN = Standardiser()
ALL_ON = {
    "time_roll": True,
    "gain_db": 6.0,
    "noise_snr_db": 10.0,
    "mel_shift": 2,
    "freq_masks": 2,
    "freq_mask_rows": 3,
    "time_masks": 1,
    "time_mask_columns": 4,
    "mixup": 0.4,
}


def some_images(n=6, shape=SHAPE, seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.maximum(rng.normal(-6, 3, size=(n, *shape)), LOG_FLOOR).astype(np.float32))


def noise_image(shape=SHAPE):
    return torch.from_numpy(np.random.default_rng(9).normal(-2, 0.5, size=shape).astype(np.float32))


def drawn(n, *, shape=SHAPE, seed=0, epoch=1, **settings):
    found = draw(Augmentation(**settings), n, image_shape=shape, seed=seed, epoch=epoch)
    return {name: torch.from_numpy(values) for name, values in found.items()}


def augment(images, draws, *, standardise=PLAIN, noise=None, **settings):
    return Augment(Augmentation(**settings), standardise=standardise, device=CPU, white_noise=noise)(images, draws)


def power(images):
    return images.double().exp() - LOG_OFFSET


def test_with_everything_off_it_standardises_and_leaves_the_images_alone():
    images = some_images()
    before = images.clone()
    standardise = Standardiser((-7.0, -6.0, -5.0), (2.0, 3.0, 0.5))
    assert drawn(6) == {}
    assert torch.equal(augment(images, {}, standardise=standardise), standardise(images))
    augment(images, drawn(6, **ALL_ON), noise=noise_image(), **ALL_ON)
    assert torch.equal(images, before)


def test_rolls_as_torch_does_with_the_channels_together():
    images, draws = some_images(20), drawn(20, time_roll=True)
    rolled = augment(images, draws, time_roll=True)
    for before, after, shift in zip(images, rolled, draws["time_roll"], strict=True):
        assert torch.equal(torch.roll(before, int(shift), dims=-1), after)
    assert len(set(draws["time_roll"].tolist())) > 3  # each clip has its own


def test_gain_by_hand_and_silence_stays_silence():
    images = torch.log(torch.tensor([0.0, 1e-5, 2.0], dtype=torch.float64) + LOG_OFFSET).float().view(1, 1, 1, 3)
    images = images.expand(2, 3, 1, 3).contiguous()
    draws = {"gain_db": torch.tensor([10.0, -3.0102999566])}  # times 10, times 1/2
    found = augment(images, draws, gain_db=10.0)
    for clip, factor in enumerate((10.0, 0.5)):
        expected = torch.log(torch.tensor([0.0, 1e-5, 2.0], dtype=torch.float64) * factor + LOG_OFFSET)
        assert torch.allclose(found[clip, 0, 0].double(), expected, atol=1e-3)
        assert found[clip, 0, 0, 0].item() == pytest.approx(LOG_FLOOR, abs=1e-5)


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_noise_has_the_stated_ratio_to_the_clip_and_is_rolled(snr_db):
    images, noise = some_images(2), noise_image()
    draws = {"noise_snr_db": torch.tensor([snr_db, snr_db + 3]), "noise_roll": torch.tensor([0, 5])}
    found = power(augment(images, draws, noise=noise, noise_snr_db=snr_db))
    added = found - power(images)
    for clip, (ratio_db, roll) in enumerate(((snr_db, 0), (snr_db + 3, 5))):
        ratio = power(images)[clip, 0].mean() / added[clip, 0].mean()
        assert 10 * torch.log10(ratio) == pytest.approx(ratio_db, abs=0.01)
        shape = torch.roll(power(noise), roll, dims=-1)
        factor = added[clip, 0].mean() / shape[0].mean()
        assert torch.allclose(added[clip], factor * shape, rtol=1e-2, atol=1e-5)  # in all channels


def test_the_power_of_real_white_noise_adds_up():
    """The log-mel image of signal + noise is that of the sum of powers, but for their cross terms."""
    settings = ImageSettings(sr=8000, clip_s=2.0, width=100, n_mels=32)
    image_maker = ImageMaker(settings)
    rng = np.random.default_rng(0)
    signal, noise = (rng.standard_normal(image_maker.n_samples).astype(np.float32) for _ in range(2))
    images = torch.from_numpy(image_maker(signal))[None]
    draws = {"noise_snr_db": torch.tensor([10.0]), "noise_roll": torch.tensor([0])}
    found = augment(images, draws, noise=torch.from_numpy(image_maker(noise)), noise_snr_db=10.0)
    louder = torch.from_numpy(image_maker((signal + noise * 10 ** (-10 / 20)).astype(np.float32)))
    assert found.exp().mean().item() == pytest.approx(louder.exp().mean().item(), rel=0.02)


def test_a_shift_moves_rows_and_leaves_silence():
    images = torch.arange(6.0).view(1, 1, 6, 1).expand(3, 3, 6, 2).contiguous()
    found = augment(images, {"mel_shift": torch.tensor([2, -1, 0])}, mel_shift=2)
    rows = found[:, 0, :, 0]
    assert rows[0].tolist() == pytest.approx([LOG_FLOOR, LOG_FLOOR, 0, 1, 2, 3])
    assert rows[1].tolist() == pytest.approx([1, 2, 3, 4, 5, LOG_FLOOR])
    assert rows[2].tolist() == [0, 1, 2, 3, 4, 5]
    assert torch.equal(found[:, 0], found[:, 2])


def test_masks_are_the_mean_in_all_channels_where_they_were_drawn():
    images = some_images(2)
    standardise = Standardiser((-7.0, -6.0, -5.0), (2.0, 3.0, 0.5))
    draws = {
        "freq_masks": torch.tensor([[[1, 3], [5, 6]], [[2, 2], [0, 1]]]),
        "time_masks": torch.tensor([[[7, 8]], [[0, 0]]]),
    }
    found = augment(images, draws, standardise=standardise, **{k: v for k, v in ALL_ON.items() if "mask" in k})
    expected = standardise(images)
    expected[0, :, [1, 2, 5]] = 0
    expected[0, :, :, 7] = 0
    expected[1, :, 0] = 0
    assert torch.equal(found, expected)


def test_mixup_mixes_with_the_mirror_image_in_the_batch():
    images = some_images(5)
    lam = torch.tensor([0.9, 0.2, 0.5, 1.0, 0.0])
    found = augment(images, {"mixup": lam}, mixup=0.4)
    for at in range(5):
        expected = lam[at] * images[at] + (1 - lam[at]) * images[4 - at]
        assert torch.allclose(found[at], expected, atol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_mixed_loss_is_cross_entropy_with_soft_targets(smoothing):
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(5, 4)))
    target, lam = torch.tensor([0, 1, 3, 3, 2]), torch.tensor([0.9, 0.2, 0.5, 1.0, 0.0], dtype=torch.float64)
    soft = lam[:, None] * functional.one_hot(target, 4) + (1 - lam)[:, None] * functional.one_hot(target.flip(0), 4)
    soft = (1 - smoothing) * soft + smoothing / 4
    expected = -(soft * functional.log_softmax(logits, 1)).sum(1).mean()
    assert mixed_loss(logits, target, lam, label_smoothing=smoothing).item() == pytest.approx(expected.item())
    plain = functional.cross_entropy(logits, target, label_smoothing=smoothing)
    assert mixed_loss(logits, target, None, label_smoothing=smoothing) == plain
    assert mixed_loss(logits, target, torch.ones(5), label_smoothing=smoothing).item() == pytest.approx(plain.item())


def test_the_order_is_roll_then_standardise_then_mask_then_mix():
    images, settings = some_images(4), {name: ALL_ON[name] for name in ALL_ON if "noise" not in name}
    draws = drawn(4, **settings)
    standardise = Standardiser((-7.0, -6.0, -5.0), (2.0, 3.0, 0.5))
    step = images
    for names in (("gain_db",), ("mel_shift",), ("time_roll",)):
        only = {name: draws[name] for name in names}
        step = augment(step, only, **{name: settings[name] for name in names})
    step = standardise(step)
    for names in (("freq_masks", "time_masks"), ("mixup",)):
        step = augment(step, {name: draws[name] for name in names}, **settings)
    assert torch.allclose(augment(images, draws, standardise=standardise, **settings), step, atol=1e-5)


def test_ranges_and_their_ends():
    draws = drawn(3000, **ALL_ON)
    assert set(draws["time_roll"].tolist()) == set(range(8))
    assert set(draws["mel_shift"].tolist()) == {-2, -1, 0, 1, 2}
    assert set(draws["noise_roll"].tolist()) == set(range(8))
    assert -6 <= draws["gain_db"].min() < -5.9
    assert 5.9 < draws["gain_db"].max() <= 6
    assert 10 <= draws["noise_snr_db"].min() < 10.1
    assert 9.9 + SNR_RANGE_DB < draws["noise_snr_db"].max() <= 10 + SNR_RANGE_DB
    assert 0 <= draws["mixup"].min() < draws["mixup"].max() <= 1
    assert draws["mixup"].double().var().item() == pytest.approx(1 / (4 * (2 * 0.4 + 1)), rel=0.05)  # of Beta(a, a)
    for name, shape, widest, size in (("freq_masks", (3000, 2, 2), 3, 6), ("time_masks", (3000, 1, 2), 4, 8)):
        first, last = draws[name].unbind(-1)
        assert draws[name].shape == shape
        assert set((last - first).flatten().tolist()) == set(range(widest + 1))
        assert (first.min(), last.max()) == (0, size)


def test_draws_depend_on_seed_purpose_and_epoch_alone():
    first = drawn(50, **ALL_ON)
    np.random.default_rng().random()
    torch.rand(3)
    again = drawn(50, **ALL_ON)
    assert all(torch.equal(first[name], again[name]) for name in first)
    for change in ({"seed": 1}, {"epoch": 2}):
        other = drawn(50, **ALL_ON, **change)
        assert not any(torch.equal(first[name], other[name]) for name in first)
    alone = drawn(50, mel_shift=2)
    assert torch.equal(alone["mel_shift"], first["mel_shift"])  # whatever else is on
    for a, b in itertools.combinations(first.values(), 2):
        assert a.shape != b.shape or not torch.equal(a, b)


def test_it_never_waits_for_a_device_and_has_no_branch_on_data():
    """Recorded without a break as one graph: any look at a value would break it."""
    augmenter = Augment(Augmentation(**ALL_ON), standardise=PLAIN, device=CPU, white_noise=noise_image())
    images, draws = some_images(4), drawn(4, **ALL_ON)
    recorded = torch.compile(augmenter.__call__, fullgraph=True, backend="eager")
    assert torch.equal(recorded(images, draws), augmenter(images, draws))
    on_meta = Augment(
        Augmentation(**ALL_ON), standardise=PLAIN, device=torch.device("meta"), white_noise=noise_image().to("meta")
    )
    meta_draws = {name: values.to("meta") for name, values in draws.items()}
    assert on_meta(images.to("meta"), meta_draws).shape == images.shape  # meta tensors have no values to look at


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"freq_masks": 2}, "freq_masks and freq_mask_rows need each other"),
        ({"time_mask_columns": 2}, "time_masks and time_mask_columns need each other"),
        ({"gain_db": -1}, "gain_db"),
        ({"mixup": float("nan")}, "mixup"),
        ({"mel_shift": True}, "should be a number"),
        ({"roll": True}, "roll"),
    ],
)
def test_impossible_settings_are_named(settings, words):
    with pytest.raises(ValueError, match=words):
        Augmentation(**settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mel_shift": 7}, "mel_shift=7 is more than the image's 6"),
        ({"freq_masks": 1, "freq_mask_rows": 9}, "freq_mask_rows=9 is more than the image's 6"),
        ({"time_masks": 1, "time_mask_columns": 9}, "time_mask_columns=9 is more than the image's 8"),
    ],
)
def test_what_is_larger_than_the_image_is_named(settings, words):
    with pytest.raises(ParameterError, match=words):
        drawn(3, **settings)


def test_noise_needs_its_image():
    with pytest.raises(ParameterError, match="noise_snr_db=10 needs the image of white noise"):
        Augment(Augmentation(noise_snr_db=10), standardise=PLAIN, device=CPU)
