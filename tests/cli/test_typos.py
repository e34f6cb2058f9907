"""A verb or an option that there is none of: what was meant, where that can be told."""

import pytest


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["atribute"], "no verb 'atribute'; did you mean attribute? (see `tlprobe --help`)"),
        (["fti"], "no verb 'fti'; did you mean fit? (see `tlprobe --help`)"),
        (["Fit"], "no verb 'Fit'; did you mean fit? (see `tlprobe --help`)"),
        (["data", "fetc"], "no verb 'fetc' of tlprobe data; did you mean fetch? (see `tlprobe data --help`)"),
        (
            ["attribute", "--n-clip", "3"],
            "no option '--n-clip'; did you mean --n-clips? (see `tlprobe attribute --help`)",
        ),
        (["attribute", "--n-clip=3"], "no option '--n-clip'; did you mean --n-clips? (see `tlprobe attribute --help`)"),
        (
            ["fit", "--no-inner-fol"],
            "no option '--no-inner-fol'; did you mean --no-inner-fold? (see `tlprobe fit --help`)",
        ),
        (["fit", "--EPOCHS", "3"], "no option '--EPOCHS'; did you mean --epochs? (see `tlprobe fit --help`)"),
        (["--versoin"], "no option '--versoin'; did you mean --version? (see `tlprobe --help`)"),
        (["--halp"], "no option '--halp'; did you mean --help? (see `tlprobe --help`)"),
    ],
)
def test_the_likest_name_is_suggested(fails, arguments, text):
    assert fails(2, arguments) == f"tlprobe: {text}\n"


def test_nothing_is_suggested_where_nothing_is_alike(fails):
    assert fails(2, ["fit", "--n-clip", "3"]) == "tlprobe: no option '--n-clip' (see `tlprobe fit --help`)\n"
    fails(2, ["fit", "-x"], "no option '-x' (see")
    err = fails(2, ["zzz"], "no verb 'zzz'; choose from ", "attribute", "svcca")
    assert "did you mean" not in err
    fails(2, ["data", "'it.'s'"], "of tlprobe data; choose from list")


def test_other_usage_errors_are_told_as_before(fails):
    fails(2, ["fit", "--epochs", "many"], "Invalid value for '--epochs'", "given: --epochs many")
    fails(2, ["data"], "tlprobe data --help")
