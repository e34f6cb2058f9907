"""A recording at another pitch and another tempo, for stored variants of training clips.

Both by librosa's phase vocoder. What is longer or shorter afterwards is cropped or padded to the clip's length
by whoever makes an image of it, never resized: a resize would undo the stretch.
"""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

__all__ = ["VOCODER_SAMPLES", "Variation", "vary"]

VOCODER_SAMPLES = 2048  # of a frame of librosa's phase vocoder


@dataclasses.dataclass(frozen=True)
class Variation:
    """What is done to a waveform.

    Parameters
    ----------
    semitones : float
        Shift of pitch; 12 is an octave up.
    rate : float > 0
        Tempo; 2 takes half the time.
    """

    semitones: float = 0.0
    rate: float = 1.0


def vary(waveform: npt.NDArray[np.float32], variation: Variation, *, sr: int) -> npt.NDArray[np.float32]:
    """Return a waveform at another pitch and tempo.

    Parameters
    ----------
    waveform : np.ndarray [shape=(n_samples,), float32]
    variation : Variation
    sr : int > 0, in Hz

    Returns
    -------
    varied : np.ndarray [shape=(round(n_samples / rate),), float32]
        At other levels than before where partials overlap; finite.
    """
    import librosa  # here, because its import takes seconds

    n = len(waveform)
    shortest = math.ceil(VOCODER_SAMPLES * max(1.0, variation.rate)) + 1  # a frame, before the stretch and after it
    varied = np.pad(waveform, (0, max(0, shortest - n)))
    if variation.rate != 1.0:
        varied = librosa.effects.time_stretch(varied, rate=variation.rate)
    if variation.semitones:
        varied = librosa.effects.pitch_shift(varied, sr=sr, n_steps=variation.semitones)
    return np.asarray(varied[: round(n / variation.rate)], dtype=np.float32)
