"""The public names: all there, and `import tlprobe` fast enough for --help."""

import subprocess
import sys

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


def test_an_unknown_name_says_what_there_is():
    with pytest.raises(AttributeError, match=r"no attribute 'frieze'; it has .*freeze"):
        _ = tlprobe.frieze


def test_importing_tlprobe_does_not_import_what_is_slow():
    heavy = ("torch", "torchvision", "timm", "librosa", "captum", "matplotlib", "scipy", "pydantic")
    code = f"import sys, tlprobe; print([name for name in {heavy} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert out.stdout.strip() == "[]"


def test_the_version_is_that_of_the_package():
    assert tlprobe.__version__.count(".") >= 1
