"""What do a study's workers gain, and what does the study cost beside its trainings?

A study of short trials on the built-in clips (a network, a fold, many seeds), each way into
a folder of its own, in processes of their own:

- one trial at a time on one thread, two workers of one thread each, one trial at a time on all cores;
- of a study in this process: the time that is spent outside of `fit_network`, per trial after the first.

Targets: two workers at most 0.6 of the first and no more than the third; at most 1.2 s a trial (2 % of one of 60 s).

    python tests/benchmarks/study.py
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STUDY = {
    "networks": ["resnet18"],
    "inits": ["random"],
    "folds": [1],
    "width": 100,
    "treatments": ["full"],
    "changes": {"epochs": 1},
}


def one_way(asked):
    """Run the study and print what it took, as JSON."""
    import torch

    from tlprobe.studies import study as study_module
    from tlprobe.studies import trials as trials_module
    from tlprobe.studies.engine import Engine
    from tlprobe.studies.study_file import Study

    if asked.threads:
        torch.set_num_threads(asked.threads)
    spent, ends = [], []
    fit_network = trials_module.fit_network
    run_here = study_module.run_here

    def timed(*args, **options):
        start = time.perf_counter()
        run = fit_network(*args, **options)
        spent.append(time.perf_counter() - start)
        return run

    def watched(*args, report, **options):
        def told(trial, reason):
            report(trial, reason)
            ends.append(time.perf_counter())

        run_here(*args, report=told, **options)

    trials_module.fit_network, study_module.run_here = timed, watched
    study = Study.model_validate({**STUDY, "seeds": list(range(asked.trials))})
    start = time.perf_counter()
    study_module.run_study(
        study,
        out=Path(asked.folder) / "out",
        trials=Path(asked.folder) / "trials",
        engine=Engine(jobs=asked.jobs),
        device="cpu",
        progress=False,
    )
    result = {"seconds": time.perf_counter() - start}
    if len(ends) > 1:
        result["outside"] = (ends[-1] - ends[0] - sum(spent[1:])) / (len(ends) - 1)
    print(json.dumps(result))


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--jobs", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.jobs:
        one_way(asked)
        return
    ways = {"1 trial, 1 thread": (1, 1), "2 workers, 1 thread each": (2, 0), "1 trial, all cores": (1, 0)}
    found = {}
    for name, (jobs, threads) in ways.items():
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--jobs", str(jobs), "--threads", str(threads), "--folder", folder]
            environment = os.environ | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
            answer = subprocess.run(
                [*command, "--trials", str(asked.trials)],
                env=environment,
                stdout=subprocess.PIPE,
                check=True,
                text=True,
            )
        found[name] = json.loads(answer.stdout.splitlines()[-1])
        print(f"{asked.trials} trials, {name}: {found[name]['seconds']:.1f} s", flush=True)
    one, two, whole = (found[name] for name in ways)
    print(f"2 workers take {two['seconds'] / one['seconds']:.2f} of 1 trial on 1 thread (target 0.6)")
    print(f"and {two['seconds'] / whole['seconds']:.2f} of 1 trial on all cores (target 1)")
    print(f"outside of a training: {1e3 * whole['outside']:.0f} ms a trial, {whole['outside'] / 0.6:.2f} % of 60 s")


if __name__ == "__main__":
    main()
