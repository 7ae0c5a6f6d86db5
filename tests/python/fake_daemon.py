"""Stands where a daemon would and says that it speaks the protocol versions OLDEST to NEWEST; what a
client then sends, it prints.

    fake_daemon.py SOCKET OLDEST NEWEST SECONDS

It listens before SOCKET appears, serves for so many seconds, and ends.
"""

import array
import os
import select
import socket
import struct
import sys
import time


def main(path, oldest, newest, seconds):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path + ".new")
    listener.listen()
    os.rename(path + ".new", path)
    ends = time.monotonic() + float(seconds)
    challenge = bytes([int(oldest), int(newest)]) + bytes(range(32))
    open_sockets, heard = {listener}, b""
    while (left := ends - time.monotonic()) > 0:
        for ready in select.select(open_sockets, [], [], left)[0]:
            if ready is listener:
                accepted, _ = listener.accept()
                ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [theirs.fileno()]))]
                accepted.sendmsg([struct.pack("<I", len(challenge)) + challenge], rights)
                theirs.close()
                open_sockets |= {accepted, ours}
            elif data := ready.recv(65536):
                heard += data
            else:
                open_sockets.discard(ready)
    sys.stdout.buffer.write(heard)


if __name__ == "__main__":
    main(*sys.argv[1:])
