"""The public names: all there, and `import tlprobe` fast enough for --help."""

import ast
import doctest
import inspect
import re
import subprocess
import sys
from pathlib import Path

import jedi
import pytest

import tlprobe


@pytest.mark.parametrize("name", tlprobe.__all__)
def test_every_public_name_resolves(name):
    found = getattr(tlprobe, name)
    assert callable(found)
    assert found.__name__ == name


def test_names_are_listed_by_hand_in_order():
    assert tlprobe.__all__ == sorted(tlprobe.__all__)
    verbs = {"fit", "svcca", "fuse", "freeze", "cutoff", "attribute", "ensemble", "evaluate", "weight_distance"}
    assert verbs <= set(tlprobe.__all__)
    assert set(tlprobe._HOME) | {"Record"} == set(tlprobe.__all__)


def _imported_for_editors():
    """Return where ``__init__`` says to an editor that names come from: name -> module."""
    tree = ast.parse(Path(tlprobe.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    return {alias.asname: node.module for node in block.body for alias in node.names if alias.asname == alias.name}


def test_editors_python_and_all_know_the_same_names():
    assert _imported_for_editors() == tlprobe._HOME
    assert set(tlprobe.__all__) <= set(dir(tlprobe))
    assert not {name for name in dir(tlprobe) if not name.startswith("__")} - set(tlprobe.__all__)


@pytest.mark.parametrize("name", tlprobe.__all__)
def test_every_public_name_has_an_example_that_runs(name):
    """They are run with the other doctests of the modules."""
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(getattr(tlprobe, name)))
    used = re.compile(rf"\b{name}\b", re.IGNORECASE)  # what `similarity` returns is a Similarity
    assert any(used.search(example.source) for example in examples)
    assert not any(doctest.SKIP in example.options for example in examples)


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("tlprobe.fr", {"freeze"}),
        ("tlprobe.fit(out='runs/full').", {"record", "predictions", "model"}),
        ("tlprobe.Run.load('runs/full').record.", {"rows", "to_pandas", "plot"}),
        ("tlprobe.svcca('runs/full').", {"rows", "to_pandas", "plot"}),
        ("tlprobe.list_runs()[0].", {"path", "facts"}),
    ],
)
def test_an_editor_completes(code, wanted):
    found = {name.name for name in jedi.Script(f"import tlprobe\n{code}").complete()}
    assert wanted <= found


def test_an_editor_shows_the_parameters_of_fit():
    (signature,) = jedi.Script("import tlprobe\ntlprobe.fit(").get_signatures()
    assert [parameter.name for parameter in signature.params] == list(inspect.signature(tlprobe.fit).parameters)
    assert "Fine-tune a network" in signature.docstring()


def test_an_unknown_name_says_what_there_is():
    with pytest.raises(AttributeError, match=r"no attribute 'frieze'; it has .*freeze"):
        _ = tlprobe.frieze


def test_importing_tlprobe_does_not_import_what_is_slow():
    heavy = ("torch", "torchvision", "timm", "librosa", "captum", "matplotlib", "scipy", "pydantic", "pandas", "tqdm")
    code = f"import sys, tlprobe; print([name for name in {heavy} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert out.stdout.strip() == "[]"


def test_the_version_is_that_of_the_package():
    assert tlprobe.__version__.count(".") >= 1
