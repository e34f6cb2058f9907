"""The weights a network starts from: ``imagenet``, ``random``, a file or a run.

Whatever the source, tensors are matched by their original torchvision or timm names and the head is
dropped. What is dropped, mapped or filled in is reported; anything else that does not match is refused.
"""

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from tlprobe.backbones.blocked import CUT_NORM, BlockedCNN
from tlprobe.backbones.matching import match_table, mismatch_summary
from tlprobe.backbones.sources import imagenet_state
from tlprobe.backbones.weight_files import read_weight_file
from tlprobe.errors import CheckpointError

__all__ = ["StartingWeights", "read_weights", "tensor_digest"]

_log = logging.getLogger(__name__)

_RESERVED = ("imagenet", "random")  # what these names stand for is no file

# torchvision's DenseNet files of 2017: "denselayer1.norm.1.weight", today "denselayer1.norm1.weight".
_OLD_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)$")
_AUXILIARY = {"inception_v3": ("AuxLogits.",), "googlenet": ("aux1.", "aux2.")}
_COUNTER = "num_batches_tracked"  # newer than many files; it takes no part in the computation


@dataclass(frozen=True)
class StartingWeights:
    """Weights to start from.

    Attributes
    ----------
    init : str
        ``imagenet``, ``random``, or the name of the file (without suffix) or run, never one of these two.
    state : dict of str to torch.Tensor or None
        The body by original names, as `BlockedCNN.load_original_state` takes it; None for random.
    digest : str
        SHA-256 of `state`, 64 hexadecimal digits, or ``random``.
    report : tuple of str
        What was dropped, mapped or filled in, one line each.
    """

    init: str
    state: dict[str, torch.Tensor] | None
    digest: str
    report: tuple[str, ...] = ()


def read_weights(weights: str | Path, *, model: BlockedCNN) -> StartingWeights:
    """Return starting weights that fit a network's body; the network itself is not touched.

    Parameters
    ----------
    weights : str or Path
        ``imagenet``, ``random``, a ``.safetensors``, ``.pth`` or ``.pt`` file, or a run directory.
    model : BlockedCNN
        May be cut: the tensors of the dropped blocks are then left out, and reported.

    Returns
    -------
    starting_weights : StartingWeights

    Raises
    ------
    CheckpointError
        If the file is missing, damaged or wants code, or belongs to another network.
    """
    if weights == "random":
        return StartingWeights("random", None, "random")
    if weights == "imagenet":
        init, source = "imagenet", f"the ImageNet weights of {model.backbone}"
        found, report = imagenet_state(model.backbone)
    else:
        path = Path(weights)
        found, report = read_weight_file(path, names=model.block_of())
        init, source = (path.resolve().name if path.is_dir() else path.stem), str(path)
        if init in _RESERVED:
            init = f"{init}-file"
    state = _matched(found, model=model, source=source, report=report)
    return StartingWeights(init, state, tensor_digest(state), tuple(report))


def tensor_digest(state: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 of named tensors: name, type, shape and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _matched(
    found: dict[str, torch.Tensor], *, model: BlockedCNN, source: str, report: list[str]
) -> dict[str, torch.Tensor]:
    """Return exactly the tensors of the model's body, in its types, or refuse."""
    body = model.body_state()
    block_of = model.block_of()
    found = _with_new_names(found, source=source, report=report)
    found = _without(found, (f"{model.head_name}.",), "the head", report=report)
    found = _without(found, (f"{CUT_NORM}.",), "the norm of a cut network", report=report)
    found = _without(found, _AUXILIARY.get(model.backbone, ()), "the auxiliary heads", report=report)
    later = tuple(name for name in found if name in block_of and name not in body)
    if later:
        found = {name: tensor for name, tensor in found.items() if name not in later}
        blocks = ", ".join(dict.fromkeys(block_of[name] for name in later))
        report.append(f"left out {blocks} ({len(later)} tensors): the network is cut after {model.cut_after}")
    counters = [name for name in body if name.endswith(_COUNTER) and name not in found]
    with_weights = [name for name in counters if name.replace(_COUNTER, "running_mean") in found]
    if with_weights:
        found |= {name: torch.zeros_like(body[name]) for name in with_weights}
        report.append(f"set {len(with_weights)} missing {_COUNTER} to 0")
    shapes = [{name: tuple(tensor.shape) for name, tensor in tensors.items()} for tensors in (body, found)]
    problems = mismatch_summary(*shapes, block_of=block_of)
    if problems:
        _log.info("%s\n%s", source, match_table(*shapes, block_of=block_of))
        there = {block_of[name] for name in found if name in block_of}
        absent = [name for name in model.block_names if name not in there]
        cut = there and absent and absent == list(model.block_names[-len(absent) :])
        hint = f" (a network cut after {model.block_names[-len(absent) - 1]}?)" if cut else ""
        raise CheckpointError(f"{source} is of another network than {model.describe()}{hint}: {problems}")
    state = {name: found[name].to(body[name].dtype) for name in body}
    for name, tensor in state.items():
        if not bool(tensor.isfinite().all()):  # finite in the file's type, not in the network's
            raise CheckpointError(f"{source}: {name} holds values too large for {tensor.dtype}")
    counts = Counter(block_of[name] for name in state)
    report.append(f"loaded {', '.join(f'{block} {n}' for block, n in counts.items())} tensors")
    return state


def _with_new_names(found: dict[str, torch.Tensor], *, source: str, report: list[str]) -> dict[str, torch.Tensor]:
    renamed = {name: _OLD_DENSENET.sub(r"\1\2", name) for name in found}
    if len(set(renamed.values())) < len(renamed):
        raise CheckpointError(f"{source} holds DenseNet tensors under their old and their new names")
    n_old = sum(old != new for old, new in renamed.items())
    if n_old:
        report.append(f"mapped {n_old} old DenseNet names (norm.1 -> norm1)")
    return {renamed[name]: tensor for name, tensor in found.items()}


def _without(
    found: dict[str, torch.Tensor], prefixes: tuple[str, ...], what: str, *, report: list[str]
) -> dict[str, torch.Tensor]:
    dropped = sorted(name for name in found if name.startswith(prefixes)) if prefixes else []
    if dropped:
        report.append(f"dropped {what} ({', '.join(dropped[:2])}{', ...' if len(dropped) > 2 else ''})")
    return {name: tensor for name, tensor in found.items() if name not in set(dropped)}
