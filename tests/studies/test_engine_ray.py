"""The Ray engine: the local engine's runs, bit for bit; what is lost costs its trial an attempt and nothing else."""

import ast
import gc
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tlprobe.errors import ParameterError, ResourceError, TlprobeError
from tlprobe.files import lock_folder
from tlprobe.records import Record
from tlprobe.studies import engine_ray
from tlprobe.studies.engine import Engine
from tlprobe.studies.plan import plan_study
from tlprobe.studies.study import run_study
from tlprobe.studies.study_file import Study
from tlprobe.train.run import Run

SMALL = "timm/test_efficientnet"
# Ray leaves its own processes to the system; their handles complain when they are collected.
RAY_WARNS = (
    "ignore:.*subprocess .* is still running:ResourceWarning",
    "ignore:.*unclosed:ResourceWarning",
    "ignore:.*:pytest.PytestUnraisableExceptionWarning",
)


def ray_test(function):
    for warning in RAY_WARNS:
        function = pytest.mark.filterwarnings(warning)(function)
    return pytest.mark.ray(function)


@pytest.fixture
def grid(tiny_data):
    """Four trials."""
    return Study.model_validate(
        {
            "data": tiny_data,
            "networks": (SMALL,),
            "inits": ("random",),
            "folds": (1, 2),
            "treatments": ({"full": {}}, {"cutoff": {"blocks": ["stem"]}}),
            "changes": {"epochs": 2, "batch_size": 8},
        }
    )


def test_a_missing_ray_is_told_in_a_line(grid, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ParameterError, match=r"^engine ray needs Ray: pip install 'tlprobe\[ray\]'$") as caught:
        run_study(grid, out=tmp_path / "out", trials=tmp_path / "runs", engine=Engine(name="ray"), device="cpu")
    assert caught.value.exit_code == 2


