"""The trainer: schedules, losses, seeds, and a time estimate that leaves no trace."""

import copy
import dataclasses
import io

import numpy as np
import pytest
import torch
from torch.nn import functional

from tlprobe.data.loader import Standardiser, epoch_order
from tlprobe.errors import CheckpointError, DivergedError, ParameterError
from tlprobe.train.device import precision_of, resolve_device
from tlprobe.train.loop import Trainer
from tlprobe.train.predict import predict
from tlprobe.train.recipe import load_recipe
from tlprobe.train.setting import Setting, Split

N_TRAIN, N_HELD_OUT = 12, 5
STANDARDISE = Standardiser((-8.0, -8.0, -8.0), (2.0, 2.0, 2.0))


def some_images(n=N_TRAIN + N_HELD_OUT):
    return np.random.default_rng(0).normal(-8, 2, size=(n, 3, 16, 16)).astype(np.float32)


@pytest.fixture
def trainer(small):
    def make(recipe="quick", *, seed=0, images=None, variants=(), dropout=0.2, frozen=(), **changes):
        model = small.net(seed=seed, dropout=dropout, image_shape=(3, 16, 16))
        model.frozen = frozen
        split = Split(
            views=[some_images() if images is None else images, *variants],
            labels=np.arange(N_TRAIN + N_HELD_OUT) % 3,
            train_index=np.arange(N_TRAIN),
            held_out_index=np.arange(N_TRAIN, N_TRAIN + N_HELD_OUT),
            standardise=STANDARDISE,
            names=[f"{i}.wav" for i in range(N_TRAIN + N_HELD_OUT)],
        )
        return Trainer(
            model,
            split=split,
            recipe=load_recipe(recipe, changes={"batch_size": 4, **changes}),
            seed=seed,
            setting=Setting(device=torch.device("cpu")),
        )

    return make


def parts(trainer):
    return torch.load(io.BytesIO(trainer.state()), weights_only=True)


def same(a, b):
    """Compare nested states bit for bit."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return a == b


def without_duration(result):
    return {name: value for name, value in vars(result).items() if name != "duration_s"}


def test_a_restored_trainer_goes_on_as_if_nothing_had_happened(trainer):
    first, second = trainer(epochs=3), trainer(epochs=3, seed=0)
    first.run_epoch()
    second.restore(first.state(), source="x")
    torch.manual_seed(99)  # the global stream must not matter
    assert without_duration(first.run_epoch()) == without_duration(second.run_epoch())
    assert same(parts(first), parts(second))


def learning_rates(trainer, n_epochs):
    """Walk through the schedule without training: the rate in force in each epoch's first step."""
    rates = []
    for _ in range(n_epochs):
        rates.append(trainer.schedule.get_last_lr()[0])
        for _ in range(trainer.n_steps):
            trainer.optimizer.step()  # without gradients: changes nothing
            trainer.schedule.step()
    return rates


def test_paper_divides_the_rate_by_10_after_30_and_60_epochs(trainer):
    rates = learning_rates(trainer("paper"), 70)
    assert rates == pytest.approx([1e-4] * 30 + [1e-5] * 30 + [1e-6] * 10)


def test_paper_scratch_divides_the_rate_by_10_after_300_and_350_epochs(trainer):
    rates = learning_rates(trainer("paper-scratch", batch_size=12), 450)
    assert rates == pytest.approx([1e-4] * 300 + [1e-5] * 50 + [1e-6] * 100)


def test_onecycle_peaks_at_lr_after_30_percent_of_all_steps_and_ends_low(trainer):
    cycle = trainer("quick", batch_size=12, epochs=100)  # one step an epoch
    rates = learning_rates(cycle, 100)
    assert rates[0] == pytest.approx(1e-3 / 25)
    assert max(rates) == pytest.approx(1e-3, rel=1e-2)
    assert 28 <= int(np.argmax(rates)) <= 31
    assert rates[-1] < 1e-5
    assert cycle.schedule.get_last_lr()[0] == pytest.approx(1e-3 / 25 / 1e4)


def test_constant_stays(trainer):
    assert learning_rates(trainer("quick", schedule="constant", lr=0.01), 20) == [0.01] * 20


def test_the_rate_of_an_epoch_is_reported(trainer):
    step = trainer("paper", epochs=3, step_epochs=1, lr=0.1)
    assert [step.run_epoch().lr for _ in range(3)] == pytest.approx([0.1, 0.01, 0.001])


