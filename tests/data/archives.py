"""Archives made in memory, entry by entry, and the limits they are unpacked within."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

LIMITS = {"max_bytes": 10_000, "max_files": 10}


def tar_bytes(entries, *, end=True):
    """Pack (TarInfo or name, bytes) pairs; without its end, the two blocks of zeros and the padding are missing."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in entries:
            if not isinstance(info, tarfile.TarInfo):
                info = tarfile.TarInfo(info)
            if data:
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        length = tar.offset
    return out.getvalue() if end else out.getvalue()[:length]


def zip_bytes(entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for info, data in entries:
            packed.writestr(info, data)
    return out.getvalue()


def pack(kind, entries):
    if kind == "zip":
        return zip_bytes(entries)
    squeeze = {"tar": bytes, "tar.bz2": bz2.compress, "tar.xz": lzma.compress}.get(kind, gzip.compress)
    return squeeze(tar_bytes(entries))


def tar_entry(name, **fields):
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def zip_entry(name, mode):
    info = zipfile.ZipInfo(name)
    info.create_system = 3  # Unix: the mode counts
    info.external_attr = mode << 16
    return info
