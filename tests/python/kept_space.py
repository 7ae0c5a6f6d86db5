"""Keeps the address space that a process has now, whatever the process executes meanwhile: a file under /proc that was
opened on it goes on meaning it, and the kernel keeps it for as long as anybody is in the middle of a read by that.

    kept_space.py PID READY END KEPT

Makes the file READY when it is kept; when there is a file END, writes into KEPT whether it still was."""

import ctypes
import errno
import mmap
import os
import signal
import sys
import time

from syscalls import libc, readable_mappings

READERS = 4
# Eight bytes for each page (proc_pid_pagemap(5)), mapped or not: a read takes some tenths of a second.
LENGTH = 1 << 30
# What is read goes here, over and over again.
PIECE = 4 << 20
MAP_FIXED = 0x10


def room():
    """Addresses for LENGTH bytes, of which there are PIECE."""
    libc.mmap.restype = ctypes.c_void_p
    file = os.memfd_create("room")
    os.ftruncate(file, PIECE)

    def mapped(address, length, protection, flags, of):
        numbers = ctypes.c_size_t(length), protection, flags, of, ctypes.c_long(0)
        return libc.mmap(ctypes.c_void_p(address), *numbers)

    start = mapped(None, LENGTH, mmap.PROT_READ, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1)
    for at in range(start, start + LENGTH, PIECE):
        assert mapped(at, PIECE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED | MAP_FIXED, file) == at
    return start


def read_on(pagemap, page, reader):
    into = ctypes.c_void_p(room())
    # In nobody's way: who is in the middle of a read keeps it also while others have the processor.
    os.nice(19)
    # One after the other, so that some read is always far from its end.
    time.sleep(reader * 0.15)
    while True:
        libc.pread(pagemap, into, ctypes.c_size_t(LENGTH), ctypes.c_long(page * 8))


def is_alive(pagemap):
    """A read that is not of whole entries is refused while there is anything to be read, and ends at once behind that."""
    try:
        os.pread(pagemap, 1, 0)
    except OSError as error:
        return error.errno == errno.EINVAL
    return False


pid, ready, end, kept = int(sys.argv[1]), *sys.argv[2:]
pagemap = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY)
page = min(start for start, _, _ in readable_mappings(pid)) // os.sysconf("SC_PAGE_SIZE")
readers = []
for number in range(READERS):
    reader = os.fork()
    if reader == 0:
        read_on(pagemap, page, number)
    readers.append(reader)
time.sleep(READERS * 0.15 + 0.3)
open(ready, "x").close()
until = time.monotonic() + 60
while not os.path.exists(end) and time.monotonic() < until:
    time.sleep(0.01)
answer = "kept" if is_alive(pagemap) else "gone"
with open(kept + ".new", "x") as file:
    file.write(answer)
os.rename(kept + ".new", kept)
for reader in readers:
    os.kill(reader, signal.SIGKILL)
    os.waitpid(reader, 0)