@pytest.mark.parametrize(
    ("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)]
)
def test_the_optimiser_is_the_recipes(trainer, name, kind):
    optimizer = trainer("quick", optimizer=name, schedule="constant", weight_decay=0.25).optimizer
    assert type(optimizer) is kind
    (group,) = optimizer.param_groups
    assert (group["lr"], group["weight_decay"]) == (1e-3, 0.25)
    if name == "sgd":
        assert group["momentum"] == 0.9


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_training_loss_is_smoothed_cross_entropy(trainer, smoothing):
    run = trainer("paper", batch_size=12, epochs=1, label_smoothing=smoothing, dropout=0.0)
    (order,) = epoch_order(np.arange(N_TRAIN), batch_size=12, seed=0, epoch=1)
    logits = copy.deepcopy(run.model).train()(STANDARDISE(torch.from_numpy(some_images()[order])))
    log_p = functional.log_softmax(logits.detach().double(), dim=1)
    labels = torch.from_numpy(order % 3)
    hit = -log_p[torch.arange(N_TRAIN), labels].mean()
    expected = (1 - smoothing) * hit + smoothing * -log_p.mean()
    result = run.run_epoch()
    assert result.train_loss == pytest.approx(expected.item(), rel=1e-5)
    assert result.train_accuracy == (logits.argmax(1) == labels).double().mean().item()


def test_the_held_out_scores_are_plain_cross_entropy_and_accuracy(trainer):
    run = trainer(epochs=1, label_smoothing=0.3)
    result = run.run_epoch()
    run.model.eval()
    with torch.no_grad():
        logits = run.model(STANDARDISE(torch.from_numpy(some_images()[N_TRAIN:])))
    labels = torch.arange(N_TRAIN, N_TRAIN + N_HELD_OUT) % 3
    assert result.held_out_loss == pytest.approx(functional.cross_entropy(logits, labels).item(), rel=1e-5)
    assert result.held_out_accuracy == (logits.argmax(1) == labels).double().mean().item()


def test_the_held_out_clips_do_not_reach_the_network(trainer):
    other = some_images()
    other[N_TRAIN:] = 100.0
    plain, changed = trainer(epochs=1), trainer(epochs=1, images=other)
    assert plain.run_epoch().held_out_loss != changed.run_epoch().held_out_loss
    assert same(parts(plain), parts(changed))


def test_rolling_and_dropout_are_drawn_from_the_seed_alone(trainer):
    results = []
    for seed, global_seed, roll in ((0, 1, True), (0, 2, True), (1, 1, True), (0, 1, False)):
        torch.manual_seed(global_seed)
        run = trainer(epochs=1, seed=seed, time_roll=roll)
        untouched = torch.get_rng_state()
        results.append(run.run_epoch().train_loss)
        assert torch.equal(torch.get_rng_state(), untouched)
    assert results[0] == results[1]
    assert len(set(results)) == 3


def test_frozen_blocks_are_neither_trained_nor_decayed(trainer):
    run = trainer("quick", epochs=1, frozen=("stem", "block1"))
    before = copy.deepcopy(run.model.state_dict())
    run.run_epoch()
    moved = {key.split(".")[1] for key, value in run.model.state_dict().items() if not torch.equal(value, before[key])}
    assert moved == {"block2", "block3", "block4", "weight", "bias"}
    assert sum(len(group["params"]) for group in run.optimizer.param_groups) == 3 * 3 + 2


@pytest.mark.parametrize(
    ("batch_size", "where"), [(4, r"in epoch 1, step \d"), (12, "held-out clips .* after epoch 1")]
)
def test_a_loss_that_is_not_finite_ends_the_training(trainer, batch_size, where):
    run = trainer("quick", optimizer="sgd", schedule="constant", lr=1e30, batch_size=batch_size)
    with pytest.raises(DivergedError, match=f"loss.*{where}.*lr 1e\\+30") as caught:
        run.run_epoch()
    assert caught.value.exit_code == 5
    assert run.epoch == 0


@pytest.mark.parametrize("content", [b"", b"no state", "other"])
def test_an_unusable_state_is_a_checkpoint_error_that_names_its_file(trainer, small, content):
    if content == "other":
        other = trainer()
        other.model.cut("block1", seed=0)
        content = other.state()
    with pytest.raises(CheckpointError, match=r"runs/a/resume\.pt cannot be resumed from") as caught:
        trainer().restore(content, source="runs/a/resume.pt")
    assert "\n" not in str(caught.value)


def test_a_state_that_wants_code_is_refused(trainer):
    class Evil:
        def __reduce__(self):
            return (print, ("ran",))

    buffer = io.BytesIO()
    torch.save({"epoch": 1, "model": Evil()}, buffer)
    with pytest.raises(CheckpointError, match="cannot be resumed from"):
        trainer().restore(buffer.getvalue(), source="x")


def test_predictions_come_in_the_order_asked_for_whatever_the_batches(small):
    model = small.net(image_shape=(3, 16, 16)).train()
    images = some_images(70)
    index = np.random.default_rng(0).permutation(70)
    logits = predict(model, images, index, standardise=STANDARDISE, device=torch.device("cpu"))
    assert not model.training
    assert logits.shape == (70, 3)
    assert logits.dtype == torch.float32
    with torch.no_grad():
        singly = torch.cat([model(STANDARDISE(torch.from_numpy(images[[i]]))) for i in index])
    assert torch.allclose(logits, singly, atol=1e-5)


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(ParameterError, match="device='cuda', but torch sees no CUDA device"):
        resolve_device("cuda")
    with pytest.raises(ParameterError, match="device='gpu'; choose from auto, cpu, cuda"):
        resolve_device("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == torch.device("cuda")


def test_each_clip_takes_the_original_or_a_stored_variant_each_epoch(trainer):
    variants = [some_images() + 100 * k for k in (1, 2)]
    run = trainer(epochs=3, variants=variants, time_roll=False)
    taken = {}
    for epoch in (1, 2, 3):
        plan = run.plan(epoch)
        n = len(some_images())
        assert sorted(row % n for row in plan.rows.tolist()) == list(range(N_TRAIN))  # each training clip once
        taken[epoch] = tuple(plan.rows[np.argsort(plan.clips)].tolist())
        assert np.array_equal(plan.rows.numpy() % n, plan.clips)
    assert len(set(taken.values())) == 3
    assert {row // n for rows in taken.values() for row in rows} == {0, 1, 2}
    epoch = run.begin_epoch()
    images, _, target, weight = run.batch(epoch, 0)
    rows = epoch.rows[0].tolist()
    expected = np.stack([[some_images(), *variants][row // n][row % n] for row in rows])
    assert torch.equal(images, torch.from_numpy(expected))
    assert target.tolist() == [row % n % 3 for row in rows]
    assert weight == 1
    assert run.run_epoch().train_loss > 0
    logits = run.predict(np.arange(3))  # held-out clips are scored as they are
    plain = trainer(epochs=3)
    plain.model.load_state_dict(run.model.state_dict())
    assert torch.equal(plain.predict(np.arange(3)), logits)


def test_scoring_keeps_no_gradients_and_takes_large_batches(small):
    seen = []

    class Watched(torch.nn.Module):
        def forward(self, x):
            seen.append((len(x), torch.is_inference_mode_enabled(), x.is_contiguous(memory_format=torch.channels_last)))
            return torch.zeros(len(x), 3)

    predict(Watched(), some_images(130), np.arange(130), standardise=STANDARDISE, device=torch.device("cpu"))
    assert [n for n, _, _ in seen] == [44, 43, 43]
    assert all(inference and layout for _, inference, layout in seen)


@pytest.mark.parametrize(
    ("name", "device", "expected"),
    [("auto", "cpu", torch.float32), ("bfloat16", "cpu", torch.bfloat16), ("float16", "cuda", torch.float16)],
)
def test_precisions(name, device, expected):
    assert precision_of(name, device=torch.device(device)) is expected


def test_precisions_that_are_not_to_be_had():
    with pytest.raises(ParameterError, match="precision='float16' is for a GPU; choose float32 or bfloat16"):
        precision_of("float16", device=torch.device("cpu"))
    with pytest.raises(ParameterError, match="precision='half'; choose from auto, float32, bfloat16, float16"):
        precision_of("half", device=torch.device("cpu"))


def test_bfloat16_trains_near_float32(trainer, small):
    exact, rough = trainer(epochs=1, dropout=0.0), trainer(epochs=1, dropout=0.0)
    rough._compute = dataclasses.replace(rough._compute, precision=torch.bfloat16)
    losses = [run.run_epoch().train_loss for run in (exact, rough)]
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


@pytest.mark.slow
def test_a_compiled_network_trains_as_it_does_uncompiled(trainer):
    plain, compiled = trainer(epochs=1, dropout=0.0), trainer(epochs=1, dropout=0.0)
    compiled.setting = dataclasses.replace(compiled.setting, compiled=True)
    compiled._compute = compiled._make_step()
    assert compiled.run_epoch().train_loss == pytest.approx(plain.run_epoch().train_loss, rel=1e-4)
