"""What an ordinary user tries on another process of theirs, and what root tries for descriptors.

    spy.py reach PID ADDRESS LENGTH     every way to its memory and descriptors
    spy.py control                      the same ways to a process of our own that does not resist
    spy.py descriptors PID              every descriptor: is one of them secret memory?
    spy.py control-descriptors          the same of a process that forgot one

Prints a JSON object: the way, and `ok` or the error's name.
"""

import errno
import json
import os
import shutil
import subprocess
import sys
import time

import syscalls


def attempt(way):
    try:
        way()
        return "ok"
    except OSError as error:
        return errno.errorcode[error.errno]


def reach(pid, address, length):
    def memory():
        with open(f"/proc/{pid}/mem", "rb", 0) as file:
            assert len(os.pread(file.fileno(), length, address)) == length

    def trace(request):
        syscalls.ptrace(request, pid)
        if request == syscalls.PTRACE_ATTACH:
            os.waitpid(pid, 0x40000000)  # __WALL
            syscalls.ptrace(syscalls.PTRACE_DETACH, pid)

    def seize():
        child = os.fork()  # traced for as long as the tracer lives
        if child == 0:
            told = attempt(lambda: trace(syscalls.PTRACE_SEIZE))
            os._exit(0 if told == "ok" else getattr(errno, told))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code:
            raise OSError(code, "PTRACE_SEIZE")

    def steal():
        pidfd = os.pidfd_open(pid)
        os.close(syscalls.pidfd_getfd(pidfd, 0))

    def dump():
        out = subprocess.run(["gcore", "-o", "gcore", str(pid)], capture_output=True, text=True)
        if out.returncode or not os.path.exists(f"gcore.{pid}"):
            raise OSError(errno.EPERM, out.stderr)
        os.remove(f"gcore.{pid}")

    ways = {
        "/proc/PID/mem": memory,
        "/proc/PID/maps": lambda: open(f"/proc/{pid}/maps").read(),
        "/proc/PID/environ": lambda: open(f"/proc/{pid}/environ").read(),
        "/proc/PID/fd": lambda: os.listdir(f"/proc/{pid}/fd"),
        "process_vm_readv": lambda: syscalls.process_vm_readv(pid, [(address, length)]),
        "PTRACE_ATTACH": lambda: trace(syscalls.PTRACE_ATTACH),
        "PTRACE_SEIZE": seize,
        "pidfd_getfd": steal,
    }
    if shutil.which("gcore"):
        ways["gcore"] = dump
    return {name: attempt(way) for name, way in ways.items()}


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
    ways = {"reach": reach, "control": control, "descriptors": descriptors,
            "control-descriptors": control_descriptors}
    print(json.dumps(ways[way](*map(int, numbers))))
