"""Every recording is decoded, and no file takes the program down."""

import os
import signal

import numpy as np
import pytest
import soundfile

from tlprobe.data import verify as verify_module
from tlprobe.data.verify import verify
from tlprobe.errors import ParameterError

SR = 8000

HOSTILE = """
import os, sys, time
from tlprobe.data import verify_worker
real = verify_worker.condition_of
def condition_of(path):
    if "crash" in path.name:
        os.kill(os.getpid(), {signum})
    if "exit" in path.name:
        os._exit(7)
    if "hang" in path.name:
        time.sleep(60)
    return real(path)
verify_worker.condition_of = condition_of
verify_worker.main()
"""


@pytest.fixture
def recordings(tmp_path):
    def make(*names):
        rng = np.random.default_rng(0)
        for name in names:
            soundfile.write(tmp_path / name, rng.normal(0, 0.1, SR // 10), SR)
        return [tmp_path / name for name in names]

    return make


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """Let the worker crash, exit or hang at files that are named so."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "hostile_worker.py").write_text(HOSTILE.format(signum=int(signal.SIGSEGV)))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(verify_module, "_WORKER", "hostile_worker")


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_file_gets_its_verdict_in_order(recordings, jobs):
    paths = recordings("a.wav", "b.flac", "c.wav", "d.ogg")
    paths[2].write_bytes(paths[2].read_bytes()[:500])
    verdicts = verify([*paths, paths[0]], jobs=jobs, progress=False)
    assert [verdict.path for verdict in verdicts] == paths
    assert [verdict.condition is None for verdict in verdicts] == [False, False, True, False]
    assert "c.wav is truncated" in verdicts[2].error
    assert (verdicts[1].condition.format, verdicts[1].condition.header.n_samples) == ("FLAC", SR // 10)


def test_a_decoder_that_crashes_is_a_bad_file(recordings, hostile):
    paths = recordings("a.wav", "crash.wav", "b.wav", "exit.wav", "c.wav")
    verdicts = verify(paths, jobs=1, progress=False)
    assert [verdict.error is None for verdict in verdicts] == [True, False, True, False, True]
    assert verdicts[1].error == f"{paths[1]} ends the decoder with SIGSEGV"
    assert verdicts[3].error == f"{paths[3]} ends the decoder with exit code 7"


def test_a_decoder_that_hangs_is_a_bad_file(recordings, hostile):
    paths = recordings("a.wav", "hang.wav", "b.wav")
    verdicts = verify(paths, jobs=1, timeout_s=10, progress=False)
    assert [verdict.error for verdict in verdicts] == [None, f"{paths[1]} is not decoded after 10 s", None]


def test_no_child_is_left(recordings, monkeypatch):
    started = []

    class Watched(verify_module.LineProcess):
        def __init__(self, module):
            super().__init__(module)
            started.append(self._process.pid)

    monkeypatch.setattr(verify_module, "LineProcess", Watched)
    verify(recordings("a.wav", "b.wav"), jobs=2, progress=False)
    assert len(started) == 2
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_nothing_to_verify():
    assert verify([], progress=False) == []


def test_impossible_values(recordings):
    with pytest.raises(ParameterError, match="jobs=0"):
        verify(recordings("a.wav"), jobs=0)
    with pytest.raises(ParameterError, match="timeout_s=nan"):
        verify(recordings("a.wav"), timeout_s=float("nan"))
