"""Augmentation of a batch of images: cheap, batched, on the device the images are on.

Random numbers are drawn beforehand, on the CPU, for a whole epoch (`draw`); applying them (`Augment`) is
tensor arithmetic of fixed shapes, which never waits for a GPU and can be recorded in a CUDA graph. What is
too slow for a step, pitch and tempo, is rendered once: see `tlprobe.data.variants`.

Order: gain, noise, shift along frequency, roll along time on the log power; standardisation; masks; mixup.
The first three need images of log power: `tlprobe.train.recipe.check_features` refuses them, and masks along
frequency, for others.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from torch.nn import functional

from tlprobe.audio.settings import LOG_FLOOR, LOG_OFFSET
from tlprobe.data.loader import Standardiser
from tlprobe.errors import ParameterError
from tlprobe.numerics.seeds import derive_seed

__all__ = ["SNR_RANGE_DB", "Augment", "Augmentation", "draw", "mixed_loss", "refuse_switch"]

SNR_RANGE_DB = 20.0
"""Noise is drawn between the lowest signal-to-noise ratio and this much above it."""


def refuse_switch(value: Any) -> Any:
    """Refuse True and False where a number is meant: pydantic would take YAML's "yes" for 1.

    Raises
    ------
    ValueError
        Of pydantic's own wording.
    """
    if isinstance(value, bool):
        raise ValueError("Input should be a number")
    return value


class Augmentation(BaseModel):
    """What is done to each training image, at random; all of it is off by default.

    Attributes
    ----------
    time_roll : bool
        Roll along time by a random number of columns, circularly.
    gain_db : float >= 0, in dB
        Multiply the power by a gain, uniform in dB within +-`gain_db`. Silence stays silence.
    noise_snr_db : float or None, in dB
        Add the power of white noise at a signal-to-noise ratio uniform in dB, from this one to 20 dB above.
        The ratio is of mean power in the first channel.
    mel_shift : int >= 0, in rows
        Shift along frequency by a whole number of rows within +-`mel_shift`; what moves in is silence.
    freq_masks, time_masks : int >= 0
        SpecAugment: how many bands of rows, or of columns, are set to the mean of their channel.
    freq_mask_rows, time_mask_columns : int >= 0
        Their width is uniform from 0 to this.
    mixup : float >= 0
        Each image becomes ``lam * image + (1 - lam) * partner`` with lam from Beta(`mixup`, `mixup`).

    References
    ----------
    Park et al. 2019, https://arxiv.org/abs/1904.08779 (SpecAugment, without time warping);
    Zhang et al. 2018, https://arxiv.org/abs/1710.09412 (mixup).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_roll: bool = False
    gain_db: float = Field(default=0.0, ge=0, le=60, allow_inf_nan=False)
    noise_snr_db: float | None = Field(default=None, ge=-60, le=100, allow_inf_nan=False)
    mel_shift: int = Field(default=0, ge=0)
    freq_masks: int = Field(default=0, ge=0)
    freq_mask_rows: int = Field(default=0, ge=0)
    time_masks: int = Field(default=0, ge=0)
    time_mask_columns: int = Field(default=0, ge=0)
    mixup: float = Field(default=0.0, ge=0, allow_inf_nan=False)

    _numbers = field_validator(
        "gain_db",
        "noise_snr_db",
        "mel_shift",
        "freq_masks",
        "freq_mask_rows",
        "time_masks",
        "time_mask_columns",
        "mixup",
        mode="before",
    )(refuse_switch)

    @model_validator(mode="after")
    def _masks_have_a_number_and_a_width(self) -> "Augmentation":
        for number, width in (("freq_masks", "freq_mask_rows"), ("time_masks", "time_mask_columns")):
            if bool(getattr(self, number)) != bool(getattr(self, width)):
                raise ValueError(f"{number} and {width} need each other: one of them is 0")
        return self


