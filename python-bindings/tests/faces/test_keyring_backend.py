"""Passwords of `keyring`'s in the vault: the tests of its own project, what it is told when the vault is locked or
gives nothing, and how it stands beside other keyrings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import glassdome
import keyring
import pytest
from conftest import Script, unlock
from glassdome.keyring_backend import GlassdomeKeyring, NotInTheVault
from keyring.backend import KeyringBackend
from keyring.backends.chainer import ChainerBackend
from keyring.errors import KeyringError, KeyringLocked, PasswordDeleteError, PasswordSetError
from keyring.testing.backend import BackendBasicTests


class TestOfKeyring(BackendBasicTests):  # type: ignore[misc, no-untyped-call]
    """The tests of the `keyring` project."""

    def init_keyring(self) -> GlassdomeKeyring:
        return GlassdomeKeyring()


def test_it_is_found_by_its_entry_point_and_is_what_keyring_uses() -> None:
    assert isinstance(keyring.get_keyring(), GlassdomeKeyring)
    keyring.set_password("found", "me", "pässword")
    assert glassdome.get("keyring/found/me") == "pässword"
    assert keyring.get_password("found", "me") == "pässword"


def test_without_a_user_it_is_the_only_one(caplog: pytest.LogCaptureFixture) -> None:
    ring = GlassdomeKeyring()
    ring.set_password("only", "a/b*", "1")
    glassdome.set("keyring/only/a/deeper", "no user's")
    credential = ring.get_credential("only", None)
    assert credential is not None
    assert (credential.username, credential.password) == ("a/b*", "1")
    ring.set_password("only", "second", "2")
    assert ring.get_credential("only", None) is None
    assert "2 users of only" in caplog.text
    with pytest.deprecated_call():
        ring.set_password("only", "", "3")
    credential = ring.get_credential("only", None)
    assert credential is not None
    assert (credential.username, credential.password) == ("", "3")


def test_what_is_too_long_is_not_there_and_not_stored() -> None:
    ring = GlassdomeKeyring()
    service = "s" * 500
    assert ring.get_password(service, "user") is None
    assert ring.get_credential("s" * 600, None) is None
    with pytest.raises(PasswordSetError, match="over the limit of 512 bytes"):
        ring.set_password(service, "user", "x")
    # A chain of keyrings goes on.
    with pytest.raises(NotInTheVault, match="over 512 bytes is none of the vault's"):
        ring.delete_password(service, "user")
    with pytest.raises(PasswordSetError):
        ring.set_password("long", "user", "x" * (2**20 + 1))


def test_locked_it_says_so_and_nothing_goes_elsewhere(locked: None) -> None:
    class Elsewhere(KeyringBackend):
        """A desktop's keyring."""

        priority = 5  # type: ignore[assignment]
        asked = False

        def get_password(self, service: str, username: str) -> str | None:
            Elsewhere.asked = True
            return "elsewhere"

        set_password = delete_password = get_password  # type: ignore[assignment]

    rings = [GlassdomeKeyring(), Elsewhere()]
    KeyringBackend._classes.discard(Elsewhere)

    class Chain(ChainerBackend):
        backends = sorted(rings, key=lambda ring: ring.priority, reverse=True)

    KeyringBackend._classes.discard(Chain)
    chain = Chain()
    for ask in (
        lambda: chain.get_password("found", "me"),
        lambda: chain.set_password("found", "me", "x"),
        lambda: chain.delete_password("found", "me"),
        lambda: chain.get_credential("found", None),
    ):
        with pytest.raises(KeyringLocked, match="locked: you locked it. Unlock: glassdome_start") as told:
            ask()
        assert isinstance(told.value.__cause__, glassdome.LockedError)
    assert not Elsewhere.asked
    unlock()
    assert chain.get_password("nowhere", "me") == "elsewhere"


