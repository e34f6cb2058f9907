"""Space files: what may stand in them, and that all that is wrong is told at once."""

import pytest

from tlprobe.errors import ParameterError
from tlprobe.studies.space import Range, Space, load_space

LR = {"lr": {"low": 1e-5, "high": 1e-2, "log": True}}


@pytest.fixture
def write(tmp_path):
    def write(text):
        file = tmp_path / "space.yaml"
        file.write_text(text)
        return file

    return write


def test_a_whole_file(write, tmp_path):
    space = load_space(
        write(
            """
            data: ../ESC-50
            network: efficientnet_lite0
            init: weights/own.pth
            fold: 2
            seed: 3
            treatment: {freeze: {blocks: [block2]}}
            changes: {epochs: 3}
            space:
              lr: {low: 1e-5, high: 1.0e-2, log: true}
              batch_size: [16, 32]
              mel_shift: {low: 0, high: 8}
            """
        )
    )
    assert space.data == tmp_path.parent / "ESC-50"  # paths count from the file's folder
    assert space.init == str(tmp_path / "weights" / "own.pth")
    assert space.space["lr"] == Range(low=1e-5, high=1e-2, log=True)
    assert space.space["batch_size"] == (16, 32)
    study = space.study({"lr": 0.01, "batch_size": 16})
    assert (study.folds, study.seeds, study.inner_fold) == ((2,), (3,), True)
    assert study.changes == {"epochs": 3, "lr": 0.01, "batch_size": 16}
    assert [(item.treatment, item.blocks) for item in study.treatments] == [("freeze", ("block2",))]
    assert space.recipe_of({"lr": 0.01}).lr == 0.01
    again = Space.model_validate(space.model_dump(mode="json", exclude_unset=True))  # as a worker gets it
    assert again == space


def test_values_are_drawn_as_their_kind_is():
    space = Space(space={**LR, "batch_size": [16, 32], "mel_shift": {"low": 0, "high": 8}, "time_roll": [True, False]})
    drawn = space.distributions()
    assert (drawn["lr"].low, drawn["lr"].high, drawn["lr"].log) == (1e-5, 1e-2, True)
    assert drawn["batch_size"].choices == (16, 32)
    assert (type(drawn["mel_shift"]).__name__, drawn["mel_shift"].high) == ("IntDistribution", 8)
    assert drawn["time_roll"].choices == (True, False)


def test_all_that_is_wrong_is_told_at_once(write):
    file = write(
        """
        netwrok: resnet18
        network: resnet
        seed: -1
        treatment: freeze
        space:
          lrr: {low: 1, high: 2}
          epochs: [1, 2]
          milestones: [3]
          lr: {low: 2, high: 1}
          weight_decay: {low: 0, high: 1, log: true}
          gamma: 0.1
          optimizer: []
        """
    )
    with pytest.raises(ParameterError) as caught:
        load_space(file)
    said = str(caught.value)
    assert said.startswith(f"space {file}: ")
    assert "\n" not in said
    for part in (
        "netwrok: unknown name; choose from data, ",
        "backbone='resnet' is unknown: did you mean resnet50?",
        "seed: Input should be greater than or equal to 0",
        "treatment: freeze is one training a block; name one",
        "space.lrr.[key]: no recipe value; choose from time_roll, ",
        "space.epochs.[key]: trials are compared at equal epochs",
        "space.milestones.[key]: a list of epochs cannot be searched",
        "space.lr.range: low=2 must be less than high=1",
        "space.weight_decay.range: low=0 has no logarithm",
        "space.gamma: must be a table with low and high, or a list of choices (given: 0.1)",
        "space.optimizer.choice: Tuple should have at least 1 item",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("space: {}", "space: Dictionary should have at least 1 item"),
        ("seed: 1", "space: Field required"),
        ("changes: {lr: 1}\nspace: {lr: [0.1, 0.2]}", "lr stands in changes and in space; leave one of them out"),
        ("space: {lr: {low: 0, high: 1}}", "lr: Input should be greater than 0 (given: 0.0)"),
        ("space: {batch_size: [1, 16]}", "batch_size: Input should be greater than or equal to 2 (given: 1)"),
        ("space: {optimizer: [adam, lion]}", "optimizer: Input should be 'adam', 'adamw' or 'sgd' (given: 'lion')"),
        ("space: {optimizer: {low: 1, high: 2}}", "optimizer has no range; list its choices"),
        ("space: {batch_size: {low: 2.5, high: 8}}", "batch_size is a whole number; so are low and high"),
        ("space: {batch_size: [16, 16]}", "batch_size names a choice twice"),
        ("space: {lr: [1e-4, 0.1]}", "lr: '1e-4' is text to YAML; a number is written as 1.0e-4"),
        ("space: {variants: [1, 2]}", "no combination of ends and choices is a recipe: variants need pitch_semitones"),
        ("space: {lr: [0.1, 0.2]}\nrecipe: slow", "slow' is unknown; choose from quick, paper, paper-scratch"),
        ("space: {lr: [0.1, 0.2]}\nchanges: {epochs: 0}", "epochs: Input should be greater than or equal to 1"),
        (
            "space: {lr: [0.1, 0.2]}\ninit: random\ntreatment: {fuse: {blocks: [stem]}}",
            "fuse needs a pretrained start; init is random",
        ),
        ("space: {mel_shift: [0, 4]}\nfeatures: mfcc", "rows, which mel_shift=4 of the recipe cannot change"),
        ("space: {lr: [0.1, 0.2]}\nfeatures: mfcc\nchanges: {gain_db: 6}", "rows, which gain_db=6 of the recipe"),
        ("- lr", "must be a table of names and values"),
    ],
)
def test_what_is_wrong_is_told(write, text, said):
    with pytest.raises(ParameterError) as caught:
        load_space(write(text))
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


def test_combinations_that_do_not_go_together_are_left_to_the_search():
    space = Space(space={"variants": [0, 2], "pitch_semitones": [0.0, 2.0]})
    assert space.example == {"variants": 0, "pitch_semitones": 0.0}
    with pytest.raises(ParameterError, match="variants need pitch_semitones"):
        space.recipe_of({"variants": 2, "pitch_semitones": 0.0})
    scheduled = Space(space={"step_epochs": [2, 3]}, changes={"schedule": "step"})  # its recipe alone would be none
    assert scheduled.example == {"step_epochs": 2}


def test_paths_that_do_not_depend_on_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text("base: quick\nepochs: 7\n")
    space = Space(space=LR, data="clips", init="own.pth", recipe="own.yaml").absolute()
    assert (space.data, space.init, space.recipe) == (
        tmp_path / "clips",
        str(tmp_path / "own.pth"),
        str(tmp_path / "own.yaml"),
    )
    assert Space(space=LR).absolute() == Space(space=LR)
