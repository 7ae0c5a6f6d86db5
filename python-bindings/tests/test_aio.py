"""`glassdome.aio`: many tasks over one connection, and what may come between."""

import asyncio
import contextlib
import multiprocessing
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import Script, by_password, ctl, unlock, wait_for

import glassdome
from glassdome import aio

COUNT = 200


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    async def within() -> Any:
        return await asyncio.wait_for(main(), 60)

    return asyncio.run(within())


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def question(caplog: pytest.LogCaptureFixture) -> str:
    """The number of the question, once a person is asked."""

    def told() -> "re.Match[str] | None":
        return re.search(r"waiting for you: type 'ctl approve (\d+)'", caplog.text)

    end = time.monotonic() + 20
    while not (found := told()):
        assert time.monotonic() < end, "nobody is asked"
        await asyncio.sleep(0.01)
    return found[1]


def refuses() -> bool:
    """Whether nobody listens where the daemon did: a process that is killed closes one descriptor after the other."""
    with socket.socket(socket.AF_UNIX) as asking:
        return asking.connect_ex(f"{os.environ['XDG_RUNTIME_DIR']}/glassdome/daemon.sock") != 0


@pytest.fixture
def asked() -> Iterator[str]:
    """A secret about which a person is asked, whatever asks."""
    glassdome.set("aio/asked", "asked")
    glassdome.set("aio/free", "free")
    by_password("policy", "ask", "--secrets", "aio/asked", "--id", "aio-asks")
    yield "aio/asked"
    by_password("policy", "rm", "aio-asks")


def test_each_method() -> None:
    async def main() -> None:
        before = descriptors()
        async with aio.connect() as vault:
            assert await vault.set("aio/one", "first") == 1
            assert await vault.set("aio/one", b"f\xc3\xbcr \xff", field="raw") == 2
            assert await vault.get("aio/one") == "first"
            secret = await vault.get_bytes("aio/one", field="raw")
            with secret:
                assert bytes(secret) == b"f\xc3\xbcr \xff"
            await vault.set("aio/two", "second", expires=int(time.time()) + 1000)
            assert await vault.get_many(["aio/two", "aio/one"]) == {"aio/two": "second", "aio/one": "first"}
            assert await vault.get_many([]) == {}
            assert await vault.list("aio/*") == ["aio/one", "aio/two"]
            info = await vault.info("aio/two")
            assert (info.name, info.size, info.expires is not None) == ("aio/two", 6, True)
            assert (await vault.status()).state == "unlocked"
            await vault.delete("aio/two")
            with pytest.raises(glassdome.NotFoundError):
                await vault.get("aio/two")
            with pytest.raises(glassdome.UsageError, match="get_bytes"):
                await vault.get("aio/one", field="raw")
            with pytest.raises(glassdome.ConflictError):
                await vault.set("aio/one", "again", new=True)
            with pytest.raises(glassdome.UsageError):
                await vault.get("aio//one")
            with pytest.raises(TypeError):
                await vault.get_many("aio/one")
        with pytest.raises(glassdome.UsageError, match="closed"):
            await vault.get("aio/one")
        assert descriptors() == before
        assert await aio.get("aio/one") == "first"
        await aio.lock()
        with pytest.raises(glassdome.LockedError, match="glassdome_start"):
            await aio.get("aio/one")
        assert (await aio.status()).state == "locked"

    run(main)


def test_large_values_go_both_ways_beside_others() -> None:
    large = bytes(range(256)) * 4096

    async def main() -> None:
        async with aio.connect() as vault:
            await vault.set("aio/small", "small")
            stored = asyncio.gather(*(vault.set(f"aio/large{number}", large) for number in range(4)))
            assert await vault.get("aio/small") == "small"
            assert await stored == [1] * 4
            secrets = await asyncio.gather(*(vault.get_bytes(f"aio/large{number}") for number in range(4)))
            assert all(secret == large for secret in secrets)
            with pytest.raises(glassdome.UsageError):
                await vault.set("aio/too-large", large + b"x")

    run(main)


def test_two_hundred_at_once_over_one_connection_and_no_thread() -> None:
    for number in range(COUNT):
        glassdome.set(f"many/{number}", f"value {number}")

    async def main() -> None:
        async with aio.connect() as vault:
            await vault.status()
            before, threads = descriptors(), threading.active_count()
            getting = [asyncio.ensure_future(vault.get(f"many/{number}")) for number in range(COUNT)]
            while not any(task.done() for task in getting):
                await asyncio.sleep(0)
                assert (descriptors(), threading.active_count()) == (before, threads)
            assert await asyncio.gather(*getting) == [f"value {number}" for number in range(COUNT)]
            assert len(await vault.list("many/*")) == COUNT, "more than a page"
            assert len(await vault.get_many([f"many/{number}" for number in range(COUNT)])) == COUNT

    run(main)


