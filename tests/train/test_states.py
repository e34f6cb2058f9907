"""Resume states under kills, flipped bits and cut files: the last whole one is found, and damage is told."""

import dataclasses
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from tlprobe.errors import CheckpointError, ResourceError
from tlprobe.train import states
from tlprobe.train.states import KEPT, Saved, list_states, load_state, save_state

SAVED = Saved(
    epoch=3,
    step=0,
    config={"schema": 2},
    files={"init.safetensors": {"bytes": 1, "sha256": "ab"}},
    history=[{"epoch": 1, "loss": 0.1}, {"epoch": 2, "loss": 1 / 3}, {"epoch": 3, "loss": 2.0}],
    trainer=bytes(range(256)) * 4,
    best_epoch=2,
    best=b"best network" * 10,
)


def state(epoch, step=0, **changes):
    return dataclasses.replace(SAVED, epoch=epoch, step=step, **changes)


def flip(file, bit):
    data = bytearray(file.read_bytes())
    data[bit // 8] ^= 1 << (bit % 8)
    file.write_bytes(bytes(data))


def test_what_is_saved_comes_back(tmp_path):
    save_state(tmp_path, SAVED)
    assert load_state(tmp_path) == SAVED
    assert load_state(tmp_path / "nothing") is None


def test_the_best_is_left_out_where_the_state_is_its_own(tmp_path):
    save_state(tmp_path, state(3, best_epoch=3, best=None))
    assert load_state(tmp_path).best is None
    save_state(tmp_path, state(3, 5, best_epoch=3))  # five steps on, the network is another
    assert load_state(tmp_path).best == SAVED.best


def test_the_last_two_are_kept(tmp_path):
    for epoch, step in ((1, 0), (1, 7), (2, 0), (10, 0)):
        save_state(tmp_path, state(epoch, step))
    assert [folder.name for folder in list_states(tmp_path)] == ["00002-000000", "00010-000000"]
    assert KEPT == 2
    assert (load_state(tmp_path).epoch, load_state(tmp_path).step) == (10, 0)


def test_a_state_of_the_same_step_replaces_the_old_one(tmp_path):
    save_state(tmp_path, SAVED)
    save_state(tmp_path, state(3, trainer=b"other"))
    assert load_state(tmp_path).trainer == b"other"


# The file names are short of the manifest: it lists them, and itself.
FILES = ("progress.json", "trainer.pt", "best.safetensors", "manifest.json")


@pytest.mark.parametrize("name", FILES)
def test_any_flipped_bit_is_noticed_and_the_state_before_does_the_work(tmp_path, name, caplog):
    """50 flips in each of four files: 200, and for each the warning says what and where it goes back to."""
    (tmp_path / "run").mkdir()
    save_state(tmp_path / "run", state(2))
    whole = save_state(tmp_path / "run", SAVED)
    shutil.copytree(whole, tmp_path / "copy")
    n_bits = 8 * (whole / name).stat().st_size
    for bit in random.Random(name).sample(range(n_bits), 50):
        flip(whole / name, bit)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            found = load_state(tmp_path / "run")
        assert found.epoch == 2, f"bit {bit} of {name}"
        assert "going back to epoch 2, step 0" in caplog.text
        assert str(whole) in caplog.text
        assert not whole.exists()  # it is of no more use, and would be met again
        shutil.copytree(tmp_path / "copy", whole)
    assert load_state(tmp_path / "run") == SAVED


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_file_that_is_cut_short_is_noticed(tmp_path, name, share, caplog):
    save_state(tmp_path, state(2))
    file = save_state(tmp_path, SAVED) / name
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))])
    assert load_state(tmp_path).epoch == 2
    assert str(file) in caplog.text


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_missing_is_noticed(tmp_path, name):
    save_state(tmp_path, state(2))
    (save_state(tmp_path, SAVED) / name).unlink()
    assert load_state(tmp_path).epoch == 2


