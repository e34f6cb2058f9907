"""The sentences of a study, with both outcomes: what the intervals allow, and what they do not."""

import pytest

from tlprobe.reports.sentences import levels, steps


def texts(sentences):
    return " ".join(sentence.text for sentence in sentences)


@pytest.mark.parametrize(
    ("difference", "half", "said"),
    [
        (-0.45, 0.03, "pretraining helped by 45.0 points [42.0 to 48.0"),
        (0.05, 0.03, "pretraining made it worse by 5.0 points [2.0 to 8.0"),
        (-0.01, 0.03, "no difference could be shown, +1.0 points [-2.0 to +4.0"),
        (None, None, "were not compared clip by clip"),
    ],
)
def test_gain_follows_the_interval(fake, difference, half, said):
    record = fake.cells(fake.cell("full", 0.81), fake.cell("random", 0.36, difference=difference, half=half))
    assert said in texts(levels.gain(record))
    assert levels.level(record) == []


def test_a_random_start_may_be_a_network_of_its_own(fake):
    random = fake.cell("full", 0.4, start="random", difference=-0.4)
    record = fake.cells(fake.cell("full", 0.8), random)
    assert "pretraining helped by 40.0 points" in texts(levels.gain(record))
    assert levels.level(record) == []


def test_a_part_of_the_folds_and_the_length_of_training_are_said(fake):
    row = fake.cell("random", 0.36, difference=-0.45)
    said = texts(levels.gain(fake.cells(fake.cell("full", 0.81), row, folds=[4, 2])))
    assert "of the held-out clips of folds 2 and 4 right after 5 epochs, from random weights 36.0 %" in said


def test_without_a_random_network_the_level_is_told(fake):
    record = fake.cells(
        fake.cell("full", 0.81, sd_seeds=0.006, n_seeds=5, optimism=0.01, seeds_low=0.8, seeds_high=0.82)
    )
    assert levels.gain(record) == []
    assert "net from ImageNet weights names 81.0 % [79.0 to 83.0]" in texts(levels.level(record))
    said = texts(levels.scatter(record))
    assert "Over 5 seeds" in said
    assert "would claim +1.0 points more" in said


@pytest.mark.parametrize(
    ("half", "said"), [(0.01, "is worse by 4.0 points"), (0.05, "no difference that could be shown")]
)
def test_other_features(fake, half, said):
    row = fake.cell("full", 0.77, difference=-0.04, half=half, features="mfcc", compared_with="imagenet, log-mel3")
    assert said in texts(levels.features(fake.cells(fake.cell("full", 0.81), row)))


def fused(fake, losses, *, shape="prefix", half=0.02):
    points = [fake.cell("fuse", 0.36, "none", difference=-0.45, shape=shape)]
    points += [
        fake.cell("fuse", 0.81 - loss, block, difference=-loss, shape=shape, half=half)
        for block, loss in zip(fake.blocks, losses, strict=True)
    ]
    return fake.cells(fake.cell("full", 0.81), fake.cell("random", 0.36, difference=-0.45), *points)


def test_fewest_pretrained_blocks_that_are_enough(fake):
    said = texts(steps.fuse(fused(fake, (0.3, 0.01, 0.01))))
    assert "pretrained weights up to block1 are enough as far as can be told" in said
    assert "first to the last, net makes its largest step with block1: from 51.0 % [49.0 to 53.0] to 80.0 %" in said


def test_every_block_that_is_left_out_costs(fake):
    said = texts(steps.fuse(fused(fake, (0.5, 0.4, 0.1))))
    assert "Pretrained only up to block2, net is worse than pretrained everywhere by 10.0 points" in said
    assert (
        "Pretrained only up to stem, net is worse than from random weights: 31.0 % [29.0 to 33.0] against 36.0 %"
        in said
    )


def test_no_step_where_all_intervals_overlap(fake):
    record = fused(fake, (0.44, 0.43, 0.42))
    assert "net makes no step whose intervals lie apart" in texts(steps.fuse(record))


@pytest.mark.parametrize(
    ("half", "said"), [(0.01, "loses most without the pretrained weights of block1"), (0.5, "no diff")]
)
def test_all_but_one_block(fake, half, said):
    assert said in texts(steps.fuse(fused(fake, (0.02, 0.2, 0.05), shape="except", half=half)))


@pytest.mark.parametrize(
    ("losses", "said"), [((0.4, 0.1, 0.3), "above the 36.0 %"), ((0.45, 0.44, 0.45), "no difference")]
)
def test_one_block_alone(fake, losses, said):
    text = texts(steps.fuse(fused(fake, losses, shape="single")))
    assert "the pretrained weights of block1 bring net to" in text
    assert said in text


def frozen(fake, losses, **more):
    points = [
        fake.cell("freeze", 0.81 - loss, block, difference=-loss, **more)
        for block, loss in zip(fake.blocks, losses, strict=True)
    ]
    return fake.cells(fake.cell("full", 0.81), *points)


def test_freezing_costs_from_a_block_on(fake):
    said = texts(steps.freeze(frozen(fake, (0.0, 0.01, 0.2))))
    assert "freezing the blocks up to block1 costs nothing that could be shown, -1.0 points" in said
    assert "Freezing the blocks up to block2 costs net 20.0 points [18.0 to 22.0" in said


def test_freezing_costs_nothing_or_helps(fake):
    assert "costs nothing" in texts(steps.freeze(frozen(fake, (0.0, 0.0, 0.01))))
    assert "Freezing" not in texts(steps.freeze(frozen(fake, (0.0, 0.0, 0.01))))
    assert "helps by 5.0 points" in texts(steps.freeze(frozen(fake, (0.0, 0.0, -0.05))))


def test_a_gain_is_told_beside_what_costs_nothing(fake):
    said = texts(steps.freeze(frozen(fake, (-0.06, 0.0, 0.2))))
    assert "up to block1 costs nothing that could be shown" in said
    assert "Freezing the blocks up to stem helps net by 6.0 points [4.0 to 8.0" in said
    said = texts(steps.freeze(frozen(fake, (-0.06, 0.01, 0.2), shape="single")))
    assert "net loses most with block2 frozen: 20.0 points" in said
    assert "net gains most with stem frozen: 6.0 points" in said


def test_a_p_value_that_does_not_hold_is_no_cost(fake):
    said = texts(steps.freeze(frozen(fake, (0.0, 0.0, 0.03), p=0.09)))
    assert "costs nothing that could be shown" in said
    assert "its own interval leaves 0 out, the adjusted p does not" in said


@pytest.mark.parametrize(
    ("half", "said"), [(0.01, "it loses 3.0 points"), (0.05, "no difference to the whole network")]
)
def test_a_cut_network(fake, half, said):
    rows = [
        fake.cell("cutoff", 0.5, "stem", difference=-0.31),
        fake.cell("cutoff", 0.78, "block1", difference=-0.03, half=half),
    ]
    text = texts(steps.cutoff(fake.cells(fake.cell("full", 0.81), *rows, fake.cell("cutoff", 0.81, "block2"))))
    assert said in text
    assert "a cut keeps 96.3 % after block1 and 61.7 % after stem" in text
