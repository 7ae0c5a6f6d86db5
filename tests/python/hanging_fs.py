"""A FUSE file system (linux/fuse.h) with one file, which stops answering when it is told to: whoever
then looks at the file waits for ever.

    hanging_fs.py DIRECTORY FILE HANG     (root; shows FILE as DIRECTORY/program until there is HANG)
"""

import ctypes
import os
import select
import signal
import struct
import sys

LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE, FLUSH, INIT, INTERRUPT, BATCH_FORGET = (
    1, 2, 3, 14, 15, 18, 25, 26, 36, 42)
ENOSYS, ENOENT = 38, 2
ROOT, PROGRAM = 1, 2
KEEP_CACHE = 2
FOR_EVER = 2**31


class Server:
    def __init__(self, directory, file, hang):
        self.device = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={self.device},rootmode=40755,user_id=0,group_id=0,allow_other"
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"hanging", directory.encode(), b"fuse", 0, options.encode()) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        with open(file, "rb") as content:
            self.content = content.read()
        self.hang = hang

    def attributes(self, node):
        size, mode = (0, 0o40755) if node == ROOT else (len(self.content), 0o100755)
        return struct.pack("<6Q10I", node, size, size // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def answer(self, opcode, node, body):
        """An error, or what is answered. Attributes are never to be remembered: each look asks us."""
        if opcode == INIT:
            return struct.pack("<4I2H2I2H8I", 7, 31, 1 << 17, 0, 12, 9, 1 << 17, 1, 32, 0, *[0] * 8)
        if opcode == LOOKUP:
            if body.rstrip(b"\0") != b"program":
                return -ENOENT
            return struct.pack("<4Q2I", PROGRAM, 0, FOR_EVER, 0, 0, 0) + self.attributes(PROGRAM)
        if opcode == GETATTR:
            return struct.pack("<Q2I", 0, 0, 0) + self.attributes(node)
        if opcode == OPEN:
            return struct.pack("<Q2I", 0, KEEP_CACHE, 0)
        if opcode == READ:
            _, offset, size = struct.unpack_from("<2QI", body)
            return self.content[offset:offset + size]
        return b"" if opcode in (RELEASE, FLUSH) else -ENOSYS

    def serve(self):
        while True:
            select.select([self.device], [], [])
            if os.path.exists(self.hang):
                # A request that was read and not answered could not even be killed.
                signal.pause()
            request = os.read(self.device, 1 << 18)
            _, opcode, unique, node = struct.unpack_from("<2I2Q", request)
            if opcode in (FORGET, INTERRUPT, BATCH_FORGET):
                continue
            answer = self.answer(opcode, node, request[40:])
            error, body = (answer, b"") if isinstance(answer, int) else (0, answer)
            os.write(self.device, struct.pack("<IiQ", 16 + len(body), error, unique) + body)


server = Server(*sys.argv[1:])
print("ready", flush=True)
server.serve()
