"""pip and twine, as they are, find in the vault what an index wants to know."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import keyring
import package_index
import pytest
from package_index import Index


@pytest.fixture
def index() -> Iterator[Index]:
    with package_index.serving("deployer", "s3cret: pass%2Fword") as index:
        yield index


def script(name: str) -> Path:
    """Of this environment: a rule allows it."""
    return Path(sys.executable).with_name(name)


def run(program: str, *args: str, beside: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A script of this environment, with another directory in the path."""
    path = script(program)
    environment = {**os.environ, "PATH": f"{beside or path.parent}:{os.environ['PATH']}", "PIP_CONFIG_FILE": os.devnull}
    return subprocess.run([path, *args], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def download(index: Index, to: Path, provider: str, user: str = "") -> subprocess.CompletedProcess[str]:
    where = ["--no-deps", "--no-cache-dir", "--disable-pip-version-check", "--dest", str(to)]
    url = f"http://{user}{index.place}/simple/"
    # pip takes no `keyring` from its own environment here, but one that was installed for itself.
    tools = to / "tools"
    tools.mkdir(exist_ok=True)
    if not (tools / "keyring").exists():
        (tools / "keyring").symlink_to(script("keyring"))
    args = ["download", "--no-input", "--keyring-provider", provider, "--index-url", url]
    return run("pip", *args, *where, "tiny", beside=tools)


@pytest.mark.parametrize(("provider", "user"), [("import", ""), ("subprocess", "deployer@")])
def test_pip_downloads(index: Index, tmp_path: Path, provider: str, user: str) -> None:
    keyring.set_password(index.place, "deployer", "s3cret: pass%2Fword")
    done = download(index, tmp_path, provider, user)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / package_index.WHEEL).read_bytes() == index.wheel
    assert index.strangers > 0, "the index asked for nothing"


def test_twine_uploads(index: Index, tmp_path: Path) -> None:
    file = tmp_path / package_index.WHEEL
    file.write_bytes(index.wheel)
    upload = ["upload", "--non-interactive", "--disable-progress-bar"]
    url = f"http://{index.place}/legacy/"
    keyring.set_password(url, "deployer", "s3cret: pass%2Fword")
    done = run("twine", *upload, "--repository-url", url, str(file))
    assert done.returncode == 0, done.stderr + done.stdout
    assert index.wheel in index.uploads[0]


def test_pip_tells_what_helps_and_goes_on_without(index: Index, tmp_path: Path, locked: None) -> None:
    refused = download(index, tmp_path, "import")
    assert refused.returncode != 0
    told = "Keyring is skipped due to an exception: locked: you locked it. Unlock: glassdome_start"
    assert told in refused.stderr
