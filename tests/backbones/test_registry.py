"""Every backbone: the chain is the original network, every tensor is in it once, under its own name."""

import pytest
import timm
import torch
import torchvision
from torch import nn

from tlprobe.backbones.blocked import BlockedCNN
from tlprobe.backbones.checks import CHAIN_TOLERANCE, require_chain
from tlprobe.backbones.densenet import densenet
from tlprobe.backbones.registry import BACKBONES, build
from tlprobe.backbones.resnet import resnet
from tlprobe.errors import ParameterError
from tlprobe.numerics.seeds import derive_seed

SHAPE = (3, 64, 64)
SHAPES = {"inception_v3": (3, 128, 100)}
TIMM = ("resnet50", "densenet121", "convnext_tiny", "regnety_002", "mobilenetv3_large_100")
ALL = (*BACKBONES, *(f"timm/{name}" for name in TIMM))
NAMES = ("stem", "block1", "block2", "block3", "block4")


def plain(backbone: str, n_classes: int) -> nn.Module:
    """The original network, made without tlprobe."""
    if backbone == "efficientnet_lite0":
        backbone = "timm/tf_efficientnet_lite0"
    if backbone.startswith("timm/"):
        return timm.create_model(backbone.removeprefix("timm/"), num_classes=n_classes)
    options = {"aux_logits": False, "init_weights": False} if backbone in {"googlenet", "inception_v3"} else {}
    return torchvision.models.get_model(backbone, weights=None, num_classes=n_classes, **options)


