"""What tlprobe finds on this machine: versions, device, threads, memory, disk, extras."""

import importlib.util
import os
import platform
import shutil
from pathlib import Path

import torch

from tlprobe.files import cache_root
from tlprobe.records import provenance
from tlprobe.train.device import precision_of

__all__ = ["describe_machine"]

_EXTRAS = {
    "tune": ("optuna",),
    "report": ("jinja2",),
    "ray": ("ray",),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "track": ("tensorboard",),
    "parquet": ("pyarrow",),
}


def describe_machine(device: torch.device) -> dict[str, str]:
    """Return facts for reading, name -> text; what does not work begins with ``BROKEN``."""
    versions = provenance()["versions"]
    return {
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "torchvision": _operators(),
        "device": _device(device),
        "precision": f"{str(precision_of('auto', device=device)).removeprefix('torch.')} in training",
        "threads": f"{torch.get_num_threads()} of {os.cpu_count()} cores",
        "memory": _memory(),
        "disk": f"{_free(Path.cwd())} free here, {_free(cache_root())} free for the cache {cache_root()}",
        "extras": _extras(),
    }


def _operators() -> str:
    """Run one compiled operator: a torchvision built for another torch imports, and then lacks them."""
    try:
        import torchvision

        boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
        kept = torchvision.ops.nms(boxes, torch.tensor([0.5, 0.9]), 0.5).tolist()
    except (ImportError, RuntimeError, AttributeError) as error:
        return f"BROKEN, not built for this torch: {' '.join(str(error).split())[:120]}"
    return "operators work" if kept == [1] else f"BROKEN: nms gave {kept} instead of [1]"


def _device(device: torch.device) -> str:
    if device.type == "cpu":
        return f"cpu ({torch.backends.cpu.get_cpu_capability()})" + (
            "" if torch.cuda.is_available() else ", torch sees no CUDA device"
        )
    properties = torch.cuda.get_device_properties(device)
    free, total = torch.cuda.mem_get_info(device)
    return f"cuda, {properties.name}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free, CUDA {torch.version.cuda}"


def _memory() -> str:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return "unknown on this system"
    page = os.sysconf("SC_PAGE_SIZE")
    total, free = (os.sysconf(name) * page / 1e9 for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
    return f"{total:.1f} GB, {free:.1f} GB of them unused"


def _free(folder: Path) -> str:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return f"{shutil.disk_usage(there).free / 1e9:.1f} GB"


def _extras() -> str:
    found = []
    for extra, packages in _EXTRAS.items():
        missing = [name for name in packages if importlib.util.find_spec(name) is None]
        found.append(f"{extra} {'installed' if not missing else 'lacks ' + ', '.join(missing)}")
    return "; ".join(found)
