"""The stored output of frozen blocks: the same training, computed once, and only where it is the same."""

import dataclasses

import numpy as np
import pytest
import torch

from tlprobe.data import arrays
from tlprobe.data.augment import Augmentation
from tlprobe.data.cache import Images
from tlprobe.data.stored_views import draw_views
from tlprobe.errors import ParameterError
from tlprobe.files import cache_root
from tlprobe.train import prefix
from tlprobe.train.fit import fit_network
from tlprobe.train.loop import Trainer
from tlprobe.train.plan import plan_epoch
from tlprobe.train.prefix import frozen_prefix
from tlprobe.train.recipe import load_recipe

CPU = torch.device("cpu")
PLAIN = {"time_roll": False, "epochs": 2}
VIEWS = {"time_roll": True, "gain_db": 6, "noise_snr_db": 10, "stored_views": 3, "epochs": 2}


@pytest.fixture
def frozen(small, material, tmp_path, monkeypatch):
    """Train with some blocks frozen, and return the run."""
    monkeypatch.setenv("TLPROBE_CACHE", str(tmp_path / "cache"))

    def train(name, *, upto=("stem", "block1"), seed=0, fold=1, weights=0, material=material, cached=True, **changes):
        model = small.net(seed=weights)
        model.frozen = upto
        definition = small.config(material, seed=seed, fold=fold, **changes)
        out = tmp_path / name
        return fit_network(
            model, config=definition, material=material, out=out, device=CPU, prefix_cache=cached, progress=False
        )

    return train


def entries():
    return sorted((cache_root() / "prefixes").glob("*/outputs.npy"))


def histories(*runs):
    names = ("train_loss", "held_out_loss", "train_accuracy", "held_out_accuracy")
    return [[[epoch[name] for name in names] for epoch in run.record.params["history"]] for run in runs]


@pytest.mark.parametrize("changes", [PLAIN, VIEWS], ids=["no augmentation", "stored views"])
@pytest.mark.parametrize("upto", [("stem",), ("stem", "block1", "block2"), ("stem", "block1", "block3")])
def test_it_is_the_same_training(frozen, upto, changes):
    stored = frozen("stored", upto=upto, **changes)
    whole = frozen("whole", upto=upto, cached=False, **changes)
    assert len(entries()) == 1 + changes.get("stored_views", 0)
    assert stored.record.provenance["stored_prefix"] == ("block1" if upto[-1] == "block3" else upto[-1])
    assert whole.record.provenance["stored_prefix"] is None
    assert np.allclose(*histories(stored, whole), rtol=0, atol=1e-5)
    assert np.allclose(stored.predictions().probabilities, whole.predictions().probabilities, atol=1e-5)
    a, b = stored.state(), whole.state()
    assert all(torch.allclose(a[name], b[name], atol=1e-4) for name in a)
    init = stored.state("init")
    for name, block in stored_blocks(stored).items():
        if block in upto:
            assert torch.equal(a[name], init[name])  # the run holds the whole network, its frozen part as it was


def stored_blocks(run):
    names = ("stem", "block1", "block2", "block3", "block4")
    return {name: names[int(name.split(".")[1])] for name in run.state() if name.startswith("layers.")}


def test_all_blocks_can_be_stored(frozen):
    names = ("stem", "block1", "block2", "block3", "block4")
    runs = [frozen(str(cached), upto=names, cached=cached, **PLAIN) for cached in (True, False)]
    assert np.allclose(*histories(*runs), rtol=0, atol=1e-5)


def test_variants_are_views_as_well(frozen, material):
    other = Images(array=material.images.array[:, :, ::-1].copy(), key="upside down", n_padded=0, n_cropped=0)
    material = dataclasses.replace(material, variants=(other,))
    changes = {**PLAIN, "variants": 1, "stretch": 0.1}
    runs = [frozen(str(cached), material=material, cached=cached, **changes) for cached in (True, False)]
    assert np.allclose(*histories(*runs), rtol=0, atol=1e-5)
    assert len(entries()) == 2
    views = [
        frozen(f"views {cached}", material=material, cached=cached, **{**VIEWS, "variants": 1, "stretch": 0.1})
        for cached in (True, False)
    ]
    assert np.allclose(*histories(*views), rtol=0, atol=1e-5)


def test_seeds_share_it_and_so_do_folds_without_standardisation(frozen, monkeypatch):
    frozen("a", normalize="none", **PLAIN)
    [entry] = entries()
    before = entry.stat().st_mtime_ns
    frozen("b", normalize="none", seed=5, **PLAIN)
    frozen("c", normalize="none", fold=2, **PLAIN)
    assert entries() == [entry]
    assert entry.stat().st_mtime_ns == before
    frozen("d", **PLAIN)
    frozen("e", fold=2, **PLAIN)
    assert len(entries()) == 3  # statistics of each fold's training clips


def test_other_weights_another_prefix_and_other_views_are_other_entries(frozen):
    frozen("a", **PLAIN)
    frozen("b", weights=1, **PLAIN)
    frozen("c", upto=("stem",), **PLAIN)
    assert len(entries()) == 3
    frozen("d", **VIEWS)
    assert len(entries()) == 3 + 3  # the original is shared
    frozen("e", **{**VIEWS, "gain_db": 3})
    assert len(entries()) == 9


