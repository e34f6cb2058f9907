"""The command as a process of its own: start-up, signals, two at a time."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tlprobe.files import lock_folder
from tlprobe.train.run import Run, is_finished
from tlprobe.train.states import list_states

VERBS = ("fit", "svcca", "fuse", "freeze", "cutoff", "attribute", "ensemble", "eval", "figure", "tune", "demo")


def start(arguments, folder):
    """Start `tlprobe`, with Ctrl-C at work even where the tests run in the background."""
    return subprocess.Popen(
        [sys.executable, "-m", "tlprobe", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_help_imports_nothing_heavy_and_answers_at_once():
    code = (
        "import sys, time; from tlprobe.cli.app import run; code = run(['--help']); "
        "heavy = {'torch', 'torchvision', 'timm', 'scipy', 'librosa', 'matplotlib', 'captum', 'pandas'}; "
        "print(code, sorted(heavy & set(sys.modules)), file=sys.stderr); print(time.process_time(), file=sys.stderr)"
    )
    seconds = []
    for _ in range(3):  # the quickest: other jobs on the machine are not what is measured
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        state, took = result.stderr.splitlines()
        assert state == "0 []"
        assert all(verb in result.stdout for verb in VERBS)
        seconds.append(float(took))
        if min(seconds) < 1:
            break
    assert min(seconds) < 1


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_its_help(cli, verb):
    code, out, err = cli(verb, "--help")
    assert (code, err) == (0, "")
    assert f"tlprobe {verb}" in out or f"{verb} [OPTIONS]" in out
    if verb == "fit":
        assert "[default: 0]" in " ".join(out.split())  # the seed's


def test_without_a_verb_the_help_is_shown(cli):
    code, out, _ = cli()
    assert code == 2
    assert "Commands" in out


def test_a_second_process_in_one_folder_is_refused(fit_arguments, fails, tmp_path):
    hold = (
        "import sys, pathlib; from tlprobe.files import lock_folder\n"
        "with lock_folder(pathlib.Path('run')): print('held', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", hold], cwd=tmp_path, **pipes) as process:
        assert process.stdout.readline() == "held\n"
        fails(
            6,
            fit_arguments("--out", "run", "-q"),
            f"run is in use by process {process.pid} on",
            "wait, or give another",
        )
    code = (  # a holder that is killed leaves nothing locked
        "import os, pathlib; from tlprobe.files import lock_folder\nwith lock_folder(pathlib.Path('run')): os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)
    with lock_folder(tmp_path / "run"):
        pass


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 143)])
def test_signals_have_their_codes(fails, cli, monkeypatch, tiny_data, number, expected):
    def interrupted(*arguments, **options):
        os.kill(os.getpid(), number)
        time.sleep(10)

    previous = signal.signal(signal.SIGINT, signal.default_int_handler)  # in a background job it would be ignored
    try:
        monkeypatch.setattr("tlprobe.train.fit.fit", interrupted)
        fails(expected, ["fit", "--data", tiny_data, "-q"], "interrupted; trainings that are finished are kept")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        _, _, err = cli("fit", "--data", tiny_data, "-q", "--debug")
        assert err.startswith("Traceback")
    finally:
        signal.signal(signal.SIGINT, previous)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (signal.SIGTERM, 143),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow),
        pytest.param(signal.SIGUSR1, 143, marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_fit_is_resumed(fit_arguments, cli, fails, tmp_path, number, expected):
    arguments = fit_arguments("--out", "run", "-q", weights="random", epochs=12)
    process = start(arguments, tmp_path)
    try:
        end = time.monotonic() + 120
        while not list_states(tmp_path / "run"):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.02)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == expected, err
    assert out == ""
    assert re.fullmatch(
        rf"tlprobe: stopped by {number.name} before step \d of epoch \d+; the state is saved in run: "
        r"the same command goes on from there \(fit: with --resume\)\n",
        err,
    )
    assert not is_finished(tmp_path / "run")
    fails(4, ["eval", "--ckpt", "run", "-q"], "run is an unfinished run", "--resume")
    fails(2, arguments, "run holds an unfinished run", "--resume")
    code, out, err = cli(*arguments, "--resume")
    assert (code, err) == (0, "")
    history = Run.load(tmp_path / "run").record.params["history"]
    assert [row["epoch"] for row in history] == list(range(1, 13))
    assert not (tmp_path / "run" / "resume").exists()
