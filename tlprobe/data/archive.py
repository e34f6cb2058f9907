"""Read the entries of a zip or tar archive from a stranger, front to back; nothing is written here.

Nothing in a header is believed: bytes are counted as they come, a tar must have its end mark, a checksum its bytes.
"""

import bz2
import contextlib
import gzip
import io
import lzma
import reprlib
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from tlprobe.errors import DataError

__all__ = ["RATIO_MAX", "SUFFIXES", "Entry", "declared_size", "quoted_name", "read_entries"]

RATIO_MAX = 1000
"""Bytes out for each byte in, at most. Only bombs come near it: the end of what deflate can do is 1032."""

_FREE_BYTES = 1_000_000  # may come out whatever the ratio: a short file of silence is packed tightly
_CHUNK = 1 << 16
_HEADER_MAX = 1 << 18  # bytes that tarfile may ask for at once: it reads a pax header, of any size, into memory
_TRAILER_MAX = 1 << 20  # bytes after a tar's end mark: tapes were written in whole blocks
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # zip flags: encrypted; strongly; with a hidden directory
_UTF8_NAME = 0x800  # zip flag

_quoted = reprlib.Repr()  # for names of any length
_quoted.maxstring = 80
quoted_name = _quoted.repr

# What the readers raise for wrong bytes. OSError too, for a failed checksum: nothing is written where it is caught.
_DAMAGE = (
    OSError,
    EOFError,
    RecursionError,  # headers of headers of headers
    OverflowError,
    ValueError,  # a size that is no number
    NotImplementedError,  # raised by zipfile, of a compression that it does not know
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
)


@dataclass(frozen=True)
class Entry:
    """One name in an archive; its bytes follow.

    Parameters
    ----------
    name : str
        As the archive has it, unchecked.
    problem : str or None
        Why it cannot be unpacked, to be put behind its name.
    is_folder : bool
    """

    name: str
    problem: str | None
    is_folder: bool


_Entries = Generator[Entry | bytes, None, None]


def read_entries(archive: Path) -> _Entries:
    """Yield each entry of an archive and, after it, the pieces of its content.

    Of an entry with a problem the next step is not defined: stop there.

    Raises
    ------
    DataError
        If the file is of another format (see `SUFFIXES`), damaged, cut, or packed as only bombs are.
    """
    name = archive.name.lower()
    read = next((read for suffixes, read in _READERS.items() if name.endswith(suffixes)), None)
    if read is None:
        raise DataError(f"{archive} is no archive that can be unpacked; choose from {', '.join(SUFFIXES)}")
    place = "at its begin"
    try:
        with _open(archive) as file:
            for item in read(file):
                if isinstance(item, Entry):
                    place = f"at or after {quoted_name(item.name)}"
                yield item
    except UnicodeDecodeError as error:
        raise DataError(f"{archive}: {quoted_name(str(error.object))} has a name that is not UTF-8") from error
    except _DAMAGE as error:
        raise DataError(f"{archive} is damaged or hostile, {place}: {error or type(error).__name__}") from error


def _open(archive: Path) -> io.BufferedReader:
    try:
        return archive.open("rb")
    except OSError as error:
        raise DataError(f"{archive} cannot be read: {error.strerror or error}") from error


def declared_size(archive: Path) -> int:
    """Return how many bytes an archive says it holds: a zip its list, a tar at least its own size; 0 if unreadable."""
    try:
        if archive.name.lower().endswith(".zip"):
            with zipfile.ZipFile(archive) as packed:
                return sum(info.file_size for info in packed.infolist())
        return archive.stat().st_size
    except _DAMAGE:
        return 0  # what is wrong is said when it is read


def _read_zip(file: io.BufferedReader) -> _Entries:
    with zipfile.ZipFile(file) as packed:
        for info in packed.infolist():
            yield Entry(info.orig_filename, _zip_problem(info), info.is_dir())
            if not info.is_dir():
                yield from _unzip(packed, info)


