"""Each exception that can be brought about, in the very words of `ctl`."""

import inspect
import os
import pickle
import re
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from conftest import Script, ctl, wait_for

import glassdome
from glassdome import errors

CLASSES = [found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, errors.Error)]


def same(error: glassdome.Error, *words: str) -> None:
    """The words of `ctl`, and its exit code."""
    said = ctl(*words, code=error.exit_code)
    assert said == f"ctl: {error}\n"


def test_no_such_secret(vault: glassdome.Vault) -> None:
    with pytest.raises(glassdome.NotFoundError) as raised:
        vault.get("none/such")
    same(raised.value, "get", "none/such")
    assert isinstance(raised.value, KeyError) and raised.value.code == "not-found"
    vault["is"] = "there"
    with pytest.raises(glassdome.NotFoundError) as raised:
        vault.get("is", field="none")
    same(raised.value, "get", "is", "--field", "none")
    with pytest.raises(glassdome.NotFoundError):
        vault.delete("none/such")


@pytest.mark.parametrize("name", ["", "/a", "a//b", "a\nb", "n" * 513])
def test_what_cannot_be_a_name(vault: glassdome.Vault, name: str) -> None:
    with pytest.raises(glassdome.UsageError) as raised:
        vault.get(name)
    same(raised.value, "get", name)
    assert isinstance(raised.value, ValueError) and raised.value.code == "usage"


def test_what_is_too_much(vault: glassdome.Vault) -> None:
    with pytest.raises(glassdome.UsageError, match="a value may have at most 1048576 bytes"):
        vault.set("large", bytes(1024 * 1024 + 1))
    with pytest.raises(glassdome.UsageError) as raised:
        vault.list("")
    same(raised.value, "list", "")
    for wait in (-1, 601, float("nan"), float("inf")):
        with pytest.raises(glassdome.UsageError, match="from 0 to 600"):
            glassdome.connect(wait=wait)


def test_locked(vault: glassdome.Vault) -> None:
    vault.lock()
    with pytest.raises(glassdome.LockedError) as raised:
        vault.get("a")
    same(raised.value, "get", "a")
    assert "glassdome_start" in str(raised.value) and raised.value.code == "locked"


def test_no_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLASSDOME_SOCKET", str(tmp_path / "none.sock"))
    for call in (lambda: glassdome.connect(), lambda: glassdome.connect(tmp_path / "none.sock")):
        with pytest.raises(glassdome.NoDaemonError) as raised:
            call()
        same(raised.value, "get", "a")
        assert raised.value.code == "unreachable"
    monkeypatch.setenv("GLASSDOME_SOCKET", "relative")
    with pytest.raises(glassdome.UsageError) as usage:
        glassdome.connect()
    same(usage.value, "get", "a")


def test_a_daemon_that_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(open_to_all / "s"))
        listening.listen()
        monkeypatch.setenv("GLASSDOME_SOCKET", str(open_to_all / "s"))
        with pytest.raises(glassdome.UntrustedDaemonError) as raised:
            glassdome.connect()
        same(raised.value, "get", "a")


def test_no_vault(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    places = {name: str(tmp_path) for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR")}
    daemon = subprocess.Popen(["glassdomed"], env={**os.environ, **places}, stderr=subprocess.DEVNULL)
    try:
        path = tmp_path / "glassdome/daemon.sock"
        wait_for(path.exists)
        with pytest.raises(glassdome.NoVaultError, match="glassdome_start") as raised:
            glassdome.connect(path).get("a")
        assert isinstance(raised.value, glassdome.LockedError) and raised.value.exit_code == 3
    finally:
        daemon.terminate()
        daemon.wait()


def test_refused_too_often() -> None:
    glassdome.set("often", "value")
    script = Script(
        "often.py",
        "import glassdome\n"
        "for _ in range(40):\n"
        "    try: glassdome.get('often')\n"
        "    except glassdome.DeniedError as denied: assert denied.exit_code == 4 and denied.code == 'denied'\n"
        "    except glassdome.ThrottledError as error:\n"
        "        print(error.retry_after, error.exit_code, error.code, error)\n"
        "        break\n",
    )
    code, out, err = script.run()
    assert code == 0 and re.match(r"[0-9.]+ 8 throttled .*", out), out + err


class Fake:
    """What is no daemon, and says so when it is connected to."""

    # A challenge, as the page of the protocol has it.
    CHALLENGE = bytes.fromhex("2300000001ac02303132333435363738396162636465666768696a6b6c6d6e6f707172737475" "76")

    def __init__(self, directory: Path, *, greets: bool) -> None:
        directory.chmod(0o700)
        self.path, self.greets, self.requests = directory / "s", greets, 0
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(self.path))
        self.listening.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            accepted, _ = self.listening.accept()
            with accepted:
                if not self.greets:
                    accepted.send(bytes(4))
                    continue
                ours, theirs = socket.socketpair()
                socket.send_fds(accepted, [self.CHALLENGE], [theirs.fileno()])
                theirs.close()
                with ours:
                    # A greeting and a request come in one write; it hangs up without a word.
                    self.requests += bool(ours.recv(65536))


def test_what_speaks_otherwise(tmp_path: Path) -> None:
    with pytest.raises(glassdome.ProtocolError) as raised:
        glassdome.connect(Fake(tmp_path, greets=False).path)
    assert (raised.value.exit_code, raised.value.code) == (11, "protocol")


def test_what_changes_something_is_sent_once(tmp_path: Path) -> None:
    fake = Fake(tmp_path, greets=True)
    for asked, call in (
        (1, lambda vault: vault.set("a", "b")),
        (1, lambda vault: vault.delete("a")),
        (1, lambda vault: vault.lock()),
        # The control: a connection that was idle, and what may be asked again is, once.
        (2, lambda vault: vault.get("a")),
    ):
        fake.requests = 0
        with pytest.raises(glassdome.UnreachableError) as raised:
            call(glassdome.connect(fake.path))
        assert fake.requests == asked and raised.value.exit_code == 6


@pytest.mark.parametrize("kind", CLASSES)
def test_errors_travel_between_processes(kind: type[glassdome.Error]) -> None:
    error = pickle.loads(pickle.dumps(kind("the line", 2.5)))
    assert type(error) is kind and str(error) == "the line" and error.retry_after == 2.5
    assert getattr(glassdome, kind.__name__) is kind and kind("line").retry_after is None
