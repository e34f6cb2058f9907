"""The command line in process, a small network for it, and what every error and record must look like."""

import json

import pytest

from tlprobe.cli.app import run
from tlprobe.train.run import Run

SMALL = "timm/test_efficientnet"
NUMBER = (int, float)
SWEEP = {
    "treatment": str,
    "shape": (str, type(None)),
    "block": (str, type(None)),
    "rest": (str, type(None)),
    "backbone": str,
    "init": str,
    "fold": int,
    "seed": int,
    "epochs": int,
    "accuracy": NUMBER,
    "n": int,
    "ci_low": NUMBER,
    "ci_high": NUMBER,
}
FIELDS = {
    "fit": {
        "backbone": str,
        "init": str,
        "fold": int,
        "seed": int,
        "epochs": int,
        "accuracy": NUMBER,
        "best_accuracy": NUMBER,
        "n": int,
        "ci_low": NUMBER,
        "ci_high": NUMBER,
        "duration_s": NUMBER,
    },
    "fuse": SWEEP,
    "freeze": SWEEP,
    "cutoff": SWEEP,
    "svcca": {
        "run": str,
        "init": str,
        "against": str,
        "block": str,
        "layer": str,
        "block_y": str,
        "layer_y": str,
        "measure": str,
        "value": NUMBER,
        "ci_low": NUMBER,
        "ci_high": NUMBER,
        "null": NUMBER,
        "null_low": NUMBER,
        "null_high": NUMBER,
        "n_permutations": int,
        "corrected": NUMBER,
        "warnings": str,
        "n": int,
        "n_clips": int,
        "d_x": int,
        "d_y": int,
        "k_x": int,
        "k_y": int,
        "conv": str,
        "rule": str,
    },
    "attribute": {"clip": str, "label": str, "target": str, "predicted": str, "gap": NUMBER, "array_index": int},
    "ensemble": {
        "members": int,
        "accuracy": NUMBER,
        "nll": NUMBER,
        "calibration_error": NUMBER,
        "single_mean": NUMBER,
        "single_sd": NUMBER,
        "single_nll": NUMBER,
        "single_calibration_error": NUMBER,
        "disagreement": NUMBER,
        "soup_accuracy": (*NUMBER, type(None)),
        "soup_nll": (*NUMBER, type(None)),
        "soup_calibration_error": (*NUMBER, type(None)),
        "n": int,
        "ci_low": NUMBER,
        "ci_high": NUMBER,
    },
    "eval": {"accuracy": NUMBER, "n": int, "ci_low": NUMBER, "ci_high": NUMBER},
    "faithfulness": {"measure": str, "ranking": str, "mean": NUMBER, "low": NUMBER, "high": NUMBER, "n": int},
}


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


@pytest.fixture(scope="session")
def check():
    """Check the record and the figure that a verb left."""

    def call(folder, probe, tiny_data):
        """Check what a verb left, and return the rows."""
        body = json.loads((folder / "record.json").read_text())
        assert {"schema", "probe", "params", "rows", "provenance"} <= body.keys()
        assert body["probe"] == probe
        assert body["rows"]
        for row in body["rows"]:
            for name, kind in FIELDS[probe].items():
                assert isinstance(row[name], kind), (name, row[name])
                assert not isinstance(row[name], bool)
        data = body["provenance"]["data"]
        assert (data["name"], data["n_clips"], len(data["hash"])) == ("tiny", 30, 64)
        assert str(tiny_data) not in json.dumps([body["params"], body["rows"], data])  # no path of this machine
        assert (folder / f"{probe}.pdf").read_bytes().startswith(b"%PDF")
        assert (folder / f"{probe}.png").read_bytes().startswith(b"\x89PNG")
        return body["rows"]

    return call
