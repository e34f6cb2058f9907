"""The texts: short enough, every link leads somewhere, and notebooks are committed with clean, small outputs."""

import json
import re
from pathlib import Path

import pytest

from tlprobe.plots.panels import PROBES

ROOT = Path(__file__).parents[1]
TEXTS = [ROOT / "README.md", *sorted(ROOT.glob("*/README.md")), *sorted(ROOT.glob("*/*.md"))]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
LIMIT_BYTES = 400_000


def _links(file):
    text = re.sub(r"```.*?```", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    return [link for link in found if not re.match(r"https?:|#", link)]


def test_the_readme_is_read_in_one_sitting():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 250


@pytest.mark.parametrize("file", dict.fromkeys(TEXTS), ids=lambda file: file.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(file):
    missing = [link for link in _links(file) if not (file.parent / link.partition("#")[0]).exists()]
    assert missing == []


def test_there_are_links_to_follow():
    assert len(_links(ROOT / "README.md")) > 20


def test_every_notebook_is_in_the_list_of_examples():
    listed = re.findall(r"\w+\.ipynb", (ROOT / "examples" / "README.md").read_text(encoding="utf-8"))
    assert sorted(set(listed)) == [file.name for file in NOTEBOOKS]


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_is_committed_as_it_ran(file):
    assert file.stat().st_size < LIMIT_BYTES
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]
    said = json.dumps([output.get("text", output.get("data", {}).get("text/plain")) for output in outputs])
    assert not re.search(r"/(home|root|tmp|work|Users)/", said)


def _kinds(record):
    mode = record["params"].get("mode")
    return {record["probe"], f"{record['probe']}:{mode}"} if record["probe"] == "svcca" else {record["probe"]}


def test_the_gallery_has_every_kind_of_figure_with_its_record_and_command():
    text = (ROOT / "figures" / "README.md").read_text(encoding="utf-8")
    shown = set()
    row = re.compile(r"\| \[`[^`]+`\]\(([^)]+)\)<br><img src=\"[^\"]+\" alt=\"[^\"]+\".*\| `(tlprobe|python) ")
    for line in text.splitlines():
        if found := row.match(line):
            body = json.loads((ROOT / "figures" / found[1]).read_text(encoding="utf-8"))
            shown |= _kinds(body) if "probe" in body else set()
    assert shown >= set(PROBES) | {f"svcca:{mode}" for mode in ("change", "against", "grid", "training")}
