"""The verb ``report``: what it says, and with which code it fails."""

from tlprobe.records import Record


def test_it_says_where_and_how_large(cli):
    Record("novel", {}, [{"a": 1}], {}).save("novel")
    code, out, err = cli("report", "novel", "--out", "page.html")
    assert code == 0
    assert out.startswith("report: page.html (0.0 MB)")
    assert "novel: No figure of this record can be drawn" in err


def test_errors_have_their_codes(fails):
    fails(3, ["report", "gone", "--out", "page.html"], "gone does not exist")
    fails(2, ["report", "gone", "--out", "page.txt"], "page.txt", ".html")
    fails(2, ["report"], "PATH")
