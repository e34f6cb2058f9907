"""Recipes: the paper's values, everything wrong at once, and YAML's traps."""

import pytest

from tlprobe.audio.settings import FEATURES
from tlprobe.errors import ParameterError
from tlprobe.train.recipe import RECIPES, Recipe, check_features, load_recipe


@pytest.fixture
def own(tmp_path):
    """Write an own recipe file and return its path."""

    def write(text):
        file = tmp_path / "own.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


def test_paper_is_the_papers_fine_tuning():
    # Palanisamy et al. 2020, section IV-A.
    assert load_recipe("paper") == Recipe(
        epochs=70,
        batch_size=32,
        optimizer="adam",
        lr=1e-4,
        weight_decay=1e-3,
        schedule="step",
        step_epochs=30,
        gamma=0.1,
        label_smoothing=0,
        time_roll=False,
        normalize="none",
    )


def test_paper_scratch_differs_in_its_schedule_alone():
    paper, scratch = load_recipe("paper").model_dump(), load_recipe("paper-scratch").model_dump()
    differing = {name: scratch[name] for name in paper if paper[name] != scratch[name]}
    assert differing == {"epochs": 450, "schedule": "multistep", "step_epochs": None, "milestones": (300, 350)}


def test_quick_is_the_default():
    quick = load_recipe()
    assert quick == load_recipe("quick")
    assert (quick.epochs, quick.optimizer, quick.lr, quick.schedule) == (10, "adamw", 1e-3, "onecycle")
    assert quick.time_roll
    assert quick.label_smoothing > 0
    assert quick.normalize == "channel"


def test_changes_replace_values_and_none_leaves_them():
    recipe = load_recipe("paper", changes={"epochs": 3, "lr": None, "normalize": "channel"})
    assert recipe == load_recipe("paper").model_copy(update={"epochs": 3, "normalize": "channel"})


def test_own_file_on_a_base(own):
    file = own("base: paper\nepochs: 5\nlr: 3.0e-4\n")
    assert load_recipe(file) == load_recipe("paper", changes={"epochs": 5, "lr": 3e-4})
    assert load_recipe(str(file), changes={"epochs": 6}).epochs == 6  # a flag comes last


def test_own_file_without_a_base_must_be_whole(own):
    with pytest.raises(ParameterError, match=r"batch_size: Field required.*optimizer.*normalize"):
        load_recipe(own("epochs: 5"))


def test_everything_wrong_is_told_at_once_in_one_line(own):
    file = own("base: quick\nepochs: 0\nlr: -1\noptimizer: adamm\nlearning_rate: 3\n")
    with pytest.raises(ParameterError) as caught:
        load_recipe(file, changes={"batch_size": 1})
    message = str(caught.value)
    assert "\n" not in message
    assert str(file) in message
    for part in ("epochs", "lr", "optimizer", "learning_rate", "batch_size"):
        assert f"{part}: " in message
    for part in ("given: 0", "given: -1", "'adamm'", "'adam', 'adamw' or 'sgd'"):
        assert part in message


def test_an_unknown_value_name_shows_the_names_there_are():
    with pytest.raises(ParameterError, match=r"learning_rate: unknown.*choose from .*epochs, batch_size.*normalize"):
        load_recipe("quick", changes={"learning_rate": 3})


@pytest.mark.parametrize(("name", "shown"), [("qick", "'qick'"), ("no/such.yaml", "'no/such.yaml'"), ("", "''")])
def test_an_unknown_recipe_shows_the_choices(name, shown):
    with pytest.raises(ParameterError, match=f"recipe {shown} is unknown; choose from {', '.join(RECIPES)}, or a YAML"):
        load_recipe(name)


