"""Which group `SO_PEERCRED` shows of programs that are started in many ways (the stamp).

    stamps.py clients CTL COPY OTHER_NAME    of each way of starting `ctl`
    stamps.py listener SOCKET                of whoever listens there

Prints a JSON object: the way, and the group.
"""

import ctypes
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

import syscalls

PTRACE_TRACEME, PTRACE_CONT = 0, 7
PATIENCE = 10


def group_of_peer(sock):
    return struct.unpack("iII", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[2]


def run(command):
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=PATIENCE, check=False)


def traced(command):
    """As a debugger starts its program: it is traced when it executes."""
    child = os.fork()
    if child == 0:
        null = os.open("/dev/null", os.O_WRONLY)
        os.dup2(null, 1), os.dup2(null, 2)
        syscalls.ptrace(PTRACE_TRACEME, 0)
        os.execv(command[0], command)
    while not os.WIFEXITED(os.waitpid(child, 0)[1]):
        syscalls.ptrace(PTRACE_CONT, child)


def sharing(command):
    """Beside a process that has the same working directory, root and umask (clone(2), CLONE_FS)."""
    held, hold = os.pipe()
    CLONE_FS, SIGCHLD = 0x200, 17
    child = ctypes.CDLL(None).syscall(56 if os.uname().machine == "x86_64" else 220, CLONE_FS | SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        # The parent is the one that executes; this one only shares what it has.
        os.close(hold)
        os.read(held, 1)
        os._exit(0)
    os.close(held)
    try:
        os.execv(command[0], command)
    finally:
        os._exit(1)


def beside(command):
    """`sharing`, in a process of its own."""
    child = os.fork()
    if child == 0:
        null = os.open("/dev/null", os.O_WRONLY)
        os.dup2(null, 1), os.dup2(null, 2)
        sharing(command)
    os.waitpid(child, 0)


def clients(ctl, copy, other_name):
    shutil.copy(ctl, copy)
    status = [ctl, "status"]
    ways = {
        "installed": lambda: run(status),
        "by its other name": lambda: run([other_name, "status"]),
        "from a shell": lambda: run(["sh", "-c", f"exec {ctl} status"]),
        "with LD_PRELOAD": lambda: run(["env", "LD_PRELOAD=/nonexistent/library.so", *status]),
        "copied": lambda: run([copy, "status"]),
        "traced": lambda: traced(status),
        "sharing its working directory": lambda: beside(status),
        "without new privileges": lambda: run(["setpriv", "--no-new-privs", *status]),
        "in a user namespace": lambda: run(["unshare", "-Ur", *status]),
        "in user and mount namespaces": lambda: run(["unshare", "-Urm", *status]),
    }
    shown = {}
    # Below a directory of the user's: in a user namespace, root's belong to nobody.
    with tempfile.TemporaryDirectory(dir=os.environ["HOME"]) as directory:
        path = os.path.join(directory, "socket")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        listener.listen()
        listener.settimeout(PATIENCE)
        os.environ["GLASSDOME_SOCKET"] = path
        for name, start in ways.items():
            child = os.fork()
            if child == 0:
                start()
                os._exit(0)
            try:
                sock, _ = listener.accept()
                shown[name] = group_of_peer(sock)
                sock.close()
            except TimeoutError:
                shown[name] = None
            os.waitpid(child, 0)
    return shown


def listener(path):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(path)
    return {"listener": group_of_peer(sock)}


if __name__ == "__main__":
    print(json.dumps({"clients": clients, "listener": listener}[sys.argv[1]](*sys.argv[2:])))
