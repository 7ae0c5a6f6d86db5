"""What root of a user namespace may forge about itself: its executable (prctl(2), PR_SET_MM_MAP)."""

import ctypes
import glob
import os
import sys

from syscalls import libc

PR_SET_MM, PR_SET_MM_MAP = 35, 14
MAP_PRIVATE, MAP_ANONYMOUS = 2, 0x20
MREMAP_MAYMOVE, MREMAP_FIXED = 1, 2


def launcher(attack):
    """How Python is started for an attack. The kernel changes an executable only when nothing of it is
    mapped any more; so Python runs as data of the loader, which is small enough to be moved away."""
    if attack != "forge-exe-inside":
        return [sys.executable]
    loader = sorted(glob.glob("/lib64/ld-linux*.so.*") + glob.glob("/lib/ld-linux*.so.*"))[0]
    return [os.path.realpath(loader), sys.executable]


def forge_exe(path):
    _move_away(os.readlink("/proc/self/exe"))
    descriptor = os.open(path, os.O_RDONLY)
    with open("/proc/self/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    field = lambda number: int(fields[number - 3])
    # struct prctl_mm_map (linux/prctl.h): addresses as they are, and another executable.
    words = [field(26), field(27), field(45), field(46), field(47), libc.sbrk(0), field(28),
             field(48), field(49), field(50), field(51), 0]
    mm_map = ctypes.create_string_buffer(
        b"".join(word.to_bytes(8, "little") for word in words) + bytes(4) + descriptor.to_bytes(4, "little"))
    result = libc.prctl(PR_SET_MM, PR_SET_MM_MAP, ctypes.byref(mm_map), ctypes.c_long(len(mm_map) - 1), 0)
    if result != 0:
        raise OSError(ctypes.get_errno(), f"PR_SET_MM_MAP: {os.strerror(ctypes.get_errno())}")


def _move_away(path):
    """Puts a copy without a file in the place of each mapping of `path`."""
    for call in (libc.mmap, libc.mremap, libc.sbrk):
        call.restype = ctypes.c_void_p
    with open("/proc/self/maps") as maps:
        mapped = [line.split() for line in maps if line.rstrip().endswith(path)]
    for place, protection, *_ in mapped:
        start, end = (int(part, 16) for part in place.split("-"))
        size = ctypes.c_size_t(end - start)
        wanted = sum(bit for letter, bit in zip("rwx", (1, 2, 4)) if letter in protection)
        copy = libc.mmap(None, size, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        if wanted & 1:
            ctypes.memmove(copy, start, end - start)
        libc.mprotect(ctypes.c_void_p(copy), size, wanted)
        libc.mremap(ctypes.c_void_p(copy), size, size, MREMAP_MAYMOVE | MREMAP_FIXED, ctypes.c_void_p(start))
