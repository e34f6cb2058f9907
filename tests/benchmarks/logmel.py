"""What does a log-mel image cost, against a plain per-clip pipeline and against its own FFTs?

Plain: three librosa mel spectrograms (25, 50, 100 ms windows, one FFT length), a logarithm, a PIL resize each.
Limit: the FFTs of all frames by SciPy, in float32, and the dense mel products, nothing else. Ours:
`tlprobe.audio.image.ImageMaker` on one clip of 5 s at 44.1 kHz. One core, in turns, the best of `--repeat`.
Targets: 6 times as fast as plain, at most 1.5 times the limit, no value off by more than 5e-3; the other
representations are to be of the same order as log-mel3.

    python tests/benchmarks/logmel.py
"""

import argparse
import functools
import os
import sys
import time

import numpy as np

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SR, CLIP_S, WIDTH = 44_100, 5.0, 250


def plain(waveform):
    """Return the image of a clip as public scripts compute it."""
    import librosa
    from PIL import Image

    channels = []
    for window_ms, hop_ms in ((25, 10), (50, 25), (100, 50)):
        power = librosa.feature.melspectrogram(
            y=waveform,
            sr=SR,
            n_fft=SR // 10,
            win_length=round(SR * window_ms / 1000),
            hop_length=round(SR * hop_ms / 1000),
            n_mels=128,
            htk=True,
            norm=None,
            pad_mode="reflect",
        )
        image = Image.fromarray(np.log(power + 1e-6).astype(np.float32))
        channels.append(np.asarray(image.resize((WIDTH, 128), Image.Resampling.BILINEAR)))
    return np.stack(channels)


def seconds(call):
    """Return how long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=20)
    repeat = parser.parse_args().repeat
    if any(os.environ.get(name) != "1" for name in THREADS):  # read when the libraries are loaded
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **dict.fromkeys(THREADS, "1")})
    import librosa
    import scipy.fft

    from tlprobe.audio.image import ImageMaker
    from tlprobe.audio.settings import FEATURES, ImageSettings

    makers = {name: ImageMaker(ImageSettings(sr=SR, clip_s=CLIP_S, width=WIDTH, features=name)) for name in FEATURES}
    log_mel = makers.pop("log-mel3")
    rng = np.random.default_rng(0)
    t = np.arange(int(SR * CLIP_S)) / SR
    waveform = (0.3 * np.sin(2 * np.pi * 440 * t) + rng.normal(0, 0.02, len(t))).astype(np.float32)
    filters = librosa.filters.mel(sr=SR, n_fft=SR // 10, n_mels=128, htk=True, norm=None)
    frames = [rng.normal(size=(n, SR // 10)).astype(np.float32) for n in (501, 201, 101)]
    powers = [np.abs(scipy.fft.rfft(rows, axis=1)) ** 2 for rows in frames]

    def limit():
        for rows, power in zip(frames, powers, strict=True):
            scipy.fft.rfft(rows, axis=1)
            np.matmul(power, filters.T)

    calls = {"plain": lambda: plain(waveform), "limit": limit, "ours": lambda: log_mel(waveform)}
    calls |= {name: functools.partial(maker, waveform) for name, maker in makers.items()}
    for call in calls.values():
        call()
    turns = {name: [] for name in calls}
    for _ in range(repeat):
        for name, call in calls.items():
            turns[name].append(seconds(call))
    best = {name: 1e3 * min(found) for name, found in turns.items()}
    difference = np.abs(plain(waveform) - log_mel(waveform)).max()
    print(f"plain {best['plain']:.1f} ms, limit {best['limit']:.1f} ms, ours {best['ours']:.1f} ms a clip")
    print(f"ours is {best['plain'] / best['ours']:.2f} times as fast as plain (target 6)")
    print(f"ours takes {best['ours'] / best['limit']:.2f} of the limit (at most 1.5)")
    print(", ".join(f"{name} {best[name]:.1f} ms" for name in makers))
    print(f"largest difference {difference:.1e} in log units (below 5e-3)")


if __name__ == "__main__":
    main()
