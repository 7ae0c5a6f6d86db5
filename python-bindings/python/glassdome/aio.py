"""The same for asyncio: nothing blocks the event loop, and no thread is used.

    from glassdome import aio

    key = await aio.get("aws/prod/key")

    async with aio.connect() as vault:
        key = await vault.get("aws/prod/key")

Requests of many tasks share one connection, and one that waits for a person holds up no other. A task that is
cancelled (also by `asyncio.timeout`) is not told of the answer any more, which is wiped; if a person was being asked,
the question is taken back as soon as no other task needs the connection.
"""

from __future__ import annotations

import asyncio
import os

from glassdome._line import Line
from glassdome._native import HANDLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable
    from datetime import datetime
    from types import TracebackType
    from typing import Any

    from glassdome import Info, Secret, Status
    from glassdome._native import Channel

__all__ = [
    "Vault", "connect",
    "delete", "get", "get_bytes", "get_many", "info", "list", "lock", "set", "status", "watch",
]  # fmt: skip

# A value of so many characters may need more than one message, and then has a connection of its own: if it is refused,
# the daemon closes that.
_LARGE = 60 * 1024 // 4


class Vault:
    """The daemon's secrets, by name, as `glassdome.Vault` has them, in coroutines. `aio.connect()` makes one.

    It belongs to the event loop that runs when it is used; one that is used in another loop, or after a fork, opens
    connections of its own there.
    """

    def __init__(self, socket: str | os.PathLike[str] | None = None, *, wait: float | None = None) -> None:
        self._socket = None if socket is None else os.fspath(socket)
        self._wait = wait
        # Those for new requests, and all that are not known to have ended: some have requests left, or are watched.
        self._lines: dict[bool, Line] = {}
        self._opened: _list[Line] = []
        self._closed = False

    async def get(self, name: str, *, field: str | None = None) -> str:
        """The value of a secret, or of one of its fields, as text. Python cannot wipe a str: `get_bytes` can be.

        Raises NotFoundError, DeniedError, LockedError, NoDaemonError, ThrottledError; UsageError for a value that is
        not UTF-8.
        """
        value: str = await self._ask(lambda channel: channel.get(name, field, True), values=True)
        return value

    async def get_bytes(self, name: str, *, field: str | None = None) -> Secret:
        """The value of a secret, or of one of its fields, up to 1 MiB, as a Secret: a buffer that can be wiped.

        Raises what `get` raises, but those errors about UTF-8.
        """
        value: Secret = await self._ask(lambda channel: channel.get(name, field, False), values=True)
        return value

    async def get_many(self, names: Iterable[str]) -> dict[str, str]:
        """The values of many secrets as text, by name: all of them, or none and an error.

        Raises what `get` raises.
        """
        if isinstance(names, str):
            raise TypeError("names is an iterable of names, and not one of them")
        wanted = [*names]
        if not wanted:
            return {}
        values: dict[str, str] = await self._ask(lambda channel: channel.get_many(wanted), values=True)
        return values

    async def set(
        self,
        name: str,
        value: str | bytes | bytearray | memoryview,
        *,
        field: str | None = None,
        expires: int | datetime | None = None,
        new: bool = False,
    ) -> int:
        """Stores a value, up to 1 MiB; the former version is kept. Gives the version that it became, counted from 1.

        `expires` and `new` are as in `glassdome.set`. After UnreachableError, or if the task was cancelled, it may
        have been stored.

        Raises DeniedError, LockedError, NoDaemonError, ThrottledError, StorageError, ConflictError; UsageError for
        what is too long or a time that has passed.
        """

        def start(channel: Channel) -> int:
            return channel.set(name, value, field, expires, new)

        if len(value) <= _LARGE:
            version: int = await self._ask(start)
            return version
        line = self._line_of_its_own()
        try:
            version = await self._ask(start, line=line)
        finally:
            line.close()
        return version

    async def delete(self, name: str) -> None:
        """Takes a secret away; its last versions are kept, and `ctl restore` brings them back.

        Raises NotFoundError, DeniedError, LockedError, NoDaemonError.
        """
        await self._ask(lambda channel: channel.delete(name))

    async def list(self, glob: str = "**") -> _list[str]:
        """The names that match, sorted, of those that this program may list.

        Raises DeniedError, LockedError, NoDaemonError; UsageError for what is no glob.
        """
        names: _list[str] = await self._ask(lambda channel: channel.list(glob))
        return names

    async def info(self, name: str) -> Info:
        """Everything about a secret but its value.

        Raises NotFoundError, DeniedError, LockedError, NoDaemonError.
        """
        info: Info = await self._ask(lambda channel: channel.info(name))
        return info

    async def status(self) -> Status:
        """The daemon's state. Needs no session.

        Raises NoDaemonError.
        """
        status: Status = await self._ask(lambda channel: channel.status())
        return status

    async def lock(self) -> None:
        """Locks: the key is wiped from the daemon's memory before this returns. Needs no session.

        Raises NoDaemonError.
        """
        await self._ask(lambda channel: channel.lock())

    async def watch(self) -> AsyncGenerator[Status, None]:
        """The daemon's state, now and whenever the session begins, is renewed, is about to end, or ends.

        Raises NoDaemonError, and UnreachableError when the daemon ends.
        """
        line = self._line_of_its_own()
        try:
            while True:
                yield await line.next_state()
        finally:
            line.close()

    async def close(self) -> None:
        """Closes the connections: whoever waits gets UnreachableError. What is asked after that is a UsageError."""
        self._close()

    def _close(self) -> None:
        self._closed = True
        for line in self._opened:
            _end(line)
        self._opened.clear()
        self._lines.clear()

    async def __aenter__(self) -> Vault:
        line = self._line(values=True)
        await self._ask(None, line=line)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _ask(
        self, start: Callable[[Channel], int] | None, *, values: bool = False, line: Line | None = None
    ) -> Any:
        line = line or self._line(values)
        request = line.request(start)
        try:
            return await request.future
        except asyncio.CancelledError:
            line.forget(request)
            raise

    def _line(self, values: bool) -> Line:
        by_handle = values and self._socket is None and HANDLE in os.environ
        loop = self._loop()
        line = self._lines.get(by_handle)
        if line is not None and line.pid != os.getpid():
            line.abandon()
        elif line is not None and line.loop is loop and line.is_good():
            return line
        elif line is not None and line.loop is not loop:
            if line.loop.is_running():
                raise RuntimeError("this vault is in use in another event loop: connect in each")
            line.close()
        line = self._lines[by_handle] = self._new_line(by_handle)
        return line

    def _line_of_its_own(self) -> Line:
        return self._new_line(False)

    def _new_line(self, by_handle: bool) -> Line:
        for ended in [line for line in self._opened if line.loop.is_closed()]:
            _end(ended)
        line = Line(self._loop(), self._socket, self._wait, by_handle)
        self._opened = [line, *(line for line in self._opened if not line.ended)]
        return line

    def _loop(self) -> asyncio.AbstractEventLoop:
        if self._closed:
            from glassdome.errors import UsageError

            raise UsageError("this vault was closed: connect again")
        return asyncio.get_running_loop()


