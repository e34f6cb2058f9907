"""What decides how a sound is shown to an ImageNet network.

Conventions of all representations: power spectrogram, centred frames with reflected edges, periodic Hann window;
one FFT length, a tenth of a second (10 Hz bins), shorter windows zero-padded within it; natural log of
(power + 1e-6). `tlprobe.audio.image` says what each of them is.
"""

import math
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from tlprobe.audio.load import SR_MAX, SR_MIN

__all__ = ["CLIP_S_LIMIT", "FEATURES", "LOG_FLOOR", "LOG_OFFSET", "WINDOWS_MS", "Features", "ImageSettings", "Short"]

LOG_OFFSET = 1e-6  # added to the power before the log (the paper's code)
LOG_FLOOR = math.log(LOG_OFFSET)  # the log power of digital silence, about -13.8
WINDOWS_MS = ((25, 10), (50, 25), (100, 50))  # (window, hop) of log-mel3's channels, in ms; the others have the first
CLIP_S_LIMIT = 3600.0  # seconds; an hour at 16 kHz takes about 5 GB to transform, and a mistyped 1e5 all there is
_BINS_PER_HZ = 0.1  # n_fft = sr / 10: 10 Hz bins, narrow enough for 128 mel filters

Short = Literal["silence", "repeat", "stretch"]
Features = Literal["log-mel3", "log-mel", "log-spec", "mfcc", "gammatone"]
FEATURES: tuple[Features, ...] = get_args(Features)


class ImageSettings(BaseModel):
    """All that decides what a clip's image looks like; stored in each run and used again by every probe.

    Parameters
    ----------
    sr : int in [4000, 384000], in Hz
        Rate that clips are resampled to.
    clip_s : float in (0, 3600], in seconds
        Longer clips are cropped at the centre.
    short : {"silence", "repeat", "stretch"}
        What becomes of shorter clips: silence at the end; repeated from the start; or the image of what is there,
        stretched to the width, as the code of Palanisamy et al. 2020 does (its time axis is not that of other clips).
    channel : int >= 1 or None
        Which channel of a recording; None: the mean of all.
    features : {"log-mel3", "log-mel", "log-spec", "mfcc", "gammatone"}
        What the image shows, see `tlprobe.audio.image`.
    n_mels : int > 0
        Rows of the image: mel bands, cepstral coefficients, gammatone filters, or what linear frequency is resized to.
    width : int > 0
        Columns of the image.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sr: int = Field(ge=SR_MIN, le=SR_MAX)
    clip_s: float = Field(gt=0, le=CLIP_S_LIMIT, allow_inf_nan=False)
    short: Short = "silence"
    channel: int | None = Field(default=None, ge=1)
    features: Features = "log-mel3"
    n_mels: int = Field(default=128, ge=1)
    width: int = Field(ge=1)

    @property
    def n_samples(self) -> int:
        """Samples of one clip: `clip_s` at `sr`, rounded up as resampling does."""
        return math.ceil(self.clip_s * self.sr - 1e-6)

    @property
    def n_fft(self) -> int:
        """FFT length, the same for all windows: a tenth of a second, so bins are 10 Hz apart."""
        return round(self.sr * _BINS_PER_HZ)

    @property
    def windows_ms(self) -> tuple[tuple[int, int], ...]:
        """Window and hop of each channel that is computed, in ms: three, or the one that is shown three times."""
        return WINDOWS_MS if self.features == "log-mel3" else WINDOWS_MS[:1]
