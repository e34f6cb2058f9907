"""The command line in process, a small network for it, and what every error must look like."""

import pytest

from tlprobe.cli.app import run
from tlprobe.train.run import Run

SMALL = "timm/test_efficientnet"


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Run in an empty folder: the defaults of --out and --trials are relative."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cli(capfd):
    """Run a command line; return its exit code, standard output and standard error."""

    def call(*arguments):
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        return code, *capfd.readouterr()

    return call


@pytest.fixture
def fails(cli):
    """Run a command line that must fail: one line, which names the words, and nothing else."""

    def call(code, arguments, *words):
        found, out, err = cli(*arguments)
        assert (found, out) == (code, ""), err
        assert err.startswith("tlprobe: ")
        assert err.endswith("\n")
        assert err.count("\n") == 1, err
        for word in words:
            assert str(word) in err
        assert "internal error" not in err
        return err

    return call


@pytest.fixture(scope="session")
def fit_arguments(tiny_data, start_file):
    """Return the arguments of a training that takes a second."""

    def arguments(*more, weights=start_file, epochs=2):
        given = ("--data", tiny_data, "--backbone", SMALL, "--weights", weights, "--epochs", epochs, "--batch-size", 8)
        return ["fit", *map(str, given), "--device", "cpu", *map(str, more)]

    return arguments


@pytest.fixture(scope="session")
def small_run(fit_arguments, tmp_path_factory):
    """A run made by `tlprobe fit`; tests must leave its folder as it is."""
    out = tmp_path_factory.mktemp("cli") / "small"
    assert run(fit_arguments("--out", out, "-q")) == 0
    return Run.load(out)


@pytest.fixture(scope="session")
def random_run(fit_arguments, tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "random"
    assert run(fit_arguments("--out", out, "--seed", 1, "-q", weights="random")) == 0
    return Run.load(out)
