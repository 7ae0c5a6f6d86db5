"""Keeps another process's address space alive past its `exec`: the kernel holds it for as long as a
read of its memory takes, and a read of many overlapping ranges takes long."""

import ctypes
import os
import time

from syscalls import Part, libc, readable_mappings

RANGES = 1024
READERS = 4


def pin(pid):
    """Starts readers of the process, which go on for a few seconds, and waits until they read."""
    start, length = _largest_mapping(pid)
    for reader in range(READERS):
        if os.fork() == 0:
            # One after the other, so that some read is always far from its end.
            time.sleep(reader * 0.1)
            _read(pid, start, length)
            os._exit(0)
    time.sleep(READERS * 0.1)


def _largest_mapping(pid):
    # It was executed just now, and is still being loaded.
    time.sleep(0.3)
    files = [(end - start, start) for start, end, name in readable_mappings(pid) if name.startswith("/")]
    length, start = max(files)
    return start, length


def _read(pid, start, length):
    buffer = ctypes.create_string_buffer(length)
    here = (Part * RANGES)(*[Part(ctypes.addressof(buffer), length)] * RANGES)
    there = (Part * RANGES)(*[Part(start, length)] * RANGES)
    until = time.monotonic() + 3
    while time.monotonic() < until:
        if libc.process_vm_readv(pid, here, RANGES, there, RANGES, 0) < 0:
            return
