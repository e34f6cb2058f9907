"""The recorded step: on a stand-in for the graph on a CPU, and on a real one where there is a GPU."""

import copy

import numpy as np
import pytest
import torch

from tlprobe.data.augment import Augment
from tlprobe.data.loader import Standardiser
from tlprobe.train.device import precision_of
from tlprobe.train.loop import Trainer
from tlprobe.train.recipe import load_recipe
from tlprobe.train.setting import Setting, Split
from tlprobe.train.step import EagerStep, GraphStep, record_cuda_graph
from tlprobe.train.store import ImageStore

CPU = torch.device("cpu")
STANDARDISE = Standardiser((-8.0, -8.0, -8.0), (2.0, 2.0, 2.0))


def some_images(n, shape=(3, 16, 16), seed=0):
    return np.random.default_rng(seed).normal(-8, 2, size=(n, *shape)).astype(np.float32)


class StandIn:
    """What `record_cuda_graph` returns, without a GPU: it does the work again, into the same tensors."""

    def __init__(self, call, model):
        self._call, self._model = call, model
        for _ in range(3):
            call()
        self.result = tuple(tensor.clone() for tensor in call())
        self._gradients = [parameter.grad for parameter in model.parameters()]

    def __call__(self):
        for kept, new in zip(self.result, self._call(), strict=True):
            kept.copy_(new)
        for kept, parameter in zip(self._gradients, self._model.parameters(), strict=True):
            if kept is not None:
                kept.copy_(parameter.grad)
            parameter.grad = None  # a graph would leave them where the recording put them


def steps(model, *, mixup=False):
    recipe = load_recipe("quick", changes={"mixup": 0.4 if mixup else 0.0})
    augment = Augment(recipe.augmentation, standardise=STANDARDISE, device=CPU)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    return EagerStep(model, augment, 0.1, torch.float32, scaler)


def batches():
    """Batches of two sizes, in turns: each has a recording of its own."""
    for number, n in enumerate((6, 4, 6, 4, 6)):
        rng = np.random.default_rng(number)
        images = torch.from_numpy(some_images(n, seed=number))
        draws = {
            "time_roll": torch.from_numpy(rng.integers(0, 16, size=n)),
            "mixup": torch.from_numpy(rng.uniform(size=n).astype(np.float32)),
        }
        yield images, draws, torch.from_numpy(rng.integers(0, 3, size=n))


@pytest.mark.parametrize("frozen", [(), ("stem", "block1")])
def test_a_recorded_step_gives_what_the_eager_one_gives(small, frozen):
    eager_model = small.net(dropout=0.2, image_shape=(3, 16, 16))
    eager_model.frozen = frozen
    eager_model.train()
    recorded_model = copy.deepcopy(eager_model)
    eager = steps(eager_model, mixup=True)
    recorded = GraphStep(
        steps(recorded_model, mixup=True), recorded_model, record=lambda call: StandIn(call, recorded_model)
    )
    for number, (images, draws, target) in enumerate(batches()):
        found = []
        for step in (eager, recorded):
            torch.manual_seed(number)  # of dropout: recording must not use it up
            found.append([tensor.clone() for tensor in step(images, draws, target, weight=1)])
        assert torch.equal(found[0][0], found[1][0])
        assert torch.equal(found[0][1], found[1][1])
        for a, b in zip(eager_model.parameters(), recorded_model.parameters(), strict=True):
            assert (a.grad is None) == (b.grad is None)
            assert a.grad is None or torch.equal(a.grad, b.grad)
        for a, b in zip(eager_model.buffers(), recorded_model.buffers(), strict=True):
            assert torch.equal(a, b)  # running statistics: not touched by what ran before the recording


def test_a_weight_scales_the_gradients_and_not_the_loss(small):
    model = small.net(dropout=0.0, image_shape=(3, 16, 16)).eval()
    images, draws, target = next(batches())
    step = steps(model)
    results = []
    for weight in (1, 0.5):
        loss, right = step(images, draws, target, weight=weight)
        results.append((loss.item(), right.item(), model.head.weight.grad.clone()))
    assert results[0][:2] == results[1][:2]
    assert torch.allclose(results[0][2] * 0.5, results[1][2])