def draw(
    augmentation: Augmentation, n: int, *, image_shape: tuple[int, ...], seed: int, epoch: int
) -> dict[str, np.ndarray]:
    """Draw one epoch's augmentation, a row a position of its order.

    Parameters
    ----------
    augmentation : Augmentation
        What is on.
    n : int
        Positions.
    image_shape : tuple of int
        ``(3, n_mels, width)``.
    seed, epoch : int
        Each purpose has a stream of its own, (seed, purpose, epoch).

    Returns
    -------
    draws : dict of str to np.ndarray [first axis n]
        Only what is on: ``time_roll`` (columns), ``gain_db``, ``noise_snr_db`` and ``noise_roll``,
        ``mel_shift`` (rows), ``freq_masks`` and ``time_masks`` (n, masks, 2; first and one past the last),
        ``mixup`` (lam, in [0, 1]).

    Raises
    ------
    ParameterError
        If a mask or a shift is larger than the image.
    """
    _, n_mels, width = image_shape
    for name, limit in (("mel_shift", n_mels), ("freq_mask_rows", n_mels), ("time_mask_columns", width)):
        if getattr(augmentation, name) > limit:
            raise ParameterError(f"{name}={getattr(augmentation, name)} is more than the image's {limit}")

    def stream(purpose: str) -> np.random.Generator:
        return np.random.default_rng(derive_seed(seed, purpose, epoch))

    draws: dict[str, np.ndarray] = {}
    if augmentation.time_roll:
        draws["time_roll"] = stream("time_roll").integers(0, width, size=n)
    if augmentation.gain_db:
        gain = augmentation.gain_db
        draws["gain_db"] = stream("gain_db").uniform(-gain, gain, size=n).astype(np.float32)
    if augmentation.noise_snr_db is not None:
        low = augmentation.noise_snr_db
        draws["noise_snr_db"] = stream("noise_snr_db").uniform(low, low + SNR_RANGE_DB, size=n).astype(np.float32)
        draws["noise_roll"] = stream("noise_roll").integers(0, width, size=n)
    if augmentation.mel_shift:
        shift = augmentation.mel_shift
        draws["mel_shift"] = stream("mel_shift").integers(-shift, shift, size=n, endpoint=True)
    for name, number, widest, size in (
        ("freq_masks", augmentation.freq_masks, augmentation.freq_mask_rows, n_mels),
        ("time_masks", augmentation.time_masks, augmentation.time_mask_columns, width),
    ):
        if number:
            rng = stream(name)
            widths = rng.integers(0, widest, size=(n, number), endpoint=True)
            first = rng.integers(0, size - widths, endpoint=True)
            draws[name] = np.stack([first, first + widths], axis=-1)
    if augmentation.mixup:
        draws["mixup"] = stream("mixup").beta(augmentation.mixup, augmentation.mixup, size=n).astype(np.float32)
    return draws


