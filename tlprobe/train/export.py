"""Hand a fine-tuned network on: to torchvision, to timm, or to any runtime that reads ONNX.

A state dict under the original names loads into the plain network of torchvision or timm with ``strict=True``;
what the names do not say (classes, images, standardisation) goes into a JSON file beside it. An ONNX file takes
raw images: its standardisation is inside.
"""

import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import save as save_safetensors
from torch import nn

from tlprobe.audio.settings import LOG_OFFSET, Features
from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.backbones.registry import EFFICIENTNET_LITE0_IN_TIMM
from tlprobe.backbones.timm_models import PREFIX
from tlprobe.data.loader import Standardiser
from tlprobe.errors import CheckpointError, ParameterError
from tlprobe.files import write_atomic
from tlprobe.records import dump_json, provenance
from tlprobe.train.run import Run, StateName

__all__ = ["FORMATS", "constructor_of", "export", "onnx_bytes"]

FORMATS = ("torchvision", "timm", "onnx")
_log = logging.getLogger(__name__)

_NO_AUX = ("googlenet", "inception_v3")
_ONNX_OPSET = 18
_ONNX_TOLERANCE = 1e-4  # of a logit, between PyTorch and onnxruntime
_LOG_MEL = f"natural log of (mel power + {LOG_OFFSET:g}), HTK mels without area norm"
_VALUES: dict[Features, str] = {
    "log-mel3": _LOG_MEL,
    "log-mel": _LOG_MEL,
    "log-spec": f"natural log of (power + {LOG_OFFSET:g}), 0 Hz to sr/2, then resized to the rows",
    "mfcc": f"orthonormal DCT-II, along frequency, of: {_LOG_MEL}",
    "gammatone": f"natural log of (power + {LOG_OFFSET:g}) behind ERB-spaced gammatone filters from 50 Hz on",
}


def export(
    run: Run | Path | str,
    *,
    to: Literal["torchvision", "timm", "onnx"],
    out: Path | str,
    state: StateName | int = "weights",
    overwrite: bool = False,
) -> Path:
    """Write a run's network for use elsewhere.

    Parameters
    ----------
    run : Run or path
        A finished run.
    to : {"torchvision", "timm", "onnx"}
        What it is for; a run's backbone belongs to one of the first two.
    out : path
        ``.pth``, ``.pt`` or ``.safetensors``; ``.onnx`` for ONNX.
    state : {"weights", "best", "init"} or int
        Which of its states: the last epoch's, the best epoch's, the start, or a kept epoch.
    overwrite : bool
        Replace `out`.

    Returns
    -------
    about : Path
        The JSON file beside `out`, ``<name>.json``: how to build the network, classes, images, result.

    Raises
    ------
    ParameterError
        If `to` is not the run's library, the network is cut (ONNX takes it), the name's ending does not fit,
        `out` exists, or ONNX is not installed.
    CheckpointError
        If the run is damaged, or the ONNX file does not give the same logits.

    Examples
    --------
    >>> import timm
    >>> import tlprobe
    >>> from safetensors.torch import load_file
    >>> tlprobe.export("runs/full", to="timm", out="network.safetensors").name
    'network.json'
    >>> timm.create_model("test_efficientnet", num_classes=10).load_state_dict(load_file("network.safetensors"))
    <All keys matched successfully>
    """
    run = run if isinstance(run, Run) else Run.load(run)
    out = Path(out)
    about_file = out.with_suffix(".json")
    _check(run, to=to, out=out)
    for file in (out, about_file):
        if file.exists() and not overwrite:
            raise ParameterError(f"{file} exists already; give another --out, or --overwrite")
    model = run.model(state)
    about = _describe(run, state=state, to=to, file=out)
    if to == "onnx":
        data = onnx_bytes(model, standardise=run.standardise)
    else:
        tensors = {name: tensor.detach().contiguous().clone() for name, tensor in model.original_state().items()}
        data = _state_bytes(tensors, out, about=about)
    write_atomic(out, data)
    write_atomic(about_file, dump_json(about))
    return about_file


def constructor_of(backbone: str, *, n_classes: int) -> tuple[str, str]:
    """Return the library of a backbone, and the call that builds the network its state dict fits.

    Examples
    --------
    >>> constructor_of("resnet18", n_classes=50)
    ('torchvision', "torchvision.models.get_model('resnet18', weights=None, num_classes=50)")
    >>> constructor_of("efficientnet_lite0", n_classes=50)
    ('timm', "timm.create_model('tf_efficientnet_lite0', num_classes=50)")
    """
    if backbone == "efficientnet_lite0":
        backbone = PREFIX + EFFICIENTNET_LITE0_IN_TIMM
    if backbone.startswith(PREFIX):
        return "timm", f"timm.create_model({backbone.removeprefix(PREFIX)!r}, num_classes={n_classes})"
    no_aux = ", aux_logits=False, init_weights=False" if backbone in _NO_AUX else ""
    return "torchvision", f"torchvision.models.get_model({backbone!r}, weights=None, num_classes={n_classes}{no_aux})"