def _end(line: Line) -> None:
    """Closes it, from whichever process or loop."""
    if line.pid != os.getpid():
        line.abandon()
        return
    if line.loop.is_running() and line.loop is not _running():
        try:
            line.loop.call_soon_threadsafe(line.close)
            return
        except RuntimeError:
            pass  # It was closed in between.
    line.close()


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


# `list` is a method of the class above.
_list = list

_vaults: dict[asyncio.AbstractEventLoop, Vault] = {}


def connect(socket: str | os.PathLike[str] | None = None, *, wait: float | None = None) -> Vault:
    """A vault: at `socket`, or where `GLASSDOME_SOCKET` and `XDG_RUNTIME_DIR` say. `async with` connects at once, and
    closes it; without, it connects when it is first asked.

    `wait` is for how many seconds (0 to 600) a person is asked where no rule fits; a minute if nothing is said, or
    what `GLASSDOME_WAIT` says. Values are asked for by the handle in `GLASSDOME_FD` if it is set and no socket is
    named.
    """
    return Vault(socket, wait=wait)


def _vault() -> Vault:
    """That of the running loop."""
    loop = asyncio.get_running_loop()
    vault = _vaults.get(loop)
    if vault is None:
        # Those of loops that ended go, and their connections with them.
        for other in [other for other in (*_vaults,) if other.is_closed()]:
            # Another thread may have been quicker.
            if (ended := _vaults.pop(other, None)) is not None:
                ended._close()
        vault = _vaults[loop] = Vault()
    return vault


async def get(name: str, *, field: str | None = None) -> str:
    """As `Vault.get`, over a connection of the running loop's own."""
    return await _vault().get(name, field=field)


async def get_bytes(name: str, *, field: str | None = None) -> Secret:
    """As `Vault.get_bytes`, over a connection of the running loop's own."""
    return await _vault().get_bytes(name, field=field)


async def get_many(names: Iterable[str]) -> dict[str, str]:
    """As `Vault.get_many`, over a connection of the running loop's own."""
    return await _vault().get_many(names)


async def set(
    name: str,
    value: str | bytes | bytearray | memoryview,
    *,
    field: str | None = None,
    expires: int | datetime | None = None,
    new: bool = False,
) -> int:
    """As `Vault.set`, over a connection of the running loop's own."""
    return await _vault().set(name, value, field=field, expires=expires, new=new)


async def delete(name: str) -> None:
    """As `Vault.delete`, over a connection of the running loop's own."""
    await _vault().delete(name)


async def list(glob: str = "**") -> _list[str]:
    """As `Vault.list`, over a connection of the running loop's own."""
    return await _vault().list(glob)


async def info(name: str) -> Info:
    """As `Vault.info`, over a connection of the running loop's own."""
    return await _vault().info(name)


async def status() -> Status:
    """As `Vault.status`, over a connection of the running loop's own."""
    return await _vault().status()


async def lock() -> None:
    """As `Vault.lock`, over a connection of the running loop's own."""
    await _vault().lock()


def watch() -> AsyncGenerator[Status, None]:
    """As `Vault.watch`."""
    return _vault().watch()
