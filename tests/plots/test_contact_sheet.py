"""All clips of a record over the pages of a PDF."""

import re

import pytest

from tlprobe.errors import ParameterError
from tlprobe.plots.contact_sheet import ROWS_A_PAGE, save_contact_sheet


def n_pages(path):
    return len(re.findall(rb"/Type /Page\b", path.read_bytes()))


@pytest.mark.parametrize(("n", "pages"), [(1, 1), (ROWS_A_PAGE, 1), (2 * ROWS_A_PAGE + 1, 3)])
def test_every_clip_is_on_a_page(fake, tmp_path, monkeypatch, n, pages):
    drawn = []
    from tlprobe.plots import contact_sheet as module

    real = module.draw_rows

    def spy(record, rows, **options):
        drawn.append((len(rows), options["scales"]))
        return real(record, rows, **options)

    monkeypatch.setattr(module, "draw_rows", spy)
    assert save_contact_sheet(fake.attribute(n, width=20, n_mels=16), tmp_path / "sheet.pdf") == pages
    assert n_pages(tmp_path / "sheet.pdf") == pages
    assert sum(rows for rows, _ in drawn) == n
    assert len({id(scales) for _, scales in drawn}) == 1  # one scale on all pages


def test_the_same_record_gives_the_same_bytes(fake, tmp_path):
    for name in ("a", "b"):
        save_contact_sheet(fake.attribute(ROWS_A_PAGE + 1, width=20, n_mels=16), tmp_path / f"{name}.pdf")
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


def test_what_is_no_contact_sheet(fake, tmp_path):
    with pytest.raises(ParameterError, match=r"a contact sheet is a \.pdf; sheet\.png is none"):
        save_contact_sheet(fake.attribute(1), tmp_path / "sheet.png")
    with pytest.raises(ParameterError, match="this record of ensemble has no attributions"):
        save_contact_sheet(fake.ensemble(), tmp_path / "sheet.pdf")
    assert not list(tmp_path.iterdir())
