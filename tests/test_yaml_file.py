import subprocess
import sys

import pytest

from tlprobe.errors import ParameterError
from tlprobe.yaml_file import load_yaml, parse_yaml


def test_a_table(tmp_path):
    file = tmp_path / "words.yaml"
    file.write_text("a: 1\nb: [x, y]\n", encoding="utf-8")
    assert load_yaml(file, kind="labels") == {"a": 1, "b": ["x", "y"]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\na: 2", "stands twice"),
        ("a: &x 1\nb: *x", "aliases are not allowed"),
        ("- 1", "must be a table"),
        ("1: 2", "must be a table"),
        ("a: [", "is no valid YAML"),
        ("a: 2024-13-45", "is no valid YAML"),
        ("a: !!python/object/apply:os.system [ls]", "is no valid YAML"),
    ],
)
def test_anything_else_is_refused_in_one_line(text, words):
    with pytest.raises(ParameterError, match=words) as caught:
        parse_yaml(text, source="labels words.yaml")
    assert str(caught.value).startswith("labels words.yaml ")
    assert "\n" not in str(caught.value)


def test_no_file_a_folder_and_a_large_one(tmp_path):
    (tmp_path / "large.yaml").write_bytes(b"#" * (1 << 20 | 1))
    for name, words in (("none.yaml", "is missing"), (".", "is no file"), ("large.yaml", "larger than 1 MiB")):
        with pytest.raises(ParameterError, match=words):
            load_yaml(tmp_path / name, kind="labels")


def test_it_needs_no_torch():
    code = "import sys, tlprobe.yaml_file; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
