"""The verb that explains verbs: explain. Its texts lie in ``about/``, one file a verb.

A text has the five headings `HEADINGS`, each followed by indented lines. A line ``@KEY`` stands for how to read a
figure, which `tlprobe.reports.guides` says once for reports and for this.
"""

import textwrap
from importlib import resources
from typing import Annotated

import typer

from tlprobe.cli.app import app
from tlprobe.cli.complete import verbs_offered
from tlprobe.cli.options import Debug
from tlprobe.cli.typos import suggested
from tlprobe.errors import ParameterError

__all__ = ["HEADINGS", "explanation"]

HEADINGS = ("Question", "Definition", "How to read it", "Pitfalls", "References")

_WIDTH = 98
_INDENT = "  "


@app.command()
def explain(
    *,
    context: typer.Context,
    verb: Annotated[
        str | None,
        typer.Argument(
            help="What to explain. [default: the question of each verb]",
            show_default=False,
            autocompletion=verbs_offered,
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Explain a verb: definition, figure, pitfalls, references."""
    commands = getattr(context.find_root().command, "commands", {})
    verbs = [name for name, command in commands.items() if not command.hidden]
    if verb is None:
        width = max(map(len, verbs)) + 2
        for name in verbs:
            typer.echo(_filled(_question(name), f"{name:<{width}}"))
        return
    if verb not in verbs:
        choices = f"; choose from {', '.join(verbs)}"
        raise ParameterError(f"no verb {verb!r} to explain{suggested(verb, verbs) or choices}")
    typer.echo(f"tlprobe {verb}\n\n{explanation(verb)}", nl=False)


def explanation(verb: str) -> str:
    """Return the text on a verb, with the guides to its figures."""
    from tlprobe.reports.guides import titled_guide

    lines = _text(verb).splitlines()
    guides = [titled_guide(line.strip()[1:]) if line.startswith(f"{_INDENT}@") else None for line in lines]
    told = [
        line if guide is None else _filled(guide, f"{_INDENT}- ") for line, guide in zip(lines, guides, strict=True)
    ]
    return "\n".join(told) + "\n"


def _filled(text: str, start: str) -> str:
    """Return a text in lines, the first after `start`, the others below it."""
    return textwrap.fill(text, _WIDTH, initial_indent=start, subsequent_indent=" " * len(start), break_on_hyphens=False)


def _question(verb: str) -> str:
    """Return the first part of a verb's text on one line."""
    part, _, _ = _text(verb).removeprefix(HEADINGS[0]).partition(HEADINGS[1])
    return " ".join(part.split())


def _text(verb: str) -> str:
    return (resources.files("tlprobe.cli") / "about" / f"{verb}.txt").read_text(encoding="utf-8")
