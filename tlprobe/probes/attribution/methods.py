"""Other attribution methods than Integrated Gradients, to compare with; the computations are Captum's.

``gradient-x-input``
    Gradient times the standardised input, in logits (Shrikumar et al. 2016, arXiv:1605.01713).
``smoothgrad``
    Mean gradient over noisy copies, in logits a standardised unit (Smilkov et al. 2017, arXiv:1706.03825).
``deeplift``
    The Rescale rule, in logits, complete (Shrikumar et al. 2017, arXiv:1704.02685).
``guided-backprop``
    Gradient whose negative parts end at every ReLU (Springenberg et al. 2015, arXiv:1412.6806).
``grad-cam``
    Channels of a block, weighted by their mean gradients, where positive (Selvaraju et al. 2017, arXiv:1610.02391).
``occlusion``
    Fall of the logit where patches become the baseline, in logits (Zeiler and Fergus 2014, arXiv:1311.2901).

DeepLift and guided backprop replace derivatives module by module. Whatever is not a module they know keeps its plain
derivative without a word, so a network that applies such a thing is refused.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from captum import attr
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.errors import ParameterError
from tlprobe.numerics.seeds import derive_seed
from tlprobe.probes.attribution.patches import PATCH

__all__ = ["METHODS", "Clips", "Method", "attribute_by"]

_COPIES = 50  # Smilkov et al.: more change little
_COPIES_AT_ONCE = 10  # fixed: where one draw ends and the next begins changes the numbers
_NOISE = 0.15  # sd as a fraction of the clip's range; Smilkov et al.: 0.1 to 0.2
_NO_DIFFERENCE = 1e-6  # of a unit, between clip and baseline; a quotient of float32 means nothing below it
_GAP, _GAP_ABSOLUTE = 0.05, 1e-3  # that DeepLift may miss its sum by; relative, and in logits

# fmt: off
_ACTIVATIONS = frozenset([  # ATen's names, without underscores
    "abs", "celu", "clamp", "clamp_max", "clamp_min", "elu", "exp", "gelu", "glu", "hardshrink", "hardsigmoid",
    "hardswish", "hardtanh", "leaky_relu", "log_sigmoid_forward", "maximum", "minimum", "mish", "prelu_kernel", "relu",
    "rrelu_with_noise", "selu", "sigmoid", "silu", "softplus", "softshrink", "tanh", "threshold",
])
_NOT_LINEAR = _ACTIVATIONS | {
    "adaptive_max_pool2d", "amax", "log_softmax", "max", "max_pool2d_with_indices", "native_group_norm",
    "native_layer_norm", "softmax",
}
# fmt: on
# Captum's DeepLift knows softmax too, but sums over the batch in it.
_RESCALED = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.MaxPool2d)
_INSTEAD = "use gradient-x-input, smoothgrad, grad-cam or occlusion"


class Clips(NamedTuple):
    """What a method is asked: the arguments of `attribute_by`, `columns` as a tensor."""

    x: Tensor
    baseline: Tensor
    columns: Tensor
    batch: int
    seed: int
    block: str | None


class Method(NamedTuple):
    """A function that raises where it would be wrong, and its images a clip (None: one clip fills batches)."""

    compute: Callable[[nn.Module, Clips], Tensor]
    images: int | None


def attribute_by(
    method: str,
    model: nn.Module,
    x: Tensor,
    *,
    baseline: Tensor,
    columns: Sequence[int],
    batch: int = 32,
    seed: int = 0,
    block: str | None = None,
) -> Tensor:
    """Attribute a logit of each clip to its image.

    Parameters
    ----------
    method : str, one of `METHODS`
    model : nn.Module
        In evaluation mode, its weights without gradients; is left as it is.
    x : Tensor [shape=(n, 3, n_mels, width)]
        What the network sees, on its device.
    baseline : Tensor [shape=(1 or n, 3, n_mels, width)]
        What ``deeplift`` and ``occlusion`` compare with.
    columns : sequence of int >= 0 [length n]
        Whose logit.
    batch : int > 0
        Images in the network at a time, about.
    seed : int
        Of the noise of ``smoothgrad``: the same for all clips, not the same on a GPU or with `batch` < 10.
    block : str, optional
        Of ``grad-cam``: one of ``model.blocks``.

    Returns
    -------
    attributions : Tensor [shape=(n, 3, n_mels, width), float32]
        On the CPU, in the units of the method. A map of ``grad-cam`` is interpolated to the image and shared equally
        by its channels; so is ``occlusion``, the mean over the patches (8 rows by 10 columns, half overlapping) of a
        point.

    Raises
    ------
    ParameterError
        If there is no such method or block, arguments do not fit each other, or the method is wrong for this network.
    """
    if method not in METHODS:
        raise ParameterError(f"method={method!r}; choose from {', '.join(METHODS)}")
    n = len(x)
    if batch < 1 or n < 1 or len(columns) != n or len(baseline) not in (1, n) or baseline.shape[1:] != x.shape[1:]:
        raise ParameterError(
            f"batch={batch}, {len(columns)} columns, baseline {tuple(baseline.shape)}: do not fit x {tuple(x.shape)}"
        )
    compute, images = METHODS[method]
    together = 1 if images is None else max(1, batch // images)
    own = torch.as_tensor(columns, device=x.device)
    found = []
    with _left_as_it_was(model):
        for start in range(0, n, together):
            at = slice(start, start + together)
            part = x[at].detach().requires_grad_()  # a tensor of its own: the caller's keeps its flag
            beside = (baseline if len(baseline) == 1 else baseline[at]).detach()
            found.append(compute(model, Clips(part, beside, own[at], batch, seed, block)).detach().float().cpu())
    return torch.cat(found)


def _smoothgrad(model: nn.Module, clips: Clips) -> Any:
    x, on_gpu = clips.x, clips.x.is_cuda
    generator = torch.cuda.default_generators[x.get_device()] if on_gpu else torch.default_generator
    with torch.random.fork_rng(devices=[x.device] if on_gpu else []):
        generator.manual_seed(derive_seed(clips.seed, "smoothgrad"))
        return attr.NoiseTunnel(attr.Saliency(model)).attribute(
            x,
            nt_samples=_COPIES,
            nt_samples_batch_size=min(clips.batch, _COPIES_AT_ONCE),
            stdevs=_NOISE * float(x.detach().max() - x.detach().min()),
            target=clips.columns,
            abs=False,
        )


def _deeplift(model: nn.Module, clips: Clips) -> Any:
    x, own = clips.x, clips.columns[:, None]
    applied = _modules_that_apply(_NOT_LINEAR, model, x[:1], method="deeplift", known=_RESCALED)
    if again := [type(module).__name__ for i, module in enumerate(applied) if module in applied[:i]]:
        raise ParameterError(f"deeplift needs modules used once; {_name(model)} uses a {again[0]} twice; {_INSTEAD}")
    with _apart(model):
        found = _Rescale(model, eps=_NO_DIFFERENCE).attribute(x, clips.baseline, target=clips.columns)
    with torch.no_grad():
        difference = (model(x) - model(clips.baseline)).gather(1, own)[:, 0].double()
    gap = (found.detach().double().flatten(1).sum(1) - difference).abs()
    for miss, of in zip(gap.tolist(), difference.tolist(), strict=True):
        if not miss <= _GAP * abs(of) + _GAP_ABSOLUTE:  # NaN is none
            raise ParameterError(
                f"deeplift is wrong for {_name(model)}: its attributions miss F(x) - F(baseline) = {of:.3g} "
                f"by {miss:.3g}; {_INSTEAD}"
            )
    return found


def _guided_backprop(model: nn.Module, clips: Clips) -> Any:
    _modules_that_apply(_ACTIVATIONS, model, clips.x[:1], method="guided-backprop", known=(nn.ReLU,))
    with _apart(model):
        return attr.GuidedBackprop(model).attribute(clips.x, target=clips.columns)


def _grad_cam(model: nn.Module, clips: Clips) -> Any:
    found = getattr(model, "blocks", None)
    blocks = found if isinstance(found, nn.ModuleDict) else nn.ModuleDict()
    if clips.block is None or clips.block not in blocks:
        choices = ", ".join(blocks) or "none: it has no blocks"
        raise ParameterError(f"block={clips.block!r}: grad-cam needs a block of {_name(model)}; choose from {choices}")
    method = attr.LayerGradCam(model, blocks[clips.block])
    cam = method.attribute(clips.x, target=clips.columns, relu_attributions=True)
    if cam.shape[2:] == (1, 1) != clips.x.shape[2:]:
        raise ParameterError(f"block={clips.block!r} of {_name(model)} ends in one value a channel, not in a map")
    return attr.LayerAttribution.interpolate(cam, clips.x.shape[2:], "bilinear").expand_as(clips.x) / clips.x.shape[1]


def _occlusion(model: nn.Module, clips: Clips) -> Any:
    channels, n_rows, n_columns = clips.x.shape[1:]
    fall = attr.Occlusion(model).attribute(
        clips.x,
        sliding_window_shapes=(channels, min(PATCH[0], n_rows), min(PATCH[1], n_columns)),
        strides=(channels, PATCH[0] // 2, PATCH[1] // 2),
        baselines=clips.baseline,
        target=clips.columns,
        perturbations_per_eval=clips.batch,
    )
    return fall / channels


METHODS: Mapping[str, Method] = {
    "gradient-x-input": Method(lambda model, of: attr.InputXGradient(model).attribute(of.x, target=of.columns), 1),
    "smoothgrad": Method(_smoothgrad, None),
    "deeplift": Method(_deeplift, 2),  # a clip and its baseline
    "guided-backprop": Method(_guided_backprop, 1),
    "grad-cam": Method(_grad_cam, 1),
    "occlusion": Method(_occlusion, None),
}
"""The methods by name."""


class _Rescale(attr.DeepLift):  # type: ignore[misc]  # untyped
    """DeepLift with max pooling that adds up where windows overlap: Captum's keeps the share of one of them."""

    def _backward_hook(self, module: nn.Module, grad_input: Tensor, grad_output: Tensor) -> Any:
        if not isinstance(module, nn.MaxPool2d):
            return super()._backward_hook(module, grad_input, grad_output)
        both: Any = module.input  # Captum has put it there: the clips, then their baselines
        y, y_baseline = module.output.chunk(2)  # type: ignore[operator]
        top = torch.maximum(y, y_baseline)
        # A rise belongs to the clip's largest value, a fall to the baseline's: there the two differ by no less.
        share = grad_output * torch.cat([top - y_baseline, y - top])
        with torch.enable_grad():
            leaf = both.detach().requires_grad_()
            (spread,) = torch.autograd.grad(module.forward(leaf), leaf, share)
        difference = torch.cat([both.chunk(2)[0] - both.chunk(2)[1]] * 2)
        multiplier = torch.cat([sum(spread.chunk(2))] * 2) / difference
        return torch.where(difference.abs() < self.eps, grad_input, multiplier)


