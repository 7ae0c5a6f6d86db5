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


class Fake:
    def __init__(self, listener, challenge):
        self.listener, self.challenge = listener, challenge
        self.open, self.heard = {listener}, bytearray()

    def serve(self, told, quiet):
        """Until there is something at `told`, and from then on until nothing happens for so many seconds."""
        while told not in (ready := select.select(self.open | {told}, [], [])[0]):
            self.attend(ready)
        while ready := select.select(self.open, [], [], quiet)[0]:
            self.attend(ready)

    def attend(self, ready):
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
    # What a handler raises is lost where the signal comes while an object is taken away: it only is told of.
    told, tell = socket.socketpair()
    tell.setblocking(False)
    signal.set_wakeup_fd(tell.fileno())
    signal.signal(signal.SIGTERM, lambda *_: None)
    os.rename(path + ".new", path)
    fake.serve(told, 0.3)
    sys.stdout.buffer.write(fake.heard)


if __name__ == "__main__":
    main(*sys.argv[1:])
