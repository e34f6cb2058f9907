"""The verb ``explain``: every verb has its text, whole and in one shape."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import tlprobe.cli
from tlprobe.cli.app import app, run
from tlprobe.cli.examples import ORDER
from tlprobe.cli.explain_verb import HEADINGS, explanation
from tlprobe.reports.guides import titled_guide

FOLDER = Path(tlprobe.cli.__file__).parent / "about"
TEXTS = sorted(file.stem for file in FOLDER.iterdir())


def _verbs():
    run([])  # registers them
    return [name for name, verb in typer.main.get_command(app).commands.items() if not verb.hidden]


def test_every_verb_has_a_text_and_every_text_a_verb():
    assert sorted(_verbs()) == TEXTS


@pytest.mark.parametrize("verb", TEXTS)
def test_a_text_is_whole_and_narrow(verb):
    text = explanation(verb)
    assert tuple(re.findall(r"^\S.*", text, re.MULTILINE)) == HEADINGS
    parts = re.split(r"^\S.*\n", text, flags=re.MULTILINE)[1:]
    assert all(part.strip() for part in parts)
    assert "?" in parts[0]
    assert "@" not in text
    assert all(len(line) <= 100 for line in text.splitlines())
    named = re.findall(r"`tlprobe explain ([a-z]+)`", text)
    assert set(named) <= set(TEXTS)


def test_it_prints_definition_and_the_guides_of_reports(cli):
    code, out, err = cli("explain", "svcca")
    assert (code, err) == (0, "")
    assert out.startswith("tlprobe svcca\n\nQuestion\n")
    assert "\n      SVCCA = mean of the min(k_x, k_y) largest" in out
    flat = " ".join(out.split())
    assert all(titled_guide(f"svcca:{mode}") in flat for mode in ("change", "against", "grid", "training"))


def test_without_a_verb_it_lists_questions(cli):
    code, out, err = cli("explain")
    assert (code, err) == (0, "")
    assert tuple(re.findall(r"^[a-z]+", out, re.MULTILINE)) == ORDER
    assert "freeze           Which blocks have to be trained at all?\n" in out


def test_an_unknown_verb_is_told(fails):
    fails(2, ["explain", "frezee"], "no verb 'frezee'", "did you mean freeze?")
    fails(2, ["explain", "../app"], "'../app'", "choose from ", "attribute, ")


def test_it_needs_no_torch():
    code = "import sys; from tlprobe.cli.app import run; print(run(['explain', 'fit']), 'torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "0 False"
