"""What an ordinary user tries on another process of theirs, and what root tries for descriptors.

    spy.py reach PID ADDRESS LENGTH     every way to its memory and descriptors
    spy.py read PID ADDRESS LENGTH      only the ways to read these bytes
    spy.py control                      every way to a process of our own that does not resist
    spy.py descriptors PID              every descriptor: is one of them secret memory?
    spy.py control-descriptors          the same of a process that forgot one

Prints a JSON object: the way, and `ok` or the error's name.
"""

import errno
import json
import os
import subprocess
import sys
import time

import syscalls

WALL = 0x40000000  # wait(2), __WALL


def attempt(way):
    try:
        way()
        return "ok"
    except OSError as error:
        return errno.errorcode[error.errno]


def read(pid, address, length):
    def memory():
        with open(f"/proc/{pid}/mem", "rb", 0) as file:
            assert len(os.pread(file.fileno(), length, address)) == length

    ways = {
        "/proc/PID/mem": memory,
        "process_vm_readv": lambda: syscalls.process_vm_readv(pid, [(address, length)]),
    }
    return {name: attempt(way) for name, way in ways.items()}


def reach(pid, address, length):
    def attach():
        syscalls.ptrace(syscalls.PTRACE_ATTACH, pid)
        os.waitpid(pid, WALL)
        syscalls.ptrace(syscalls.PTRACE_DETACH, pid)

    def seize():
        # A tracer lets go when it ends.
        tracer = os.fork()
        if tracer == 0:
            told = attempt(lambda: syscalls.ptrace(syscalls.PTRACE_SEIZE, pid))
            os._exit(0 if told == "ok" else getattr(errno, told))
        code = os.waitstatus_to_exitcode(os.waitpid(tracer, 0)[1])
        if code:
            raise OSError(code, "PTRACE_SEIZE")

    def steal():
        os.close(syscalls.pidfd_getfd(os.pidfd_open(pid), 0))

    def dump():
        out = subprocess.run(["gcore", "-o", "gcore", str(pid)], capture_output=True, text=True)
        if out.returncode or not os.path.exists(f"gcore.{pid}"):
            raise OSError(errno.EPERM, out.stderr)
        os.remove(f"gcore.{pid}")

    ways = {
        "/proc/PID/maps": lambda: open(f"/proc/{pid}/maps").read(),
        "/proc/PID/environ": lambda: open(f"/proc/{pid}/environ").read(),
        "/proc/PID/fd": lambda: os.listdir(f"/proc/{pid}/fd"),
        "PTRACE_ATTACH": attach,
        "PTRACE_SEIZE": seize,
        "pidfd_getfd": steal,
        "gcore": dump,
    }
    return read(pid, address, length) | {name: attempt(way) for name, way in ways.items()}


def control():
    # Our own child: Yama (ptrace_scope 1) lets a parent do it.
    child = subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL)
    time.sleep(0.2)
    try:
        start = next(start for start, _, _ in syscalls.readable_mappings(child.pid))
        return reach(child.pid, start, 64)
    finally:
        child.kill()
        child.wait()


def descriptors(pid):
    """Takes each descriptor, asks what it is, and tries to map it."""
    pidfd, kinds = os.pidfd_open(pid), {"descriptors": 0, "secret": 0}
    for number in os.listdir(f"/proc/{pid}/fd"):
        taken = syscalls.pidfd_getfd(pidfd, int(number))
        kinds["descriptors"] += 1
        kinds["secret"] += syscalls.filesystem_magic(taken) == syscalls.SECRETMEM_MAGIC
        os.close(taken)
    return kinds


def control_descriptors():
    descriptor = syscalls.memfd_secret()
    os.ftruncate(descriptor, 4096)
    os.set_inheritable(descriptor, True)
    child = subprocess.Popen(["sleep", "60"], close_fds=False)
    time.sleep(0.2)
    try:
        return descriptors(child.pid)
    finally:
        child.kill()
        child.wait()


if __name__ == "__main__":
    way, *numbers = sys.argv[1:]
    ways = {"reach": reach, "read": read, "control": control, "descriptors": descriptors,
            "control-descriptors": control_descriptors}
    print(json.dumps(ways[way](*map(int, numbers))))