class Augment:
    """Make network inputs of raw images: augmented as drawn, and standardised.

    Parameters
    ----------
    augmentation : Augmentation
        What is on.
    standardise : Standardiser
        Applied to every image.
    device : torch.device
        Where the images will be.
    white_noise : torch.Tensor [shape=(3, n_mels, width)], optional
        Image of white noise, of the images' own settings; needed where noise is on.

    Raises
    ------
    ParameterError
        If noise is on without `white_noise`.
    """

    def __init__(
        self,
        augmentation: Augmentation,
        *,
        standardise: Standardiser,
        device: torch.device,
        white_noise: torch.Tensor | None = None,
    ) -> None:
        if augmentation.noise_snr_db is not None and white_noise is None:
            raise ParameterError(f"noise_snr_db={augmentation.noise_snr_db:g} needs the image of white noise")
        self._mean = torch.tensor(standardise.mean, device=device).view(-1, 1, 1)
        self._std = torch.tensor(standardise.std, device=device).view(-1, 1, 1)
        self._noise = None if white_noise is None else _power(white_noise.to(device))[None]

    def __call__(self, images: torch.Tensor, draws: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the batch as the network gets it.

        Parameters
        ----------
        images : torch.Tensor [shape=(batch, 3, n_mels, width)]
            As `tlprobe.audio.image` makes them; left as they are.
        draws : mapping of str to torch.Tensor
            The rows of `draw` for these images.

        Returns
        -------
        inputs : torch.Tensor [same shape]
        """
        x = images
        if "gain_db" in draws or "noise_snr_db" in draws:
            x = torch.log(self._louder_and_noisier(_power(x), draws) + LOG_OFFSET)
        if "mel_shift" in draws:
            x = _shift_rows(x, draws["mel_shift"])
        if "time_roll" in draws:
            x = _roll(x, draws["time_roll"])
        x = (x - self._mean).div_(self._std)
        if "freq_masks" in draws:
            x.masked_fill_(_mask(draws["freq_masks"], x.shape[2])[:, None, :, None], 0.0)
        if "time_masks" in draws:
            x.masked_fill_(_mask(draws["time_masks"], x.shape[3])[:, None, None, :], 0.0)
        if "mixup" in draws:
            x = torch.lerp(x.flip(0), x, draws["mixup"][:, None, None, None])
        return x

    def _louder_and_noisier(self, power: torch.Tensor, draws: Mapping[str, torch.Tensor]) -> torch.Tensor:
        if "gain_db" in draws:
            power = power * _from_db(draws["gain_db"])[:, None, None, None]
        if "noise_snr_db" in draws and self._noise is not None:
            noise = _roll(self._noise.expand_as(power), draws["noise_roll"])
            signal_to_noise = power[:, 0].mean((1, 2)) / self._noise[:, 0].mean((1, 2))
            factor = signal_to_noise / _from_db(draws["noise_snr_db"])
            power = power + factor[:, None, None, None] * noise
        return power


def mixed_loss(
    logits: torch.Tensor, target: torch.Tensor, lam: torch.Tensor | None, *, label_smoothing: float
) -> torch.Tensor:
    """Return the mean cross-entropy of a batch whose images may be mixed with their mirror images in the batch.

    Parameters
    ----------
    logits : torch.Tensor [shape=(batch, n_classes)]
    target : torch.Tensor [shape=(batch,), int64]
        Classes of the unmixed images.
    lam : torch.Tensor [shape=(batch,)] or None
        Share of an image's own class; None: the images are not mixed.
    label_smoothing : float in [0, 1)

    Returns
    -------
    loss : torch.Tensor [scalar], in nats
        Mean of ``lam * CE(own class) + (1 - lam) * CE(partner's class)``; the partner of image p is b - 1 - p.
    """
    if lam is None:
        return functional.cross_entropy(logits, target, label_smoothing=label_smoothing)
    own, partner = (
        functional.cross_entropy(logits, classes, label_smoothing=label_smoothing, reduction="none")
        for classes in (target, target.flip(0))
    )
    return (lam * own + (1 - lam) * partner).mean()


def _power(images: torch.Tensor) -> torch.Tensor:
    """Undo the logarithm; rounding must not leave a power below 0."""
    return images.exp().sub_(LOG_OFFSET).clamp_(min=0)


def _from_db(value: torch.Tensor) -> torch.Tensor:
    return torch.exp(value * (math.log(10) / 10))


def _roll(images: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    width = images.shape[-1]
    source = (torch.arange(width, device=images.device) - columns[:, None]) % width
    return torch.gather(images, -1, source[:, None, None, :].expand_as(images))


def _shift_rows(images: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    n_mels = images.shape[2]
    source = torch.arange(n_mels, device=images.device) - rows[:, None]
    moved = torch.gather(images, 2, source.clamp(0, n_mels - 1)[:, None, :, None].expand_as(images))
    outside = (source < 0) | (source >= n_mels)
    return moved.masked_fill_(outside[:, None, :, None], LOG_FLOOR)


def _mask(bands: torch.Tensor, size: int) -> torch.Tensor:
    """Return which of `size` lines any band covers: (batch, masks, 2) -> (batch, size)."""
    at = torch.arange(size, device=bands.device)
    return ((at >= bands[..., :1]) & (at < bands[..., 1:])).any(1)
