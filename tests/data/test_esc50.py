import numpy as np
import pytest

from tlprobe.data.esc50 import read_esc50
from tlprobe.errors import DataError


@pytest.mark.parametrize(("encoding", "newline"), [("utf-8", "\n"), ("utf-8-sig", "\n"), ("utf-8", "\r\n")])
def test_table_is_read(make_esc, encoding, newline):
    dataset = read_esc50(make_esc(encoding=encoding, newline=newline))
    assert (dataset.name, dataset.classes, dataset.folds) == ("esc50", ("dog", "rain"), (1, 2, 3, 4, 5))
    first = dataset.clips[0]
    assert (first.path, first.label, first.fold, first.group) == ("audio/1-101-A-0.wav", "dog", 1, "101")
    np.testing.assert_array_equal(dataset.labels, [0, 1] * 5)
    assert all(path.is_file() for path in dataset.paths)
    assert dataset.note == ""


def test_esc10_takes_the_marked_rows(make_esc, esc_rows):
    for row in esc_rows[1:6:2]:
        row[4] = "True"  # three of the five 'rain' clips too
    dataset = read_esc50(make_esc(esc_rows), esc10=True)
    assert (dataset.name, dataset.classes, len(dataset.clips)) == ("esc10", ("dog", "rain"), 8)


def test_only_needed_columns_are_needed(make_esc, esc_rows):
    root = make_esc([[row[3], row[0], row[1]] for row in esc_rows], header=["category", "filename", "fold"])
    dataset = read_esc50(root)
    assert dataset.clips[0].group == "1-101-A-0.wav"
    with pytest.raises(DataError, match=r"has no column 'esc10'; its columns: category, filename, fold"):
        read_esc50(root, esc10=True)


def test_missing_column_is_named(make_esc, esc_rows):
    root = make_esc(header=["file", "fold", "target", "class", "esc10", "src_file", "take"])
    with pytest.raises(DataError, match=r"no column 'filename', 'category'; its columns: file, fold"):
        read_esc50(root)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (1, "0", r"line 3: fold '0' is no whole number"),
        (1, "-1", r"line 3: fold '-1'"),
        (1, "two", r"line 3: fold 'two'"),
        (1, "", r"line 3: fold ''"),
        (1, "²", r"line 3: fold '²'"),
        (1, "9" * 5000, r"line 3: fold '9{20,80}\.\.\.9{20,80}' is no whole number from 1 on, of at most 9 digits"),
        (3, " ", r"line 3: category of .* is blank"),
        (0, "", r"line 3: filename '' leads out"),
        (0, "../../secret.wav", r"line 3: filename '\.\./\.\./secret\.wav' leads out of audio/"),
        (0, "/etc/hostname", r"line 3: filename '/etc/hostname' leads out of audio/"),
        (0, "none.wav", r"line 3: filename 'none\.wav' is not in audio/"),
        (0, ".", r"line 3: filename '\.' is not in audio/"),
        (0, "a" * 300, r"line 3: filename 'a{20,80}\.\.\.a{20,80}' cannot be looked up: File name too long"),
        (0, "1-101-A-0.wav", r"line 3: filename '1-101-A-0\.wav' was already given in line 2"),
        (0, "./1-101-A-0.wav", r"line 3: filename '\./1-101-A-0\.wav' was already given in line 2"),
        (0, "../audio/1-101-A-0.wav", r"line 3: filename '\.\./audio/1-101-A-0\.wav' was already given in line 2"),
    ],
)
def test_wrong_row_is_named(make_esc, esc_rows, column, value, message):
    esc_rows[1][column] = value
    with pytest.raises(DataError, match=message) as caught:
        read_esc50(make_esc(esc_rows))
    assert "\n" not in str(caught.value)


def test_link_out_of_the_folder_is_refused(make_esc, tmp_path, write_clip):
    root = make_esc()
    outside = write_clip(tmp_path / "outside.wav")
    linked = root / "audio" / "1-101-A-0.wav"
    linked.unlink()
    linked.symlink_to(outside)
    with pytest.raises(DataError, match=r"line 2: filename '1-101-A-0\.wav' leads out"):
        read_esc50(root)


def test_many_wrong_rows_are_counted(make_esc, esc_rows):
    for row in esc_rows[:7]:
        row[1] = "x"
    with pytest.raises(DataError, match=r"^7 rows in .* cannot be used: meta/esc50.csv line 2: .*; and 2 more$"):
        read_esc50(make_esc(esc_rows))


def test_bad_flag_ragged_row_and_other_encodings_are_refused(make_esc, esc_rows):
    esc_rows[0][4] = "maybe"
    with pytest.raises(DataError, match="line 2: esc10 'maybe' is neither True nor False"):
        read_esc50(make_esc(esc_rows), esc10=True)
    with pytest.raises(DataError, match="line 12: 2 cells for 7 columns"):
        read_esc50(make_esc([*esc_rows, ["a.wav", "1"]]))
    root = make_esc()
    (root / "meta" / "esc50.csv").write_bytes(b"filename,fold,category\n\xff\xfe,1,a\n")
    with pytest.raises(DataError, match="no table in UTF-8"):
        read_esc50(root)
    (root / "meta" / "esc50.csv").write_bytes(b"")
    with pytest.raises(DataError, match=r"no column .* its columns: none"):
        read_esc50(root)
    (root / "meta" / "esc50.csv").write_bytes(b"filename,fold,category\n")
    with pytest.raises(DataError, match="lists no clip"):
        read_esc50(root)


def test_link_to_a_listed_file_is_that_file(make_esc):
    root = make_esc()
    linked = root / "audio" / "2-102-A-0.wav"
    linked.unlink()
    linked.symlink_to("1-101-A-0.wav")
    with pytest.raises(DataError, match=r"line 4: filename '2-102-A-0\.wav' was already given in line 2"):
        read_esc50(root)


def test_one_category_is_too_few(make_esc, esc_rows):
    with pytest.raises(DataError, match=r"esc50\.csv gives all clips marked esc10 the category 'dog'; at least 2"):
        read_esc50(make_esc(), esc10=True)
    for row in esc_rows:
        row[3] = "rain"
    with pytest.raises(DataError, match=r"esc50\.csv gives all clips the category 'rain'; at least 2"):
        read_esc50(make_esc(esc_rows))


def test_one_fold_is_too_few(make_esc, esc_rows):
    with pytest.raises(DataError, match="all clips in fold 1"):
        read_esc50(make_esc(esc_rows[:2]))


def test_note_tells_of_unlisted_files_and_spread_sources(make_esc, esc_rows, write_clip):
    esc_rows[2][5] = "101"
    esc_rows[3][0] = "./" + esc_rows[3][0]  # listed all the same
    root = make_esc(esc_rows)
    write_clip(root / "audio" / "extra.wav")
    assert read_esc50(root).note == (
        "1 files in audio/ are not in the table and were left out; 1 source recordings have clips in more than one fold"
    )
