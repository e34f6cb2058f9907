"""Ten kinds of sound made from noise, pulses and sweeps, one function each.

Every function draws its pitch, rate, decay and the like from the generator it is given, so no two clips of
a class are alike, and returns the sound alone: `tlprobe.data.synthetic` adds room, background and level.
Some are meant to be mistaken for each other: rain, wind and fire; chirps and siren; bell, clock and knocks.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy import signal

__all__ = ["SOUNDS", "SR", "coloured_noise", "unit"]

SR = 16_000  # Hz
_Wave = npt.NDArray[np.float64]
_Rng = np.random.Generator


def coloured_noise(rng: _Rng, n: int, *, slope: float) -> _Wave:
    """Return noise whose power falls with frequency as ``f ** -slope``, of unit RMS.

    Parameters
    ----------
    rng : np.random.Generator
    n : int > 0
        Samples.
    slope : float
        0 is white, 1 pink, 2 brown; flat below 20 Hz.
    """
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum *= np.maximum(np.fft.rfftfreq(n, 1 / SR), 20.0) ** (-slope / 2)
    wave: _Wave = np.fft.irfft(spectrum, n)
    return unit(wave)


def unit(wave: _Wave) -> _Wave:
    """Return `wave` scaled to an RMS of 1; silence stays silence."""
    scaled: _Wave = wave / (np.sqrt(np.mean(wave**2)) + 1e-12)
    return scaled


def _band(wave: _Wave, low: float, high: float) -> _Wave:
    """Keep `low` to `high` Hz, softly."""
    sos = signal.butter(2, (low, min(high, 0.49 * SR)), "bandpass", fs=SR, output="sos")
    filtered: _Wave = signal.sosfilt(sos, wave)
    return filtered


def _wander(rng: _Rng, n: int, *, rate: float) -> _Wave:
    """Return a smooth random curve in [0, 1] with about `rate` turns a second."""
    knots = rng.uniform(0, 1, max(4, int(rate * n / SR) + 4))
    curve: _Wave = np.interp(np.linspace(0, len(knots) - 1, n), np.arange(len(knots)), knots)
    return curve


def _at(n: int, times: npt.ArrayLike, make: Callable[[int], _Wave]) -> _Wave:
    """Lay the sounds ``make(i)`` over each other, each from its time on, in seconds."""
    wave = np.zeros(n)
    for i, start in enumerate((np.atleast_1d(times) * SR).astype(int)):
        if 0 <= start < n:
            piece = make(i)[: n - start]
            wave[start : start + len(piece)] += piece
    return wave


def _phase(frequency: _Wave) -> _Wave:
    phase: _Wave = 2 * np.pi * np.cumsum(frequency) / SR
    return phase


def _clicks(rng: _Rng, n: int, *, rate: float, spread: float) -> _Wave:
    """Return impulses at random times, `rate` a second, of log-normal size."""
    wave = np.zeros(n)
    count = rng.poisson(rate * n / SR)
    wave[rng.integers(0, n, count)] = rng.lognormal(0, spread, count) * rng.choice((-1, 1), count)
    return wave


def _rain(rng: _Rng, n: int) -> _Wave:
    low = rng.uniform(400, 1500)
    hiss = _band(coloured_noise(rng, n, slope=rng.uniform(0, 0.8)), low, rng.uniform(4000, 7500))
    drops = _band(_clicks(rng, n, rate=rng.uniform(40, 300), spread=0.7), low, rng.uniform(3000, 7000))
    return unit(hiss) + rng.uniform(0.3, 1.5) * unit(drops)


def _wind(rng: _Rng, n: int) -> _Wave:
    body = coloured_noise(rng, n, slope=rng.uniform(1.0, 2.2))
    centre = rng.uniform(300, 1500)
    whistle = _band(rng.standard_normal(n), centre * 0.8, centre * 1.25)
    gusts = _wander(rng, n, rate=rng.uniform(0.5, 3)) ** rng.uniform(1, 2.5)
    return gusts * (body + rng.uniform(0, 2) * whistle)


def _fire(rng: _Rng, n: int) -> _Wave:
    crackle = _band(_clicks(rng, n, rate=rng.uniform(8, 60), spread=1.2), rng.uniform(600, 1500), 7000)
    roar = coloured_noise(rng, n, slope=rng.uniform(0.8, 1.8)) * (0.6 + _wander(rng, n, rate=4))
    return unit(crackle) + rng.uniform(0.2, 0.9) * roar


def _siren(rng: _Rng, n: int) -> _Wave:
    t = np.arange(n) / SR
    low, period, start = rng.uniform(350, 1200), rng.uniform(0.25, 2.0), rng.uniform()
    high = low * rng.uniform(1.25, 2.2)
    cycle = (t / period + start) % 1
    shapes = (0.5 - 0.5 * np.cos(2 * np.pi * cycle), cycle, (cycle < 0.5).astype(float))  # wail, yelp, two tones
    phase = _phase(low + (high - low) * shapes[rng.integers(3)])
    wave: _Wave = sum((np.sin(k * phase) / k ** rng.uniform(1, 2.5) for k in range(1, 5)), np.zeros(n))
    return wave


def _chirps(rng: _Rng, n: int) -> _Wave:
    base, rate = rng.uniform(1500, 5000), rng.uniform(2, 8)
    times = np.arange(rng.uniform(0, 0.3), n / SR, 1 / rate) + rng.normal(0, 0.02)
    times = times[rng.uniform(size=len(times)) < rng.uniform(0.5, 1)]
    length = int(rng.uniform(0.04, 0.18) * SR)
    bend = rng.uniform(-0.4, 0.4)

    def chirp(_: int) -> _Wave:
        course = np.linspace(0, 1, length)
        frequency = base * rng.uniform(0.9, 1.1) * (1 + bend * (course if rng.uniform() < 0.8 else course**2))
        tone: _Wave = np.sin(_phase(frequency)) * np.hanning(length) * rng.uniform(0.5, 1)
        return tone

    return _at(n, times, chirp)


def _engine(rng: _Rng, n: int) -> _Wave:
    turns = rng.uniform(25, 110) * (1 + rng.uniform(0, 0.5) * _wander(rng, n, rate=rng.uniform(0.3, 1.5)))
    phase = _phase(turns)
    firing = np.exp(rng.uniform(1, 6) * (np.cos(phase) - 1)) + 0.3 * np.exp(4 * (np.cos(phase / 2) - 1))
    rasp = _band(rng.standard_normal(n), 300, rng.uniform(1500, 4000)) * firing
    wave: _Wave = _band(firing, 30, rng.uniform(600, 3000)) + rng.uniform(0.1, 0.8) * rasp
    return wave


def _bell(rng: _Rng, n: int) -> _Wave:
    base, decay = rng.uniform(300, 1800), rng.uniform(0.15, 0.9)
    ratios = np.array((0.5, 1, 1.19, 1.56, 2, 2.74, 3.76)) * rng.uniform(0.97, 1.03, 7)  # a church bell's partials
    sizes = rng.uniform(0.1, 1, 7)
    t = np.arange(n) / SR

    def strike(_: int) -> _Wave:
        partials = (
            size * np.exp(-t * ratio / decay) * np.sin(2 * np.pi * base * ratio * t)
            for ratio, size in zip(ratios, sizes, strict=True)
            if base * ratio < 0.45 * SR
        )
        ring: _Wave = rng.uniform(0.5, 1) * sum(partials, np.zeros(n))
        return ring

    return _at(n, np.sort(rng.uniform(0, 1.4, rng.integers(1, 4))), strike)


def _struck(rng: _Rng, *, pitch: float, decay_s: float) -> _Wave:
    """Return a short damped resonance with a noisy attack."""
    t = np.arange(int(6 * decay_s * SR) + 1) / SR
    tone = np.sin(2 * np.pi * pitch * t) + 0.6 * np.sin(2 * np.pi * 1.7 * pitch * t + 1)
    noise = rng.standard_normal(len(t)) * np.exp(-t / (0.2 * decay_s))
    wave: _Wave = np.exp(-t / decay_s) * tone + 0.5 * noise
    return wave


def _clock(rng: _Rng, n: int) -> _Wave:
    pitch, decay, rate = rng.uniform(1200, 5000), rng.uniform(0.002, 0.008), rng.uniform(1.5, 6)
    tock = rng.uniform(0.6, 1.0)
    times = np.arange(rng.uniform(0, 1 / rate), n / SR, 1 / rate)
    return _at(n, times, lambda i: _struck(rng, pitch=pitch * (tock if i % 2 else 1), decay_s=decay))


def _knocks(rng: _Rng, n: int) -> _Wave:
    pitch, decay = rng.uniform(100, 900), rng.uniform(0.008, 0.04)
    times = rng.uniform(0, 0.8) + np.cumsum(rng.uniform(0.1, 0.35, rng.integers(2, 7)))
    return _at(n, times, lambda _: rng.uniform(0.5, 1) * _struck(rng, pitch=pitch, decay_s=decay))


def _bark(rng: _Rng, n: int) -> _Wave:
    base, length = rng.uniform(250, 800), int(rng.uniform(0.08, 0.22) * SR)
    formant = rng.uniform(700, 1800)

    def bark(_: int) -> _Wave:
        course = np.linspace(0, 1, length)
        phase = _phase(base * rng.uniform(0.9, 1.1) * (1 + 0.4 * np.sin(np.pi * course) - 0.3 * course))
        voice = sum((np.sin(k * phase) / k**0.7 for k in range(1, 9)), np.zeros(length))
        rough = voice + rng.uniform(0.2, 1.2) * rng.standard_normal(length)
        shaped: _Wave = _band(rough, 0.5 * formant, 2 * formant) * np.sin(np.pi * course**0.5) ** 2
        return shaped

    return _at(n, rng.uniform(0, 0.6) + np.cumsum(rng.uniform(0.2, 0.5, rng.integers(1, 5))), bark)


SOUNDS: Mapping[str, Callable[[_Rng, int], _Wave]] = MappingProxyType(
    {
        "bark": _bark,
        "bell": _bell,
        "chirps": _chirps,
        "clock": _clock,
        "engine": _engine,
        "fire": _fire,
        "knocks": _knocks,
        "rain": _rain,
        "siren": _siren,
        "wind": _wind,
    }
)
