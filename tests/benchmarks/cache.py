"""What does computing a data set's images cost, in what part, and how does it grow with workers?

Writes clips of 5 s at 44.1 kHz to a temporary folder and computes their images at 32 kHz, so that decoding,
resampling and features all have their part. First each part alone, on one core; then the whole cache by
`tlprobe.data.cache.load_images` with 1 and with 2 workers, in turns, each into a cache of its own.
Target: 2 workers at least 1.8 times as fast as one.

    python tests/benchmarks/cache.py
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SR, SR_IMAGES, CLIP_S = 44_100, 32_000, 5


def make_clips(root, n):
    """Write a folder data set of noise."""
    import soundfile

    rng = np.random.default_rng(0)
    for i in range(n):
        folder = root / f"class{i % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{i}.flac", rng.normal(0, 0.1, SR * CLIP_S).astype(np.float32), SR)


def parts(paths, settings):
    """Return the seconds of decoding, resampling and features of all clips."""
    import soxr

    from tlprobe.audio.load import load
    from tlprobe.audio.logmel import LogMel, fit_length

    log_mel, taken = LogMel(settings), np.zeros(3)
    for path in paths:
        moments = [time.perf_counter()]
        waveform = load(path, sr=SR)  # its own rate: decoded only
        moments.append(time.perf_counter())
        waveform = soxr.resample(waveform, SR, SR_IMAGES, quality="HQ")
        moments.append(time.perf_counter())
        log_mel(fit_length(waveform, n_samples=log_mel.n_samples)[0])
        moments.append(time.perf_counter())
        taken += np.diff(moments)
    return taken


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    if any(os.environ.get(name) != "1" for name in THREADS):  # read when the libraries are loaded
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **dict.fromkeys(THREADS, "1")})

    from tlprobe.audio.logmel import ImageSettings
    from tlprobe.data.cache import load_images
    from tlprobe.data.folder import read_folder

    settings = ImageSettings(sr=SR_IMAGES, clip_s=CLIP_S, width=250)
    with tempfile.TemporaryDirectory() as folder:
        make_clips(Path(folder) / "clips", arguments.clips)
        dataset = read_folder(Path(folder) / "clips", seed=0)
        parts(dataset.paths[:5], settings)
        decode, resample, features = 1e3 * parts(dataset.paths, settings) / arguments.clips
        print(f"a clip, one core: decode {decode:.1f} ms, resample {resample:.1f} ms, features {features:.1f} ms")
        best = {1: float("inf"), 2: float("inf")}
        for turn in range(arguments.repeat):
            for jobs in best:
                start = time.perf_counter()
                load_images(dataset, settings, jobs=jobs, cache=Path(folder) / f"{turn}-{jobs}", progress=False)
                best[jobs] = min(best[jobs], time.perf_counter() - start)
        print(f"{arguments.clips} clips: {best[1]:.2f} s with 1 worker, {best[2]:.2f} s with 2")
        print(f"2 workers are {best[1] / best[2]:.2f} times as fast as 1 (target 1.8)")


if __name__ == "__main__":
    main()
