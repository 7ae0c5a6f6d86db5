"""Stands where a daemon would and says that it speaks the protocol versions OLDEST to NEWEST; what a
client then sends, it prints when it is told to end (SIGTERM).

    fake_daemon.py SOCKET OLDEST NEWEST

It listens before SOCKET appears.
"""

import array
import os
import select
import signal
import socket
import struct
import sys


class Enough(Exception):
    """Nobody else will come."""


def enough(*_):
    raise Enough


class Fake:
    def __init__(self, listener, challenge):
        self.listener, self.challenge = listener, challenge
        self.open, self.heard = {listener}, bytearray()

    def serve(self, quiet):
        """Until nothing happens for so many seconds; for good if none are said."""
        while ready := select.select(self.open, [], [], quiet)[0]:
            for sock in ready:
                if sock is self.listener:
                    self.greet(sock.accept()[0])
                else:
                    self.hear(sock)

    def hear(self, sock):
        try:
            data = sock.recv(65536)
        except ConnectionResetError:  # it left without reading the challenge
            data = b""
        self.heard += data
        if not data:
            self.open.discard(sock)

    def greet(self, accepted):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [theirs.fileno()]))]
        try:
            accepted.sendmsg([struct.pack("<I", len(self.challenge)) + self.challenge], rights)
        except BrokenPipeError:
            pass  # whoever connected has left again: there may be something to read all the same
        theirs.close()
        self.open |= {accepted, ours}


def main(path, oldest, newest, kind=Fake):
    signal.alarm(60)  # the test that started it may have failed
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path + ".new")
    listener.listen()
    fake = kind(listener, bytes([int(oldest), int(newest)]) + bytes(range(32)))
    # A signal that comes just before it waits would not wake it.
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    fake.open.add(woken)
    try:
        signal.signal(signal.SIGTERM, enough)
        os.rename(path + ".new", path)
        fake.serve(None)
    except Enough:
        fake.open.discard(woken)
        fake.serve(0.3)
    sys.stdout.buffer.write(fake.heard)


if __name__ == "__main__":
    main(*sys.argv[1:])
