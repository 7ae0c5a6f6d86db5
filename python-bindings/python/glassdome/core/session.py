"""The face of the predecessor, a Python program of the same name, over the daemon: its scripts go on, and the master
key that every program could take is not there any more.

``get_session()``, ``initialize()`` and ``get_secret(...)`` work as they did, but for this: no password is asked for or
taken, nothing is loaded ahead or kept, and what is locked or not allowed is an error that says what to do, where the
predecessor gave False, None or an older value.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TypeVar

import glassdome
from glassdome._native import HANDLE

# Where `ctl doctor --import` puts what the predecessor left.
IMPORTED = "predecessor/"

_T = TypeVar("_T")


class GlassdomeSession:
    """What `get_session` gives: one a process."""

    _instance: GlassdomeSession | None = None

    def __init__(self) -> None:
        self.authenticated_at: datetime | None = None
        self.secrets: Mapping[str, str] = _Secrets(self)
        self._vault: glassdome.Vault | None = None

    @classmethod
    def get_session(cls) -> GlassdomeSession:
        """The session of this process."""
        if cls._instance is None:
            cls._instance = cls()
        return cls._instance

    # What the predecessor's scripts call.

    def initialize(
        self, master_password: None = None, interactive: bool = True, use_cache: bool = True
    ) -> bool:
        """Makes sure that the vault is open. It gives True, asks nothing whatever ``interactive`` says, and there is
        no cache.

        Errors: `glassdome.LockedError`, `glassdome.NoDaemonError` and their like, with the line that helps;
        `glassdome.UsageError` if a password is given.
        """
        if master_password is not None:
            raise glassdome.UsageError(
                "initialize() takes no password any more: take it out of the program. Unlock: glassdome_start"
            )
        if not self._is_open():
            # The daemon's own words for why.
            self._connected().list(IMPORTED + "*")
        self.authenticated_at = datetime.now()
        return True

    @classmethod
    def is_initialized(cls) -> bool:
        """Whether `initialize` was called in this process, and the vault is open still."""
        return cls._instance is not None and cls._instance.authenticated

    @property
    def authenticated(self) -> bool:
        """As `is_initialized`."""
        try:
            return self.authenticated_at is not None and self._is_open()
        except glassdome.Error:
            return False

    def require_auth(self) -> None:
        """As `initialize`."""
        self.initialize()

    def get_secret(self, key: str) -> str | None:
        """The value of the secret ``key``, or, where there is none, of ``predecessor/key``, where ``ctl doctor
        --import`` put it; None if there is neither. Variables of the environment are not looked at.

        Errors: those of `glassdome.get`. Nobody is asked: what no rule allows is refused, and a refusal of ``key``
        never leads to ``predecessor/key``, which may be a former value.
        """
        return self._first(key, self._connected().get)

    def set_secret(self, key: str, value: str) -> bool:
        """Stores a value where `get_secret` finds it: under the name that is there already, or as ``key``. False, as
        ever, of an empty one, which is not stored.

        Errors: those of `glassdome.set`.
        """
        if not value:
            return False
        vault = self._connected()
        there = self._first(key, lambda name: vault.info(name).name)
        vault.set(there or key, value)
        return True

    set_secret_via_manager = set_secret

    def delete_secret(self, key: str) -> bool:
        """Takes it away under both names that `get_secret` looks at; whether there was either.

        Errors: those of `glassdome.delete`. What is refused ends it, and leaves nothing behind that `get_secret` did
        not give before.
        """
        vault = self._connected()
        there = False
        # The one that is looked at first goes last: it would uncover the other.
        for name in (IMPORTED + key, key):
            try:
                vault.delete(name)
                there = True
            except glassdome.NotFoundError:
                continue
        return there

    def list_secrets(self) -> list[str]:
        """The names that a rule with the action ``list`` shows to this program, those below ``predecessor/`` without
        it.

        Errors: those of `glassdome.list`.
        """
        return sorted({name.removeprefix(IMPORTED) for name in self._connected().list()})

    def refresh(self) -> bool:
        """As `initialize`."""
        return self.initialize()

    def logout(self) -> None:
        """Ends the use of the vault by this process. The vault stays open for others: `glassdome.lock` locks it."""
        vault, self._vault = self._vault, None
        self.authenticated_at = None
        if vault is not None:
            vault.close()

    clear = logout

    def get_settings(self) -> None:
        """There are none: they were the predecessor's own.

        Errors: `glassdome.UsageError`, always.
        """
        raise glassdome.UsageError(
            "the settings of the predecessor are gone with it. Secrets: get_secret(); "
            "a class of settings: glassdome.settings.GlassdomeSettingsSource"
        )

    # How.

    def _connected(self) -> glassdome.Vault:
        if self._vault is None:
            self._vault = glassdome.connect(wait=0)
        return self._vault

    def _is_open(self) -> bool:
        vault = self._connected()
        # A handle gives values and tells nothing, and where it is used there may be no way to the daemon but it.
        return HANDLE in os.environ or vault.status().state == "unlocked"

    def _first(self, key: str, ask: Callable[[str], _T]) -> _T | None:
        """What is asked of the name as it is, or, only where there is no such secret, of that below
        ``predecessor/``; None if there is neither."""
        for name in (key, IMPORTED + key):
            try:
                return ask(name)
            except glassdome.NotFoundError:
                continue
        return None


class _Secrets(Mapping[str, str]):
    """What was a dictionary of all values: each is asked for when it is looked up."""

    def __init__(self, session: GlassdomeSession) -> None:
        self._session = session

    def __getitem__(self, key: str) -> str:
        value = self._session.get_secret(key)
        if value is None:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._session.list_secrets())

    def __len__(self) -> int:
        return len(self._session.list_secrets())


def get_session() -> GlassdomeSession:
    """The session of this process."""
    return GlassdomeSession.get_session()


def require_session() -> GlassdomeSession:
    """The session of this process, once the vault is open. Errors: those of `GlassdomeSession.initialize`."""
    session = get_session()
    session.require_auth()
    return session