def _zip_problem(info: zipfile.ZipInfo) -> str | None:
    if not info.flag_bits & _UTF8_NAME:
        try:
            info.orig_filename.encode("cp437").decode()  # zipfile took each byte for a letter of old DOS
        except UnicodeDecodeError:
            return "has a name that is not UTF-8"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "is a link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a device or of another special kind"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # zipfile unpacks others without bound
        return f"is compressed by method {info.compress_type}; only stored and deflated ones are read"
    return None


def _unzip(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> Generator[bytes, None, None]:
    n_bytes = 0
    with packed.open(info) as member:
        while chunk := member.read(_CHUNK):
            n_bytes += len(chunk)
            _check_ratio(n_bytes, info.compress_size)
            yield chunk
    if n_bytes != info.file_size:
        raise EOFError(f"{n_bytes} bytes instead of {info.file_size}")


def _read_tar(
    file: io.BufferedReader, decompress: Callable[[io.BufferedReader], io.BufferedIOBase] | None = None
) -> _Entries:
    with contextlib.ExitStack() as stack:
        plain = file if decompress is None else stack.enter_context(decompress(file))
        stream = _Forward(plain, packed=None if decompress is None else file)
        tar = stack.enter_context(tarfile.open(fileobj=stream, mode="r:", encoding="utf-8", errors="surrogateescape"))
        while (info := tar.next()) is not None:
            yield Entry(info.name, _tar_problem(info), info.isdir())
            if (member := tar.extractfile(info)) is not None:
                with member:
                    while chunk := member.read(_CHUNK):
                        yield chunk
        if stream.last != bytes(tarfile.BLOCKSIZE):  # tarfile ends, silently, at any header that it cannot read
            raise EOFError("no end mark")
        stream.drain()


def _tar_problem(info: tarfile.TarInfo) -> str | None:
    if info.issym() or info.islnk():
        return "is a link"
    if info.isdir() or (info.isreg() and not info.issparse()):
        return None
    return "is a device or of another special kind"


class _Forward(io.RawIOBase):
    """A stream for tarfile that goes forward only, is counted, and gives little at a time."""

    def __init__(self, plain: io.BufferedIOBase, *, packed: io.BufferedReader | None) -> None:
        self._plain, self._packed = plain, packed
        self._position = 0
        self.last = b""  # what was read last

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _HEADER_MAX:
            raise EOFError(f"a header of {size} bytes")
        self.last = self._plain.read(size)
        self._position += len(self.last)
        if self._packed is not None:
            _check_ratio(self._position, self._packed.tell())
        return self.last

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or offset < self._position:
            raise EOFError("an entry that points back")
        while offset > self._position and self.read(min(_CHUNK, offset - self._position)):
            pass
        return self._position

    def drain(self) -> None:
        """Read on to the end of the file, where the checksum of it all is."""
        end = self._position + _TRAILER_MAX
        while self.read(_CHUNK):
            if self._position > end:
                raise EOFError(f"more than {_TRAILER_MAX} bytes after its end mark")


def _check_ratio(n_out: int, n_in: int) -> None:
    if n_out > _FREE_BYTES and n_out > RATIO_MAX * n_in:
        raise EOFError(f"{n_in} bytes became {n_out}, as in a bomb")


_READERS: dict[tuple[str, ...], Callable[[io.BufferedReader], _Entries]] = {
    (".zip",): _read_zip,
    (".tar.gz", ".tgz"): lambda file: _read_tar(file, lambda packed: gzip.GzipFile(fileobj=packed)),
    (".tar.bz2",): lambda file: _read_tar(file, bz2.BZ2File),
    (".tar.xz",): lambda file: _read_tar(file, lzma.LZMAFile),
    (".tar",): _read_tar,
}
SUFFIXES = tuple(suffix for suffixes in _READERS for suffix in suffixes)
"""What the name of an archive ends in."""
