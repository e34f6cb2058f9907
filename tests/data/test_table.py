"""Own tables: columns by name, folds by group, and everything that can be wrong with a row."""

import numpy as np
import pytest

from tlprobe.data.dataset import Clip
from tlprobe.data.table import read_table
from tlprobe.errors import DataError, ParameterError

ROWS = [(f"{label}/{k}.wav", label, f"src{k // 2}{label}") for label in ("cat", "dog") for k in range(10)]


@pytest.fixture
def write(tmp_path):
    """Write a table, and the folders that it names."""

    def make(text, name="own.csv", encoding="utf-8"):
        for folder in ("cat", "dog"):
            (tmp_path / folder).mkdir(exist_ok=True)
        file = tmp_path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return file

    return make


def text_of(rows=ROWS, header="path,label,group", separator=",", end="\n"):
    lines = [header.replace(",", separator), *(separator.join(map(str, row)) for row in rows)]
    return end.join(lines) + end


def test_folds_are_dealt_by_group(write):
    dataset = read_table(write(text_of()))
    assert (dataset.name, dataset.classes, dataset.folds) == ("own", ("cat", "dog"), (1, 2, 3, 4, 5))
    assert (dataset.split_name, dataset.prescribed) == ("by group, stratified, seed 0", False)
    assert [clip.path for clip in dataset.clips] == [path for path, _, _ in ROWS]
    folds_of = {}
    for clip in dataset.clips:
        folds_of.setdefault(clip.group, set()).add(clip.fold)
    assert all(len(folds) == 1 for folds in folds_of.values())
    other = read_table(write(text_of()), seed=1)
    assert [clip.fold for clip in other.clips] != [clip.fold for clip in dataset.clips]


@pytest.mark.parametrize(
    "how",
    [
        {"name": "own.tsv", "separator": "\t"},
        {"separator": ";"},
        {"end": "\r\n"},
        {"encoding": "utf-8-sig"},
        {"name": "OWN.CSV"},
    ],
)
def test_kinds_of_tables_say_the_same(write, how):
    expected = [(clip.path, clip.fold) for clip in read_table(write(text_of())).clips]
    text = text_of(separator=how.get("separator", ","), end=how.get("end", "\n"))
    file = write(text, name=how.get("name", "own.csv"), encoding=how.get("encoding", "utf-8"))
    assert [(clip.path, clip.fold) for clip in read_table(file).clips] == expected


def test_columns_by_other_names(write):
    rows = [(path, k % 2 + 1, label, f"p{k}", 0.5, 1.5) for k, (path, label, _) in enumerate(ROWS)]
    file = write(text_of(rows, header="clip,part,what,speaker,from,to"))
    columns = {"path": "clip", "fold": "part", "label": "what", "group": "speaker", "start": "from", "end": "to"}
    dataset = read_table(file, **{f"{part}_column": name for part, name in columns.items()})
    assert dataset.clips[3] == Clip("cat/3.wav", "cat", 2, "p3", 0.5, 1.5)
    assert dataset.split_name == "own folds, column part"
    with pytest.raises(ParameterError, match=r"has no column path or filename or file; name it by --path-column"):
        read_table(file)
    with pytest.raises(
        ParameterError, match=r"--group-column 'speakr' is no column of .*; choose from clip, part, what"
    ):
        read_table(file, **{f"{part}_column": name for part, name in columns.items()} | {"group_column": "speakr"})


def test_usual_names_are_found(write):
    rows = [(path, label, k % 2 + 1) for k, (path, label, _) in enumerate(ROWS)]
    dataset = read_table(write(text_of(rows, header="filename,category,fold")))
    assert dataset.clips[1] == Clip("cat/1.wav", "cat", 2, "cat/1.wav")


def test_parts_of_one_file_are_of_one_source(write):
    rows = [(f"{label}/{k}.wav", label, s, s + 1) for label in ("cat", "dog") for k in range(5) for s in range(3)]
    dataset = read_table(write(text_of(rows, header="path,label,start_s,end_s")))
    assert len(dataset.clips) == 30
    by_file = {}
    for clip in dataset.clips:
        by_file.setdefault(clip.path, set()).add(clip.fold)
    assert all(len(folds) == 1 for folds in by_file.values())


def replaced(column, value, header="path,label,group"):
    rows = [list(row) for row in ROWS]
    rows[1][column] = value
    return text_of(rows, header=header)


