"""Where progress bars are seen: a terminal and a notebook, unless they are switched."""

import subprocess
import sys

import pytest

from tlprobe import bars


@pytest.mark.parametrize(
    ("notebook", "show", "seen"),
    [(False, None, False), (False, True, True), (False, False, False), (True, None, True), (True, False, False)],
)
def test_without_a_terminal_a_bar_is_seen_in_a_notebook_or_when_asked_for(monkeypatch, capfd, notebook, show, seen):
    monkeypatch.setattr(bars, "in_notebook", lambda: notebook)
    assert list(bars.progress_bar(range(3), show=show, desc="three")) == [0, 1, 2]
    out, err = capfd.readouterr()
    assert out == ""
    assert ("three" in err) == seen


@pytest.mark.parametrize("name", ["fit", "tune", "list_runs"])
def test_a_kernel_without_ipywidgets_gets_text_and_no_warning(name):
    """Whichever name comes first: timm and optuna import tqdm themselves."""
    code = f"""
import sys, types, warnings
warnings.simplefilter("error")
shell = types.SimpleNamespace(config={{"IPKernelApp": {{}}}})
sys.modules["IPython"] = types.SimpleNamespace(get_ipython=lambda: shell)
sys.modules["ipywidgets"] = None
import tlprobe
tlprobe.{name}
from tlprobe.bars import in_notebook, progress_bar
assert in_notebook()
list(progress_bar(range(3), show=None, desc="three"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "three" in done.stderr
    assert "Warning" not in done.stderr
