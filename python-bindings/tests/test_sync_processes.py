"""Threads, forks, multiprocessing; a daemon that comes and goes; Ctrl-C while it is waited for."""

import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import Script, by_password, ctl, unlock, wait_for

import glassdome


def test_threads_share_a_vault(vault: glassdome.Vault) -> None:
    names = [f"thread/{i}" for i in range(16)]
    for name in names:
        vault[name] = name * 100

    def ask(name: str) -> bool:
        return all(face.get(name) == name * 100 for _ in range(40) for face in (vault, glassdome))

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, names))


def test_other_threads_run_while_one_waits(vault: glassdome.Vault) -> None:
    watch = vault.watch()
    assert next(watch).state == "unlocked"
    told: list[glassdome.Status] = []
    refused: list[RuntimeError] = []

    def wait() -> None:
        try:
            told.append(next(watch))
        except RuntimeError as error:
            refused.append(error)

    threads = [threading.Thread(target=wait) for _ in range(2)]
    for thread in threads:
        thread.start()
    # Nobody tells the first of them anything: if it kept the interpreter to itself, nothing would come of the other.
    wait_for(lambda: refused)
    counted = 0
    while counted < 200_000:
        counted += 1
    assert [str(error) for error in refused] == ["another thread waits for the next state"] and not told
    vault.lock()
    for thread in threads:
        thread.join(20)
    assert [status.state for status in told] == ["locked"] and len(refused) == 1


def test_a_watch_tells_each_change(vault: glassdome.Vault) -> None:
    states = []
    for status in vault.watch():
        states.append(status.state)
        if len(states) == 1:
            ctl("lock")
        elif len(states) == 2:
            unlock()
        else:
            break
    assert states == ["unlocked", "locked", "unlocked"]


def test_a_watch_ends_with_the_daemon(vault: glassdome.Vault) -> None:
    watch = vault.watch()
    next(watch)
    ctl("stop")
    with pytest.raises(glassdome.UnreachableError):
        for _ in watch:
            pass
    assert list(watch) == []


def test_a_daemon_that_was_started_anew(vault: glassdome.Vault) -> None:
    vault["anew"] = "1"
    for change in (lambda: vault.get("anew"), lambda: vault.set("anew", "1"), lambda: glassdome.list()):
        ctl("stop")
        with pytest.raises(glassdome.NoDaemonError):
            change()
        unlock()
        change()
        ctl("stop")
        unlock()
        change()


FORK = """
import os, sys, glassdome

def sockets():
    links = (os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if int(fd) > 2 and os.path.exists(f"/proc/self/fd/{fd}"))
    return {link for link in links if link.startswith("socket:")}

vault = glassdome.connect()
watch = vault.watch()
assert vault["fork"] == glassdome.get("fork") == "value" and next(watch).state == "unlocked"
parents = sockets()
for _ in range(3):
    child = os.fork()
    if child == 0:
        assert vault["fork"] == glassdome.get("fork") == "value" and next(watch).state == "unlocked"
        assert not sockets() & parents, "the parent's connections are closed here"
        assert vault.set("fork", "value") > 0
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert vault["fork"] == glassdome.get("fork") == "value" and sockets() == parents
"""


def test_after_a_fork_each_has_its_own() -> None:
    glassdome.set("fork", "value")
    script = Script("fork.py", FORK)
    script.allow()
    assert script.run() == (0, "", "")


CLOSED_BY_THE_CHILD = """
import asyncio, gc, os, sys, glassdome
from glassdome import aio

vault, later = glassdome.connect(), aio.connect()
watch = vault.watch()
assert vault["fork"] == glassdome.get("fork") == "value" and next(watch).state == "unlocked"
loop = asyncio.new_event_loop()
assert loop.run_until_complete(later.get("fork")) == "value"
child = os.fork()
if child == 0:
    # As daemons do, which then open what they need.
    os.closerange(3, 256)
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(100)]
    if sys.argv[1] == "asks":
        assert vault["fork"] == glassdome.get("fork") == "value" and next(watch).state == "unlocked"
        assert asyncio.run(later.get("fork")) == "value"
    else:
        vault.close(), watch.close(), asyncio.run(later.close())
        del vault, watch, later
        gc.collect()
    assert {os.readlink(f"/proc/self/fd/{file}") for file in files} == {os.devnull}
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert vault["fork"] == glassdome.get("fork") == loop.run_until_complete(later.get("fork")) == "value"
"""


@pytest.mark.parametrize("what", ["asks", "lets go"])
def test_what_a_child_opened_by_the_number_of_a_connection_is_left_alone(what: str) -> None:
    glassdome.set("fork", "value")
    script = Script(f"closes-{what.split()[0]}.py", CLOSED_BY_THE_CHILD)
    script.allow()
    assert script.run(what) == (0, "", "")


