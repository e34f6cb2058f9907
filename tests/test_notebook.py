"""The Python API in a real kernel: what is asked for is shown, bars go to standard error, and nothing else appears."""

import nbclient
import nbformat
import pytest

CELLS = {
    "fit": "import tlprobe\noptions = tlprobe.FitOptions(data={data!r}, backbone='timm/test_efficientnet', "
    "weights={start!r}, changes=dict(epochs=1, batch_size=8))\n"
    "run = tlprobe.fit(options, out='runs/full', device='cpu', progress=False)",
    "freeze": "record = tlprobe.freeze(run, block='stem', trials='runs/trials', progress=False)",
    "read": "maps = tlprobe.attribute(run, n_clips=1, progress=False)\n"
    "same = tlprobe.svcca(run, conv='pool', n_permutations=0, progress=False)",
    "study": "import pathlib\n"
    "text = '{{data: {data}, networks: [timm/test_efficientnet], inits: [random], treatments: [full], '\n"
    "_ = pathlib.Path('study.yaml').write_text(text + 'changes: {{epochs: 1}}}}')\n"
    "study = tlprobe.load_study('study.yaml')\n"
    "done = tlprobe.run_study(study, out='out/study', trials='runs/trials', progress=False)",
    "draw": "figure = record.plot()",
    "bars": "again = tlprobe.svcca(run, conv='pool', n_permutations=0)",
    "run": "run",
    "record": "record",
    "runs": "tlprobe.list_runs()",
    "study itself": "study",
    "status": "tlprobe.study_status(study, trials='runs/trials')",
}
SHOWN = {
    "run": "Run of timm/test_efficientnet",
    "record": "freeze: 2 rows",
    "runs": "3 runs (3 finished)",
    "study itself": "networks: timm/test_efficientnet",
    "status": "finished",
}


@pytest.fixture(scope="module")
def outputs(tiny_data, start_file, tmp_path_factory):
    """Run all cells in a kernel; return each one's outputs."""
    values = {"data": str(tiny_data), "start": str(start_file)}
    cells = [nbformat.v4.new_code_cell(source.format(**values)) for source in CELLS.values()]
    notebook = nbformat.v4.new_notebook(cells=cells)
    resources = {"metadata": {"path": str(tmp_path_factory.mktemp("notebook"))}}
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    return {name: cell.outputs for name, cell in zip(CELLS, cells, strict=True)}


@pytest.mark.parametrize("name", [name for name in CELLS if name not in {*SHOWN, "bars"}])
def test_nothing_appears_by_itself(outputs, name):
    assert outputs[name] == []


@pytest.mark.parametrize("name", SHOWN)
def test_what_stands_last_in_a_cell_shows_itself(outputs, name):
    (output,) = outputs[name]
    assert output.output_type == "execute_result"
    assert SHOWN[name] in output.data["text/html"]


def test_bars_are_shown_without_a_warning(outputs):
    for output in outputs["bars"]:
        assert output.output_type in ("stream", "display_data")  # a line of text, or a widget where ipywidgets is
        assert output.get("name") != "stdout"
        assert "Warning" not in str(output)
    assert "values" in str(outputs["bars"])
