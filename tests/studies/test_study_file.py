"""Study files: what may stand in them, and that all that is wrong is told at once."""

import pytest

from tlprobe.backbones.partition import Partition
from tlprobe.errors import ParameterError
from tlprobe.studies.engine import Engine
from tlprobe.studies.study_file import Study, load_study
from tlprobe.train.recipe import load_recipe


@pytest.fixture
def write(tmp_path):
    def write(text):
        file = tmp_path / "grid.yaml"
        file.write_text(text)
        return file

    return write


def test_a_whole_file(write, tmp_path):
    study = load_study(
        write(
            """
            data: ../ESC-50
            networks: [resnet18, efficientnet_lite0]
            inits: [imagenet, random, weights/own.pth]
            folds: all
            seeds: [0, 1]
            treatments:
              - full
              - fuse
              - fuse: {shape: single, rest: matched, blocks: [block2]}
              - freeze: {partition: params, parts: 3}
              - cutoff: {blocks: [block2, block3]}
            changes: {epochs: 3}
            engine: {jobs: 2}
            """
        )
    )
    assert study.data == tmp_path.parent / "ESC-50"  # paths count from the file's folder
    assert study.inits == ("imagenet", "random", str(tmp_path / "weights" / "own.pth"))
    assert [item.treatment for item in study.treatments] == ["full", "fuse", "fuse", "freeze", "cutoff"]
    assert (study.treatments[2].shape, study.treatments[2].rest, study.treatments[2].blocks) == (
        "single",
        "matched",
        ("block2",),
    )
    assert study.treatments[3].divided == Partition(by="params", parts=3)
    assert study.treatments[1].divided is None
    assert study.engine.jobs == 2
    again = Study.model_validate(study.model_dump(mode="json", exclude_unset=True))  # as a worker gets it
    assert again == study


def test_a_recipe_of_ones_own_lies_beside_the_file(write, tmp_path):
    (tmp_path / "own.yaml").write_text("base: quick\nepochs: 7\n")
    study = load_study(write("treatments: [full]\nrecipe: own.yaml"))
    assert study.recipe == str(tmp_path / "own.yaml")
    assert load_recipe(study.recipe).epochs == 7


def test_all_that_is_wrong_is_told_at_once(write):
    file = write(
        """
        netwroks: [resnet18]
        networks: [resnet]
        inits: [imagenet, imagenet]
        folds: []
        seeds: [-1]
        treatments:
          [fuze, {freeze: {rest: random}}, {fuse: {shape: middle}}, {fuse: {parts: 3}}, {cutoff: {blocks: []}}]
        """
    )
    with pytest.raises(ParameterError) as caught:
        load_study(file)
    said = str(caught.value)
    assert said.startswith(f"study {file}: ")
    assert "\n" not in said
    for part in (
        "netwroks: unknown name; choose from data, ",
        "networks: backbone='resnet' is unknown: did you mean resnet50?",
        "inits: names something twice",
        "folds",
        "seeds.0: Input should be greater than or equal to 0 (given: -1)",
        "treatments.0: unknown treatment; choose from full, random, fuse, freeze, cutoff (given: 'fuze')",
        "treatments.1: freeze takes blocks, partition, parts, shape",
        "treatments.2.shape: Input should be 'prefix', 'suffix', 'single' or 'except' (given: 'middle')",
        "treatments.3: parts=3: the named blocks are what they are",
        "treatments.4: blocks is empty",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("treatments: [full]\nchanges: {epochs: 0}", "epochs: Input should be greater than or equal to 1"),
        ("treatments: [full]\nrecipe: slow", "slow' is unknown; choose from quick, paper, paper-scratch"),
        ("treatments: [full]\nfeatures: [windows]", "features.0: Input should be 'log-mel3', 'log-mel'"),
        ("treatments: [full]\nfeatures: [mfcc, mfcc]", "features: names something twice"),
        ("treatments: [full]\ndata_options: {data_split: paper}", "a study has data_splits: [paper]"),
        ("treatments: [full]\ndata_splits: [null, paper]", "null is the data set's first split; beside others"),
        (
            "treatments: [full]\nfeatures: [log-mel, mfcc]\nchanges: {gain_db: 6}",
            "features=mfcc has coefficients as rows",
        ),
        ("treatments: []", "treatments: Tuple should have at least 1 item"),
        ("networks: [resnet18]", "treatments: Field required"),
        ("treatments: [fuse]\ninits: [random]", "fuse need a pretrained start; inits has random alone"),
        ("treatments: [{fuse: {}, freeze: {}}]", "must be the name of a treatment, or one name with a table"),
        ("treatments: [full]\nengine: {jobs: 0}", "engine.jobs: Input should be greater than or equal to 1"),
        ("treatments: [full]\nengine: {name: spark}", "engine.name: Input should be 'local' or 'ray' (given: 'spark')"),
        (
            "treatments: [full]\nengine: {address: auto}",
            "engine: address: of engine ray alone, and this is engine local",
        ),
        (
            "treatments: [full]\nengine: {name: ray, gpu_share: 2}",
            "engine.gpu_share: Input should be less than or equal",
        ),
        ("treatments: [full]\ntreatments: [fuse]", "the key 'treatments' stands twice"),
        ("- full", "must be a table of names and values"),
    ],
)
def test_what_is_wrong_is_told(write, text, said):
    with pytest.raises(ParameterError) as caught:
        load_study(write(text))
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


def test_an_engine_is_changed_by_what_is_given():
    ray = Engine(name="ray", jobs=3, address="head:6379", gpu_share=0.5)
    assert ray.changed(name=None, jobs=None, address=None) == ray
    assert ray.changed(name="ray", jobs=2, address="auto") == ray.model_copy(update={"jobs": 2, "address": "auto"})
    assert ray.changed(name="local", jobs=None, address=None) == Engine(jobs=3)  # the rest means nothing there
    assert Engine(jobs=3).changed(name="ray", jobs=None, address=None) == Engine(name="ray", jobs=3)
    with pytest.raises(ParameterError, match="engine: address: of engine ray alone, and this is engine local"):
        ray.changed(name="local", jobs=None, address="auto")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ParameterError, match=r"study .*nothing\.yaml is missing"):
        load_study(tmp_path / "nothing.yaml")