FORKED_IN_THE_MIDDLE = """
import os, signal, sys, glassdome

child = None

def fork(*_):
    global child
    child = os.fork()

signal.signal(signal.SIGUSR1, fork)
vault = glassdome.connect(wait=60)
watch = vault.watch()
next(watch)
calls = {"watch": lambda: next(watch).state, "set": lambda: vault.set("asked", "newer"), "get": lambda: vault["asked"]}
print("waits", flush=True)
try:
    told = calls[sys.argv[1]]()
except glassdome.Error as error:
    told = error
print("child" if child == 0 else "parent", told, flush=True)
assert vault.status().state
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("what", ["watch", "set", "get"])
def test_a_signal_handler_forks_in_the_middle_of_a_call(what: str) -> None:
    """The child never takes what its parent waits for: the parent is answered."""
    glassdome.set("asked", "value")
    script = Script(f"forks-{what}.py", FORKED_IN_THE_MIDDLE)
    with script.start(what) as process:
        assert process.stdout and process.stderr and process.stdout.readline() == "waits\n"

        def question() -> str:
            assert process.stderr
            line = process.stderr.readline()
            asked = re.match(r"waiting for you: type 'ctl approve (\d+)'", line)
            assert asked, line
            return asked[1]

        first = question() if what != "watch" else ""
        # It has told of the question, and waits: a logger's lock is no place to fork in.
        stat = Path(f"/proc/{process.pid}/stat")
        wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "S")
        process.send_signal(signal.SIGUSR1)
        if what == "watch":
            assert process.stdout.readline() == "child unlocked\n"
            ctl("lock")
            assert process.stdout.readline() == "parent locked\n"
        elif what == "get":
            # What only reads is asked anew, when the question of the same program is answered; a yes to one of them is
            # none to the other.
            by_password("approve", first, "--yes")
            assert process.stdout.readline() == "parent value\n"
            by_password("approve", question(), "--yes")
            assert process.stdout.readline() == "child value\n"
        else:
            assert process.stdout.readline().startswith("child this process was forked while its parent asked")
            by_password("approve", first, "--yes")
            assert re.fullmatch(r"parent \d+\n", process.stdout.readline())
            assert glassdome.get("asked") == "newer"
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")


POOL = """
import multiprocessing, sys, glassdome

def ask(name):
    return glassdome.get(name)

if __name__ == "__main__":
    glassdome.get("pool/0")
    with multiprocessing.get_context(sys.argv[1]).Pool(3) as pool:
        print(pool.map(ask, [f"pool/{i}" for i in range(12)]) == [f"value {i}" for i in range(12)])
        try: pool.map(ask, ["pool/none"])
        except glassdome.NotFoundError as error: print(error)
"""


def test_multiprocessing_by_fork() -> None:
    for i in range(12):
        glassdome.set(f"pool/{i}", f"value {i}")
    script = Script("pool.py", POOL)
    script.allow()
    assert script.run("fork") == (0, "True\nno secret pool/none. Names: ctl list\n", "")


def test_multiprocessing_by_spawn() -> None:
    """What spawn starts is an interpreter that was given no script: no rule about the script speaks for it, and the
    exception that says so comes back through the pool."""
    script = Script("spawn.py", POOL)
    script.allow()
    code, _, err = script.run("spawn")
    assert code == 1 and re.search(r"\nglassdome\.errors\.DeniedError: denied pool/\d: ", err), err


INTERRUPTED = """
import signal, sys, glassdome

# What a shell starts in the background ignores it, and passes that on.
signal.signal(signal.SIGINT, signal.default_int_handler)
vault = glassdome.connect(wait=60)
watch = vault.watch()
next(watch)
try:
    print("waits", flush=True)
    next(watch) if sys.argv[1] == "watch" else vault["asked"]
except KeyboardInterrupt:
    print("interrupted", flush=True)
# What was broken off is left behind, and the next connection is as good as new.
assert vault.status().state == "unlocked"
"""


@pytest.mark.parametrize("where", ["watch", "asked"])
def test_ctrl_c_while_waiting(where: str) -> None:
    glassdome.set("asked", "value")
    script = Script(f"interrupted-{where}.py", INTERRUPTED)
    with script.start(where) as process:
        assert process.stdout and process.stderr and process.stdout.readline() == "waits\n"
        if where == "asked":
            assert "waiting for you" in process.stderr.readline()
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert time.monotonic() - began < 20, "nobody was waited for"
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")


RAISED_AND_CLOSED = """
import signal, sys, glassdome

watch = glassdome.watch()
next(watch)

def end(*_):
    watch.close()
    raise SystemExit("ended by the handler")

signal.signal(signal.SIGUSR1, end)
print("waits", flush=True)
try:
    for state in watch:
        pass
    print("it went on", flush=True)
finally:
    # What was raised there comes out of nothing else.
    assert glassdome.status().state == "unlocked"
"""


def test_a_handler_that_closes_what_is_waited_for_and_raises() -> None:
    script = Script("closes.py", RAISED_AND_CLOSED)
    with script.start() as process:
        assert process.stdout and process.stdout.readline() == "waits\n"
        process.send_signal(signal.SIGUSR1)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (1, "", "ended by the handler\n")
