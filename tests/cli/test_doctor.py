"""What the machine is said to be, and to be able to do."""

import os
import re

import torch
import torchvision

from tlprobe.train.speed import training_speed


def test_facts_and_an_estimate(cli):
    code, out, err = cli("doctor", "--seconds", "0.1", "--network", "timm/test_efficientnet", "--device", "cpu")
    assert (code, err) == (0, "")
    facts = dict(re.findall(r"^(\w+): +(.*)$", out, re.MULTILINE))
    assert f"torch {torch.__version__}" in facts["versions"] or "torch " in facts["versions"]
    assert facts["torchvision"] == "operators work"
    assert facts["device"].startswith("cpu (")
    assert facts["threads"] == f"{torch.get_num_threads()} of {os.cpu_count()} cores"
    assert re.fullmatch(r"[\d.]+ GB free here, [\d.]+ GB free for the cache .*", facts["disk"])
    assert float(re.search(r"timm/test_efficientnet +([\d.]+) clips/s \(\d+ steps\)", out)[1]) > 0


def test_a_torchvision_of_another_torch_is_told(cli, monkeypatch):
    def fail(*_):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(torchvision.ops, "nms", fail)
    code, out, _ = cli("doctor", "--seconds", "0")
    assert code == 1
    assert "torchvision: BROKEN, not built for this torch: operator torchvision::nms does not exist" in out
    assert "clips/s" not in out


def test_an_unknown_network_is_named(fails):
    fails(2, ["doctor", "--network", "resnet5"], "resnet5", "resnet50")


def test_an_estimate_rests_on_real_steps_however_short():
    speed = training_speed("timm/test_efficientnet", device=torch.device("cpu"), seconds=1e-9, batch_size=2)
    assert speed.n_steps == 1
    assert speed.clips_per_s > 0
    assert speed.peak_bytes is None
