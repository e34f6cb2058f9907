"""A training of the small network in the processes that torchrun starts: ``torchrun ... ddp_job.py DATA OUT MODE``.

With MODE ``frozen-norm`` all batch-norm is in evaluation mode, so that batches may be cut without a difference.
"""

import importlib.util
import sys
from pathlib import Path

import torch
from torch import nn

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.train.material import FitOptions, load_material


def freeze_norm():
    """Keep every batch-norm in evaluation mode, whatever the trainer asks for."""
    train = BlockedCNN.train

    def without_norm(model, mode=True):
        train(model, mode)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return model

    BlockedCNN.train = without_norm


def main(data, out, mode):
    """Train."""
    spec = importlib.util.spec_from_file_location("small_job", Path(__file__).with_name("small_job.py"))
    small = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(small)
    torch.set_num_threads(1)
    if mode == "frozen-norm":
        freeze_norm()
    changes = {"mixup": 0.3, "gain_db": 3.0, "optimizer": "sgd", "lr": 0.05}
    small.train(load_material(FitOptions(data=data)), Path(out), changes=changes, dropout=0.0, resume=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
