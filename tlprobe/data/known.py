"""The data sets that tlprobe knows by name: what is in them, and where their archives are to be had.

A *content hash* pins what lies in an archive and not the archive's own bytes: the SHA-256 of the lines
``MD5  PATH`` of all recordings, sorted by path, as ``md5sum audio/*.wav | LC_ALL=C sort -k 2 | sha256sum`` prints it.
"""

import dataclasses
from dataclasses import dataclass

__all__ = ["KNOWN", "Archive", "KnownDataset"]


@dataclass(frozen=True)
class Archive:
    """The file that a data set is distributed as.

    Parameters
    ----------
    names : tuple of str
        What the file is called: first as tlprobe saves it, then as a browser may.
    url : str or None
        Where tlprobe downloads it; None: only by hand.
    page : str
        What a person opens to download it.
    hash : str or None
        ``md5:...`` or ``sha256:...`` of the file; None where its bytes are not pinned, but its content is.
    n_bytes, unpacked_bytes : int > 0
        Size of the file and of what is in it, the latter rounded up; for asking for room, and for limits.
    remark : str
        What a person should know who has to download it by hand; or empty.
    """

    names: tuple[str, ...]
    url: str | None
    page: str
    hash: str | None
    n_bytes: int
    unpacked_bytes: int
    remark: str = ""


@dataclass(frozen=True)
class KnownDataset:
    """What is known of a data set before it is on the disk.

    Parameters
    ----------
    name : str
    folder : str
        Where it is put, within the folder given to `tlprobe.data.fetch.fetch`.
    layout : str
        In words, for a list.
    marker : str
        The file or folder, relative to the root, that shows it to be the root.
    recordings : str
        Glob of its recordings, relative to the root.
    n_files, n_clips, n_classes : int > 0
        Recordings as distributed; those in this set (ESC-10 takes a part); their classes.
    n_folds : int or None
        None where it comes without folds.
    sr : int or None, in Hz
        None where it differs from clip to clip.
    licence, reference : str
    archive : Archive
    content_hash : str or None
        Of all recordings, see above; None where the archive's own hash says enough.
    tables : tuple of (str, str)
        Path and ``md5:...`` of the other files that a result depends on.
    """

    name: str
    folder: str
    layout: str
    marker: str
    recordings: str
    n_files: int
    n_clips: int
    n_classes: int
    n_folds: int | None
    sr: int | None
    licence: str
    reference: str
    archive: Archive
    content_hash: str | None = None
    tables: tuple[tuple[str, str], ...] = ()


# GitHub makes archives anew on demand and their bytes change: soundata has pinned three hashes in turn
# (soundata/soundata issues 67 and 208), and two others are about for the commit below. So the content is
# pinned: the MD5s of all recordings and of the table are those of soundata 0.1.3, datasets/indexes/esc50_index.json.
_ESC50_COMMIT = "33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6"

_ESC50 = KnownDataset(
    name="esc50",
    folder="esc50",
    layout="meta/esc50.csv beside audio/",
    marker="meta/esc50.csv",
    recordings="audio/*.wav",
    n_files=2000,
    n_clips=2000,
    n_classes=50,
    n_folds=5,
    sr=44_100,
    licence="CC BY-NC 3.0",
    reference="K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015",
    archive=Archive(
        names=(f"ESC-50-{_ESC50_COMMIT}.zip", "ESC-50-master.zip"),
        url=f"https://github.com/karolpiczak/ESC-50/archive/{_ESC50_COMMIT}.zip",
        page="https://github.com/karolpiczak/ESC-50",
        hash=None,
        n_bytes=645_832_161,
        unpacked_bytes=900_000_000,
    ),
    content_hash="6a96522abaf1cd3fc0cbbf1791b59d7214cb2895c0195cacb642663458e1d22b",
    tables=(("meta/esc50.csv", "md5:54a0d0055a10bb7df84ad340a148722e"),),
)

_ESC10 = dataclasses.replace(
    _ESC50,
    name="esc10",
    layout="the rows of ESC-50 that are marked esc10",
    n_clips=400,
    n_classes=10,
    licence="CC BY 3.0",
)

# Address and MD5: soundata 0.1.3, datasets/urbansound8k.py; they are those of Zenodo's record 1203745.
_URBANSOUND8K = KnownDataset(
    name="urbansound8k",
    folder="urbansound8k",
    layout="metadata/UrbanSound8K.csv beside audio/fold1 .. audio/fold10",
    marker="metadata/UrbanSound8K.csv",
    recordings="audio/fold*/*.wav",
    n_files=8732,
    n_clips=8732,
    n_classes=10,
    n_folds=10,
    sr=None,
    licence="CC BY-NC 3.0 by its readme, 4.0 by Zenodo",
    reference="J. Salamon, C. Jacoby and J. P. Bello, A Dataset and Taxonomy for Urban Sound Research, "
    "ACM Multimedia 2014",
    archive=Archive(
        names=("UrbanSound8K.tar.gz",),
        url="https://zenodo.org/record/1203745/files/UrbanSound8K.tar.gz?download=1",
        page="https://zenodo.org/records/1203745",
        hash="md5:9aa69802bbf37fb986f71ec1483a196e",
        n_bytes=6_023_741_708,
        unpacked_bytes=7_200_000_000,
    ),
)

# The authors' server (opihi.cs.uvic.ca) is gone since 2022 (torchaudio's documentation of GTZAN; issue 549 of
# mir-dataset-loaders/mirdata). No kept source gives a hash for a copy that still stands, so it is downloaded by hand.
# The content is pinned by the MD5s of mirdata 0.3.8, datasets/indexes/gtzan_genre_index_1.0.json; the size is that
# of the first archive, in TensorFlow Datasets, audio/gtzan/checksums.tsv.
_GTZAN = KnownDataset(
    name="gtzan",
    folder="gtzan",
    layout="genres/GENRE/GENRE.00000.wav",
    marker="genres",
    recordings="genres/*/*.wav",
    n_files=1000,
    n_clips=1000,
    n_classes=10,
    n_folds=None,
    sr=22_050,
    licence="none given",
    reference="G. Tzanetakis and P. Cook, Musical genre classification of audio signals, "
    "IEEE Transactions on Speech and Audio Processing 10(5), 2002",
    archive=Archive(
        names=("genres.tar.gz",),
        url=None,
        page="https://huggingface.co/datasets/marsyas/gtzan/tree/main/data",
        hash=None,
        n_bytes=1_225_571_541,
        unpacked_bytes=1_400_000_000,
        remark="the authors' own server is gone; a copy of other bytes, such as Kaggle's genres_original/, "
        "is unpacked by hand and read as it is",
    ),
    content_hash="86993abb03775ba0fd9eb4fe8764b5c6b0310d26b14b1cac4af60380b8a3013f",
)

KNOWN: dict[str, KnownDataset] = {known.name: known for known in (_ESC50, _ESC10, _URBANSOUND8K, _GTZAN)}
"""By name, in the order of a list."""
