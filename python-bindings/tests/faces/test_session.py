"""What scripts of the predecessor's do, done with the daemon."""

from __future__ import annotations

import os
import subprocess
import sys

import glassdome
import pytest
from glassdome.core import get_session as of_package
from glassdome.core.session import GlassdomeSession, get_session, require_session
from conftest import unlock


@pytest.fixture(autouse=True)
def session() -> GlassdomeSession:
    get_session().logout()
    glassdome.set("predecessor/openai_api_key", "sk-imported")
    glassdome.set("proxmox_password", "as it is")
    glassdome.set("predecessor/proxmox_password", "imported")
    return get_session()


def test_an_old_script_goes_on() -> None:
    s = get_session()
    assert s is get_session() is of_package()
    assert not s.is_initialized() and not GlassdomeSession.is_initialized()
    assert s.initialize()
    assert s.initialize(use_cache=True, interactive=False) and s.initialize(None, True)
    assert s.is_initialized() and s.authenticated and s.authenticated_at is not None
    assert s.get_secret("openai_api_key") == "sk-imported"
    assert s.get_secret("proxmox_password") == "as it is"
    assert s.get_secret("no_such_key") is None
    assert require_session() is s
    s.logout()
    assert not s.is_initialized()
    # The vault is open for others, and for this one again.
    assert glassdome.status().state == "unlocked"
    assert s.refresh() and s.get_secret("openai_api_key") == "sk-imported"


def test_what_was_a_dictionary_is_looked_up(session: GlassdomeSession) -> None:
    assert session.secrets.get("openai_api_key") == "sk-imported"
    assert session.secrets.get("no_such_key") is None
    assert "openai_api_key" in session.secrets and "no_such_key" not in session.secrets
    assert {"openai_api_key", "proxmox_password"} <= {*session.secrets} == {*session.list_secrets()}
    assert len(session.secrets) == len(session.list_secrets())
    with pytest.raises(KeyError):
        session.secrets["no_such_key"]


def test_what_is_stored_is_found_where_it_was(session: GlassdomeSession) -> None:
    assert session.set_secret("openai_api_key", "sk-newer")
    assert glassdome.get("predecessor/openai_api_key") == "sk-newer"
    assert session.set_secret_via_manager("brand_new", "1") and glassdome.get("brand_new") == "1"
    assert not session.set_secret("brand_new", "") and glassdome.get("brand_new") == "1"
    # Under both names: no former value comes to light.
    assert session.delete_secret("proxmox_password") and not session.delete_secret("proxmox_password")
    assert session.get_secret("proxmox_password") is None
    assert session.delete_secret("openai_api_key") and not session.delete_secret("openai_api_key")


class Refusing:
    """A vault in which each name has its own answer; it remembers what it was asked."""

    def __init__(self, **answers: glassdome.Error | str) -> None:
        self.answers, self.asked = answers, list[str]()

    def get(self, name: str) -> str:
        self.asked.append(name)
        answer = self.answers[name.replace("/", "_")]
        if isinstance(answer, str):
            return answer
        raise answer

    def delete(self, name: str) -> None:
        self.get(name)

    def close(self) -> None:
        pass


@pytest.mark.parametrize("error", [glassdome.DeniedError("denied"), glassdome.ThrottledError("slow", 1.0)])
def test_a_refusal_never_leads_to_a_former_value(
    session: GlassdomeSession, monkeypatch: pytest.MonkeyPatch, error: glassdome.Error
) -> None:
    vault = Refusing(key=error, predecessor_key="revoked")
    monkeypatch.setattr(session, "_vault", vault)
    for ask in (session.get_secret, session.secrets.__getitem__):
        with pytest.raises(type(error)) as told:
            ask("key")
        assert told.value is error
    assert vault.asked == ["key", "key"]
    monkeypatch.setattr(session, "_vault", Refusing(key=glassdome.NotFoundError("no"), predecessor_key="older"))
    assert session.get_secret("key") == "older"


def test_a_refused_deletion_uncovers_nothing(
    session: GlassdomeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Refusing(key="there", predecessor_key=glassdome.DeniedError("denied"))
    monkeypatch.setattr(session, "_vault", vault)
    with pytest.raises(glassdome.DeniedError):
        session.delete_secret("key")
    assert vault.asked == ["predecessor/key"]
    gone = glassdome.NotFoundError("no")
    for imported, own, there in (("x", gone, True), (gone, "x", True), (gone, gone, False)):
        monkeypatch.setattr(session, "_vault", Refusing(key=own, predecessor_key=imported))
        assert session.delete_secret("key") is there


def test_a_password_is_refused_and_goes_nowhere(session: GlassdomeSession) -> None:
    with pytest.raises(glassdome.UsageError, match="takes no password any more.*Unlock: glassdome_start") as told:
        session.initialize(master_password="hunter2")  # type: ignore[arg-type]
    assert "hunter2" not in str(told.value)
    with pytest.raises(glassdome.UsageError):
        session.initialize("")  # type: ignore[arg-type]
    with pytest.raises(glassdome.UsageError, match="GlassdomeSettingsSource"):
        session.get_settings()


def test_locked_is_an_error_with_its_hint(session: GlassdomeSession, locked: None) -> None:
    for ask in (session.initialize, session.require_auth, session.list_secrets, require_session):
        with pytest.raises(glassdome.LockedError) as told:
            ask()
        assert str(told.value) == "locked: you locked it. Unlock: glassdome_start"
    with pytest.raises(glassdome.LockedError):
        session.get_secret("openai_api_key")
    assert not session.is_initialized()
    unlock()
    assert session.initialize() and session.get_secret("openai_api_key") == "sk-imported"


def test_many_names_below_the_prefix_are_not_too_many() -> None:
    """By one rule for both names of each, as the page has it."""
    for number in range(40):
        glassdome.set(f"predecessor/key_{number}", str(number))
    script = os.environ["OLD_SCRIPT"]
    ended = subprocess.run([sys.executable, script, *(f"key_{n}" for n in range(40))], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert ended.stderr == ""
    assert ended.stdout.split() == [str(number) for number in range(40)]
