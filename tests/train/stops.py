"""Trainings that are stopped, and what must be equal when they have gone on."""

import csv

from tlprobe.train.loop import Trainer

EXACT = (
    "init.safetensors",
    "weights.safetensors",
    "best.safetensors",
    "predictions.csv",
    "held_out.safetensors",
    "config.json",
)


class Stopped(Exception):
    """Stands for whatever ends a process."""


def table(file):
    with file.open(newline="") as lines:
        return [{name: value for name, value in row.items() if name != "duration_s"} for row in csv.DictReader(lines)]


def require_same(run, straight):
    for name in EXACT:
        assert (run.path / name).read_bytes() == (straight.path / name).read_bytes(), name
    assert table(run.path / "history.csv") == table(straight.path / "history.csv")
    rows = [record.rows[0] | {"duration_s": None} for record in (run.record, straight.record)]
    assert rows[0] == rows[1]
    assert not (run.path / "resume").exists()


def stop_before(patch, epoch):
    run_epoch = Trainer.run_epoch

    def stopping(trainer, **options):
        if trainer.epoch == epoch - 1:
            raise Stopped
        return run_epoch(trainer, **options)

    patch.setattr(Trainer, "run_epoch", stopping)
