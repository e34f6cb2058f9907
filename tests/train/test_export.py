"""Networks handed on: they load elsewhere with strict=True and give the same logits."""

import json
import sys

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file

from tlprobe.backbones.registry import build
from tlprobe.backbones.weights import read_weights
from tlprobe.data.loader import Standardiser
from tlprobe.errors import ParameterError
from tlprobe.train.export import constructor_of, export, onnx_bytes
from tlprobe.train.run import Run

STANDARDISE = Standardiser((-8.0, -7.0, -6.0), (2.0, 3.0, 2.5))


def plain_network(call):
    """Build the network from the text that the JSON file gives."""
    return eval(call.removeprefix("network = "), {"torchvision": torchvision, "timm": timm}).eval()


@pytest.mark.parametrize(
    "backbone",
    ["efficientnet_lite0", "resnet18", "densenet121", "googlenet", "inception_v3", "timm/test_efficientnet"],
)
def test_every_familys_state_loads_into_the_plain_network_and_gives_its_logits(backbone):
    model = build(backbone, n_classes=7, seed=3, image_shape=(3, 128, 100)).eval()
    library, call = constructor_of(backbone, n_classes=7)
    with torch.random.fork_rng(devices=[]):
        network = plain_network(call)
    network.load_state_dict(model.original_state(), strict=True)
    images = torch.randn(2, 3, 128, 100, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(network(images), model(images), atol=1e-5, rtol=1e-5)
    assert library == ("timm" if "efficientnet" in backbone else "torchvision")


@pytest.mark.parametrize("suffix", ["pth", "pt", "safetensors"])
def test_a_run_goes_out_and_comes_back(tiny_run, tmp_path, suffix):
    out = tmp_path / f"net.{suffix}"
    about = json.loads(export(tiny_run, to="timm", out=out).read_text())
    state = load_file(out) if suffix == "safetensors" else torch.load(out, weights_only=True)
    network = plain_network(about["build"])
    network.load_state_dict(state, strict=True)
    assert about["load"].startswith("network.load_state_dict(")
    assert about["classes"] == ["high", "low", "noise"]
    assert about["image"]["windows_ms"] == [25, 50, 100]
    assert about["result"]["accuracy"] == tiny_run.record.rows[0]["accuracy"]
    model = tiny_run.model()
    raw = torch.randn(2, *tiny_run.image_shape, generator=torch.Generator().manual_seed(0)) * 3 - 8
    mean, std = (torch.tensor(about["standardise"][name]).view(-1, 1, 1) for name in ("mean", "std"))
    with torch.inference_mode():
        torch.testing.assert_close(network((raw - mean) / std), model(tiny_run.standardise(raw)), atol=1e-5, rtol=1e-5)
    starting = read_weights(out, model=model)
    assert all(torch.equal(starting.state[name], tensor) for name, tensor in model.body_state().items())


def test_other_states_go_out_too(tiny_run, tmp_path):
    for state in ("init", "best", 2):
        export(tiny_run, to="timm", out=tmp_path / f"{state}.safetensors", state=state)
        expected, found = tiny_run.state(state), load_file(tmp_path / f"{state}.safetensors")
        assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_onnx_gives_the_logits_of_raw_images(tiny_run, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    export(tiny_run, to="onnx", out=tmp_path / "net.onnx")
    session = runtime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    raw = np.random.default_rng(1).normal(-8, 3, size=(5, *tiny_run.image_shape)).astype(np.float32)
    (logits,) = session.run(["logits"], {"images": raw})
    with torch.inference_mode():
        expected = tiny_run.model()(tiny_run.standardise(torch.from_numpy(raw))).numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    assert json.loads((tmp_path / "net.json").read_text())["input"].startswith("raw log-mel3 images")


@pytest.mark.slow
@pytest.mark.parametrize("cut_after", [None, "block2"])
def test_onnx_takes_a_densenet_cut_or_whole(cut_after):
    pytest.importorskip("onnxruntime")
    model = build("densenet121", n_classes=3, seed=0, image_shape=(3, 64, 64), cut_after=cut_after).eval()
    assert len(onnx_bytes(model, standardise=STANDARDISE)) > 100_000


@pytest.mark.parametrize(
    ("to", "name", "words"),
    [
        ("torchvision", "x.pth", "is a efficientnet_lite0, a network of timm: give --to timm"),
        ("timm", "x.onnx", r"its name must end in \.pth, \.pt, \.safetensors"),
        ("onnx", "x.pth", r"its name must end in \.onnx"),
        ("keras", "x.pth", "to='keras'; choose from torchvision, timm, onnx"),
    ],
)
def test_what_does_not_fit_is_named(tiny_run, tmp_path, to, name, words):
    with pytest.raises(ParameterError, match=words):
        export(tiny_run, to=to, out=tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_cut_network_is_of_no_library(tiny_run, tmp_path):
    cut = Run(
        path=tiny_run.path,
        config=tiny_run.config.model_copy(update={"treatment": "cutoff", "blocks": ("stem", "block1", "block2")}),
        source=tiny_run.source,
        standardise=tiny_run.standardise,
    )
    with pytest.raises(ParameterError, match="is cut after block2: no network of timm is; give --to onnx"):
        export(cut, to="timm", out=tmp_path / "x.pth")


def test_nothing_is_replaced_without_being_told_to(tiny_run, tmp_path):
    out = tmp_path / "x.pth"
    out.write_text("mine")
    with pytest.raises(ParameterError, match=r"x\.pth exists already; .* --overwrite"):
        export(tiny_run, to="timm", out=out)
    assert out.read_text() == "mine"
    export(tiny_run, to="timm", out=out, overwrite=True)
    torch.load(out, weights_only=True)


def test_without_onnx_the_command_is_told(tiny_run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ParameterError, match=r"--to onnx needs onnxscript: pip install 'tlprobe\[onnx\]'"):
        export(tiny_run, to="onnx", out=tmp_path / "x.onnx")
