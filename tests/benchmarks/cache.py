"""What does computing a data set's images cost, in what part, and how does it grow with workers?

Writes clips of 5 s at 44.1 kHz to a temporary folder and computes their images at 32 kHz, so that decoding,
resampling and features all have their part. First each part alone, on one core, and what stored variants add to
it; then the whole cache by `tlprobe.data.cache.load_images` with 1 worker, 2 threads and 2 processes, in turns, each
into a cache of its own (the product takes processes from `tlprobe.data.render.PROCESSES_FROM` clips on); then finding
it again, which hashes it. Target: 2 workers at least 1.8 times as fast as one.

    python tests/benchmarks/cache.py
"""

import argparse
import math
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
    """Return the seconds of decoding, resampling, features and a change of pitch and tempo of all clips."""
    import soxr

    from tlprobe.audio.image import ImageMaker
    from tlprobe.audio.length import fit_length
    from tlprobe.audio.load import load
    from tlprobe.audio.vary import Variation, vary

    image_maker, taken = ImageMaker(settings), np.zeros(4)
    for path in paths:
        moments = [time.perf_counter()]
        waveform = load(path, sr=SR)  # its own rate: decoded only
        moments.append(time.perf_counter())
        waveform = soxr.resample(waveform, SR, SR_IMAGES, quality="HQ")
        moments.append(time.perf_counter())
        image_maker(fit_length(waveform, n_samples=image_maker.n_samples)[0])
        moments.append(time.perf_counter())
        vary(waveform, Variation(semitones=1.5, rate=1.1), sr=SR_IMAGES)
        moments.append(time.perf_counter())
        taken += np.diff(moments)
    return taken


def seconds(load_images, dataset, settings, jobs, cache):
    """Return how long it takes to compute images, or to find them."""
    start = time.perf_counter()
    load_images(dataset, settings, jobs=jobs, cache=cache, progress=False)
    return time.perf_counter() - start


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    if any(os.environ.get(name) != "1" for name in THREADS):  # read when the libraries are loaded
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **dict.fromkeys(THREADS, "1")})

    from tlprobe.audio.settings import ImageSettings
    from tlprobe.data import render
    from tlprobe.data.cache import load_images
    from tlprobe.data.folder import read_folder

    settings = ImageSettings(sr=SR_IMAGES, clip_s=CLIP_S, width=250)
    with tempfile.TemporaryDirectory() as folder:
        make_clips(Path(folder) / "clips", arguments.clips)
        dataset = read_folder(Path(folder) / "clips", seed=0)
        parts(dataset.paths[:5], settings)
        decode, resample, features, variation = 1e3 * parts(dataset.paths, settings) / arguments.clips
        print(f"a clip, one core: decode {decode:.1f} ms, resample {resample:.1f} ms, features {features:.1f} ms")
        print(f"a stored variant of it: {variation:.1f} ms more")
        ways = {"1 worker": (1, math.inf), "2 threads": (2, math.inf), "2 processes": (2, 1)}
        best = dict.fromkeys(ways, math.inf)
        for turn in range(arguments.repeat):
            for way, (jobs, render.PROCESSES_FROM) in ways.items():
                cache = Path(folder) / f"{turn}-{way}"
                best[way] = min(best[way], seconds(load_images, dataset, settings, jobs, cache))
        one = best["1 worker"]
        for way, taken in best.items():
            print(f"{arguments.clips} clips, {way}: {taken:.2f} s, {one / taken:.2f} times as fast as 1 (target 1.8)")
        again = min(seconds(load_images, dataset, settings, 1, cache) for _ in range(3))
        n_bytes = sum(file.stat().st_size for file in cache.glob("images/*/images.npy"))
        print(f"found again: {again:.2f} s for {n_bytes / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