def test_an_unknown_base_shows_the_choices(own):
    for base in ("other", "[quick]", "null"):
        with pytest.raises(ParameterError, match=r"base=.*choose from quick, paper, paper-scratch"):
            load_recipe(own(f"base: {base}\n"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": "step"}, "schedule 'step' needs step_epochs"),
        ({"schedule": "multistep"}, "schedule 'multistep' needs milestones"),
        ({"schedule": "cosine"}, "'constant', 'step', 'multistep' or 'onecycle'"),
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"lr": float("nan")}, "lr"),
        ({"lr": float("inf")}, "lr"),
        ({"weight_decay": -0.1}, "weight_decay"),
        ({"epochs": 2.5}, "epochs"),
        ({"epochs": True}, "epochs"),
        ({"lr": True}, "lr"),
        ({"milestones": [0, 5]}, "milestones"),
        ({"gamma": 2}, "gamma"),
        ({"normalize": None, "epochs": "many"}, "epochs"),
    ],
)
def test_impossible_values_are_named(changes, message):
    with pytest.raises(ParameterError, match=f"recipe quick: .*{message}"):
        load_recipe("quick", changes=changes)


def test_yaml_reads_1e_3_as_text_and_the_recipe_as_a_number(own):
    recipe = load_recipe(own("base: quick\nlr: 1e-3\nweight_decay: 5e-2\n"))
    assert recipe.lr == 0.001
    assert recipe.weight_decay == 0.05


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: quick\nlr: 0.1\nlr: 0.2\n", "the key 'lr' stands twice"),
        ("base: quick\nlr: &a 0.1\nweight_decay: *a\n", "aliases are not allowed"),
        ("base: quick\nlr: !!python/object/apply:os.getcwd []\n", "no valid YAML"),
        ("base: quick\nlr: 2024-13-45\n", "no valid YAML"),
        ("base: quick\nlr: !!int x\n", "no valid YAML"),
        ("!!map [1]\n", "no valid YAML"),
        ("lr: [0.1\n", "no valid YAML"),
        ("lr: \x00", "no valid YAML"),
        ("[" * 500, "no valid YAML"),
        ("", "must be a table of names and values"),
        ("- epochs\n", "must be a table of names and values"),
        ("1: 2\n", "must be a table of names and values"),
        (b"\xff\xfe\x00", "cannot be read"),
        ("#" * (1 << 20) + "\n", "larger than 1 MiB"),
    ],
)
def test_yaml_that_is_no_recipe_is_refused_in_one_line(own, text, message):
    with pytest.raises(ParameterError, match=message) as caught:
        load_recipe(own(text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"gain_db": 6}, "gain_db=6"),
        ({"noise_snr_db": 0}, "noise_snr_db=0"),
        ({"mel_shift": 4}, "mel_shift=4"),
        ({"freq_masks": 2, "freq_mask_rows": 8}, "freq_masks=2"),
        ({"gain_db": 1.5, "noise_snr_db": -10, "mel_shift": 3}, "gain_db=1.5, noise_snr_db=-10, mel_shift=3"),
    ],
)
def test_augmentation_of_log_power_is_refused_for_mfccs_alone(changes, told):
    recipe = load_recipe(changes=changes)
    with pytest.raises(ParameterError) as caught:
        check_features(recipe, "mfcc")
    assert str(caught.value).startswith("features=mfcc has coefficients as rows")
    assert f"{told} of the recipe" in str(caught.value)
    assert "take log-mel3, log-mel, log-spec, gammatone" in str(caught.value)
    for features in FEATURES:
        if features != "mfcc":
            check_features(recipe, features)


@pytest.mark.parametrize("name", RECIPES)
def test_mfccs_can_be_trained_on_with_the_rest(name):
    along_time = {"time_roll": True, "time_masks": 2, "time_mask_columns": 9, "mixup": 0.2}
    check_features(load_recipe(name, changes=along_time), "mfcc")


def test_a_recipe_cannot_be_changed():
    recipe = load_recipe()
    with pytest.raises(ValueError, match="frozen"):
        recipe.epochs = 3


def test_another_tempo_is_refused_where_short_clips_are_stretched():
    recipe = load_recipe("quick", changes={"variants": 2, "stretch": 0.2})
    with pytest.raises(ParameterError, match=r"short=stretch resizes what stretch=0\.2 of the recipe makes longer"):
        check_features(recipe, "log-mel3", short="stretch")
    check_features(recipe, "log-mel3", short="repeat")
    check_features(load_recipe("quick"), "log-mel3", short="stretch")
