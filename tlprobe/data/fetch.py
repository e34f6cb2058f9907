"""Bring a known data set to the disk: download its archive, check it, unpack it, check what was in it.

Each step is skipped where its result is there already, so an interrupted call goes on where it stopped, an archive
that was put there by hand is taken, and what is unpacked needs no network.
"""

import hashlib
import logging
import os
import tempfile
from pathlib import Path

import pooch

from tlprobe.data.download import download, part_size
from tlprobe.data.extract import extract, require_room
from tlprobe.data.known import KNOWN, KnownDataset
from tlprobe.errors import DataError, ParameterError, ResourceError, list_errors
from tlprobe.files import lock_folder

__all__ = ["fetch"]

_log = logging.getLogger(__name__)

_SLACK = 2  # times the expected size or number, where a download or an archive is cut off


def fetch(name: str, to: Path, *, progress: bool | None = None) -> Path:
    """Return the root of a known data set within `to`, where it is brought if it is not there.

    The archive stays in `to`; it may be removed once the data set is unpacked.

    Parameters
    ----------
    name : str, one of `tlprobe.data.known.KNOWN`
    to : Path
        Folder for data sets; made when missing.
    progress : bool or None
        None shows a bar on a terminal and in a notebook only.

    Returns
    -------
    root : Path
        For `tlprobe.data.open.open_dataset`: holds ``meta/esc50.csv``, ``metadata/UrbanSound8K.csv`` or ``genres/``.
        ESC-10 has that of ESC-50.

    Raises
    ------
    ParameterError
        If `name` is not known.
    DataError
        If the archive cannot be downloaded, has to be downloaded by hand, or is not the one expected; the message
        says what to do.
    ResourceError
        If the disk has no room, or another process works in `to`.
    """
    known = KNOWN.get(name)
    if known is None:
        raise ParameterError(f"{name!r} is no data set that tlprobe knows; choose from {', '.join(KNOWN)}")
    root = to / known.folder
    if (root / known.marker).exists():  # it is put there whole, after the checks
        return root
    with lock_folder(to):
        if (root / known.marker).exists():  # brought by another process since
            return root
        archive = _find(known, to)
        missing = 0 if archive else max(0, known.archive.n_bytes - part_size(to / known.archive.names[0]))
        require_room(to, missing + known.archive.unpacked_bytes, f"fetching {name}")
        archive = archive or _download(known, to, progress=progress)
        _unpack(known, archive, root)
    return root


def _find(known: KnownDataset, to: Path) -> Path | None:
    """Return the archive that lies in `to`, or None."""
    archive = next((to / name for name in known.archive.names if (to / name).is_file()), None)
    if archive and known.archive.hash and (found := _hash(archive, known.archive.hash)) != known.archive.hash:
        raise DataError(
            f"{archive} has {found} instead of {known.archive.hash}: it is damaged, or another file; "
            "remove it and fetch again"
        )
    return archive


def _download(known: KnownDataset, to: Path, *, progress: bool | None) -> Path:
    """Download the archive into `to`, by pooch, whose temporary files end with the lock of `to`."""
    wanted = known.archive
    archive = to / wanted.names[0]
    if wanted.url is None:
        raise DataError(f"{known.name} cannot be downloaded by tlprobe; {_by_hand(known, to)}")

    def bring(url: str, output_file: str, _pooch: object) -> None:
        os.replace(download(url, archive, max_bytes=_SLACK * wanted.n_bytes, progress=progress), output_file)

    pooch.get_logger().setLevel(logging.WARNING)  # tlprobe tells itself what it does
    try:
        with tempfile.TemporaryDirectory(prefix=f".{known.name}.", suffix=".tmp", dir=to) as work:
            done = pooch.retrieve(wanted.url, wanted.hash, archive.name, path=work, downloader=bring)
            os.replace(done, archive)
    except DataError as error:
        raise DataError(f"{error}; try again later, or: {_by_hand(known, to)}") from error
    except ValueError as error:  # of pooch, for a wrong hash; the file is gone with its folder
        raise DataError(
            f"{wanted.url} sent a file of another hash than {wanted.hash}; it was removed, fetch again, "
            f"or: {_by_hand(known, to)}"
        ) from error
    except OSError as error:
        raise ResourceError(f"cannot write to {to}: {error.strerror or error}") from error
    return archive


def _unpack(known: KnownDataset, archive: Path, root: Path) -> None:
    """Unpack `archive`, and put its data set at `root` once it is known to be the expected one."""
    if root.is_symlink() or root.exists():
        raise DataError(f"{root} is there, but has no {known.marker}; move it away and fetch again")
    _log.info("unpacking %s to %s", archive, root)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{known.folder}.", suffix=".tmp", dir=root.parent) as work:
            unpacked = Path(work) / "unpacked"
            extract(
                archive,
                unpacked,
                max_bytes=_SLACK * known.archive.unpacked_bytes,
                max_files=_SLACK * known.n_files + 1000,
            )
            places = [place for place in (unpacked, *sorted(unpacked.iterdir())) if (place / known.marker).exists()]
            if not places:
                raise DataError(f"{archive} holds no {known.marker}: it is not the archive of {known.name}")
            if errors := _content_errors(known, places[0]):
                raise DataError(
                    f"{archive} is not the {known.name} that is known: "
                    f"{list_errors(errors, what='files')}; remove it and fetch again"
                )
            places[0].rename(root)
    except OSError as error:
        raise ResourceError(f"cannot unpack {archive} to {root}: {error.strerror or error}") from error


def _content_errors(known: KnownDataset, root: Path) -> list[str]:
    recordings = {path.relative_to(root).as_posix(): path for path in root.glob(known.recordings)}
    if len(recordings) != known.n_files:
        return [f"{len(recordings)} recordings in {known.recordings} instead of {known.n_files}"]
    errors = []
    for name, wanted in known.tables:
        if not (root / name).is_file():
            errors.append(f"{name} is missing")
        elif (found := _hash(root / name, wanted)) != wanted:
            errors.append(f"{name} has {found} instead of {wanted}")
    if known.content_hash is not None:
        lines = (f"{pooch.file_hash(recordings[name], alg='md5')}  {name}\n" for name in sorted(recordings))
        if (found := hashlib.sha256("".join(lines).encode()).hexdigest()) != known.content_hash:
            errors.append(f"the recordings have the content hash {found} instead of {known.content_hash}")
    return errors


def _hash(file: Path, wanted: str) -> str:
    """Return a file's hash in the form of `wanted`: ``md5:...`` or ``sha256:...``."""
    kind = wanted.partition(":")[0]
    try:
        return f"{kind}:{pooch.file_hash(file, alg=kind)}"
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error


def _by_hand(known: KnownDataset, to: Path) -> str:
    archive = known.archive
    remark = f" ({archive.remark})" if archive.remark else ""
    return (
        f"open {archive.page} in a browser, download {' or '.join(archive.names)} "
        f"({archive.n_bytes / 1e6:.0f} MB){remark}, put it into {to} under this name, and fetch {known.name} again"
    )