@pytest.mark.parametrize(
    ("upto", "changes"),
    [((), PLAIN), (("block1", "block2"), PLAIN), (("stem",), {"epochs": 1}), (("stem",), {"epochs": 1, "mixup": 0.2})],
    ids=["nothing frozen", "not from the input on", "augmented anew", "mixup"],
)
def test_where_it_would_be_another_training_it_is_not_used(frozen, upto, changes):
    run = frozen("run", upto=upto, **changes)
    assert run.record.provenance["stored_prefix"] is None
    assert not entries()


def test_an_output_larger_than_the_image_is_not_stored(frozen, monkeypatch):
    monkeypatch.setattr("tlprobe.train.prefix.FrontOf.forward", lambda _, x: x.repeat(1, 2, 1, 1))
    run = frozen("run", **{**PLAIN, "epochs": 1})
    assert run.record.provenance["stored_prefix"] is None
    assert not entries()


def test_a_gap_ends_the_prefix(small):
    model = small.net()
    model.frozen = ("stem", "block1", "block3")
    assert frozen_prefix(model) == ("stem", "block1")
    model.frozen = ("block1",)
    assert frozen_prefix(model) == ()


def test_without_room_the_training_goes_on_as_ever(frozen, monkeypatch, caplog):
    usage = prefix.shutil.disk_usage("/")
    monkeypatch.setattr(prefix.shutil, "disk_usage", lambda _: usage._replace(free=10_000_000))
    monkeypatch.setattr(prefix, "_ROOM", 1e6)
    run = frozen("run", **{**PLAIN, "epochs": 1})
    assert run.record.provenance["stored_prefix"] is None
    assert "no room to store the output of stem, block1" in caplog.text


def test_a_damaged_entry_is_computed_again(frozen, caplog):
    first = frozen("a", **PLAIN)
    [entry] = entries()
    data = bytearray(entry.read_bytes())
    data[len(data) // 2] ^= 4
    entry.write_bytes(data)
    again = frozen("b", **PLAIN)
    assert "is damaged; it is computed again" in caplog.text
    assert histories(first) == histories(again)


def test_it_is_read_and_not_computed_a_second_time(frozen, monkeypatch):
    frozen("a", **PLAIN)
    monkeypatch.setattr(arrays, "_write", lambda *_, **__: pytest.fail("computed again"))
    frozen("b", seed=1, **PLAIN)


def test_it_is_resumed_exactly(frozen, stops, monkeypatch, tmp_path, small, material):
    straight = frozen("straight", **VIEWS)
    with monkeypatch.context() as patch:
        stops.stop_before(patch, 2)
        with pytest.raises(stops.Stopped):
            frozen("stopped", **VIEWS)
    model = small.net()
    model.frozen = ("stem", "block1")
    resumed = fit_network(
        model,
        config=small.config(material, **VIEWS),
        material=material,
        out=tmp_path / "stopped",
        device=CPU,
        resume=True,
        progress=False,
    )
    a, b = straight.state(), resumed.state()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_views_are_the_same_for_every_seed_and_epoch_and_each_clip_takes_one():
    augmentation = Augmentation(time_roll=True, gain_db=6)
    stored = draw_views(augmentation, 3, n_clips=10, n_images=2, image_shape=(3, 8, 20))
    assert stored.rows.shape == (3, 10)
    assert np.array_equal(stored.rows % 10, np.tile(np.arange(10), (3, 1)))
    assert set((stored.rows // 10).ravel()) == {0, 1}
    assert stored.draws["time_roll"].shape == (3, 10)
    assert len(set(stored.draws["gain_db"].ravel())) == 30
    seen = {}
    for seed in range(4):
        for epoch in range(1, 6):
            plan = plan_epoch(
                np.arange(8),
                np.zeros(10, int),
                augmentation=augmentation,
                batch_size=4,
                n_clips=10,
                n_views=2,
                image_shape=(3, 8, 20),
                seed=seed,
                epoch=epoch,
                device=CPU,
                stored=stored,
            )
            assert sorted(plan.clips) == list(range(8))
            for clip, row, gain in zip(plan.clips, plan.rows, plan.draws["gain_db"], strict=True):
                [view] = np.flatnonzero(stored.draws["gain_db"][:, clip] == gain.item())
                assert int(row) == stored.rows[view, clip]
                seen.setdefault(int(clip), set()).add(int(view))
    assert all(views == {0, 1, 2} for views in seen.values())


def test_stored_views_train_on_the_views_and_on_nothing_else(frozen, monkeypatch):
    seen = []
    original = Trainer.one_step

    def spy(self, images, draws, target, weight):
        seen.extend(zip(draws["gain_db"].tolist(), draws["time_roll"].tolist(), strict=True))
        return original(self, images, draws, target, weight)

    monkeypatch.setattr(Trainer, "one_step", spy)
    frozen("a", upto=(), **{**VIEWS, "epochs": 4})
    n_train = len(seen) // 4
    assert n_train < len(set(seen)) <= 3 * n_train


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stored_views": 2, "mixup": 0.4}, "mixup mixes the clips of a batch"),
        ({"stored_views": 2, "time_roll": False}, "stored_views need an augmentation"),
        ({"stored_views": True}, "should be a number"),
        ({"stored_views": -1}, "greater than or equal to 0"),
    ],
)
def test_impossible_views_are_refused(changes, message):
    with pytest.raises(ParameterError, match=message):
        load_recipe("quick", changes=changes)
