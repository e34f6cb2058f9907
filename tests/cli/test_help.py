"""Help: each verb ends with an example that the parser takes, as it takes the README's; shells complete names."""

import inspect
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

import tlprobe.numerics.similarity
from tlprobe.audio.settings import FEATURES, Short
from tlprobe.backbones.registry import BACKBONES, PREFIX, build
from tlprobe.cli.app import run, whole_command
from tlprobe.cli.complete import OFFERED
from tlprobe.cli.examples import EXAMPLES, ORDER
from tlprobe.data.options import DATASETS
from tlprobe.train.recipe import RECIPES, Recipe

README = Path(__file__).parents[2] / "README.md"


def _whole():
    run([])  # registers the verbs
    return whole_command()


def _paths(command, above=""):
    for name, verb in getattr(command, "commands", {}).items():
        yield f"{above}{name}"
        yield from _paths(verb, f"{above}{name} ")


def _parse(words):
    """Let the parser of each level take its part of a command line; it raises where it does not."""
    command, context = _whole(), None
    name, rest = words[0], words[1:]
    while True:
        context = command.make_context(name, list(rest), parent=context)
        if not hasattr(command, "commands"):
            return context
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])


def _commands_of_the_readme():
    """Return the commands of its table and of its blocks of code, which are whole."""
    text = README.read_text(encoding="utf-8")
    cells = [line.split(" | ")[1] for line in text.splitlines() if line.startswith("| ") and line.count(" | ") > 1]
    quoted = [command for cell in cells for command in re.findall(r"`(tlprobe [a-z]+[^`]*)`", cell)]
    for block in re.findall(r"^```.*?^```", text, re.MULTILINE | re.DOTALL):
        quoted += re.findall(r"^(tlprobe [a-z].*)$", block, re.MULTILINE)
    plain = [re.sub(r"\s+#.*", "", command) for command in quoted]
    # "|" stands for one of several, "..." for what is not said
    return sorted({command for command in plain if not re.search(r"\||\.\.\.", command)})


def test_every_verb_has_an_example_and_every_example_a_verb():
    assert set(_paths(_whole())) == set(EXAMPLES)


def test_verbs_are_listed_in_the_order_of_their_examples(cli):
    code, out, err = cli("--help")
    assert (code, err) == (0, "")
    assert tuple(re.findall(r"^  ([a-z]+)  ", out.partition("Commands:")[2], re.MULTILINE)) == ORDER
    assert "Fig.\n" not in out  # a summary ends where its first sentence does


@pytest.mark.parametrize(("path", "example"), EXAMPLES.items())
def test_an_example_parses_and_ends_the_help(cli, path, example):
    context = _parse(shlex.split(example))
    if path not in ("data", "study"):  # whose example is that of a verb below
        assert context.command_path == f"tlprobe {path}"
    code, out, err = cli(*path.split(), "--help")
    assert (code, err) == (0, "")
    assert f"\n  Example:\n    {example}\n" in out


@pytest.mark.parametrize("command", _commands_of_the_readme())
def test_a_command_of_the_readme_parses(command):
    _parse(shlex.split(re.sub(r"[\[\]]", " ", command)))


def test_the_readme_has_commands_to_parse():
    assert len(_commands_of_the_readme()) >= 15


def test_a_wrong_example_would_be_seen():
    with pytest.raises(Exception, match="No such option"):
        _parse(shlex.split("tlprobe freeze --up-to block2"))


def test_what_shells_offer_is_what_there_is():
    assert OFFERED["backbone"] == (*BACKBONES, PREFIX)
    assert OFFERED["features"] == FEATURES
    assert OFFERED["dataset"] == DATASETS
    assert OFFERED["recipe"] == RECIPES
    for name in ("optimizer", "schedule", "normalize"):
        assert OFFERED[name] == get_args(Recipe.model_fields[name].annotation)
    assert OFFERED["short"] == get_args(Short)
    assert OFFERED["to"] == get_args(inspect.signature(tlprobe.export).parameters["to"].annotation)
    network = build("efficientnet_lite0", n_classes=2, seed=0, image_shape=(3, 64, 32))
    assert OFFERED["block"] == ("none", *network.block_names)
    assert OFFERED["measure"] == (*(name.replace("_", "-") for name in tlprobe.numerics.similarity.MEASURES), "all")


def _completed(line):
    words = line.split(" ")
    environment = os.environ | {
        "_TLPROBE_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    code = (
        "import atexit, sys; from tlprobe.cli.app import run; "
        "atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr)); run([])"  # it ends in SystemExit
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    return done.stdout.split(), done.stderr


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("tlprobe sv", ["svcca"]),
        ("tlprobe study st", ["status"]),
        ("tlprobe fit --back", ["--backbone"]),
        ("tlprobe fit --backbone dense", ["densenet121", "densenet169", "densenet201"]),
        ("tlprobe freeze --upto block", ["block1", "block2", "block3", "block4"]),
        ("tlprobe svcca --measure cka", ["cka", "cka-debiased"]),
        ("tlprobe explain fre", ["freeze"]),
    ],
)
def test_a_shell_completes(line, offered):
    out, err = _completed(line)
    assert out == offered
    assert err == "False\n"  # torch was not waited for


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_shown(shell):
    environment = os.environ | {"_TLPROBE_COMPLETE": f"source_{shell}"}
    code = "from tlprobe.cli.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert "_TLPROBE_COMPLETE=complete_" in done.stdout
