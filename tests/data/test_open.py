import dataclasses
import os

import numpy as np
import pytest
import soundfile

from tlprobe.data.open import default_settings, open_dataset
from tlprobe.data.options import DataOptions, ImageOptions
from tlprobe.errors import DataError, ParameterError


def test_layout_is_found(make_esc, make_folder, esc_rows):
    assert open_dataset(make_esc()).name == "esc50"
    esc_rows[1][4] = "True"
    assert open_dataset(make_esc(esc_rows), DataOptions(dataset="esc10")).name == "esc10"
    assert open_dataset(make_folder()).name == "own"


def test_recordings_whose_end_cannot_be_checked_are_noted(make_folder):
    root = make_folder()
    assert "unnoticed" not in open_dataset(root).note
    for format_ in ("PAF", "AVR"):
        soundfile.write(root / "cat" / f"a.{format_}", np.random.default_rng(0).normal(0, 0.1, 4000), 8_000)
    assert open_dataset(root).note.endswith("2 recordings are in AVR, PAF, where a cut file goes unnoticed")


def test_esc10_elsewhere_is_refused(make_folder):
    root = make_folder()
    with pytest.raises(ParameterError, match=r"esc10 needs a folder with meta/esc50\.csv; .*own has none"):
        open_dataset(root, DataOptions(dataset="esc10"))


@pytest.mark.parametrize("given", [{"dataset": "esc10"}, {"window_s": 0.5}, {"data_split": "paper", "n_folds": 3}])
def test_built_in_clips_have_none_of_the_options_of_data_on_disk(given):
    said = ", ".join(f"{name}={value!r}" for name, value in given.items())
    with pytest.raises(ParameterError, match=f"^{said} needs the folder of a data set; the built-in clips are another"):
        open_dataset(None, DataOptions(**given))
    assert open_dataset(None, DataOptions(data_seed=3, allow_leaks=True)).name == "synthetic"


def test_no_data_set_is_refused(tmp_path):
    with pytest.raises(DataError, match="nowhere is missing"):
        open_dataset(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file is no folder"):
        open_dataset(tmp_path / "file")
    (tmp_path / "bare").mkdir()
    with pytest.raises(DataError, match=r"bare holds no data set: neither meta/esc50\.csv"):
        open_dataset(tmp_path / "bare")


def test_folder_that_cannot_be_looked_into_is_refused(make_folder, tmp_path):
    with pytest.raises(DataError, match=r"a{300}.* cannot be read: File name too long"):
        open_dataset(tmp_path / ("a" * 300))
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(DataError, match="loop is missing"):
        open_dataset(tmp_path / "loop")
    root = make_folder()
    user = os.geteuid()
    root.chmod(0)
    try:
        if user == 0:  # whom no mode stops
            os.seteuid(65534)
        with pytest.raises(DataError, match=r"own.* cannot be read: Permission denied"):
            open_dataset(root)
    finally:
        os.seteuid(user)
        root.chmod(0o700)


def test_folder_whose_name_is_no_text_is_refused(make_folder):
    root = make_folder()
    root = root.rename(root.with_name("caf\udce9"))
    with pytest.raises(DataError, match=r"caf\\udce9' leads to a folder whose name is not UTF-8; rename it"):
        open_dataset(root)


def test_defaults_follow_the_recordings(make_folder, write_clip):
    root = make_folder(seconds=0.5)
    write_clip(root / "cat" / "long.wav", seconds=1.0)
    write_clip(root / "dog" / "other.wav", sr=8000, seconds=0.7)
    settings = default_settings(open_dataset(root))
    assert (settings.sr, settings.clip_s, settings.width, settings.n_mels) == (16_000, 1.0, 50, 128)
    given = default_settings(open_dataset(root), ImageOptions(sr=8000, clip_s=2.0, features="gammatone"))
    assert (given.sr, given.clip_s, given.width, given.features) == (8000, 2.0, 100, "gammatone")
    assert default_settings(open_dataset(root), ImageOptions(width=77)).width == 77


def test_what_is_usual_comes_before_what_is_found(make_folder):
    dataset = dataclasses.replace(open_dataset(make_folder()), usual=ImageOptions(sr=22_050, clip_s=4.0, width=250))
    settings = default_settings(dataset)
    assert (settings.sr, settings.clip_s, settings.width) == (22_050, 4.0, 250)
    settings = default_settings(dataset, ImageOptions(sr=8000, clip_s=1.0))
    assert (settings.sr, settings.clip_s, settings.width) == (8000, 1.0, 50)  # 250 columns are of four seconds


def test_default_length_is_at_most_30_s(make_folder, tmp_path):
    root = make_folder()
    soundfile.write(root / "cat" / "long.wav", np.full(31 * 4000, 0.1), 4000)
    settings = default_settings(open_dataset(root))
    assert (settings.clip_s, settings.width) == (30.0, 1500)


def test_the_default_length_of_parts_is_the_longest_part(make_folder, tmp_path):
    root = make_folder(seconds=3.0)
    windows = open_dataset(root, DataOptions(window_s=1.2))
    assert (default_settings(windows).clip_s, default_settings(windows).width) == (1.2, 60)
    usual = dataclasses.replace(windows, usual=ImageOptions(sr=8000, clip_s=4.0, width=250))
    assert [getattr(default_settings(usual), name) for name in ("sr", "clip_s", "width")] == [8000, 1.2, 60]
    rows = [
        f"own/{label}/{i}.wav,{label},{i % 2 + 1},0.5,{end}"
        for label in ("cat", "dog")
        for i, end in ((0, 1), (1, 2.0))
    ]
    (tmp_path / "parts.csv").write_text("\n".join(["path,label,fold,start_s,end_s", *rows]))
    assert default_settings(open_dataset(tmp_path / "parts.csv")).clip_s == 1.5
    (tmp_path / "parts.csv").write_text("\n".join(["path,label,fold,start_s,end_s", *rows, "own/cat/2.wav,cat,1,1.0,"]))
    assert default_settings(open_dataset(tmp_path / "parts.csv")).clip_s == 2.0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sr": 1}, "sr=1: "),
        ({"clip_s": -1.0}, "clip_s=-1.0: "),
        ({"clip_s": 1e5}, r"clip_s=100000\.0: .*less than or equal to 3600"),
        ({"width": 0}, "width=0: "),
        ({"channel": 0}, "channel=0: "),
        ({"short": "loop"}, "short='loop': input should be 'silence', 'repeat' or 'stretch'"),
        ({"clip_s": float("nan")}, "clip_s=nan"),
    ],
)
def test_impossible_values_are_named(make_folder, given, message):
    with pytest.raises(ParameterError, match=message):
        default_settings(open_dataset(make_folder()), ImageOptions(**given))


def test_unreadable_recordings_are_all_named(make_folder):
    root = make_folder()
    (root / "cat" / "0.wav").write_bytes(b"")
    (root / "dog" / "1.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"^2 recordings cannot be used: .*cat/0\.wav is empty.*dog/1\.wav"):
        default_settings(open_dataset(root))
