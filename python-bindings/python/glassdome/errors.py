"""What can go wrong: one exception for each code, with the very line that `ctl` prints.

It is imported when the first one is raised.
"""

from __future__ import annotations


class Error(Exception):
    """Something was not done. str() of it is one line: what happened, and what helps.

    code: the name of the exit code that `ctl` would end with. exit_code: its number. retry_after: seconds after
    which another try makes sense, if the daemon said so.
    """

    code: str = "error"
    exit_code: int = 1
    retry_after: float | None

    def __init__(self, line: str, retry_after: float | None = None) -> None:
        super().__init__(line)
        self.retry_after = retry_after

    def __str__(self) -> str:
        # KeyError's would put it in quotes.
        return str(self.args[0])

    def __reduce__(self) -> tuple[type[Error], tuple[str, float | None]]:
        return type(self), (str(self), self.retry_after)


class UsageError(Error, ValueError):
    """What was asked makes no sense: a name that cannot be one, a value over its limit, text that is none."""

    code = "usage"
    exit_code = 2


class WeakPasswordError(UsageError):
    """A new master password is too easy to guess."""


class LockedError(Error):
    """No session is open."""

    code = "locked"
    exit_code = 3


class PausedError(LockedError):
    """A screen is locked, and what would allow it rests until it is unlocked."""


class NoVaultError(LockedError):
    """There is no vault yet."""


class DeniedError(Error):
    """No rule allows it and nobody said yes; the line says what would help."""

    code = "denied"
    exit_code = 4


class NotFoundError(Error, KeyError):
    """No such secret or field."""

    code = "not-found"
    exit_code = 5


class UnreachableError(Error):
    """The daemon hung up or did not answer in time: what would change something may have been done."""

    code = "unreachable"
    exit_code = 6


class NoDaemonError(UnreachableError):
    """No daemon runs."""


class UntrustedDaemonError(UnreachableError):
    """What listens on the socket is not this user's: nothing was sent."""


class WrongPasswordError(Error):
    """The password does not open the vault."""

    code = "wrong-password"
    exit_code = 7


class ThrottledError(Error):
    """Too many requests; retry_after says when the next makes sense."""

    code = "throttled"
    exit_code = 8


class ConflictError(Error):
    """It exists already, or changed meanwhile."""

    code = "conflict"
    exit_code = 9


class CorruptError(Error):
    """Something sealed fails its authentication."""

    code = "corrupt"
    exit_code = 10


class ProtocolError(Error):
    """This package and the daemon are of different versions; the line says which to upgrade."""

    code = "protocol"
    exit_code = 11


class StorageError(Error):
    """The disk refused: nothing was changed."""

    code = "storage"
    exit_code = 12


class NoInputError(Error):
    """Something is needed, and there is nothing to take it from."""

    code = "no-input"
    exit_code = 13
