from tlprobe.plots.similarity import measure_name, note, rows_of, samples_name, treatments
from tlprobe.records import Record


def record(*convs, **params):
    rows = [
        {"conv": conv, "init": "imagenet", "n_clips": 400, "fold": 4, "epochs": 10, "against": "init"} for conv in convs
    ]
    return Record("svcca", params, rows, {})


def test_what_follows_a_comma_is_the_same_treatment():
    mixed = record("positions", "pool", "positions, pooled to 4 x 8", conv=["pool", "positions"])
    assert treatments(mixed) == ["pool", "positions"]
    assert [row["conv"] for row in rows_of(mixed)] == ["pool"]
    assert [row["conv"] for row in rows_of(mixed, "positions")] == ["positions", "positions, pooled to 4 x 8"]
    assert treatments(record("flatten", "pool")) == ["flatten", "pool"]
    assert treatments(record()) == rows_of(record()) == []


def test_samples_are_named_in_words():
    assert samples_name("flatten", record("flatten").rows) == "one sample a clip (flattened)"
    assert samples_name("positions", record("positions", "positions, 3 of 9").rows) == "every position a sample"
    assert samples_name("new way", record("new way").rows) == "new way"


def test_measures_keep_the_case_of_their_papers():
    assert [measure_name(name) for name in ("svcca", "cka_debiased", "new_one")] == [
        "SVCCA",
        "CKA, debiased",
        "new one",
    ]


def test_the_note_is_about_trained_networks():
    found = record("positions")
    pair = {**found.rows[0], "init": "random pair", "epochs": 0, "against": "random pair"}
    assert note(found, [*found.rows, pair]) == "n = 400 clips, fold 4, 10 epochs"


def test_the_note_says_what_was_done_to_the_maps():
    found = record("positions", "positions, pooled to 4 x 8", "pool", conv=["positions", "pool"], n_positions=300)
    rows = rows_of(found, "positions")
    assert note(found, rows) == "n = 400 clips, fold 4, 10 epochs, larger maps pooled to the smaller"
    assert "every position a sample" in note(found, rows, samples=True)
    assert note(found, record("positions, 300 of 800").rows).endswith(", 300 positions of a map at most")
