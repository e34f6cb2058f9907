"""A small data set, known as 'tiny', and a server of its archive, on this machine."""

import dataclasses
import hashlib
import http.server
import io
import re
import tarfile
import threading

from tlprobe.data.known import Archive, KnownDataset

N_FILES = 5
TABLE = b"filename,fold\n"
RECORDINGS = {f"audio/{i}.wav": bytes([i]) * 10 + hashlib.sha256(bytes([i])).digest() * 2000 for i in range(N_FILES)}


def make_archive(contents):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=0) as tar:
        for name, data in contents.items():
            info = tarfile.TarInfo(f"Set-master/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


DATA = make_archive({"meta/table.csv": TABLE, **RECORDINGS})


class Server(http.server.ThreadingHTTPServer):
    """Serves `body`; what it does wrong is set by a test."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = DATA
        self.etag = '"v1"'
        self.ranges = True
        self.status = None  # of each answer
        self.drops = []  # after so many bytes, one number an answer
        self.length = True
        self.encoding = None
        self.stalls = False  # keeps the connection after a drop
        self.closing = threading.Event()
        self.requests = []  # headers
        self.sent = []  # bytes, one number an answer

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/set.tar.gz"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        server = self.server
        server.requests.append(dict(self.headers))
        body, status, start = server.body, server.status or 200, 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and server.ranges and status == 200 and self.headers.get("If-Range") in (None, server.etag):
            start = int(asked[1])
            status = 206 if start < len(body) else 416
        self.send_response(status)
        if server.etag:
            self.send_header("ETag", server.etag)
        if server.encoding:
            self.send_header("Content-Encoding", server.encoding)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if status == 416:
            self.send_header("Content-Range", f"bytes */{len(body)}")
        rest = body[start:] if status in (200, 206) else b""
        if server.length or not rest:
            self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if server.drops:
            rest = rest[: server.drops.pop(0)]
        self.wfile.write(rest)
        server.sent.append(len(rest))
        if server.stalls:
            server.closing.wait(60)


def known(url, *, data=DATA, **changes):
    """Describe the data set; changes are of the description or of its archive."""
    archive = Archive(
        names=("set.tar.gz", "set-master.tar.gz"),
        url=url,
        page="https://example.org/set",
        hash=f"md5:{hashlib.md5(data).hexdigest()}",
        n_bytes=len(DATA),
        unpacked_bytes=400_000,
    )
    archive = dataclasses.replace(archive, **{k: changes.pop(k) for k in list(changes) if hasattr(archive, k)})
    dataset = KnownDataset(
        name="tiny",
        folder="tiny-1",
        layout="meta/table.csv beside audio/",
        marker="meta/table.csv",
        recordings="audio/*.wav",
        n_files=N_FILES,
        n_clips=N_FILES,
        n_classes=2,
        n_folds=5,
        sr=8000,
        licence="CC0",
        reference="none",
        archive=archive,
    )
    return dataclasses.replace(dataset, **changes)