def calibrate(model: BlockedCNN, x: torch.Tensor) -> None:
    """Take the running statistics of `x`; in a fresh deep network the image would vanish on the way."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    model.train()
    with torch.no_grad():
        model(x)
    model.eval()


@pytest.mark.parametrize("backbone", ALL)
def test_original_network_loads_the_state_and_gives_the_same_logits(backbone, block_maps):
    shape = SHAPES.get(backbone, SHAPE)
    model = build(backbone, n_classes=7, seed=0, image_shape=shape)
    x = torch.randn(2, *shape, generator=torch.Generator().manual_seed(2))
    calibrate(model, x)
    original = plain(backbone, 7).eval()
    original.load_state_dict(model.original_state(), strict=True)
    with torch.no_grad():
        got, expected = model(x), original(x)
        maps = block_maps(model, x)
    assert (got - expected).abs().max() <= CHAIN_TOLERANCE * expected.abs().max()
    assert (expected[0] - expected[1]).abs().max() > 1e-3 * expected.abs().max()  # the image reaches the logits
    assert model.block_names == NAMES
    assert tuple(maps) == NAMES
    # Every weight belongs to exactly one block, and the original has no other but the head's.
    assert len(model.body_state()) == len(model.blocks.state_dict())
    body = {name for name in original.state_dict() if not name.startswith(f"{model.head_name}.")}
    assert set(model.body_state()) == body
    assert {key.split(".")[0] for key in model.blocks.state_dict()} == set(NAMES)
    # Each block but the last ends at a smaller map than the one before it, or starts at stride 1 (ResNet).
    heights = [m.shape[2] for m in maps.values()]
    assert heights == sorted(heights, reverse=True)
    assert heights[-1] > 1


def test_blocks_of_the_default_network():
    model = build("efficientnet_lite0", n_classes=10, seed=0)
    first_parts = {}
    for name, block in model.block_of().items():
        first_parts.setdefault(block, set()).add(
            ".".join(name.split(".")[:2]) if name.startswith("blocks") else name.split(".")[0]
        )
    assert first_parts == {
        "stem": {"conv_stem", "bn1", "blocks.0"},
        "block1": {"blocks.1"},
        "block2": {"blocks.2"},
        "block3": {"blocks.3", "blocks.4"},
        "block4": {"blocks.5", "blocks.6", "conv_head", "bn2"},
    }


@pytest.mark.parametrize("backbone", ["densenet121", "timm/densenet121"])
def test_densenet_transition_belongs_to_the_block_before(backbone):
    block_of = build(backbone, n_classes=3, seed=0, image_shape=SHAPE).block_of()
    assert block_of["features.transition1.conv.weight"] == "block1"
    assert block_of["features.transition3.conv.weight"] == "block3"
    assert block_of["features.norm5.weight"] == "block4"
    assert block_of["features.norm0.weight"] == "stem"


@pytest.mark.parametrize(
    ("backbone", "reductions"), [("googlenet", (4, 8, 16, 32, 32)), ("resnet34", (4, 4, 8, 16, 32))]
)
def test_blocks_end_where_the_resolution_halves(backbone, reductions, block_maps):
    model = build(backbone, n_classes=3, seed=0, image_shape=(3, 128, 64)).eval()
    maps = block_maps(model, torch.zeros(1, 3, 128, 64))
    assert tuple(128 // m.shape[2] for m in maps.values()) == reductions


@pytest.mark.parametrize(
    ("backbone", "reason"),
    [
        ("timm/hrnet_w18", "does not form a chain"),
        ("timm/vit_tiny_patch16_224", "not a convolutional network with reductions"),
        ("timm/xception41", "does not form a chain"),
        ("timm/mobilenetv3", "timm/mobilenetv3_large_100"),
        ("timm/", "no network ''"),
        ("timm/resnet18.nonsense", "resnet18.a1_in1k"),
        ("resnet8", "did you mean resnet18"),
        ("DenseNet201", "choose from efficientnet_lite0, densenet121"),
    ],
)
def test_refused_names_come_with_a_reason(backbone, reason):
    with pytest.raises(ParameterError, match=reason.replace("'", ".")) as caught:
        build(backbone, n_classes=3, seed=0, image_shape=SHAPE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("backbone", ["resnet18", "timm/convnext_tiny"])
def test_random_weights_are_the_plain_constructors_draws(backbone):
    model = build(backbone, n_classes=3, seed=5, image_shape=SHAPE)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(5, "weights"))
        expected = plain(backbone, 1000).state_dict()
        torch.manual_seed(derive_seed(5, "head"))
        head = nn.Linear(model.head.in_features, 3)
    for name, tensor in model.body_state().items():
        assert torch.equal(tensor, expected[name]), name
    assert torch.equal(model.head.weight, head.weight)
    assert torch.equal(model.head.bias, head.bias)


def test_seed_decides_everything_and_the_callers_random_state_is_untouched():
    torch.manual_seed(123)
    state = torch.get_rng_state()
    first = build("resnet18", n_classes=3, seed=0, image_shape=SHAPE)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(7)
    again = build("resnet18", n_classes=3, seed=0, image_shape=SHAPE)
    other = build("resnet18", n_classes=3, seed=1, image_shape=SHAPE)
    more_classes = build("resnet18", n_classes=9, seed=0, image_shape=SHAPE)
    a, b, c = (m.original_state() for m in (first, again, other))
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not torch.equal(a["conv1.weight"], c["conv1.weight"])
    assert not torch.equal(a["fc.weight"], c["fc.weight"])
    # The body does not depend on the number of classes.
    body = more_classes.body_state()
    assert all(torch.equal(a[k], body[k]) for k in body)


@pytest.mark.parametrize(
    ("backbone", "shape", "least"),
    [("inception_v3", (3, 64, 250), 75), ("resnet18", (3, 31, 250), 32), ("densenet121", (3, 128, 16), 32)],
)
def test_too_small_images_are_refused_with_the_minimum(backbone, shape, least):
    with pytest.raises(ParameterError, match=f"too small for {backbone}: it needs at least {least} "):
        build(backbone, n_classes=3, seed=0, image_shape=shape)


def test_smallest_image_named_is_accepted():
    assert build("inception_v3", n_classes=2, seed=0, image_shape=(3, 75, 75)).image_shape == (3, 75, 75)


@pytest.mark.parametrize(("n_classes", "shape"), [(1, SHAPE), (3, (1, 64, 64))])
def test_wrong_sizes_are_refused(n_classes, shape):
    with pytest.raises(ParameterError, match=r"n_classes=1|3 channels"):
        build("resnet18", n_classes=n_classes, seed=0, image_shape=shape)


def blocked(chain):
    return BlockedCNN(chain, backbone="x", n_classes=2, seed=0, image_shape=SHAPE)


def test_a_chain_in_the_wrong_order_is_refused():
    chain = resnet("resnet18")
    chain.blocks["stem"][1:3] = chain.blocks["stem"][2:0:-1]  # ReLU before norm
    with pytest.raises(ParameterError, match="miss the original's logits"):
        require_chain(blocked(chain), chain, image_shape=SHAPE)


def test_a_chain_that_forgets_a_unit_or_takes_it_twice_is_refused():
    chain = densenet("densenet121")
    unit = chain.blocks["block2"].pop(3)
    with pytest.raises(ParameterError, match="is used 0 times"):
        blocked(chain)
    chain.blocks["block2"][3:3] = [unit, unit]
    with pytest.raises(ParameterError, match="is used 2 times"):
        blocked(chain)
