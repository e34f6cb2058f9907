"""Nothing in tlprobe reads a file that could run code: by ruff's bans, and for what they cannot see, by the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "tlprobe").rglob("*.py"))


def calls(tree, name):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == name:
            yield {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("torch.load", {"weights_only": "True"}), ("np.load", {"allow_pickle": "False"})],
)
def test_loaders_are_told_not_to_run_code(name, wanted):
    found = [(file.name, given) for file in SOURCES for given in calls(ast.parse(file.read_text()), name)]
    assert found  # else the name has changed
    for file, given in found:
        assert wanted.items() <= given.items(), file


def ruff(code):
    command = [sys.executable, "-m", "ruff", "check", "--config", ROOT / "pyproject.toml", "--output-format", "concise"]
    done = subprocess.run(
        [*command, "--stdin-filename", ROOT / "tlprobe" / "x.py", "-"], input=code, capture_output=True, text=True
    )
    return done.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads",
        "import joblib",
        "import shelve",
        "import dill",
        "import cloudpickle",
        "import marshal",
        "import torch\ntorch.jit.load('x')",
        "import torch\ntorch.hub.load('x', 'y')",
        "import yaml\nyaml.load('x')",
    ],
)
def test_ruff_bites(code):
    pytest.importorskip("ruff")  # of the lint extra
    found = ruff(f'"""Module."""\n\n{code}\n')
    assert "TID251" in found or "S506" in found


def test_ruff_has_nothing_against_the_rest():
    pytest.importorskip("ruff")
    found = ruff('"""Module."""\n\nimport json\n\njson.loads("1")\n')
    assert "TID251" not in found
    assert "S301" not in found
