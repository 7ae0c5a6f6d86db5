"""Which group `SO_PEERCRED` shows of programs that are started in many ways (the stamp).

    stamps.py clients CTL COPY OTHER_NAME    of each way of starting `ctl`
    stamps.py listener SOCKET                of whoever listens there

Prints a JSON object: the way, and the group.
"""

import json
import os
import shutil
import signal
import socket
import struct
import sys
import tempfile

import syscalls

PTRACE_TRACEME, PTRACE_CONT = 0, 7
CLONE_FS = 0x200
PATIENCE = 10


def group_of_peer(sock):
    return struct.unpack("iII", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[2]


def traced(command):
    """As a debugger starts its program: it is traced when it executes."""
    child = os.fork()
    if child == 0:
        syscalls.ptrace(PTRACE_TRACEME, 0)
        os.execv(command[0], command)
    while not os.WIFEXITED(os.waitpid(child, 0)[1]):
        syscalls.ptrace(PTRACE_CONT, child)


def sharing(command):
    """Beside a process that has the same working directory, root and umask (clone(2), CLONE_FS)."""
    held, hold = os.pipe()
    number = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
    if syscalls.libc.syscall(number, CLONE_FS | signal.SIGCHLD, 0, 0, 0, 0) == 0:
        # The parent is the one that executes; this one only shares what it has.
        os.close(hold)
        os.read(held, 1)
        os._exit(0)
    os.close(held)
    os.set_inheritable(hold, True)
    os.execv(command[0], command)


def plain(command):
    os.execvp(command[0], command)


def clients(ctl, copy, other_name):
    shutil.copy(ctl, copy)
    status = [ctl, "status"]
    ways = {
        "installed": lambda: plain(status),
        "by its other name": lambda: plain([other_name, "status"]),
        "from a shell": lambda: plain(["sh", "-c", f"exec {ctl} status"]),
        "with LD_PRELOAD": lambda: plain(["env", "LD_PRELOAD=/nonexistent/library.so", *status]),
        "copied": lambda: plain([copy, "status"]),
        "traced": lambda: traced(status),
        "sharing its working directory": lambda: sharing(status),
        "without new privileges": lambda: plain(["setpriv", "--no-new-privs", *status]),
        "in a user namespace": lambda: plain(["unshare", "-Ur", *status]),
        "in user and mount namespaces": lambda: plain(["unshare", "-Urm", *status]),
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
                null = os.open("/dev/null", os.O_WRONLY)
                os.dup2(null, 1), os.dup2(null, 2)
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
