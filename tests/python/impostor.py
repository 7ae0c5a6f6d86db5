"""Programs in a granted shell that want to be taken for what was typed there.

    impostor.py clone FILE     a clone that is the shell's child (clone(2), CLONE_PARENT) runs ctl
    impostor.py become FILE    a fork reads the pipe, and the program replaces itself by ctl

What ctl printed is in FILE, its complaint in FILE.refused, and FILE.done is made when it has ended.
"""

import ctypes
import os
import signal
import sys

CLONE_PARENT = 0x8000
SYS_CLONE = {"x86_64": 56, "aarch64": 220}


def clone_of_parent():
    number = SYS_CLONE[os.uname().machine]
    pid = ctypes.CDLL(None).syscall(number, ctypes.c_long(CLONE_PARENT | signal.SIGCHLD), None, None, None, None)
    assert pid >= 0
    return pid


def become_ctl(stdout, file):
    os.dup2(stdout, 1)
    os.dup2(os.open(file + ".refused", os.O_WRONLY | os.O_CREAT), 2)
    os.execvp("ctl", ["ctl", "get", "a"])


def read_to_end(pipe, file):
    with open(pipe, "rb") as source, open(file, "wb") as stolen:
        stolen.write(source.read())
    open(file + ".done", "wb").close()


way, file = sys.argv[1:]
source, sink = os.pipe()
if (clone_of_parent if way == "clone" else os.getpid)() == 0 or (way == "become" and os.fork() != 0):
    os.close(source)
    become_ctl(sink, file)
os.close(sink)
read_to_end(source, file)
