"""Stands between a daemon and the session bus, and kills the daemon at one call: before the keyring has it, when its
answer is there and not passed on, or so many milliseconds after it was.

bus_cut.py LISTEN BUS ORDER    ORDER is a file, gone when it was followed: METHOD before|after|MILLISECONDS
"""

import os
import select
import signal
import socket
import struct
import sys
import threading
import time

LISTEN, BUS, ORDER = sys.argv[1:]
CALL, ANSWERS = 1, (2, 3)


def order():
    try:
        with open(ORDER) as file:
            return file.read().split()
    except FileNotFoundError:
        return None


def kill(pid):
    os.unlink(ORDER)
    os.kill(pid, signal.SIGKILL)


def messages(buffer):
    """Takes whole messages out of the buffer, with type, serial, and the call that they answer (D-Bus specification,
    "Message Format"); lines of the handshake as they come."""
    while buffer:
        # Little-endian, as both ends are here.
        if buffer[:1] != b"l":
            end = buffer.find(b"\n") + 1
            if not end:
                return
            yield bytes(buffer[:end]), None, None, None
            del buffer[:end]
            continue
        if len(buffer) < 16:
            return
        body, serial, fields = struct.unpack_from("<III", buffer, 4)
        length = 16 + (fields + 7) // 8 * 8 + body
        if len(buffer) < length:
            return
        whole = bytes(buffer[:length])
        # REPLY_SERIAL: field 5, a variant of u32.
        at = whole.find(b"\x05\x01u\x00", 16, 16 + fields)
        answered = struct.unpack_from("<I", whole, at + 4)[0] if at >= 0 else None
        yield whole, whole[1], serial, answered
        del buffer[:length]


def between(daemon, bus):
    pid, = struct.unpack("i8x", daemon.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    buffers, awaited = {daemon: bytearray(), bus: bytearray()}, None
    while True:
        for ready in select.select([daemon, bus], [], [])[0]:
            data = ready.recv(65536)
            if not data:
                return
            # The handshake begins with a zero byte.
            if ready is daemon and data[:1] == b"\0":
                bus.sendall(b"\0")
                data = data[1:]
            buffers[ready] += data
            for message, kind, serial, answered in messages(buffers[ready]):
                wanted = order()
                if ready is daemon and kind == CALL and wanted and wanted[0].encode() in message:
                    if wanted[1] == "before":
                        return kill(pid)
                    awaited = serial
                if ready is bus and kind in ANSWERS and awaited is not None and answered == awaited:
                    if wanted[1] == "after":
                        return kill(pid)
                    threading.Timer(int(wanted[1]) / 1000, kill, [pid]).start()
                    awaited = None
                (bus if ready is daemon else daemon).sendall(message)


def serve(daemon):
    bus = socket.socket(socket.AF_UNIX)
    bus.connect(BUS)
    try:
        between(daemon, bus)
    except OSError:
        pass
    daemon.close()
    bus.close()


server = socket.socket(socket.AF_UNIX)
server.bind(LISTEN)
server.listen()
while True:
    threading.Thread(target=serve, args=[server.accept()[0]], daemon=True).start()
