"""Asks for a large value and stops reading after its first part: the rest is the daemon's to hold,
until a file says to go on. Then it says what came.

    slow_reader.py SOCKET NAME WAITING GO

It makes the file WAITING when it stops, and goes on when there is a file GO.
"""

import os
import sys
import time

import client


def main(path, name, waiting, go):
    connection = client.Connection(path)
    number = connection.ask(b"\x01\x00" + client.blob(name) + b"\x00")
    reader = connection.answer(number, 1, 0)
    reader.varint(), reader.option(reader.varint)
    total, got = reader.varint(), len(reader.blob())
    with open(waiting, "w"):
        pass
    while not os.path.exists(go):
        time.sleep(0.01)
    try:
        while got < total:
            got += len(connection.answer(number, 3, None).blob())
        print("all")
    except client.Refused as refused:
        print(refused.code)
    except (EOFError, ConnectionError):
        print("cut off")


if __name__ == "__main__":
    main(*sys.argv[1:])
