"""A home with an open vault is there already, and a rule that lets this process do anything with all secrets: what is
made here is made by the programs that people have."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import glassdome

PASSWORD = os.environ["GLASSDOME_TEST_PASSWORD"]


def ctl(*words: str, stdin: str = "", code: int = 0) -> str:
    """Runs `ctl`; what it printed, or said if it was to fail."""
    done = subprocess.run(["ctl", *words], input=stdin, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    return done.stderr if code else done.stdout


def by_password(*words: str) -> str:
    """What takes the master password, typed by the person."""
    return ctl(*words, "--password-stdin", stdin=PASSWORD + "\n")


def unlock() -> None:
    """Starts the daemon if none runs, and opens a session if none is open."""
    typed = {"input": PASSWORD + "\n", "capture_output": True, "text": True, "timeout": 60}
    done = subprocess.run(["glassdome_start", "--password-stdin"], **typed)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr


def wait_for(happened: Callable[[], object], seconds: float = 20) -> object:
    """Waits until something is there, and gives it."""
    end = time.monotonic() + seconds
    while not (there := happened()):
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.02)
    return there


class Script:
    """A Python program of the person's, in the home directory."""

    def __init__(self, name: str, text: str) -> None:
        self.path = Path.home() / name
        self.write(text)

    def write(self, text: str) -> None:
        self.path.write_text(text)

    def allow(self, secrets: str = "**", actions: str = "get,list,set,remove") -> None:
        words = ["--secrets", secrets, "--actions", actions, "--script", str(self.path)]
        by_password("policy", "allow", *words, "--exe", os.path.realpath(sys.executable))

    def start(self, *words: str, **variables: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, str(self.path), *words],
            env={**os.environ, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, **variables: str) -> "tuple[int, str, str]":
        """Its exit code, and what it printed and said."""
        with self.start(*words, **variables) as process:
            out, err = process.communicate(timeout=60)
        return process.returncode, out, err


@pytest.fixture(autouse=True)
def open_session() -> Iterator[None]:
    """Each test begins with an open session, whatever the one before it did."""
    unlock()
    yield


@pytest.fixture
def locked() -> None:
    """The vault is locked, until `unlock`."""
    glassdome.lock()


@pytest.fixture
def vault() -> Iterator[glassdome.Vault]:
    with glassdome.connect() as vault:
        yield vault
