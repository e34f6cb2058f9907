"""What a network must pass when it is built: the image is large enough, and the chain is the original."""

import contextlib
import copy
from collections.abc import Iterator

import torch
from torch import nn

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.backbones.chain import Chain
from tlprobe.errors import ParameterError

__all__ = ["CHAIN_TOLERANCE", "MIN_SIDE", "require_chain", "require_image_size"]

CHAIN_TOLERANCE = 1e-5  # of the largest logit; only the order of additions in pooling may differ
MIN_SIDE = 32  # pixels: the networks' whole reduction; below it the last map would be padding alone
_LARGE_SIDE = 320  # pixels: what does not run on this, above any native size here, is not a matter of size


def require_image_size(image_shape: tuple[int, int, int], *, backbone: str) -> None:
    """Refuse images no backbone can take.

    Raises
    ------
    ParameterError
        If the image has not 3 channels, or its height or width is below `MIN_SIDE`. Networks that need
        more, because they shrink an image without padding, are found by `require_chain`.
    """
    channels, height, width = image_shape
    if channels != 3:
        raise ParameterError(f"image_shape={image_shape}: the backbones take 3 channels")
    if min(height, width) < MIN_SIDE:
        raise ParameterError(_too_small(image_shape, MIN_SIDE, backbone=backbone))


def require_chain(model: BlockedCNN, chain: Chain, *, image_shape: tuple[int, int, int]) -> None:
    """Refuse a chain of units that is not the original network, or that the image is too small for.

    Both get one random image in eval mode, and the original's own head. Meanwhile all vectors (norms'
    parameters and statistics, biases, layer scales) hold random numbers: fresh ones are 0, 1 or tiny,
    and a norm in the wrong place or a unit left out would not show.

    Raises
    ------
    ParameterError
        If the logits differ by more than `CHAIN_TOLERANCE` of the largest.
    """
    x = torch.randn(1, *image_shape, generator=torch.Generator().manual_seed(0))
    modes = model.training, chain.network.training
    model.eval()
    chain.network.eval()
    try:
        with torch.no_grad(), _random_vectors(chain.network):
            got = chain.head(model.features(x))
            expected = chain.network(x)
    except Exception as error:  # a network that is no chain trips over its units in ways of its own
        raise _cannot_run(model, error, image_shape=image_shape) from error
    finally:
        chain.network.train(modes[1])
        model.train(modes[0])
    gap = float((got - expected).abs().max() / expected.abs().max())
    if not gap <= CHAIN_TOLERANCE:  # a NaN is refused too
        raise ParameterError(
            f"backbone {model.backbone!r} does not form a chain of units: run in a row they miss the original's "
            f"logits by {gap:.1e} of the largest (allowed: {CHAIN_TOLERANCE:.0e})"
        )


@contextlib.contextmanager
def _random_vectors(network: nn.Module) -> Iterator[None]:
    generator = torch.Generator().manual_seed(1)
    tensors = [t for t in network.state_dict().values() if t.ndim == 1 and t.is_floating_point()]
    saved = [tensor.clone() for tensor in tensors]
    try:
        for tensor in tensors:
            tensor.uniform_(0.5, 1.0, generator=generator)
        yield
    finally:
        for tensor, before in zip(tensors, saved, strict=True):
            tensor.copy_(before)


def _cannot_run(model: BlockedCNN, error: Exception, *, image_shape: tuple[int, int, int]) -> ParameterError:
    """Tell an image that is too small from units that do not fit together."""
    shapes_only = copy.deepcopy(model).to("meta").eval()
    # An odd size too: a network that wants multiples of something is not helped by a larger image.
    if _runs(shapes_only, _LARGE_SIDE) and _runs(shapes_only, _LARGE_SIDE - 1):
        return ParameterError(_too_small(image_shape, _least_side(shapes_only), backbone=model.backbone))
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return ParameterError(
        f"backbone {model.backbone!r} does not form a chain of units for images {image_shape}: {reason}"
    )


def _least_side(shapes_only: BlockedCNN) -> int:
    """Return the smallest height that runs, by bisection; both axes shrink alike."""
    low, high = MIN_SIDE - 1, _LARGE_SIDE
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _runs(shapes_only, middle) else (middle, high)
    return high


def _runs(shapes_only: BlockedCNN, height: int) -> bool:
    try:
        with torch.no_grad():
            shapes_only(torch.empty(1, 3, height, _LARGE_SIDE, device="meta"))
    except Exception:  # as in require_chain
        return False
    return True


def _too_small(image_shape: tuple[int, int, int], least: int, *, backbone: str) -> str:
    return (
        f"image_shape={image_shape} is too small for {backbone}: "
        f"it needs at least {least} rows (mels) and {least} columns"
    )
