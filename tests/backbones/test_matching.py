import pytest

from tlprobe.backbones.matching import mismatch_summary

BLOCKS = {"stem.w": "stem", "body.a.w": "block1", "body.a.b": "block1", "body.b.w": "block2"}
WANTED = dict.fromkeys(BLOCKS, (2, 2))


def test_a_fit_has_nothing_to_say():
    assert mismatch_summary(WANTED, dict(WANTED), block_of=BLOCKS) == ""


@pytest.mark.parametrize(
    ("found", "summary"),
    [
        ({"stem.w": (2, 2)}, "block1: 2 missing (body.a.w, ...); block2: 1 missing (body.b.w)"),
        (WANTED | {"body.b.w": (1,)}, "block2: 1 mis-shaped (body.b.w (1,) instead of (2, 2))"),
        # body.a is block1's alone, body.c is nobody's.
        (
            WANTED | {"body.a.x.y": (1,), "body.c": (1,)},
            "block1: 1 unexpected (body.a.x.y); other: 1 unexpected (body.c)",
        ),
    ],
)
def test_summary_by_block(found, summary):
    assert mismatch_summary(WANTED, found, block_of=BLOCKS) == summary
