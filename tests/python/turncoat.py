#!/usr/bin/python3
"""Asks for a secret and waits for whoever is asked. Once a file is there, another program is to read the answer
in its place: the same process, with the same connection.

    turncoat.py SCRIPTS SOCKET NAME FILE (stay|become)

Prints whatever comes over the connection.
"""

import os
import sys
import time

sys.path[0] = sys.argv[1]
import client  # noqa: E402

WAIT = 40


def main(socket, name, file, how):
    connection = client.Connection(socket, greet=False)
    greeting = client.hello(connection.nonce)
    # How long it waits comes last.
    connection.wire.sendall(client.frame(greeting[4:-1] + client.varint(WAIT)))
    connection.ask(b"\x01\x00" + client.blob(name) + b"\x00")
    while not os.path.exists(file):
        time.sleep(0.001)
    os.dup2(connection.wire.fileno(), 0)
    if how == "become":
        os.execv("/bin/cat", ["cat"])
    while data := os.read(0, 65536):
        os.write(1, data)
        if b"value" in data:
            break


if __name__ == "__main__":
    main(*sys.argv[2:])
