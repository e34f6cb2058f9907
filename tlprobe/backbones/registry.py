"""From a backbone's name to a network with random weights, checked against the original.

Random weights are what the original's plain constructor draws, under the stream (seed, "weights"), always
with its own 1000 classes, so that they do not depend on ours. The head has its own stream.
"""

import difflib
from collections.abc import Callable

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.backbones.chain import Chain
from tlprobe.backbones.checks import require_chain, require_image_size
from tlprobe.backbones.densenet import densenet
from tlprobe.backbones.googlenet import googlenet
from tlprobe.backbones.inception import inception
from tlprobe.backbones.partition import Partition
from tlprobe.backbones.resnet import resnet
from tlprobe.backbones.streams import seeded
from tlprobe.backbones.timm_models import PREFIX, timm_chain
from tlprobe.errors import ParameterError

__all__ = ["BACKBONES", "DEFAULT_BACKBONE", "EFFICIENTNET_LITE0_IN_TIMM", "build", "family_of"]

DEFAULT_BACKBONE = "efficientnet_lite0"
EFFICIENTNET_LITE0_IN_TIMM = "tf_efficientnet_lite0"

_FAMILIES: dict[str, Callable[[str], Chain]] = {
    "efficientnet_lite0": lambda _: timm_chain(PREFIX + EFFICIENTNET_LITE0_IN_TIMM),
    **dict.fromkeys(("densenet121", "densenet169", "densenet201"), densenet),
    **dict.fromkeys(("resnet18", "resnet34", "resnet50", "resnet101"), resnet),
    "inception_v3": inception,
    "googlenet": googlenet,
}
BACKBONES: tuple[str, ...] = tuple(_FAMILIES)


def build(
    backbone: str,
    *,
    n_classes: int,
    seed: int,
    image_shape: tuple[int, int, int] = (3, 128, 250),
    cut_after: str | None = None,
    partition: Partition | None = None,
) -> BlockedCNN:
    """Return a backbone with random weights and a new head.

    Parameters
    ----------
    backbone : str
        One of `BACKBONES`, or ``timm/NAME`` for a convolutional timm network.
    n_classes : int >= 2
    seed : int
        Seeds two streams of their own: the body's and the head's. The caller's random state is untouched.
    image_shape : tuple of int
        ``(3, n_mels, n_frames)``.
    cut_after : str, optional
        End the network after this block.
    partition : Partition, optional
        Divide the network into parts of equal size, which are its blocks then.

    Returns
    -------
    model : BlockedCNN
        In training mode, nothing frozen.

    Raises
    ------
    ParameterError
        If the name or the cut is unknown, the image too small, there are more parts than units, or the network
        does not form a chain.
    """
    if n_classes < 2:
        raise ParameterError(f"n_classes={n_classes}: a classifier needs at least 2")
    family = family_of(backbone)
    require_image_size(image_shape, backbone=backbone)
    with seeded(seed, "weights"):
        chain = family(backbone)
    model = BlockedCNN(chain, backbone=backbone, n_classes=n_classes, seed=seed, image_shape=image_shape)
    require_chain(model, chain, image_shape=image_shape)
    if partition is not None:
        model.divide(partition)
    if cut_after is not None:
        model.cut(cut_after, seed=seed)
    return model


def family_of(backbone: str) -> Callable[[str], Chain]:
    """Return what makes a backbone's chain of units.

    Raises
    ------
    ParameterError
        If the name is unknown; says which are meant.
    """
    if backbone.startswith(PREFIX):
        return timm_chain
    if backbone not in _FAMILIES:
        close = difflib.get_close_matches(backbone, BACKBONES, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise ParameterError(f"backbone={backbone!r} is unknown: {hint}choose from {', '.join(BACKBONES)}, timm/NAME")
    return _FAMILIES[backbone]