def test_ray_is_imported_where_it_is_used_alone():
    tree = ast.parse(Path(engine_ray.__file__).read_text())
    found = {id(node): alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert "ray" in found.values()
    assert "ray" not in [found.get(id(node)) for node in tree.body]


def test_a_node_without_the_data_is_named(grid, tmp_path):
    study = grid.model_copy(update={"data": tmp_path / "nowhere"})
    setup = {"study": study.model_dump(mode="json", exclude_unset=True), "trials": str(tmp_path / "runs")}
    said = engine_ray._train(setup | {"device": "cpu", "n_threads": torch.get_num_threads()}, "full")["error"]
    assert said.startswith(f"on {platform.node()}: ")
    assert str(tmp_path / "nowhere") in said
    assert "\n" not in said


def test_tasks_find_what_relative_paths_name(grid, tiny_data, start_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text("base: quick\nepochs: 7\n")
    relative = {
        "data": Path(os.path.relpath(tiny_data)),
        "inits": ("random", os.path.relpath(start_file)),
        "recipe": "own.yaml",
    }
    study = grid.model_copy(update=relative)
    found = engine_ray._from_anywhere(study)
    assert (found.data, found.inits, found.recipe) == (
        tiny_data,
        ("random", str(start_file)),
        str(tmp_path / "own.yaml"),
    )
    names = [trial.name for trial in plan_study(study).trials]
    monkeypatch.chdir("/")
    assert [trial.name for trial in plan_study(found).trials] == names


@ray_test
def test_what_fails_is_told_and_all_else_is_as_of_the_local_engine(grid, tmp_path):
    """Of equal threads: bit for bit."""
    here = run_study(grid, out=tmp_path / "a", trials=tmp_path / "ra", engine=Engine(jobs=2), device="cpu")
    where = {"out": tmp_path / "b", "trials": tmp_path / "rb", "engine": Engine(name="ray", jobs=2), "device": "cpu"}
    handler = signal.getsignal(signal.SIGTERM)
    first, second = (trial.name for trial in plan_study(grid).trials[:2])
    with (
        lock_folder(tmp_path / "rb" / first),
        lock_folder(tmp_path / "rb" / second),
        pytest.raises(TlprobeError, match=r"2 of 4 trials failed, the others are done: .*-fold1-.*: .* is in use by"),
    ):
        run_study(grid, **where)
    rows = Record.load(tmp_path / "b").rows
    assert [row["status"] for row in rows] == ["failed", "failed", "finished", "finished"]
    there = run_study(grid, **where)
    assert signal.getsignal(signal.SIGTERM) is handler
    assert "ray" in sys.modules
    assert not sys.modules["ray"].is_initialized()
    gc.collect()  # the handles of Ray's processes, while their warnings are expected
    assert [row | {"duration_s": 0} for row in here.rows] == [row | {"duration_s": 0} for row in there.rows]
    for row in here.rows:
        for name in ("weights.safetensors", "held_out.safetensors", "predictions.csv"):
            one, other = (tmp_path / folder / row["run"] / name for folder in ("ra", "rb"))
            assert one.read_bytes() == other.read_bytes(), (row["run"], name)


@ray_test
def test_an_address_that_does_not_answer_is_told_in_time(grid, tmp_path, monkeypatch):
    monkeypatch.setattr("tlprobe.studies.engine_ray.START_LIMIT_S", 8)
    began = time.monotonic()
    with pytest.raises(ResourceError, match=r"^no Ray answers at 127\.0\.0\.1:1 within 8 s; is it the right --address"):
        run_study(grid, out=tmp_path / "o", trials=tmp_path / "r", engine=Engine(name="ray", address="127.0.0.1:1"))
    assert time.monotonic() - began < 20
    with pytest.raises(ResourceError, match=r"^cannot join Ray at nonsense: Invalid address format: nonsense$"):
        run_study(grid, out=tmp_path / "o", trials=tmp_path / "r", engine=Engine(name="ray", address="nonsense"))


JOB = """
import sys
from tlprobe.cli.app import run
sys.exit(run(["study", "run", *sys.argv[1:], "--engine", "ray", "--device", "cpu"]))
"""


def _start(tmp_path, tiny_data, *, epochs, address=None):
    file = tmp_path / "grid.yaml"
    data = os.path.relpath(tiny_data, tmp_path)
    file.write_text(
        f"data: {data}\nnetworks: [{SMALL}]\ninits: [random]\nfolds: [1, 2]\n"
        f"treatments: [full, {{cutoff: {{blocks: [stem]}}}}]\nchanges: {{epochs: {epochs}, batch_size: 8}}\n"
    )
    command = [sys.executable, "-c", JOB, "grid.yaml", "--jobs", "2", "--out", "out", "--trials", "runs"]
    command += [] if address is None else ["--address", address]
    return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _tasks(process):
    """Processes of tasks that run below `process`, whose titles are ``ray::`` and the trial's name."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    found = [line.split(None, 2) for line in listed.splitlines()]
    parents = {int(pid): int(parent) for pid, parent, _ in found}

    def is_below(pid):
        while pid in parents and pid != process.pid:
            pid = parents[pid]
        return pid == process.pid

    titles = ("ray::random-", "ray::cutoff-")
    return [int(pid) for pid, _, title in found if title.startswith(titles) and is_below(int(pid))]


def _wait_for_epochs(folder, n, *, process):
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        files = list(Path(folder).glob("*/history.csv"))
        if sum(len(file.read_text().splitlines()) > n for file in files) >= 2:
            return
        time.sleep(0.05)
    pytest.fail(f"waited in vain; exit code {process.poll()}: {process.communicate()[1] if process.poll() else ''}")


@ray_test
def test_a_killed_worker_costs_nothing(tiny_data, tmp_path):
    process = _start(tmp_path, tiny_data, epochs=30)
    _wait_for_epochs(tmp_path / "runs", 2, process=process)
    tasks = _tasks(process)
    assert len(tasks) == 2
    os.kill(tasks[0], signal.SIGKILL)
    out, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    assert said.count("its worker process or node is lost") == 1
    assert out == "4 points of 4 trials; record: out/record.json\n"
    assert len(said.splitlines()) == 1 + 1 + 4, said  # the plan, the loss, four ends: none of Ray's own notes
    assert {row["status"] for row in Record.load(tmp_path / "out").rows} == {"finished"}


CLUSTER = """
from ray.cluster_utils import Cluster
values = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
cluster = Cluster(initialize_head=True, head_node_args={"include_dashboard": False, **values})
node = cluster.add_node(**values)
print("address", cluster.address, flush=True)
input()
cluster.remove_node(node, allow_graceful=False)
input()
assert all(info.process.poll() is None for infos in cluster.head_node.all_processes.values() for info in infos)
cluster.shutdown()
"""


@ray_test
def test_a_lost_node_costs_nothing_and_a_joined_ray_goes_on(tiny_data, tmp_path):
    cluster = subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        lines = iter(cluster.stdout.readline, "")
        address = next(line.split()[1] for line in lines if line.startswith("address"))
        process = _start(tmp_path, tiny_data, epochs=30, address=address)
        _wait_for_epochs(tmp_path / "runs", 2, process=process)
        cluster.stdin.write("\n")
        cluster.stdin.flush()
        said = process.communicate(timeout=200)[1]
    finally:
        complaints = cluster.communicate("\n\n", timeout=60)[1]
    assert process.returncode == 0, said
    assert said.count("its worker process or node is lost") == 1
    assert {row["status"] for row in Record.load(tmp_path / "out").rows} == {"finished"}
    assert cluster.returncode == 0, complaints


@ray_test
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_study_goes_on(tiny_data, tmp_path, signum, code):
    process = _start(tmp_path, tiny_data, epochs=80)
    _wait_for_epochs(tmp_path / "runs", 2, process=process)
    process.send_signal(signum)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == code, said
    assert "the same command goes on from there" in said
    begun = [file.parent for file in (tmp_path / "runs").glob("*/config.json")]
    stopped = [run for run in begun if not (run / "record.json").exists()]
    assert stopped
    assert all(list((run / "resume").glob("*")) for run in stopped)  # each was saved
    process = _start(tmp_path, tiny_data, epochs=80)
    said = process.communicate(timeout=200)[1]
    assert process.returncode == 0, said
    for row in Record.load(tmp_path / "out").rows:
        assert Run.load(tmp_path / "runs" / row["run"]).config.recipe.epochs == 80
