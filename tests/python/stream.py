"""A stream of the daemon's, chunk by chunk, by a client that does with it what ours never do.

    stream.py SOCKET hold CONTEXT WAITING GO    encrypts a chunk, makes the file WAITING, waits for a file GO, and
                                                encrypts another: prints "ok", the refusal's code, or "cut off"
    stream.py SOCKET unread CONTEXT WAITING     sends chunks and reads no answer, until it is dropped
    stream.py SOCKET misuse CONTEXT             what makes no sense: prints the codes
"""

import os
import sys
import time

import client

CHUNK = 60 * 1024


def begin(connection, context):
    reader = connection.call(b"\x06\x00" + client.blob(context), 6, 0)
    header = reader.blob()
    reader.end()
    return header


def next_chunk(connection, data, last=False):
    reader = connection.call(b"\x06\x02" + bytes([last]) + client.blob(data), 6, 2)
    made = reader.blob()
    reader.end()
    return made


def outcome(act):
    try:
        act()
        return "ok"
    except client.Refused as refused:
        return refused.code
    except (EOFError, ConnectionError):
        return "cut off"


def hold(connection, context, waiting, go):
    begin(connection, context)
    next_chunk(connection, bytes(CHUNK))
    open(waiting, "w").close()
    while not os.path.exists(go):
        time.sleep(0.01)
    print(outcome(lambda: next_chunk(connection, bytes(CHUNK))))


def unread(connection, context, waiting):
    begin(connection, context)
    open(waiting, "w").close()
    body = client.frame(client.varint(7) + b"\x06\x02\x00" + client.blob(bytes(CHUNK)))
    sent = 0
    try:
        while True:
            connection.wire.sendall(body)
            sent += 1
    except ConnectionError:
        print("dropped", sent < 64)


def misuse(connection, context):
    tries = [
        lambda: next_chunk(connection, b"a"),
        lambda: begin(connection, ""),
    ]
    # A name that is none ends the connection, so it comes last.
    print(outcome(tries[0]))
    begin(connection, context)
    print(outcome(lambda: next_chunk(connection, b"short")))
    print(outcome(lambda: next_chunk(connection, bytes(CHUNK))))
    begin(connection, context)
    print(outcome(lambda: next_chunk(connection, bytes(CHUNK + 1))))
    begin(connection, context)
    begin(connection, context)
    print(outcome(lambda: next_chunk(connection, b"the last", True)))
    print(outcome(lambda: next_chunk(connection, b"behind it", True)))
    print(outcome(tries[1]))


def main(path, what, *arguments):
    {"hold": hold, "unread": unread, "misuse": misuse}[what](client.Connection(path), *arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