class _Watch(TorchDispatchMode):
    """Note which module applies what; `running` are the modules in whose forward we are."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.running: list[nn.Module] = []
        self.applied: list[tuple[str, nn.Module]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.applied.append((func.overloadpacket.__name__.strip("_"), self.running[-1]))  # relu_ is relu
        return func(*args, **(kwargs or {}))


def _modules_that_apply(
    operations: frozenset[str], model: nn.Module, image: Tensor, *, method: str, known: tuple[type[nn.Module], ...]
) -> list[nn.Module]:
    """Return which modules apply one of the operations, in order; raise where it is none of the `known` kinds."""
    watch = _Watch()
    with contextlib.ExitStack() as stack, torch.no_grad():
        for module in model.modules():
            stack.callback(module.register_forward_pre_hook(lambda module, _: watch.running.append(module)).remove)
            stack.callback(module.register_forward_hook(lambda *_: watch.running.__delitem__(-1)).remove)
        with watch:
            model(image)
    found = [(name, module) for name, module in watch.applied if name in operations]
    names = ", ".join(kind.__name__ for kind in known)
    for name, module in found:
        if type(module) not in known:
            what = f"{type(module).__name__} of {_name(model)} applies {name}"
            raise ParameterError(f"{method} knows modules of {names} only; {what}; {_INSTEAD}")
    return [module for _, module in found]


@contextlib.contextmanager
def _apart(model: nn.Module) -> Iterator[None]:
    """Give each module that Captum hooks an input of its own.

    Captum replaces the gradient of the tensor that goes in. In ``x + relu(x)`` that is the gradient of both uses; in
    ``max_pool(relu(x))`` the ReLU has read it before it is replaced.
    """
    with contextlib.ExitStack() as stack:
        for module in model.modules():
            if isinstance(module, _RESCALED):
                stack.callback(module.register_forward_pre_hook(lambda _, given: given[0].clone()).remove)
        yield


@contextlib.contextmanager
def _left_as_it_was(model: nn.Module) -> Iterator[None]:
    """Turn off what works in place, and Captum's notes; at the end put back every module's attributes."""
    before = [(module, dict(vars(module))) for module in model.modules()]
    try:
        for module, attributes in before:
            if "inplace" in attributes:
                vars(module)["inplace"] = False
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Setting .*hooks")
            yield
    finally:
        for module, attributes in before:
            vars(module).clear()  # after an error Captum leaves inputs and outputs
            vars(module).update(attributes)


def _name(model: nn.Module) -> str:
    return type(model).__name__ + (f" {model.describe()}" if isinstance(model, BlockedCNN) else "")
