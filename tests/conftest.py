"""What every test folder shares: a cache of its own, a tiny data set, and one finished run on it."""

import importlib.util
import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import signal

TINY_SR = 8_000
TINY_CLASSES = ("high", "low", "noise")
SMALL = "timm/test_efficientnet"  # 100,000 weights; a network for tests of everything around it


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory):
    """Point the image cache to a folder of this session: no test touches the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLPROBE_CACHE", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def log():
    """Give each test the log as it is without a command line: whatever ran before in this process may have set it."""
    logger = logging.getLogger("tlprobe")
    before = logger.level, logger.propagate, list(logger.handlers)
    logger.setLevel(logging.NOTSET)
    logger.propagate = True
    yield
    logger.setLevel(before[0])
    logger.propagate, logger.handlers = before[1:]


def _tiny_clip(label: str, rng: np.random.Generator) -> np.ndarray:
    """0.8 s of one class (40 columns; the networks want 32), told apart by its spectrum at a glance."""
    time = np.arange(TINY_SR * 4 // 5) / TINY_SR
    hiss = rng.normal(0, 0.01, len(time))
    if label == "noise":
        return rng.normal(0, 0.2, len(time))
    low, high = (200, 400) if label == "low" else (2000, 3500)
    return 0.4 * signal.sawtooth(2 * np.pi * rng.uniform(low, high) * time, 0.5) + hiss


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory) -> Path:
    """A folder data set: 3 classes of 10 clips, 0.8 s at 8 kHz; read_folder deals them into 5 folds."""
    root = tmp_path_factory.mktemp("data") / "tiny"
    rng = np.random.default_rng(1)  # 0 draws two tones of one pitch: near copies, in two folds
    for label in TINY_CLASSES:
        (root / label).mkdir(parents=True)
        for i in range(10):
            soundfile.write(root / label / f"{i}.wav", _tiny_clip(label, rng), TINY_SR)
    return root


@pytest.fixture(scope="session")
def tiny_options(tiny_data):
    """Two epochs of efficientnet_lite0 on `tiny_data`."""
    from tlprobe.train.material import FitOptions

    return FitOptions(data=tiny_data, changes={"epochs": 2, "batch_size": 8})


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, tiny_options):
    """A finished run with `tiny_options`, from ImageNet weights; tests must leave its folder as it is."""
    from tlprobe.train.fit import fit

    return fit(tiny_options, out=tmp_path_factory.mktemp("runs") / "tiny", device="cpu")


@pytest.fixture(scope="session")
def relist():
    """Make a run's manifest list its files as they are now: what a test put there counts as written by the run."""
    from tlprobe.manifest import entry_of, write_manifest

    def call(folder):
        files = [file for file in Path(folder).iterdir() if file.is_file() and file.name != "manifest.json"]
        write_manifest(folder, {file.name: entry_of(file.read_bytes()) for file in files})

    return call


@pytest.fixture(scope="session")
def block_maps():
    """Read each block's map before pooling, slowly: unit by unit, each on a copy of what came before."""
    import torch

    from tlprobe.backbones.chain import GlobalPool

    @torch.no_grad()
    def read(model, x):
        maps = {}
        for name, block in model.blocks.items():
            for unit in block:
                if isinstance(unit, GlobalPool):
                    break
                x = unit(x.clone())
            maps[name] = x
        return maps

    return read


@pytest.fixture(scope="session")
def module_beside():
    """Load a module of helpers by a file in its folder, and its name: tests are no package."""

    def load(file, name):
        spec = importlib.util.spec_from_file_location(name, Path(file).with_name(f"{name}.py"))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def reference(module_beside):
    """Load a slow twin from tests/reference by name."""
    return lambda name: module_beside(Path(__file__).parent / "reference" / "any", name)


@pytest.fixture(scope="session")
def start_file(tmp_path_factory):
    """What plays the pretrained network of `SMALL`: another seed's random weights, with a head of 7 classes."""
    from tlprobe.backbones.registry import build
    from tlprobe.train.run import state_bytes

    model = build(SMALL, n_classes=7, seed=99, image_shape=(3, 128, 40))
    path = tmp_path_factory.mktemp("weights") / "start.safetensors"
    path.write_bytes(state_bytes(model.original_state()))
    return path
