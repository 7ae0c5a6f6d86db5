"""A process of the user's own around an honest program, or instead of it.

    steered.py traced PROGRAM WORDS…               runs it, held by a tracer
    steered.py traced-until-exec PROGRAM WORDS…    as a debugger that lets go of it once it is executed
    steered.py words SCRIPT OTHER WORDS…           runs SCRIPT with WORDS, and has its own command line say
                                                   that it runs OTHER
    steered.py crowd COUNT STOP SCRIPTS SOCKET NAME   once it made the file STOP, asks in so many processes at
                                                   a time; prints [code, seconds] of each
"""

import sys

# Nothing is looked for where the script lies: it may be a file system that hangs.
HERE = sys.path.pop(0)

import ctypes  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import time  # noqa: E402

TRACEME = 0
WALL = 0x40000000  # wait(2), __WALL
CONT = 7


def traced(program, *words):
    sys.path.insert(0, HERE)
    import syscalls
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go)
        os.read(ready, 1)
        os.execvp(program, [program, *words])
    syscalls.ptrace(syscalls.PTRACE_SEIZE, child)
    os.write(go, b"x")
    syscalls.libc.ptrace.argtypes = [ctypes.c_long] * 4
    while True:
        _, status = os.waitpid(child, WALL)
        if not os.WIFSTOPPED(status):
            sys.exit(os.waitstatus_to_exitcode(status))
        stop = os.WSTOPSIG(status)
        # What is told of an exec is no signal of the program's.
        syscalls.libc.ptrace(CONT, child, 0, 0 if stop == signal.SIGTRAP else stop)


def traced_until_exec(program, *words):
    sys.path.insert(0, HERE)
    import syscalls
    child = os.fork()
    if child == 0:
        syscalls.ptrace(TRACEME, 0)
        os.execvp(program, [program, *words])
    assert os.WIFSTOPPED(os.waitpid(child, 0)[1]), "it stops when it is executed"
    syscalls.ptrace(syscalls.PTRACE_DETACH, child)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def words(script, other, *rest):
    """The kernel shows as the command line what lies there: the process's own memory."""
    with open("/proc/self/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    start, end = int(fields[48 - 3]), int(fields[49 - 3])
    shown = sys.executable.encode() + b"\0" + other.encode() + b"\0"
    assert len(shown) <= end - start, "the words before leave no room"
    ctypes.memmove(start, shown.ljust(end - start, b"\0"), end - start)
    sys.argv = [script, *rest]
    sys.path.insert(0, HERE)
    with open(script) as source:
        exec(compile(source.read(), script, "exec"), {"__name__": "__main__"})


def crowd(count, stop, scripts, path, name):
    sys.path.insert(0, scripts)
    import client
    import syscalls
    syscalls.everything_here()
    with open(stop, "w"):
        pass
    children = []
    for _ in range(int(count)):
        told, tell = os.pipe()
        if os.fork() == 0:
            began = time.monotonic()
            try:
                client.Connection(path).get(name)
                code = "served"
            except client.Refused as refused:
                code = refused.code
            os.write(tell, json.dumps([code, time.monotonic() - began]).encode())
            os._exit(0)
        os.close(tell)
        children.append(told)
    print(json.dumps([json.loads(os.read(child, 4096)) for child in children]), flush=True)


if __name__ == "__main__":
    ways = {"traced": traced, "traced-until-exec": traced_until_exec, "words": words, "crowd": crowd}
    ways[sys.argv[1]](*sys.argv[2:])
