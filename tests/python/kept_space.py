"""Keeps the address space that a process has now, whatever the process executes meanwhile: the kernel keeps it for as
long as anybody is in the middle of a read by a file under /proc that was opened on it; and where that read writes to
waits for a file that does not come.

    kept_space.py PID FILE HANG READY END KEPT

Makes HANG, from which on FILE hangs whoever looks at it, and READY when the address space is kept; when there is END,
writes into KEPT whether it still was."""

import ctypes
import errno
import mmap
import os
import signal
import sys
import time

from syscalls import libc, readable_mappings

PAGE = os.sysconf("SC_PAGE_SIZE")


def wait_for(seen, seconds=60):
    until = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.01)


def is_alive(pagemap):
    """A read that is not of whole entries is refused while there is anything to be read, and ends at once behind that."""
    try:
        os.pread(pagemap, 1, 0)
    except OSError as error:
        return error.errno == errno.EINVAL
    return False


def is_in_a_call(pid):
    """Whether it is in the middle of a system call, and sleeps there (proc_pid_syscall(5), proc_pid_stat(5))."""
    with open(f"/proc/{pid}/stat", "rb") as stat, open(f"/proc/{pid}/syscall", "rb") as call:
        return stat.read().rpartition(b") ")[2][:1] in b"SD" and call.read().startswith(b"%d " % SYS_PREAD64)


SYS_PREAD64 = {"x86_64": 17, "aarch64": 67}[os.uname().machine]
pid = int(sys.argv[1])
file, hang, ready, end, kept = sys.argv[2:]
pagemap = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY)
start = min(start for start, _, _ in readable_mappings(pid))
with open(file, "rb") as opened:
    into = mmap.mmap(opened.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
open(hang, "x").close()
reader = os.fork()
if reader == 0:
    address = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(into)))
    # Eight bytes for each page (proc_pid_pagemap(5)).
    libc.pread(pagemap, address, ctypes.c_size_t(8), ctypes.c_long(start // PAGE * 8))
    os._exit(0)
wait_for(lambda: is_in_a_call(reader))
open(ready, "x").close()
wait_for(lambda: os.path.exists(end))
answer = "kept" if is_alive(pagemap) else "gone"
with open(kept + ".new", "x") as told:
    told.write(answer)
os.rename(kept + ".new", kept)
# Closing the file waits for it, too: that has an end when the file system has.
os.kill(reader, signal.SIGKILL)
