"""`glassdome.environ`, which puts nothing into the environment, and `glassdome.inject`, which does for a while."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import glassdome
import pytest
from shown import locals_shown


@pytest.fixture(autouse=True)
def secrets() -> None:
    for name, value in {"team/dev/DATABASE_URL": "postgres://db", "team/dev/KEY": "k-1234", "TOP": "top"}.items():
        glassdome.set(name, value)
    glassdome.set("team/db", "main")
    glassdome.set("team/db", "pw", field="password")
    glassdome.set("a#b", "hash")


def test_variables_are_secrets_below_a_prefix() -> None:
    assert glassdome.environ["TOP"] == "top"
    dev = glassdome.environ(prefix="team/dev")
    assert dev["DATABASE_URL"] == "postgres://db"
    assert dict(dev) == dict(glassdome.environ(prefix="team/dev/")) == {"DATABASE_URL": "postgres://db", "KEY": "k-1234"}
    assert len(dev) == 2
    assert "KEY" in dev and "NO" not in dev
    assert dev.get("NO", "default") == "default"
    with pytest.raises(KeyError) as told:
        dev["NO"]
    assert isinstance(told.value, glassdome.NotFoundError)
    # Names that none can have stand for nothing.
    for name in ("", "A\nB", "\udcff", "/", "/A", "A/", "A//B", "A" * 513):
        assert glassdome.environ.get(name, "default") == "default" and name not in glassdome.environ
    glassdome.set("é" * 256, "long")
    assert glassdome.environ["e\u0301" * 256] == "long" and "e\u0301" * 257 not in glassdome.environ
    assert "A" * 512 not in glassdome.environ and "A" * 505 not in dev
    # Looked up each time, and kept nowhere.
    glassdome.set("team/dev/KEY", "newer")
    assert dev["KEY"] == "newer"
    assert "KEY" not in os.environ
    assert "k-1234" not in repr(dev) and "newer" not in repr(dev)


def test_variables_are_what_a_mapping_says() -> None:
    named = glassdome.environ({"URL": "db", "PASSWORD": "db#password", "HASH": "../a#b#"[3:]}, prefix="team")
    assert (named["URL"], named["PASSWORD"]) == ("main", "pw")
    assert list(named) == ["URL", "PASSWORD", "HASH"] and len(named) == 3
    assert glassdome.environ({"HASH": "a#b#"})["HASH"] == "hash"
    assert "OTHER" not in named
    with pytest.raises(KeyError):
        named["team/db"]


def test_a_locked_vault_is_no_missing_variable(locked: None) -> None:
    with pytest.raises(glassdome.LockedError):
        glassdome.environ.get("TOP", "default")
    with pytest.raises(glassdome.LockedError):
        "TOP" in glassdome.environ  # noqa: B015
    before = dict(os.environ)
    with pytest.raises(glassdome.LockedError), glassdome.inject(A="TOP"):
        pass
    assert os.environ == before


def test_injected_while_the_block_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", "before")
    monkeypatch.delenv("PGPASSWORD", raising=False)
    before = dict(os.environ)
    with glassdome.inject({"with-dash": "TOP"}, HERE="TOP", PGPASSWORD="team/db#password", HASH="a#b#"):
        assert (os.environ["HERE"], os.environ["PGPASSWORD"], os.environ["HASH"]) == ("top", "pw", "hash")
        seen = subprocess.run([sys.executable, "-c", "import os; print(os.environ['with-dash'])"], stdout=subprocess.PIPE)
        assert seen.stdout == b"top\n"
        # What the block does to them itself is undone, too.
        del os.environ["HERE"]
        os.environ["PGPASSWORD"] = "other"
    assert os.environ == before
    with pytest.raises(ZeroDivisionError), glassdome.inject(HERE="TOP"):
        1 / 0  # noqa: B018
    assert os.environ == before


def test_one_object_can_be_entered_again() -> None:
    before = dict(os.environ)
    block = glassdome.inject(VARIABLE="TOP")
    with block:
        glassdome.set("TOP", "newer")
        with block:
            assert os.environ["VARIABLE"] == "newer"
        assert os.environ["VARIABLE"] == "top"
    assert os.environ == before
    with block:
        assert os.environ["VARIABLE"] == "newer"
    assert os.environ == before


def test_bytes_are_those_of_the_secret() -> None:
    glassdome.set("umlaut", "pässwörd 🔑")
    with glassdome.inject(UMLAUT="umlaut"):
        assert os.environb[b"UMLAUT"] == "pässwörd 🔑".encode()


def test_an_interrupted_beginning_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(os.environ)
    update = type(os.environb).update

    def interrupted(environment: object, values: dict[bytes, bytes]) -> None:
        update(os.environb, {b"FIRST": values[b"FIRST"]})
        raise KeyboardInterrupt

    monkeypatch.setattr(type(os.environb), "update", interrupted)
    with pytest.raises(KeyboardInterrupt), glassdome.inject(FIRST="TOP", SECOND="TOP"):
        pass
    assert os.environ == before


def test_all_or_nothing_is_injected() -> None:
    glassdome.set("zero", "a\0b")
    glassdome.set("binary", b"\xff")
    before = dict(os.environ)
    for second, error, said in [
        ("zero", glassdome.UsageError, "SECOND: a value with a zero byte fits no variable"),
        ("missing", glassdome.NotFoundError, "missing"),
        ("binary", glassdome.UsageError, "get_bytes"),
        ("team/db#missing", glassdome.NotFoundError, "missing"),
    ]:
        with pytest.raises(error, match=said) as told, glassdome.inject(FIRST="TOP", SECOND=second):
            pass
        assert os.environ == before
        assert "'top'" not in locals_shown(told.value)
    for name in ("", "A=B", "A\0"):
        with pytest.raises(glassdome.UsageError, match="a variable has a name"):
            glassdome.inject({name: "TOP"})
