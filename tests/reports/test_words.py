import pytest

from tlprobe.records import Record
from tlprobe.reports.words import Effect, cleaned, effect_of, joined, percent_of, plain


@pytest.mark.parametrize("hidden", ["\x00", "\x1b", "\u202e", "\ud800", "\uffff"])
def test_what_cannot_be_seen_is_seen_to_be_there(hidden):
    assert plain(f"a{hidden}b") == "a\ufffdb"


def test_a_long_name_keeps_both_its_ends():
    name = plain("x" * 5000 + "y" * 5000)
    assert len(name) == 60
    assert name.startswith("x")
    assert name.endswith("y")


def test_every_text_of_a_record_is_cleaned():
    record = Record("fit", {"a\x00": ["b\n"]}, [{"c\x01": "d" * 1000, "n": 10**400}], {"e": {"f": "\ud800"}})
    found = cleaned(record)
    assert found.params == {"a\ufffd": ["b"]}
    assert len(found.rows[0]["c\ufffd"]) == 400
    assert found.rows[0]["n"] == "a number of more than 300 digits"
    assert found.provenance["e"]["f"] == "\ufffd"


@pytest.mark.parametrize(
    ("low", "high", "p", "sign"),
    [(0.1, 0.3, 0.01, 1), (-0.3, -0.1, 0.01, -1), (-0.1, 0.3, 0.2, 0), (0.01, 0.3, 0.06, 0)],
)
def test_a_difference_is_shown_only_by_interval_and_p(low, high, p, sign):
    assert Effect(0.2, low, high, p=p).sign == sign
    assert Effect(0.2, low, high, p=p).is_doubtful == (low > 0 and p > 0.05)


def test_an_effect_turns_with_its_interval():
    effect = effect_of({"difference": -0.2, "difference_low": -0.3, "difference_high": -0.1, "p_holm": 0.01}).turned()
    assert (effect.estimate, effect.low, effect.high) == (0.2, 0.1, 0.3)
    assert effect.size() == "20.0 points [10.0 to 30.0; p = 0.01, Holm-adjusted]"


def test_a_missing_interval_is_left_out():
    assert percent_of({"accuracy": 0.5, "ci_low": None}) == "50.0 %"
    assert joined([]) == ""
