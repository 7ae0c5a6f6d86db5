"""Stands where a daemon would, says that its vault is locked, and takes every password for a wrong one;
what it was sent, it prints when it is told to end (SIGTERM).

    phisher.py SOCKET
"""

import os
import sys

from client import CODES, PROTOCOL, Reader, blob, frame, option, varint
from fake_daemon import Fake, main

STATUS = b"\x00\x00"
LOCKED = b"\x00" + option(None) + varint(os.getpid()) + blob("0.1.0") + b"\x02\x01\x00\x00\x00\x00" + option(None)


class Phisher(Fake):
    unread = {}

    def hear(self, sock):
        before = len(self.heard)
        super().hear(sock)
        greeted, unread = self.unread.get(sock, (False, b""))
        unread += self.heard[before:]
        while len(unread) >= 4 and len(unread) >= (end := 4 + int.from_bytes(unread[:4], "little")):
            if greeted:
                self.answer(sock, unread[4:end])
            greeted, unread = True, unread[end:]
        self.unread[sock] = greeted, unread

    @staticmethod
    def answer(sock, request):
        reader = Reader(request)
        number = varint(reader.varint())
        if reader.take(2) == STATUS:
            sock.sendall(frame(number + b"\x00" + STATUS + LOCKED))
        else:
            wrong = varint(CODES.index("wrong-password"))
            sock.sendall(frame(number + b"\x01" + wrong + blob("wrong password") + option(None)))


if __name__ == "__main__":
    main(sys.argv[1], PROTOCOL, PROTOCOL, Phisher)
