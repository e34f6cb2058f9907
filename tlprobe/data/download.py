"""Download one file over HTTP so that an interrupted download goes on where it stopped.

What has come lies in NAME.part, and what names the server's version of it (its ETag or date) in NAME.part.tag;
the next attempt, of this process or a later one, asks for the rest of that version only.
"""

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
import urllib3

from tlprobe.bars import progress_bar
from tlprobe.errors import DataError, ResourceError
from tlprobe.files import write_atomic

if TYPE_CHECKING:
    from tqdm.auto import tqdm

__all__ = ["download", "part_size"]

_log = logging.getLogger(__name__)

_TRIES = 5  # without a new byte between them
_WAIT_S = 1.0  # before the second try; twice as long before each later one
_TIMEOUTS_S = (15.0, 60.0)  # for a connection; for the next bytes
_CHUNK = 1 << 18
_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)  # and all of 500 to 599: it may go better next time


class _Dropped(Exception):
    """The attempt failed, and the next one may not."""


@dataclass
class _Part:
    """What has come of a file."""

    path: Path

    @property
    def tag(self) -> Path:
        return self.path.with_name(f"{self.path.name}.tag")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def headers(self) -> dict[str, str]:
        """Return what to ask the server: the bytes as they are and, where a part has come, the rest."""
        headers = {"Accept-Encoding": "identity"}
        if self.size:
            headers["Range"] = f"bytes={self.size}-"
            with contextlib.suppress(OSError, UnicodeDecodeError):  # without one, the hash tells whether it fits
                headers["If-Range"] = self.tag.read_text(encoding="ascii")
        return headers

    def restart(self) -> None:
        self.path.unlink(missing_ok=True)
        self.tag.unlink(missing_ok=True)


def part_size(file: Path) -> int:
    """Return how many bytes of `file` an interrupted download has left."""
    return _part_of(file).size


def download(url: str, file: Path, *, max_bytes: int, progress: bool | None = None) -> Path:
    """Download `url`, on from where an earlier call stopped, and return where it lies.

    Parameters
    ----------
    url : str
    file : Path
        What it is for: the bytes go to its neighbour ``NAME.part``, which the caller checks and renames.
    max_bytes : int > 0
        More is not taken.
    progress : bool or None
        None shows a bar on a terminal and in a notebook only.

    Returns
    -------
    part : Path

    Raises
    ------
    DataError
        If the server cannot be reached or does not have the file. What has come is kept.
    ResourceError
        If the disk is full. What has come is kept.
    """
    part = _part_of(file)
    if part.size > max_bytes:
        part.restart()
    tries = 0
    most = part.size
    with (
        requests.Session() as session,
        progress_bar(
            desc=file.name,
            unit="B",
            unit_scale=True,
            initial=most,
            show=progress,
        ) as bar,
    ):
        while True:
            try:
                _attempt(session, url, part, bar, max_bytes)
            except _Dropped as dropped:
                tries = 1 if part.size > most else tries + 1
                most = max(most, part.size)
                if tries >= _TRIES:
                    raise DataError(f"{url} cannot be downloaded: {dropped}") from dropped
                wait_s = _WAIT_S * 2 ** (tries - 1)
                _log.warning("%s: %s; trying again in %.0f s, from byte %d", url, dropped, wait_s, part.size)
                time.sleep(wait_s)
            else:
                part.tag.unlink(missing_ok=True)
                return part.path


def _part_of(file: Path) -> _Part:
    return _Part(file.with_name(f"{file.name}.part"))


def _attempt(session: requests.Session, url: str, part: _Part, bar: "tqdm[Any]", max_bytes: int) -> None:
    """Bring the part to its end, or raise `_Dropped`."""
    try:
        response = session.get(url, headers=part.headers(), stream=True, timeout=_TIMEOUTS_S)
    except requests.RequestException as error:
        raise _Dropped(_reason(error)) from error
    with response:
        n_before = part.size
        code, total = response.status_code, _total(response)
        if code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and n_before:
            if total == n_before:
                return
            part.restart()
            raise _Dropped(f"the server has {total} bytes, {n_before} have come")
        if code in _LATER or code >= 500:
            raise _Dropped(f"HTTP {code} {response.reason}")
        if code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            raise DataError(f"{url} cannot be downloaded: HTTP {code} {response.reason}")
        if code == HTTPStatus.OK:  # from its begin: a server without ranges, or another version
            part.restart()
        elif _start(response) != n_before:
            part.restart()
            raise _Dropped(f"the server sent bytes from {_start(response)}, asked for were those from {n_before}")
        _keep_tag(response, part)
        bar.reset(total)
        bar.n = bar.initial = part.size  # so that the speed is that of this attempt
        _append(part, _pieces(response), bar, max_bytes, url)
        if total is not None and part.size != total:
            raise _Dropped(f"{part.size} of {total} bytes came")


def _append(part: _Part, pieces: Iterator[bytes], bar: "tqdm[Any]", max_bytes: int, url: str) -> None:
    n_bytes = part.size
    try:
        with part.path.open("ab") as file:
            for piece in pieces:
                n_bytes += len(piece)
                if n_bytes > max_bytes:
                    raise DataError(f"{url} sends more than {max_bytes} bytes; so much is not expected")
                file.write(piece)
                bar.update(len(piece))
    except OSError as error:  # of the disk: the network's are `_Dropped`
        raise ResourceError(f"cannot write {part.path}: {error.strerror or error}") from error


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """Yield the body as it came over the wire: requests would unpack a .tar.gz that a server calls gzip-encoded."""
    try:
        yield from response.raw.stream(_CHUNK, decode_content=False)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _Dropped(_reason(error)) from error


def _keep_tag(response: requests.Response, part: _Part) -> None:
    tag = response.headers.get("ETag", "")
    if tag.startswith("W/"):  # a weak one does not promise the same bytes
        tag = ""
    tag = tag or response.headers.get("Last-Modified", "")
    if tag and tag.isascii():
        write_atomic(part.tag, tag)


def _start(response: requests.Response) -> int | None:
    """Return the first byte that a 206 response carries, by its ``Content-Range: bytes 5-9/10``."""
    first = response.headers.get("Content-Range", "").removeprefix("bytes ").split("-")[0]
    return int(first) if first.isdigit() else None


def _total(response: requests.Response) -> int | None:
    """Return the size of the whole file, or None where the server does not tell it."""
    if response.status_code == HTTPStatus.OK:
        total = response.headers.get("Content-Length", "")
    else:
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
    return int(total) if total.isdigit() else None


def _reason(error: Exception) -> str:
    """Return an error's cause in few words: the innermost one says it, the outer ones repeat the address."""
    inner: BaseException = error
    while (cause := inner.__cause__ or inner.__context__) is not None:
        inner = cause
    return str(inner) or type(inner).__name__