TIMES = "path,label,start_s,end_s"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (replaced(0, ""), r"own\.csv line 3: path is blank"),
        (replaced(0, "/etc/passwd"), r"line 3: path '/etc/passwd' leads out of the table's folder"),
        (replaced(0, "../cat/1.wav"), "leads out of the table's folder"),
        (replaced(0, "cat/../../1.wav"), "leads out of the table's folder"),
        (replaced(0, "\\\\server\\a.wav"), "leads out of the table's folder"),
        (replaced(0, "a\0b.wav"), "leads out of the table's folder|is no table in UTF-8"),
        (replaced(0, "out/1.wav"), "leads out of the table's folder"),
        (replaced(0, "cat/0.wav"), r"line 3: path 'cat/0\.wav' was already given in line 2"),
        (replaced(1, " "), r"line 3: label of 'cat/1\.wav' is blank"),
        (replaced(2, "0", header="path,label,fold"), "fold 'src0cat' is no whole number"),
        ("path,label,fold\ncat/1.wav,cat,0\n", "line 2: fold '0' is no whole number from 1 on"),
        ("path,label,fold\ncat/1.wav,cat,1.5\n", "fold '1.5' is no whole number"),
        ("path,label,fold\ncat/1.wav,cat,-1\n", "fold '-1' is no whole number"),
        ("path,label,fold\ncat/1.wav,cat,\n", "fold '' is no whole number"),
        ("path,label,fold\ncat/1.wav,cat," + "9" * 5000 + "\n", r"fold '9+\.\.\.9+' is no whole number"),
        (f"{TIMES}\ncat/1.wav,cat,x,1\n", "start_s 'x' is no time in seconds"),
        (f"{TIMES}\ncat/1.wav,cat,-1,1\n", "start_s '-1' is no time"),
        (f"{TIMES}\ncat/1.wav,cat,0,nan\n", "end_s 'nan' is no time"),
        (f"{TIMES}\ncat/1.wav,cat,0,inf\n", "end_s 'inf' is no time"),
        (f"{TIMES}\ncat/1.wav,cat,2,2\n", "end_s 2 is not after 2"),
        ("path,label\ncat/1.wav,cat,extra\n", "line 2: 3 cells for 2 columns"),
        ("path,label\ncat/1.wav\n", "line 2: 1 cells for 2 columns"),
        ('path,label\n"cat/1.wav,cat\n', "is no table in UTF-8"),
        (b"path,label\ncat/\xff.wav,cat\n", "is no table in UTF-8"),
        ("path,label,label\ncat/1.wav,cat,dog\n", "has the column 'label' twice"),
        ("path,label\n", "has no rows"),
        ("", "has no rows"),
        ("path,label\ncat/1.wav,cat\ncat/2.wav,cat\n", "has clips of 1 classes; at least 2"),
        ("path,label,fold\ncat/1.wav,cat,1\ndog/2.wav,dog,1\n", "puts all clips in fold 1"),
        ("path,label\ncat/1.wav,cat\ndog/2.wav,dog\n", "class 'cat' has clips of 1 groups, fewer than the 5 folds"),
    ],
)
def test_what_is_wrong_with_a_table_is_told(write, tmp_path, text, said):
    (tmp_path / "out").symlink_to("/usr")
    with pytest.raises(DataError, match=said):
        read_table(write(text))


def test_all_wrong_rows_are_counted(write):
    rows = [(path, "", group) for path, _, group in ROWS[:7]] + ROWS[7:]
    with pytest.raises(DataError, match=r"7 rows of .* cannot be used: .*; and 2 more"):
        read_table(write(text_of(rows)))


def test_files_that_are_no_tables(write, tmp_path):
    with pytest.raises(ParameterError, match=r"own\.txt is no table; choose from \.csv, \.tsv, \.parquet"):
        read_table(write(text_of(), name="own.txt"))
    with pytest.raises(DataError, match=r"none\.csv is missing"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="no regular file"):
        read_table(tmp_path / "folder.csv")


def test_parquet_says_what_it_needs_or_the_same(write, tmp_path, monkeypatch):
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        with pytest.raises(ParameterError, match=r"needs pyarrow: pip install 'tlprobe\[parquet\]'"):
            read_table(write(b"PAR1", name="own.parquet"))
        return
    expected = read_table(write(text_of())).clips
    columns = dict(zip(("path", "label", "group"), map(list, zip(*ROWS, strict=True)), strict=True))
    parquet.write_table(pyarrow.table(columns), tmp_path / "own.parquet")
    assert read_table(tmp_path / "own.parquet").clips == expected
    with pytest.raises(DataError, match="is no Parquet table"):
        read_table(write(b"PAR1 but not really", name="bad.parquet"))


def test_many_rows_ask_the_disk_for_their_folders_alone(write, monkeypatch):
    asked = []
    monkeypatch.setattr("tlprobe.data.csv_table.inside", lambda root, name: asked.append(name) or root)
    rows = [(f"d{k % 7}/{k}.wav", f"c{k % 5}", f"s{k % 100}") for k in range(5000)]
    dataset = read_table(write(text_of(rows)))
    assert sorted(asked) == [f"d{k}" for k in range(7)]
    assert np.bincount([clip.fold for clip in dataset.clips])[1:].tolist() == [1000] * 5
