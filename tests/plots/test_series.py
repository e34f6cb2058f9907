from tlprobe.plots.series import series_of
from tlprobe.plots.style import BASELINE, init_look, series_look


def row(init="imagenet", backbone="resnet50", epochs=4, **more):
    return {"init": init, "backbone": backbone, "epochs": epochs, **more}


def test_initialisations_keep_their_look_whatever_comes_first():
    rows = [row("random", run=1), row("imagenet"), row("random", run=2)]
    random, imagenet = series_of(rows)
    assert (random.label, imagenet.label) == ("random init", "ImageNet init")
    assert (random.look, imagenet.look) == (init_look("random"), init_look("imagenet"))
    assert random.rows == [rows[0], rows[2]]


def test_a_legend_says_only_what_tells_networks_apart():
    labels = [series.label for series in series_of([row(), row(backbone="densenet201"), row(epochs=10)])]
    assert labels == [
        "ImageNet init, resnet50, 4 epochs",
        "ImageNet init, densenet201, 4 epochs",
        "ImageNet init, resnet50, 10 epochs",
    ]


def test_kinds_that_share_an_initialisation_have_looks_of_their_own():
    looks = [series.look for series in series_of([row(), row(epochs=10), row("random")])]
    assert looks == [series_look(0), series_look(1), series_look(2)]


def test_no_rows_make_no_series():
    assert series_of([]) == []


def test_two_untrained_networks_are_grey_and_have_no_epochs():
    rows = [row(), row("random pair", epochs=0), row(epochs=10), row("random pair", backbone="densenet201", epochs=0)]
    found = series_of(rows)
    assert [series.label for series in found] == [
        "ImageNet init, resnet50, 4 epochs",
        "ImageNet init, resnet50, 10 epochs",
        "two random inits, resnet50",
        "two random inits, densenet201",
    ]
    assert [series.look.color == BASELINE for series in found] == [False, False, True, True]
    assert len({series.look.marker for series in found}) == 4
    assert [series.label for series in series_of([row(epochs=None), row("random")])] == ["ImageNet init", "random init"]


def test_long_names_of_weight_files_keep_what_tells_them_apart():
    names = [f"my_pretraining_run_on_audioset_{which}.safetensors" for which in ("one", "two")]
    assert len({series.label for series in series_of([row(name) for name in names])}) == 2
