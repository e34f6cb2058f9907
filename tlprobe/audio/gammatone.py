"""Gammatone filters: the ear's, as gains of the bins of a power spectrum.

The filter at f Hz is the 4th-order gammatone, t^3 exp(-2 pi b t) cos(2 pi f t), with b = 1.019 ERB(f) and the
equivalent rectangular bandwidth ERB(f) = 24.7 + f / 9.26449 (Glasberg and Moore 1990). Its frequency response is that
of ``scipy.signal.gammatone(f, "iir", fs=sr)``, 1 at f, in factored form: SciPy's coefficients lose all digits for low
f at high rates. Centres are evenly spaced in ERBs from 50 Hz to below sr/2 (Slaney 1993, "An efficient implementation
of the Patterson-Holdsworth auditory filter bank", Apple technical report 35; 50 Hz as in Ellis's gammatonegram).

The energy of a frame behind a filter is approximated as Ellis does
(https://www.ee.columbia.edu/~dpwe/LabROSA/matlab/gammatonegram/): the squared response times the frame's power
spectrum, summed. So a filter rings within its frame alone, without its delay, and no band is narrower than the
window's spectrum: 60 Hz for 25 ms, against an ERB of 30 to 60 Hz below 330 Hz. Against filtering in time, the level
of steady noise is the same; a tone at a filter's centre is 3.3 dB too low at 50 Hz, 1 dB at 500 Hz, 0.3 dB at 1300 Hz,
and what is too low there is spread over the rows around.
"""

import numpy as np
import numpy.typing as npt

from tlprobe.audio.settings import ImageSettings

__all__ = ["LOWEST_HZ", "erb_hz", "gammatone_centres_hz", "gammatone_gains"]

LOWEST_HZ = 50.0
"""Centre of the lowest filter."""

_EAR_Q, _MIN_BANDWIDTH_HZ = 9.26449, 24.7  # Glasberg and Moore's
_BANDWIDTHS_PER_ERB, _ORDER = 1.019, 4  # Patterson's
_SMALLEST = 1e-8  # of the power gain; below -80 dB a frame's own side lobes are larger

Array = npt.NDArray[np.float64]


def erb_hz(hz: Array) -> Array:
    """Return the equivalent rectangular bandwidth of hearing at frequencies, in Hz.

    Examples
    --------
    >>> erb_hz(np.array([1000.0])).round(2).tolist()
    [132.64]
    """
    return hz / _EAR_Q + _MIN_BANDWIDTH_HZ


def gammatone_centres_hz(settings: ImageSettings) -> Array:
    """Return the filters' centres ``(n_mels,)``, in Hz, rising from 50 to below sr/2, evenly spaced in ERBs."""
    offset = _EAR_Q * _MIN_BANDWIDTH_HZ
    low, top = np.log(LOWEST_HZ + offset), np.log(settings.sr / 2 + offset)
    centres: Array = np.exp(np.linspace(low, top, settings.n_mels, endpoint=False)) - offset
    return centres


def gammatone_gains(settings: ImageSettings) -> npt.NDArray[np.float32]:
    """Return the power gain of each FFT bin in each filter.

    Unlike mel triangles, no filter can be too narrow: an ERB is at least 24.7 Hz, and bins are 10 Hz apart.

    Returns
    -------
    gains : np.ndarray [shape=(n_mels, n_fft // 2 + 1), float32]
        1 at the centre, 0 where it would be below 1e-8; close below sr/2, where the filter meets its mirror image,
        a little above 1.
    """
    centres = gammatone_centres_hz(settings)[:, None]
    bandwidth = _BANDWIDTHS_PER_ERB * erb_hz(centres)
    poles = np.exp(2 * np.pi * (1j * centres - bandwidth) / settings.sr)

    def power(hz: Array) -> Array:
        delay = np.exp(-2j * np.pi * hz / settings.sr)
        halves = (1 - poles * delay) ** -_ORDER + (1 - poles.conj() * delay) ** -_ORDER
        squared: Array = halves.real**2 + halves.imag**2
        return squared

    bins = np.arange(settings.n_fft // 2 + 1) * settings.sr / settings.n_fft
    gains = power(bins) / power(centres)
    kept: npt.NDArray[np.float32] = np.where(gains < _SMALLEST, 0.0, gains).astype(np.float32)
    return kept
