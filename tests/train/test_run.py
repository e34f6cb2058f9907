"""Run directories read back: whole, or refused with the name of the file that is not."""

import json
import random
import shutil

import pytest
import torch

from tlprobe.errors import CheckpointError, DataError
from tlprobe.manifest import entry_of, read_manifest, write_manifest
from tlprobe.train.run import RUN_SCHEMA, Run, is_finished, read_state, state_bytes


@pytest.fixture
def copy(straight, tmp_path):
    """A copy of a finished run, to be damaged."""
    return shutil.copytree(straight.path, tmp_path / "copy")


def replace(path, name, data):
    """Write a file as if the run had: its manifest lists the new one."""
    (path / name).write_bytes(data)
    write_manifest(path, read_manifest(path) | {name: entry_of(data)})


def change_config(path, change):
    body = json.loads((path / "config.json").read_text())
    change(body)
    replace(path, "config.json", json.dumps(body).encode())


def test_loads_what_was_trained(straight, copy):
    for where in (copy, str(copy)):
        run = Run.load(where)
        assert (run.config, run.source, run.standardise) == (straight.config, straight.source, straight.standardise)
        assert run.image_shape == (3, 128, 40)
    assert is_finished(copy)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("x"), lambda path: path.mkdir()])
def test_what_is_no_run(tmp_path, make):
    make(tmp_path / "x")
    with pytest.raises(CheckpointError, match=r"x is no run directory"):
        Run.load(tmp_path / "x")


def test_an_unfinished_run_says_how_to_go_on(copy):
    (copy / "record.json").unlink()
    assert not is_finished(copy)
    with pytest.raises(CheckpointError, match=r"copy is an unfinished run; .*--resume"):
        Run.load(copy)


@pytest.mark.parametrize("text", ["", "{", b"\xff\xfe", '{"schema": 3', '{"schema": 5}'])
def test_a_damaged_config(copy, text):
    (copy / "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CheckpointError, match=r"copy/config\.json is damaged"):
        Run.load(copy)


@pytest.mark.parametrize("schema", [1, 2, 3, 4, None, "5"])
def test_another_schema(copy, schema):
    change_config(copy, lambda body: body.update(schema=schema))
    said = rf"copy/config\.json has schema {schema!r}; this tlprobe reads {RUN_SCHEMA}"
    with pytest.raises(CheckpointError, match=said):
        Run.load(copy)


def test_a_config_that_is_no_table(copy):
    replace(copy, "config.json", b"[]")
    with pytest.raises(CheckpointError, match=r"config\.json has schema None"):
        Run.load(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda body: body.pop("config"), "config"),
        (lambda body: body.pop("data"), "data"),
        (lambda body: body.pop("standardise"), "standardise"),
        (lambda body: body["config"].pop("backbone"), "backbone: Field required"),
        (lambda body: body["config"].update(fold="x", more=1), "fold: .*more: "),
        (lambda body: body["data"].pop("hash"), "hash"),
        (lambda body: body.update(data=[]), "incomplete"),
        (lambda body: body["standardise"].pop("std"), "std"),
        (lambda body: body["standardise"].update(mean=["x"]), "incomplete"),
    ],
)
def test_an_incomplete_config(copy, change, message):
    change_config(copy, change)
    with pytest.raises(CheckpointError, match=rf"copy/config\.json.*{message}"):
        Run.load(copy)


@pytest.mark.parametrize("name", ["init", "weights", "best"])
def test_damaged_and_missing_weights(copy, name):
    run = Run.load(copy)
    file = copy / f"{name}.safetensors"
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(CheckpointError, match=rf"copy/{name}\.safetensors is damaged"):
        run.state(name)
    file.unlink()
    with pytest.raises(CheckpointError, match=rf"copy/{name}\.safetensors is missing"):
        run.state(name)


def test_weights_of_another_network_are_refused(tiny_run, tmp_path):
    copy = shutil.copytree(tiny_run.path, tmp_path / "copy")
    replace(copy, "weights.safetensors", state_bytes({"other.weight": torch.ones(2)}))
    with pytest.raises(CheckpointError, match="do not fit efficientnet_lite0"):
        Run.load(copy).model()


def test_the_network_is_rebuilt_in_evaluation_mode(tiny_run):
    for name in ("init", "weights"):
        model = tiny_run.model(name)
        assert not model.training
        rebuilt = model.original_state()
        assert all(torch.equal(rebuilt[key], value) for key, value in tiny_run.state(name).items())


def test_a_state_survives_the_disk_in_every_type_and_layout(tmp_path):
    state = {
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "transposed": torch.randn(3, 4).T,
        "counter": torch.tensor(7),
        "half": torch.randn(3).half(),
        "weight": torch.nn.Parameter(torch.randn(2)),
    }
    write_manifest(tmp_path, {})
    replace(tmp_path, "state.safetensors", state_bytes(state))
    back = read_state(tmp_path, "state.safetensors")
    assert back.keys() == state.keys()
    for name, tensor in state.items():
        assert back[name].dtype == tensor.dtype
        assert torch.equal(back[name], tensor.detach())


def test_the_data_set_opens_again_also_where_it_has_moved(straight, tiny_data, tmp_path):
    assert straight.source.open().content_hash == straight.source.hash
    moved = shutil.copytree(tiny_data, tmp_path / "moved")
    assert straight.source.open(moved).root == moved


def test_other_clips_are_refused(straight, tiny_data, tmp_path):
    moved = shutil.copytree(tiny_data, tmp_path / "moved")
    (moved / "low" / "3.wav").write_bytes((moved / "low" / "4.wav").read_bytes())
    with pytest.raises(DataError, match=r"moved holds other clips than the run was trained on.*30 clips"):
        straight.source.open(moved)


def test_a_data_set_that_is_gone(copy):
    change_config(copy, lambda body: body["data"].update(path="/no/where"))
    with pytest.raises(DataError, match="data set tiny is not at /no/where any more; say where with --data"):
        Run.load(copy).source.open()


READ = {
    "config.json": lambda run: Run.load(run.path),
    "record.json": lambda run: run.record,
    "predictions.csv": lambda run: run.predictions(),
    "weights.safetensors": lambda run: run.state(),
    "init.safetensors": lambda run: run.state("init"),
    "best.safetensors": lambda run: run.state("best"),
    "epochs/0001.safetensors": lambda run: run.state(1),
}


@pytest.mark.parametrize("name", READ)
def test_a_flipped_bit_in_any_file_that_is_read_is_noticed(small, material, tmp_path, name):
    """A weight file with a flipped bit loads without complaint, as a network that nobody trained."""
    run = small.train(material, tmp_path, changes={"epochs": 2}, keep_epochs=[1])
    READ[name](run)
    whole = (tmp_path / name).read_bytes()
    rng = random.Random(name)
    for bit in [rng.randrange(8 * len(whole)) for _ in range(20)]:
        data = bytearray(whole)
        data[bit // 8] ^= 1 << (bit % 8)
        (tmp_path / name).write_bytes(bytes(data))
        with pytest.raises(CheckpointError, match=rf"{name}"):
            READ[name](run)


def test_the_manifest_lists_each_file_of_a_run(straight):
    listed = set(read_manifest(straight.path))
    there = {file.name for file in straight.path.iterdir() if file.is_file() and not file.name.startswith(".")}
    assert listed == there - {"manifest.json"}
