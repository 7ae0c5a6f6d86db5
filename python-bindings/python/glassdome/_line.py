"""A connection in an event loop: it is read from and written to when the loop says so, and tells tasks what came.

Nothing here waits, or is a coroutine, but for the next of the daemon's states.
"""

from __future__ import annotations

import os
from collections import deque

from glassdome._native import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import Any

    from glassdome import Status

# Seconds: until a connection is open, between two tries where the daemon has no room for another, and between two looks
# for what is overdue.
_HANDSHAKE = 3.0
_RETRY = 0.01
_OVERDUE = 15.0


class Request:
    """What a task waits for."""

    __slots__ = ("future", "number", "start")

    def __init__(self, start: Callable[[Channel], int] | None, future: asyncio.Future[Any]) -> None:
        self.start = start
        self.future = future
        self.number: int | None = None


class Line:
    """A connection in its event loop. It opens by itself, and requests may be made at once."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, socket: str | None, wait: float | None, by_handle: bool
    ) -> None:
        self.loop = loop
        self.pid = os.getpid()
        self.ended = False
        # No new requests: a question to a person, which nobody waits for, ends with the connection.
        self.retired = False
        self._socket, self._wait, self._by_handle = socket, wait, by_handle
        self._channel: Channel | None = None
        self._watched = -1
        self._greeted = False
        self._sending = self._writing = False
        self._waiting: deque[Request] = deque()
        self._requests: dict[int, Request] = {}
        # Of what is watched: told in their order.
        self.states: deque[Status] = deque()
        self._state: asyncio.Future[None] | None = None
        self._watch: int | None = None
        self._failure: BaseException | None = None
        self._look: asyncio.TimerHandle | None = None
        self._deadline = loop.call_later(_HANDSHAKE, self._not_open_in_time)
        self._begin()

    # For whoever asks.

    def request(self, start: Callable[[Channel], int] | None) -> Request:
        """Sends it with the next round of the loop, with whatever else is asked until then; without anything to
        send, it is done when the daemon has greeted."""
        request = Request(start, self.loop.create_future())
        if self.ended:
            self._fail(request.future)
        elif self._greeted:
            self._begin_request(request)
        else:
            self._waiting.append(request)
        return request

    def forget(self, request: Request) -> None:
        """Nobody waits for it any more."""
        if self.ended or self.pid != os.getpid():
            return
        if request.number is None:
            if request in self._waiting:
                self._waiting.remove(request)
        elif self._requests.pop(request.number, None):
            self._open().forget(request.number)
        self._close_if_retired()

    def is_good(self) -> bool:
        """Whether new requests go here. A daemon that ended is seen before anything is said to it."""
        if self.ended or self.retired:
            return False
        if self._greeted and not self._requests and not self._open().is_open():
            self.close()
        return not self.ended

    async def next_state(self) -> Status:
        """The next of what is watched."""
        while not self.states:
            if self.ended:
                raise self._copied()
            if self._watch is None and self._state is None:
                self._watching()
            self._state = self.loop.create_future()
            await self._state
        return self.states.popleft()

    def close(self, failure: BaseException | None = None) -> None:
        """Ends it: whoever waits gets the failure."""
        if self.ended:
            return
        self.ended = True
        self._failure = failure
        self._deadline.cancel()
        if self._look is not None:
            self._look.cancel()
        if not self.loop.is_closed():
            self._unwatch()
        if self._channel is not None:
            self._channel.close()
        for request in [*self._waiting, *self._requests.values()]:
            self._fail(request.future)
        self._waiting.clear()
        self._requests.clear()
        if self._state is not None and not self._state.done() and not self.loop.is_closed():
            self._state.set_result(None)

    def abandon(self) -> None:
        """In a child after a fork: the loop's selector is the parent's too, and stays as it is."""
        self.ended = True
        if self._channel is not None:
            self._channel.close()

    # What the loop calls.

    def _begin(self) -> None:
        if self.ended:
            return
        try:
            self._channel = Channel.begin(self._socket, self._wait, self._by_handle)
        except Exception as failure:
            self.close(failure)
            return
        if self._channel is None:
            self.loop.call_later(_RETRY, self._begin)
        else:
            self._watch_for_input(self._advance)

    def _advance(self) -> None:
        channel = self._open()
        try:
            if not channel.advance():
                return
        except Exception as failure:
            self.close(failure)
            return
        self._deadline.cancel()
        self._unwatch()
        self._watch_for_input(self._receive)
        self._greeted = True
        while self._waiting:
            self._begin_request(self._waiting.popleft())
        # The daemon expects a greeting, whether or not something is asked.
        self._send_soon()

    def _begin_request(self, request: Request) -> None:
        if request.future.done():
            return
        if request.start is None:
            request.future.set_result(None)
            return
        try:
            request.number = request.start(self._open())
        except Exception as failure:
            request.future.set_exception(failure)
            return
        self._requests[request.number] = request
        if self._look is None:
            self._look = self.loop.call_later(_OVERDUE, self._look_for_overdue)
        self._send_soon()

    def _watching(self) -> None:
        def start(channel: Channel) -> int:
            self._watch = channel.watch()
            return self._watch

        request = self.request(start)
        # It ends with the connection, which is what `next_state` raises.
        request.future.add_done_callback(lambda future: future.cancelled() or future.exception())

    def _send_soon(self) -> None:
        if not self._sending and not self._writing:
            self._sending = True
            self.loop.call_soon(self._send)

    def _send(self) -> None:
        self._sending = False
        if self.ended:
            return
        told: list[tuple[int, bool, Any]] = []
        try:
            more = self._open().send(told)
        except Exception as failure:
            # The daemon may have said why it hung up.
            self._receive(failure)
            return
        if more and not self._writing:
            self.loop.add_writer(self._watched, self._send)
        elif self._writing and not more:
            self.loop.remove_writer(self._watched)
        self._writing = more
        self._tell(told)

    def _receive(self, failure: Exception | None = None) -> None:
        if self.ended:
            return
        told: list[tuple[int, bool, Any]] = []
        try:
            self._open().receive(told)
        except Exception as ended:
            failure = ended
        except BaseException:
            # Ctrl-C, while the logger was told of a question.
            self._tell(told)
            raise
        self._tell(told)
        if failure is not None:
            self.close(failure)
        elif self._requests:
            # What was answered made room for what waits.
            self._send_soon()

    def _look_for_overdue(self) -> None:
        self._look = None
        if self.ended:
            return
        told: list[tuple[int, bool, Any]] = []
        self._open().overdue(told)
        self._tell(told)
        if self._requests and not self.ended:
            self._look = self.loop.call_later(_OVERDUE, self._look_for_overdue)

    def _not_open_in_time(self) -> None:
        self.close(Channel.timed_out())

    # The rest.

    def _tell(self, told: list[tuple[int, bool, Any]]) -> None:
        for number, done, outcome in told:
            if number == self._watch and done:
                self.states.append(outcome)
                if self._state is not None and not self._state.done():
                    self._state.set_result(None)
                continue
            request = self._requests.pop(number, None)
            if number == self._watch:
                self.close(outcome)
            elif request is None or request.future.done():
                # Cancelled in this very round.
                if done and hasattr(outcome, "wipe"):
                    outcome.wipe()
            elif done:
                request.future.set_result(outcome)
            else:
                request.future.set_exception(outcome)
        self._close_if_retired()

    def _close_if_retired(self) -> None:
        if self.ended:
            return
        # Also if they are asked only now about what was forgotten before.
        self.retired = self.retired or (self._greeted and self._open().asks_for_nobody())
        if self.retired and not self._requests and not self._waiting:
            self.close()

    def _watch_for_input(self, call: Callable[[], None]) -> None:
        self._watched = self._open().fileno()
        self.loop.add_reader(self._watched, call)

    def _unwatch(self) -> None:
        if self._watched >= 0:
            self.loop.remove_reader(self._watched)
            if self._writing:
                self.loop.remove_writer(self._watched)
        self._watched, self._writing = -1, False

    def _open(self) -> Channel:
        assert self._channel is not None, "it was begun"
        return self._channel

    def _fail(self, future: asyncio.Future[Any]) -> None:
        # In a loop that was closed nobody waits any more, and nobody can be told.
        if not future.done() and not self.loop.is_closed():
            future.set_exception(self._copied())

    def _copied(self) -> BaseException:
        """The failure, for one of those who wait: each raises its own."""
        failure = self._failure
        if failure is None:
            return _closed()
        made: BaseException = type(failure)(*failure.args)
        made.__dict__.update(failure.__dict__)
        return made


def _closed() -> BaseException:
    from glassdome.errors import UnreachableError

    return UnreachableError("this vault was closed while the answer was on its way")
