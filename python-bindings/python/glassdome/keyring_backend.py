"""Glassdome as a backend of ``keyring``, so that what already speaks ``keyring`` (pip, twine, …) works unchanged.

It stands aside where no daemon runs. Where one runs and the vault is locked, it says so, and lets nothing be looked
for or stored elsewhere: a password that silently went to another keyring would be in the wrong place for ever.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import TypeVar

import glassdome
from glassdome._native import HANDLE, LONGEST
from keyring.backend import KeyringBackend
from keyring.compat import properties
from keyring.credentials import Credential, SimpleCredential
from keyring.errors import KeyringError, KeyringLocked, PasswordDeleteError, PasswordSetError

from . import _keyring_name

_T = TypeVar("_T")
_PRIORITY = 9.0
_log = logging.getLogger(__name__)


class NotInTheVault(PasswordDeleteError, NotImplementedError):
    """There is no such password in the vault. A chain of keyrings goes on to the next one, as it does to look for it."""


class GlassdomeKeyring(KeyringBackend):
    """Passwords in the vault, as ``keyring/SERVICE/USER``.

    Errors: `keyring.errors.KeyringLocked` when the vault is locked; `PasswordSetError`, `PasswordDeleteError` and
    `KeyringError` with the line that `ctl` says, and the `glassdome.Error` as their cause.
    """

    # Whether a daemon was there for this process, once.
    _found = False

    @properties.classproperty
    def priority(cls) -> float:
        """Before those of the desktop (5 at most), and in a chain with them: what is not in the vault is looked for
        there. Nothing is started for it, and nobody asked.

        Errors: `RuntimeError`, as ``keyring`` wants it, where no daemon runs, and none ran before in this process: one
        that ended, and any other trouble, is told by what is asked for, and not passed over.
        """
        if GlassdomeKeyring._found:
            return _PRIORITY
        try:
            # A handle gives values also where there is no other way to the daemon.
            if HANDLE not in os.environ:
                glassdome.status()
        except glassdome.NoDaemonError as error:
            raise RuntimeError(str(error)) from error
        except glassdome.Error:
            pass
        GlassdomeKeyring._found = True
        return _PRIORITY

    def get_password(self, service: str, username: str) -> str | None:
        """The password, or None if there is none."""
        name = _keyring_name.name(service, username)
        if len(name.encode()) > LONGEST:
            # Nothing can have been stored there.
            return None
        try:
            return _told(KeyringError, lambda: glassdome.get(name))
        except glassdome.NotFoundError:
            return None

    def set_password(self, service: str, username: str, password: str) -> None:
        """Stores it, as the next version of the secret if there is one already."""
        _told(PasswordSetError, lambda: glassdome.set(_keyring_name.name(service, username), password))

    def delete_password(self, service: str, username: str) -> None:
        """Takes it away; its versions are kept, as by ``ctl rm``."""
        name = _keyring_name.name(service, username)
        if len(name.encode()) > LONGEST:
            raise NotInTheVault(f"a name of over {LONGEST} bytes is none of the vault's")
        try:
            _told(PasswordDeleteError, lambda: glassdome.delete(name))
        except glassdome.NotFoundError as error:
            raise NotInTheVault(str(error)) from error

    def get_credential(self, service: str, username: str | None) -> Credential | None:
        """User and password. Without a user: those of the only user of the service, or of the one without a name if
        there are several; to look for them takes a rule with the action ``list``."""
        if username is None:
            username = self._only_user(service)
        password = None if username is None else self.get_password(service, username)
        return None if username is None or password is None else SimpleCredential(username, password)

    def _only_user(self, service: str) -> str | None:
        under = _keyring_name.under(service)
        if len(under.encode()) >= LONGEST:
            return None
        names = _told(KeyringError, lambda: glassdome.list(under + "*"))
        users = [_keyring_name.user(name, service) for name in names]
        if len(users) == 1:
            return users[0]
        if "" in users:
            return ""
        if users:
            _log.warning("%d users of %s have a password in the vault: say which", len(users), service)
        return None


def _told(kind: type[KeyringError], ask: Callable[[], _T]) -> _T:
    """What is asked for. That it is not there goes through; all else is told in keyring's errors."""
    try:
        return ask()
    except glassdome.NotFoundError:
        raise
    except glassdome.LockedError as error:
        raise KeyringLocked(str(error)) from error
    except glassdome.Error as error:
        raise kind(str(error)) from error
