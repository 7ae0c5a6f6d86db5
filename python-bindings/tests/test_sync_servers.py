"""Workers of the servers that people have: gunicorn, which loads the application and forks, and uvicorn."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import by_password, wait_for

import glassdome

# The application asks while it is loaded, and for each request, over what it has and as the module does.
APPLICATIONS = """
import os, glassdome, glassdome.aio

assert glassdome.get("web/key") == "the key"
vault = glassdome.connect()

def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {glassdome.get('web/key')} {vault['web/key']}".encode()]

async def asgi(scope, receive, send):
    assert scope["type"] == "http"
    told = f"{os.getpid()} {await glassdome.aio.get('web/key')} {vault['web/key']}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(told))]})
    await send({"type": "http.response.body", "body": told})
"""


def allow(server: str) -> Path:
    """The script of this environment that starts it, with a rule."""
    script = Path(sys.executable).with_name(server)
    interpreter = os.path.realpath(sys.executable)
    by_password("policy", "allow", "--secrets", "web/*", "--script", str(script), "--exe", interpreter)
    return script


@contextmanager
def serving(tmp_path: Path, server: str, *words: str) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    (tmp_path / "web.py").write_text(APPLICATIONS)
    at = tmp_path / "s"
    with open(tmp_path / "said", "w") as said:
        process = subprocess.Popen([allow(server), *words], cwd=tmp_path, stdout=said, stderr=said, text=True)
    try:
        yield process, at
    finally:
        process.terminate()
        process.wait(20)


def asked(at: Path) -> int:
    """The process that served; 0 if it could not be asked."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        try:
            connection.connect(str(at))
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        except OSError:
            return 0
    head, _, told = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        return 0
    pid, rest = told.decode().split(" ", 1)
    assert rest == "the key the key"
    return int(pid)


@pytest.mark.parametrize("face", ["wsgi", "asgi"])
def test_gunicorn_forks_workers_that_serve(tmp_path: Path, face: str) -> None:
    glassdome.set("web/key", "the key")
    kind = ["--worker-class", "uvicorn_worker.UvicornWorker"] if face == "asgi" else []
    words = ["--preload", "--workers", "3", "--no-control-socket", "--bind", f"unix:{tmp_path}/s", *kind, f"web:{face}"]
    with serving(tmp_path, "gunicorn", *words) as (server, at):
        first = int(wait_for(lambda: asked(at)))  # type: ignore[call-overload]
        assert first != server.pid, "a worker serves"
        wait_for(lambda: asked(at) not in (0, first))
        # Another one is forked in its place by the server, which has connections of its own.
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{first}").exists())
        seen = {asked(at) for _ in range(30)} - {0}
        assert seen and first not in seen
    assert "Traceback" not in (tmp_path / "said").read_text(), "nothing was raised"


def test_uvicorn_serves(tmp_path: Path) -> None:
    glassdome.set("web/key", "the key")
    with serving(tmp_path, "uvicorn", "--uds", str(tmp_path / "s"), "web:asgi") as (server, at):
        assert wait_for(lambda: asked(at)) == server.pid


def test_workers_that_uvicorn_spawns_are_interpreters_without_a_script(tmp_path: Path) -> None:
    """As by `multiprocessing` with spawn: the rule about the script does not speak for them."""
    glassdome.set("web/key", "the key")
    with serving(tmp_path, "uvicorn", "--workers", "2", "--uds", str(tmp_path / "s"), "web:asgi"):
        wait_for(lambda: "DeniedError: denied web/key: " in (tmp_path / "said").read_text())
