"""System calls that Python lacks, for the attackers: each raises OSError like the rest of `os`."""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)

PIDFD_GETFD = 438
MEMFD_SECRET = 447
PTRACE_ATTACH, PTRACE_DETACH, PTRACE_SEIZE = 16, 17, 0x4206
SECRETMEM_MAGIC = 0x5345434D
MADV_POPULATE_READ = 22


def _checked(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def pidfd_getfd(pidfd, number):
    return _checked(libc.syscall(PIDFD_GETFD, pidfd, number, 0))


def memfd_secret():
    return _checked(libc.syscall(MEMFD_SECRET, 0))


def ptrace(request, pid):
    libc.ptrace.restype = ctypes.c_long
    return _checked(libc.ptrace(ctypes.c_long(request), ctypes.c_long(pid), None, None))


class Part(ctypes.Structure):
    """`struct iovec`."""

    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def process_vm_readv(pid, ranges):
    """Reads (address, length) ranges of another process, as far as its pages can be read."""
    libc.process_vm_readv.restype = ctypes.c_ssize_t
    buffer = ctypes.create_string_buffer(sum(length for _, length in ranges))
    here = Part(ctypes.addressof(buffer), len(buffer))
    there = (Part * len(ranges))(*[Part(*place) for place in ranges])
    return buffer.raw[:_checked(libc.process_vm_readv(pid, ctypes.byref(here), 1, there, len(ranges), 0))]


def filesystem_magic(descriptor):
    """The kind of file system that a descriptor lies on (`statfs(2)`, f_type)."""
    space = (ctypes.c_long * 32)()
    _checked(libc.fstatfs(descriptor, ctypes.byref(space)))
    return space[0]


def everything_here():
    """Brings all that is mapped of files into memory, so that none of it is waited for later."""
    for start, end, name in readable_mappings("self"):
        if name.startswith("/"):
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_POPULATE_READ)


def readable_mappings(pid):
    """(start, end, name) of what a process may read of itself."""
    with open(f"/proc/{pid}/maps") as maps:
        for line in maps:
            words = line.split(maxsplit=5)
            start, end = (int(part, 16) for part in words[0].split("-"))
            if words[1][0] == "r":
                yield start, end, words[5].strip() if len(words) > 5 else ""