class _FromRawImages(nn.Module):
    """The network with its standardisation in front."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, model: BlockedCNN, standardise: Standardiser) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(standardise.mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(standardise.std).view(-1, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model((images - self.mean) / self.std)
        return logits


def onnx_bytes(model: BlockedCNN, *, standardise: Standardiser) -> bytes:
    """Return a network as an ONNX file: ``images`` (batch, 3, n_mels, width), raw -> ``logits``.

    The file is run, on images of the scale of the training's, before it is handed out.

    Raises
    ------
    ParameterError
        If the packages are missing.
    CheckpointError
        If its logits differ from PyTorch's by more than 1e-4.
    """
    try:
        import onnx  # noqa: F401 - torch.onnx needs it, and says so less clearly
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ParameterError(f"--to onnx needs {error.name}: pip install 'tlprobe[onnx]'") from error
    network = _FromRawImages(model.cpu(), standardise).eval()
    rng = np.random.default_rng(0)
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (standardise.mean, standardise.std))
    images = (mean + std * rng.standard_normal((3, *model.image_shape))).astype(np.float32)
    program = torch.onnx.export(
        network,
        (torch.from_numpy(images[:2]),),
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        opset_version=_ONNX_OPSET,
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise CheckpointError(f"torch.onnx gave no program for {model.describe()}")
    content = program.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    worst = 0.0
    for n in (1, 3):  # the batch is not that of the recording
        with torch.inference_mode():
            expected = network(torch.from_numpy(images[:n])).numpy()
        (found,) = session.run(["logits"], {"images": images[:n]})
        worst = max(worst, float(np.abs(found - expected).max()))
    if not worst <= _ONNX_TOLERANCE:
        raise CheckpointError(f"the ONNX file's logits differ by {worst:.1e} from PyTorch's, more than 1e-4")
    _log.info("onnxruntime gives the same logits, to %.1e", worst)
    return bytes(content)


def _check(run: Run, *, to: str, out: Path) -> None:
    if to not in FORMATS:
        raise ParameterError(f"to={to!r}; choose from {', '.join(FORMATS)}")
    endings = (".onnx",) if to == "onnx" else (".pth", ".pt", ".safetensors")
    if out.suffix not in endings:
        raise ParameterError(f"--out {out}: of --to {to} its name must end in {', '.join(endings)}")
    if to == "onnx":
        return
    library, _ = constructor_of(run.config.backbone, n_classes=len(run.config.classes))
    if library != to:
        raise ParameterError(f"{run.path} is a {run.config.backbone}, a network of {library}: give --to {library}")
    if run.config.treatment == "cutoff":
        raise ParameterError(
            f"{run.path} is cut after {run.config.blocks[-1]}: no network of {library} is; give --to onnx"
        )


def _describe(run: Run, *, state: StateName | int, to: str, file: Path) -> dict[str, Any]:
    config, result = run.config, run.record.rows[0]
    library, call = constructor_of(config.backbone, n_classes=len(config.classes))
    image = config.image.model_dump(mode="json")
    pairs = config.image.windows_ms
    pairs = pairs if len(pairs) == 3 else pairs * 3
    loader = "safetensors.torch.load_file" if file.suffix == ".safetensors" else "torch.load"
    raw = f"raw {config.image.features} images, the standardisation is inside"
    how = {
        "input": raw if to == "onnx" else "standardised images",
        "standardise": {"mean": run.standardise.mean, "std": run.standardise.std},
    }
    if to != "onnx":
        how["build"] = f"network = {call}"
        how["load"] = f"network.load_state_dict({loader}({file.name!r}), strict=True)"
    return {
        "file": file.name,
        "format": to,
        "backbone": config.backbone,
        "library": library,
        "state": state,
        "classes": list(config.classes),
        **how,
        "image": {
            **image,
            "shape": list(run.image_shape),
            "windows_ms": [window for window, _ in pairs],
            "hops_ms": [hop for _, hop in pairs],
            "n_fft": config.image.n_fft,
            "values": _VALUES[config.image.features],
        },
        "init": config.init,
        "fold": config.fold,
        "seed": config.seed,
        "treatment": config.treatment,
        "blocks": list(config.blocks),
        "result": {name: result[name] for name in ("accuracy", "ci_low", "ci_high", "n", "epochs", "best_epoch")},
        "provenance": provenance(data={"name": run.source.name, "hash": run.source.hash}),
    }


def _state_bytes(tensors: dict[str, torch.Tensor], out: Path, *, about: Mapping[str, Any]) -> bytes:
    if out.suffix == ".safetensors":
        essentials = {name: str(about[name]) for name in ("backbone", "build", "input", "classes", "standardise")}
        return bytes(save_safetensors(tensors, metadata={"format": "pt", **essentials}))
    content = io.BytesIO()
    torch.save(tensors, content)
    return content.getvalue()