def test_the_store_gives_rows_of_all_views():
    views = [some_images(5, seed=seed) for seed in range(3)]
    store = ImageStore(views, device=CPU)
    rows = torch.tensor([0, 4, 5, 14, 7])
    expected = np.stack([views[row // 5][row % 5] for row in rows.tolist()])
    assert torch.equal(store.take(store.place(rows)), torch.from_numpy(expected))
    single = ImageStore(views[:1], device=CPU)
    images = single.take(torch.tensor([1, 1]))
    images[:] = 0  # memory of its own
    assert torch.equal(single.take(torch.tensor([1])), torch.from_numpy(views[0][[1]]))


def test_reading_ahead_gives_the_same_batches(monkeypatch):
    """The path for images that a GPU has no room for: gathered by a thread, one batch ahead."""
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)  # needs CUDA; it changes no value
    images = some_images(20)
    store = ImageStore([images], device=torch.device("meta"), limit_bytes=0)
    assert not store.on_device
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *_, **__: self)  # what would go to the GPU
    rows = [torch.tensor(part) for part in ([3, 1], [0, 19], [7, 7])]
    for number, part in enumerate(rows):
        following = rows[number + 1] if number + 1 < len(rows) else None
        assert torch.equal(store.take(part, following=following), torch.from_numpy(images[part.numpy()]))
    assert torch.equal(store.take(rows[0]), torch.from_numpy(images[[3, 1]]))  # not what was read ahead
    store.close()


# On a GPU.


def gpu_trainer(small, *, precision="float32", dropout=0.0, n=32, batch_size=8, images=None, **changes):
    device = torch.device("cuda")
    images = some_images(n + 4) if images is None else images
    split = Split(
        views=[images],
        labels=np.arange(n + 4) % 3,
        train_index=np.arange(n),
        held_out_index=np.arange(n, n + 4),
        standardise=STANDARDISE,
        names=[str(i) for i in range(n + 4)],
    )
    return Trainer(
        small.net(dropout=dropout, image_shape=(3, 16, 16)),
        split=split,
        recipe=load_recipe("quick", changes={"batch_size": batch_size, "epochs": 3, **changes}),
        seed=0,
        setting=Setting(device=device, precision=precision_of(precision, device=device)),
    )


def run(trainer):
    results = [trainer.run_epoch() for _ in range(3)]
    return [(result.train_loss, result.held_out_loss) for result in results]


@pytest.mark.gpu
@pytest.mark.parametrize("n", [32, 30])  # 30 clips: batches of 8 and of 7
@pytest.mark.parametrize("mixup", [0.0, 0.4])
def test_on_a_gpu_the_graph_trains_as_the_eager_step_does(small, n, mixup):
    graphed, eager = (gpu_trainer(small, n=n, mixup=mixup) for _ in range(2))
    assert isinstance(graphed._compute, GraphStep)
    eager._compute = graphed._compute._step.__class__(
        eager.model, eager._augment, eager.recipe.label_smoothing, torch.float32, eager.scaler
    )
    assert np.allclose(run(graphed), run(eager), rtol=1e-3)


@pytest.mark.gpu
def test_on_a_gpu_dropout_in_a_graph_follows_the_seed(small):
    first, second, other = (run(gpu_trainer(small, dropout=0.5)) for _ in range(3))
    assert np.allclose(first, second, rtol=1e-4)
    del other
    trainer = gpu_trainer(small, dropout=0.5)
    batch = trainer.batch(trainer.begin_epoch(), 0)
    losses = []
    for seed in (1, 2, 1):
        torch.manual_seed(seed)
        losses.append(trainer._compute(*batch[:3], weight=1)[0].item())
    assert losses[0] == pytest.approx(losses[2], rel=1e-5)
    assert losses[0] != pytest.approx(losses[1], rel=1e-3)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["bfloat16", "float16", "float32"])
def test_on_a_gpu_each_precision_trains(small, precision):
    losses = run(gpu_trainer(small, precision=precision, n=64))
    assert losses[-1][0] < losses[0][0]


@pytest.mark.gpu
def test_on_a_gpu_images_that_do_not_fit_are_read_ahead(small):
    images = some_images(36)
    device = torch.device("cuda")
    inside, ahead = ImageStore([images], device=device), ImageStore([images], device=device, limit_bytes=0)
    assert inside.on_device
    assert not ahead.on_device
    rows = torch.tensor([5, 0, 35])
    for store in (inside, ahead):
        assert torch.equal(store.take(store.place(rows)).cpu(), torch.from_numpy(images[rows.numpy()]))


@pytest.mark.gpu
def test_on_a_gpu_a_state_goes_on_where_it_was(small):
    straight, first, second = (gpu_trainer(small) for _ in range(3))
    expected = run(straight)

    class Stop(Exception):
        pass

    def stop():
        if first.step == 2:
            raise Stop

    first.run_epoch()
    with pytest.raises(Stop):
        first.run_epoch(on_step=stop)
    second.restore(first.state(), source="x")
    rest = [second.run_epoch() for _ in range(2)]
    assert np.allclose([(r.train_loss, r.held_out_loss) for r in rest], expected[1:], rtol=1e-3)


@pytest.mark.gpu
def test_on_a_gpu_a_loss_of_nan_is_told_by_step(small):
    from tlprobe.errors import DivergedError

    images = some_images(36)
    images[3] = np.nan
    with pytest.raises(DivergedError, match=r"the loss is nan in epoch 1, step \d, lr .*, clips .*\b3\b"):
        gpu_trainer(small, images=images).run_epoch()


@pytest.mark.gpu
def test_on_a_gpu_memory_that_does_not_suffice_is_told(small):
    from tlprobe.errors import ResourceError
    from tlprobe.train.memory import explain_out_of_memory

    with (
        pytest.raises(ResourceError, match="try --batch-size 16 instead of 32, or --precision bfloat16"),
        explain_out_of_memory(batch_size=32, precision=torch.float32),
    ):
        torch.empty(1 << 45, device="cuda")


@pytest.mark.gpu
def test_on_a_gpu_the_recorder_replays_into_the_same_result():
    x = torch.ones(4, device="cuda")
    replay = record_cuda_graph(lambda: (x.sum().double(), (x * 2).sum().double()))
    x.fill_(3)
    replay()
    assert [tensor.item() for tensor in replay.result] == [12.0, 24.0]
