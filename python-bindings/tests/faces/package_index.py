"""An index of packages that wants to know a user and a password: what pip installs from and twine uploads to."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WHEEL = "tiny-1.0-py3-none-any.whl"


def wheel() -> bytes:
    """A package that holds nothing."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        info = "tiny-1.0.dist-info/"
        archive.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(info + "RECORD", f"{info}METADATA,,\n{info}WHEEL,,\n{info}RECORD,,\n")
        archive.writestr("tiny.py", "")
    return content.getvalue()


class Index(ThreadingHTTPServer):
    """Serves one package to one user."""

    def __init__(self, user: str, password: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.wheel = wheel()
        self.expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.uploads: list[bytes] = []
        self.strangers = 0

    @property
    def place(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        if not self.admitted():
            return
        if self.path.endswith(".whl"):
            self.answer(self.server.wheel)
        else:
            digest = hashlib.sha256(self.server.wheel).hexdigest()
            self.answer(f'<a href="/files/{WHEEL}#sha256={digest}">{WHEEL}</a>'.encode(), "text/html")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.admitted():
            self.server.uploads.append(body)
            self.answer(b"")

    def admitted(self) -> bool:
        if self.headers["Authorization"] == self.server.expected:
            return True
        self.server.strangers += 1
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="index"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def answer(self, body: bytes, kind: str = "application/octet-stream") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Not on the test's output."""


@contextmanager
def serving(user: str, password: str) -> Iterator[Index]:
    with Index(user, password) as index:
        threading.Thread(target=index.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield index
        finally:
            index.shutdown()
