"""Read a weight file without running code from it.

``.safetensors`` by safetensors, ``.pth``, ``.pt`` and ``.ckpt`` by torch with ``weights_only=True``: a pickle that
wants code is refused. Every other fault of a file becomes one `CheckpointError`.
"""

import re
import warnings
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from pickle import UnpicklingError  # noqa: TID251 - the error alone

import safetensors
import safetensors.torch
import torch

from tlprobe.errors import CheckpointError
from tlprobe.manifest import read_verified

__all__ = ["RUN_WEIGHTS", "SUFFIXES", "read_weight_file"]

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")
RUN_WEIGHTS = "weights.safetensors"  # of a run directory: the last epoch
_WRAPPERS = ("state_dict", "model")  # entries that training scripts keep the state dict under


def read_weight_file(path: Path, *, names: Collection[str] = ()) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Return a file's tensors by name, and what was unwrapped to get them, one line each.

    Parameters
    ----------
    path : Path
        A weight file, or a run directory (then its ``weights.safetensors``). A file of PyTorch Lightning
        (``.ckpt``) is one that keeps its state dict under ``state_dict``.
    names : collection of str
        The tensors that are hoped for, by their original names. A prefix before them (``module.`` of
        DataParallel, ``model.`` or ``net.`` of Lightning, ``_orig_mod.`` of torch.compile) is taken off, and
        tensors without it, of a loss or a metric, are left out; both are reported.

    Returns
    -------
    state : dict of str to torch.Tensor
        On the CPU.
    report : list of str

    Raises
    ------
    CheckpointError
        If there is no such file, it is empty or damaged, its pickle wants code, or it holds no state dict.
    """
    try:
        path = _file_of(path)
        size = path.stat().st_size
        content = _load(path) if size else None
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or 'it is damaged'}") from error
    if not size:
        raise CheckpointError(f"{path} is empty")
    report: list[str] = []
    state = _unwrap(content, path=path, report=report)
    return _without_prefix(state, names, report=report), report


def _file_of(path: Path) -> Path:
    if path.is_dir():
        path = path / RUN_WEIGHTS
        if not path.is_file():
            raise CheckpointError(f"{path.parent} is no finished run: it has no {RUN_WEIGHTS}")
        read_verified(path.parent, RUN_WEIGHTS)
    if not path.is_file():
        raise CheckpointError(f"weights {str(path)!r}: no such file or run; choose imagenet, random, a file or a run")
    if path.suffix not in SUFFIXES:
        raise CheckpointError(f"{path} is not a weight file: its name must end in {', '.join(SUFFIXES)}")
    return path


def _load(path: Path) -> object:
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about TorchScript archives, which end as an error below
            return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        # torch names the forbidden global in one of several sentences.
        found = re.search(r"GLOBAL ([\w.]+)", str(error)) or re.search(
            r"[Uu]nsupported (?:global|class):? ([\w.]+)", str(error)
        )
        if found:
            raise CheckpointError(
                f"{path} is a pickle that wants to run {found[1]}, which is refused; "
                "re-save it as a state dict, where its code is trusted: torch.save(model.state_dict(), ...), "
                "or of a Lightning file torch.save(checkpoint['state_dict'], ...)"
            ) from error
        raise CheckpointError(f"{path} is damaged or no weight file: {_first_line(error)}") from error
    except OSError:
        raise
    except Exception as error:  # a damaged archive fails in torch's and safetensors' many own ways
        raise CheckpointError(f"{path} is damaged or no weight file: {_first_line(error)}") from error


def _unwrap(content: object, *, path: Path, report: list[str]) -> dict[str, torch.Tensor]:
    if isinstance(content, Mapping):
        for wrapper in _WRAPPERS:
            if isinstance(content.get(wrapper), Mapping):
                others = ", ".join(sorted(str(key) for key in content if key != wrapper))
                report.append(f"taken from the file's {wrapper!r} entry" + (f"; not used: {others}" if others else ""))
                content = content[wrapper]
                break
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"{path} holds no state dict but {_kind(content)}")
    for name, tensor in content.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise CheckpointError(f"{path} holds no plain state dict: its entry {name!r} is {_kind(tensor)}")
        if tensor.layout != torch.strided:
            raise CheckpointError(f"{path}: {name} is a sparse tensor; save it dense, by tensor.to_dense()")
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise CheckpointError(f"{path}: {name} holds values that are not finite")
    return dict(content)


def _without_prefix(
    state: dict[str, torch.Tensor], names: Collection[str], *, report: list[str]
) -> dict[str, torch.Tensor]:
    """Take off the prefix under which most of `names` are found."""
    covered = Counter(
        found[: -len(name)] for found in state for name in _tails(found) if name in names
    )  # prefix -> how many of the names stand under it
    prefix = max(covered, key=lambda one: (covered[one], -len(one)), default="")
    if not prefix:
        return state
    others = sorted(name for name in state if not name.startswith(prefix))
    report.append(f"took the prefix {prefix!r} off {len(state) - len(others)} names")
    if others:
        report.append(
            f"not used: {len(others)} tensors without it ({', '.join(others[:3])}{', ...' * (len(others) > 3)})"
        )
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _tails(name: str) -> list[str]:
    """Return a dotted name and its ends: ``a.b.c``, ``b.c``, ``c``."""
    parts = name.split(".")
    return [".".join(parts[start:]) for start in range(len(parts))]


def _kind(value: object) -> str:
    return "an empty dict" if isinstance(value, Mapping) and not value else f"a {type(value).__name__}"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
