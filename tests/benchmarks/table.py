"""What does the bookkeeping of a million clips cost?

Writes a table of generated metadata (paths in 1000 folders, 500 classes, a source every third clip) without audio;
then, in a process of its own, reads and checks it, deals folds by source, keeps them, splits one off, and looks for
sources in several folds. Prints seconds and the peak of memory. Targets: 20 s, 2 GB.

    python tests/benchmarks/table.py
"""

import argparse
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

N_FOLDERS, N_CLASSES = 1000, 500


def write_table(file, n):
    """Write the table, and its folders."""
    for number in range(N_FOLDERS):
        (file.parent / f"part{number:04d}").mkdir()
    with file.open("w", encoding="utf-8") as text:
        text.write("path,label,group\n")
        for i in range(n):
            text.write(f"part{i % N_FOLDERS:04d}/clip{i:07d}.wav,class{i * 7919 % N_CLASSES:03d},src{i // 3}\n")


def work(file):
    """Do all that comes before a recording is opened."""
    from tlprobe.data.leaks import find_leaks
    from tlprobe.data.open import open_dataset

    steps = [("start", time.perf_counter())]
    dataset = open_dataset(file)
    steps.append(("read, checked, dealt, kept", time.perf_counter()))
    train, held_out = dataset.split(1)
    steps.append(("split", time.perf_counter()))
    leaks = find_leaks(dataset)
    steps.append(("sources compared", time.perf_counter()))
    for (_, before), (name, after) in itertools.pairwise(steps):
        print(f"{name}: {after - before:.2f} s")
    total = steps[-1][1] - steps[0][1]
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"{len(train)} + {len(held_out)} clips, {len(leaks)} leaks")
    print(f"together: {total:.1f} s (target 20), {peak_gb:.2f} GB (target 2)")


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=2, help="from the second turn on, kept folds are compared")
    parser.add_argument("--table", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.table is not None:
        work(arguments.table)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "clips" / "clips.csv"
        file.parent.mkdir()
        write_table(file, arguments.rows)
        for _ in range(arguments.repeat):
            subprocess.run(
                [sys.executable, __file__, "--table", str(file)],
                check=True,
                env={**os.environ, "TLPROBE_CACHE": str(Path(folder) / "cache")},
            )


if __name__ == "__main__":
    main()