CHAINED = """
import subprocess, sys
import glassdome, keyring.errors
from keyring.backend import KeyringBackend
from keyring.backends.chainer import ChainerBackend

class Desktop(KeyringBackend):
    priority = 5
    kept = {("old", "me"): "elsewhere", ("both", "me"): "theirs"}

    def get_password(self, service, username):
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self.kept[service, username] = password

    def delete_password(self, service, username):
        if (service, username) not in self.kept:
            raise keyring.errors.PasswordDeleteError("neither there")
        del self.kept[service, username]

chain = ChainerBackend()
print([type(ring).__name__ for ring in chain.backends if type(ring).__module__ in ("__main__", "glassdome.keyring_backend")])
chain.set_password("both", "me", "ours")
print(chain.get_password("old", "me"), chain.get_password("both", "me"))
for service in ("both", "old", "none"):
    try:
        chain.delete_password(service, "me")
        print(Desktop.kept)
    except keyring.errors.PasswordDeleteError as error:
        print(error)
subprocess.run(["ctl", "stop"], check=True, capture_output=True)
asks = [
    lambda: chain.get_password("both", "me"),
    lambda: chain.set_password("new", "me", "a password"),
    lambda: chain.delete_password("both", "me"),
    lambda: chain.get_credential("both", None),
]
for ask in asks:
    try:
        print("went on:", ask())
    except keyring.errors.KeyringError as error:
        print(type(error).__name__, isinstance(error.__cause__, glassdome.NoDaemonError))
print(Desktop.kept)
"""


def test_in_a_chain_a_daemon_that_ended_is_told_and_nothing_goes_elsewhere() -> None:
    script = Script("chained.py", CHAINED)
    script.allow("keyring/**")
    code, told, err = script.run()
    unlock()
    assert (code, err) == (0, "")
    assert told.splitlines() == [
        "['GlassdomeKeyring', 'Desktop']",
        "elsewhere ours",
        "{('old', 'me'): 'elsewhere', ('both', 'me'): 'theirs'}",
        "{('both', 'me'): 'theirs'}",
        "neither there",
        "KeyringError True",
        "PasswordSetError True",
        "PasswordDeleteError True",
        "KeyringError True",
        "{('both', 'me'): 'theirs'}",
    ]


def test_without_a_daemon_it_stands_aside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nobody = tmp_path / "nobody.sock"
    assert GlassdomeKeyring.viable
    line = "from glassdome.keyring_backend import GlassdomeKeyring as K\nprint(K.viable)\nK.priority"
    environment = {**os.environ, "GLASSDOME_SOCKET": str(nobody)}
    ended = subprocess.run([sys.executable, "-c", line], env=environment, capture_output=True, text=True)
    assert ended.stdout == "False\n"
    assert ended.stderr.splitlines()[-1] == f"RuntimeError: no daemon at {nobody}. Start it: glassdome_start"
    # Nothing was started for it.
    assert not nobody.exists()


def test_what_no_rule_allows_is_told(tmp_path: Path) -> None:
    line = "import keyring; keyring.get_password('found', 'me')"
    ended = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("keyring.errors.KeyringError: denied keyring/found/me: ")


def test_its_command_gets_sets_and_deletes() -> None:
    def command(*args: str, given: str = "") -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("keyring")
        return subprocess.run([program, *args], input=given, capture_output=True, text=True)

    assert command("set", "by hand", "me", given="pass word\n").returncode == 0
    assert glassdome.get("keyring/by%20hand/me") == "pass word"
    assert command("get", "by hand", "me").stdout == "pass word\n"
    assert command("get", "by hand", "nobody").returncode == 1
    assert command("del", "by hand", "me").returncode == 0
    with pytest.raises(glassdome.NotFoundError):
        glassdome.get("keyring/by%20hand/me")


def test_errors_are_keyrings_with_ours_as_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyringError) as told:
        monkeypatch.setenv("GLASSDOME_FD", "not a number")
        # With a handle that is none, no other way is taken.
        GlassdomeKeyring().get_password("found", "me")
    assert isinstance(told.value.__cause__, glassdome.UsageError)
    assert GlassdomeKeyring.priority == 9