def test_two_files_that_are_swapped_are_noticed(tmp_path):
    save_state(tmp_path, state(2))
    folder = save_state(tmp_path, SAVED)
    (folder / "trainer.pt").rename(folder / "x")
    (folder / "best.safetensors").rename(folder / "trainer.pt")
    (folder / "x").rename(folder / "best.safetensors")
    assert load_state(tmp_path).epoch == 2


def test_when_all_are_damaged_each_is_named_and_none_is_deleted(tmp_path):
    folders = [save_state(tmp_path, state(2)), save_state(tmp_path, SAVED)]
    for folder in folders:
        flip(folder / "trainer.pt", 100)
    with pytest.raises(CheckpointError, match="start again by --overwrite") as caught:
        load_state(tmp_path)
    assert all(str(folder / "trainer.pt") in str(caught.value) for folder in folders)
    assert caught.value.exit_code == 4
    assert list_states(tmp_path) == folders


SAVE_FOR_EVER = """
    import sys
    from pathlib import Path
    from tlprobe.train.states import Saved, save_state
    out, start = Path(sys.argv[1]), int(sys.argv[2])
    print("ready", flush=True)
    for epoch in range(start, start + 100_000):
        trainer = bytes([epoch % 256]) * 2_000_000
        saved = Saved(epoch=epoch, step=0, config={}, files={}, history=[], trainer=trainer, best_epoch=0, best=trainer)
        save_state(out, saved)
        print(epoch, flush=True)
"""


def test_30_kills_while_saving_cost_the_state_in_progress_at_most(tmp_path):
    """Killed at random moments, the process never had more than one state that it did not get to tell of."""
    rng = random.Random(0)
    last = 0
    for _ in range(30):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SAVE_FOR_EVER), tmp_path, str(last + 1)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout.readline() == "ready\n"
        time.sleep(rng.uniform(0, 0.06))
        child.send_signal(signal.SIGKILL)
        told = [last, *map(int, child.communicate(timeout=60)[0].split())]
        found = load_state(tmp_path)
        assert (found.epoch if found else 0) in (told[-1], told[-1] + 1)
        if found:
            assert found.trainer == found.best == bytes([found.epoch % 256]) * 2_000_000
            last = found.epoch
        assert len(list_states(tmp_path)) <= KEPT + 1
    assert last > 30  # they did save


def test_what_kills_left_over_goes_before_a_new_state_is_written(tmp_path, monkeypatch):
    """Else a process that is killed at each deletion would leave one more state at each start."""
    first = save_state(tmp_path, SAVED)
    for name in ("00004-000000", "00005-000000"):
        shutil.copytree(first, first.with_name(name))
    real, before = states.write_verified_folder, []

    def write(folder, contents):
        before.extend(path.name for path in list_states(tmp_path))
        real(folder, contents)

    monkeypatch.setattr(states, "write_verified_folder", write)
    save_state(tmp_path, state(6))
    assert before == ["00004-000000", "00005-000000"]
    assert [folder.name for folder in list_states(tmp_path)] == ["00005-000000", "00006-000000"]


def test_a_full_disk_leaves_the_earlier_states_whole(tmp_path):
    save_state(tmp_path, state(2))
    code = """
        import resource, signal, sys
        from pathlib import Path
        from tlprobe.errors import ResourceError
        from tlprobe.train.states import Saved, save_state
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # no file may grow past this
        try:
            save_state(Path(sys.argv[1]), Saved(3, 0, {}, {}, [], bytes(5000)))
        except ResourceError as error:
            print(error.exit_code, error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), tmp_path], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith(f"6 cannot write {tmp_path / 'resume' / '00003-000000'} (5")
    assert os.listdir(tmp_path / "resume") == ["00002-000000"]
    assert load_state(tmp_path).epoch == 2


def test_a_run_that_vanished_is_named_and_not_made_again(tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    save_state(out, state(1))
    shutil.rmtree(out)
    with pytest.raises(ResourceError, match="run: it has vanished"):
        save_state(out, state(2))
    assert not out.exists()
