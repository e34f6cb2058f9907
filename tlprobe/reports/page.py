"""The page itself: sections and questions laid into the template, every text escaped."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tlprobe.errors import ParameterError
from tlprobe.reports.section import Section
from tlprobe.reports.sources import Source
from tlprobe.reports.summary import Question
from tlprobe.reports.words import count, joined, plain

__all__ = ["GENERATOR", "page_html"]

GENERATOR = "tlprobe report"
"""What the page's head names as its maker: such a file may be replaced by another report."""

_MINUS = re.compile(r"(?<![\w\-])-(?=\d)")
_SHORT = 28  # characters of a name in a link of the summary
_TEMPLATES = Path(__file__).with_name("templates")


def page_html(
    sources: Sequence[Source],
    sections: Sequence[Section],
    questions: Sequence[Question],
    *,
    numbers: Mapping[int, int],
) -> str:
    """Return the page.

    Parameters
    ----------
    sources : sequence of Source
    sections : sequence of Section
    questions : sequence of Question
        The summary.
    numbers : mapping of int to int
        Number of a source -> place of the section that shows it.

    Raises
    ------
    ParameterError
        If jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise ParameterError("a report needs jinja2: pip install 'tlprobe[report]'") from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"typeset": _typeset, "shortened": lambda name: plain(name, limit=_SHORT)}
    style, script = ((_TEMPLATES / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    answers = [
        (
            question.heading,
            [(text, list(dict.fromkeys(numbers[number] for number in found))) for text, found in question.answers],
        )
        for question in questions
    ]
    return environment.get_template("report.html").render(
        generator=GENERATOR,
        policy=_policy(style, script),
        style=style,
        script=script,
        title=_title(sources),
        about=_about(sources),
        questions=answers,
        sections=sections,
    )


def _typeset(text: str) -> str:
    """Return a sentence with minus signs, and without a line break before a percent sign."""
    return _MINUS.sub("\N{MINUS SIGN}", text.replace(" %", "\N{NO-BREAK SPACE}%"))


def _policy(style: str, script: str) -> str:
    """Return a policy under which a browser fetches nothing, and runs and applies this script and style alone."""
    own = {
        name: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
        for name, text in (("style", style), ("script", script))
    }
    return (
        "default-src 'none'; img-src data:; media-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src 'sha256-{own['style']}'; script-src 'sha256-{own['script']}'"
    )


def _title(sources: Sequence[Source]) -> str:
    names = dict.fromkeys(_data(source).get("name") for source in sources)
    known = [plain(name) for name in names if name]
    return f"What transferred to {joined(known, n_named=3)}" if known else "What transferred"


def _about(sources: Sequence[Source]) -> str:
    found = {
        (plain(data.get("name")), plain(data.get("n_clips")), plain(data.get("hash"), limit=80)[:8])
        for source in sources
        if (data := _data(source))
    }
    listed = joined((f"{name} ({n} clips, hash {digest})" for name, n, digest in sorted(found)), limit=100)
    return f"{count(len(sources), 'record')}" + (f" on {listed}" if listed else "")


def _data(source: Source) -> Mapping[str, Any]:
    data = source.record.provenance.get("data")
    return data if isinstance(data, Mapping) else {}