def test_a_person_who_is_asked_holds_up_nobody(asked: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with aio.connect(wait=60) as vault:
            getting = asyncio.ensure_future(vault.get(asked))
            number = await question(caplog)
            assert await vault.get("aio/free") == "free"
            assert not getting.done()
            await asyncio.to_thread(by_password, "approve", number, "--yes")
            assert await getting == "asked"

    run(main)


def test_who_is_cancelled_leaves_no_question_and_a_vault_of_use(
    asked: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with aio.connect(wait=60) as vault:
            before = descriptors()
            getting = asyncio.ensure_future(vault.get(asked))
            number = await question(caplog)
            others = asyncio.gather(*(vault.get("aio/free") for _ in range(20)))
            await asyncio.sleep(0)
            getting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await getting
            assert await others == ["free"] * 20
            assert await vault.get("aio/free") == "free"
            assert descriptors() == before, "the connection with the question is gone"
            gone = lambda: number not in re.findall(r'"id":\s*(\d+)', by_password("approvals", "--json"))
            await asyncio.to_thread(wait_for, gone)

    run(main)


def test_who_is_cancelled_in_the_middle_leaves_the_connection_of_use() -> None:
    glassdome.set("aio/free", "free")

    async def main() -> None:
        async with aio.connect() as vault:
            for turns in range(6):
                tasks = [asyncio.ensure_future(vault.get("aio/free")) for _ in range(40)]
                for _ in range(turns):
                    await asyncio.sleep(0)
                for task in tasks[::2]:
                    task.cancel()
                done = await asyncio.gather(*tasks, return_exceptions=True)
                assert done[1::2] == ["free"] * 20
                assert all(value == "free" or isinstance(value, asyncio.CancelledError) for value in done)
            assert await vault.get("aio/free") == "free"

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout came with 3.11")
def test_a_timeout_ends_the_wait(asked: str) -> None:
    async def main() -> None:
        async with aio.connect(wait=60) as vault:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await vault.get(asked)
            assert (await vault.status()).state == "unlocked"

    run(main)


def test_a_daemon_that_ends_is_told_to_whoever_waits_and_the_next_one_found(
    asked: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with aio.connect(wait=60) as vault:
            getting = [asyncio.ensure_future(vault.get(asked)) for _ in range(3)]
            await question(caplog)
            os.kill((await vault.status()).pid, 9)
            ended = await asyncio.gather(*getting, return_exceptions=True)
            assert [type(error) for error in ended] == [glassdome.UnreachableError] * 3
            assert all("closed the connection" in str(error) for error in ended)
            await asyncio.to_thread(wait_for, refuses)
            with pytest.raises(glassdome.NoDaemonError, match="glassdome_start"):
                await vault.get("aio/free")
            await asyncio.to_thread(unlock)
            assert await vault.get("aio/free") == "free"
            # One that was idle meanwhile.
            await asyncio.to_thread(ctl, "stop")
            await asyncio.to_thread(unlock)
            assert await vault.get("aio/free") == "free"

    run(main)


def test_the_daemons_states_are_told_until_it_ends() -> None:
    async def main() -> None:
        await aio.status()
        before = descriptors()
        states: list[str] = []
        async with contextlib.aclosing(aio.watch()) as watching:
            async for status in watching:
                states.append(status.state)
                if len(states) == 1:
                    await aio.lock()
                elif len(states) == 2:
                    await asyncio.to_thread(unlock)
                else:
                    break
        assert states == ["unlocked", "locked", "unlocked"]
        assert descriptors() == before

        watching = aio.watch()
        assert (await watching.__anext__()).state == "unlocked"
        await asyncio.to_thread(ctl, "stop")
        with pytest.raises(glassdome.UnreachableError):
            while (await watching.__anext__()).state == "locked":
                pass

    run(main)


def test_without_a_daemon_it_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(glassdome.NoDaemonError, match="glassdome_start"):
            async with aio.connect(tmp_path / "glassdome" / "daemon.sock"):
                pass

    run(main)


def test_one_loop_after_the_other() -> None:
    glassdome.set("aio/free", "free")
    vault = aio.connect()
    before = descriptors()
    for _ in range(5):
        assert run(lambda: vault.get("aio/free")) == "free"
        assert run(lambda: aio.get("aio/free")) == "free"
    # Two a connection: of the vault, and of the last loop.
    assert descriptors() <= before + 4

    async def main() -> None:
        await vault.get("aio/free")
        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(lambda: asyncio.run(vault.get("aio/free")))
        assert await vault.get("aio/free") == "free"
        await vault.close()

    run(main)


def test_a_loop_that_was_closed_in_the_middle_hinders_no_other() -> None:
    glassdome.set("aio/free", "free")
    abandoned = asyncio.new_event_loop()

    async def ask_and_leave() -> None:
        for _ in range(3):
            abandoned.create_task(aio.get("aio/free"))
        await asyncio.sleep(0)

    abandoned.run_until_complete(ask_and_leave())
    abandoned.close()
    for _ in range(2):
        assert run(lambda: aio.get("aio/free")) == "free"


def test_loops_in_many_threads_come_and_go() -> None:
    glassdome.set("aio/free", "free")
    with ThreadPoolExecutor(8) as pool:
        told = pool.map(lambda _: asyncio.run(aio.get("aio/free")), range(200))
        assert [*told] == ["free"] * 200


def test_it_is_there_without_being_imported() -> None:
    line = "import glassdome, sys; assert 'asyncio' not in sys.modules; print(glassdome.aio.get.__name__)"
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("get\n", "")


PARENTS = aio.connect()


def in_child(answers: Any) -> None:
    answers.put(asyncio.run(PARENTS.get("aio/free")))


def test_a_child_after_a_fork_has_connections_of_its_own() -> None:
    glassdome.set("aio/free", "free")
    forking = multiprocessing.get_context("fork")
    answers = forking.SimpleQueue()
    run(lambda: PARENTS.get("aio/free"))
    child = forking.Process(target=in_child, args=(answers,))
    child.start()
    assert answers.get() == "free"
    child.join(30)
    assert child.exitcode == 0

    async def main() -> None:
        assert await PARENTS.get("aio/free") == "free"
        await PARENTS.close()

    run(main)


def test_a_vault_that_is_closed_ends_what_is_watched_and_what_waits_for_a_person(
    asked: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        vault = aio.connect(wait=60)
        states = vault.watch()
        assert (await anext(states)).state == "unlocked"
        next_state = asyncio.ensure_future(anext(states))
        # Given up: its connection takes no new requests, but waits for the other that a person is asked about.
        waiting = [asyncio.ensure_future(vault.get(asked)) for _ in range(2)]
        await question(caplog)
        waiting[0].cancel()
        assert await vault.get("aio/free") == "free"
        await vault.close()
        for over in (next_state, waiting[1]):
            with pytest.raises(glassdome.UnreachableError):
                await asyncio.wait_for(over, 10)

    glassdome.set("aio/free", "free")
    run(main)


def test_loops_that_ended_keep_no_connection_of_what_was_watched() -> None:
    vault = aio.connect()

    async def main() -> None:
        assert (await anext(vault.watch())).state == "unlocked"

    def watched_in_a_loop_of_its_own() -> int:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
        loop.close()
        return descriptors()

    first = watched_in_a_loop_of_its_own()
    assert [watched_in_a_loop_of_its_own() for _ in range(5)] == [first] * 5
    run(vault.close)


def test_by_a_handle() -> None:
    glassdome.set("aio/granted", "granted")
    glassdome.set("aio/free", "free")
    script = Script(
        "aio_by_handle.py",
        "import asyncio, glassdome\n"
        "from glassdome import aio\n"
        "async def main():\n"
        "    async with aio.connect() as vault:\n"
        "        values = await asyncio.gather(*(vault.get('aio/granted') for _ in range(50)))\n"
        "        print(values == ['granted'] * 50)\n"
        "        try: await vault.get('aio/free')\n"
        "        except glassdome.DeniedError: print('denied')\n"
        "asyncio.run(main())\n",
    )
    told = ctl("run", "--grant", "aio/granted", "--", sys.executable, str(script.path))
    assert told.splitlines() == ["True", "denied"]


def test_under_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")
    glassdome.set("aio/free", "free")

    async def main() -> None:
        async with aio.connect() as vault:
            assert await asyncio.gather(*(vault.get("aio/free") for _ in range(COUNT))) == ["free"] * COUNT

    with contextlib.closing(uvloop.new_event_loop()) as loop:
        loop.run_until_complete(asyncio.wait_for(main(), 60))
