"""A program of the owner's that tries to have other rules sealed, by the protocol itself.

    edits.py SCRIPTS SOCKET ATTACK         the master password is on stdin

Prints what it was told, as JSON: the code of the refusal, or "sealed".
"""

import json
import sys

sys.path[0] = sys.argv[1]
import client  # noqa: E402

PART, PAGE, SEAL = 14, 15, 16
TAKEN, EDITS, SEALED = 14, 15, 16
CHUNK = 61440


def option(there, value=b""):
    return b"\x01" + value if there else b"\x00"


def part(connection, at, text, more, proof=None, base=None, answer=EDITS):
    members = client.varint(at) + client.blob(text) + (b"\x01" if more else b"\x00")
    members += option(base is not None, base or b"")
    members += option(proof is not None, client.blob(proof or b""))
    return connection.call(bytes([4, PART]) + members, 4, TAKEN if more else answer)


def page(connection):
    return connection.call(bytes([4, PAGE, 0]), 4, EDITS)


def seal(connection, password):
    connection.call(bytes([4, SEAL]) + client.blob(password), 4, SEALED)


def attack(connection, what, password):
    if what == "without the password":
        part(connection, 0, b"", False)
    elif what == "the rest of nothing":
        part(connection, 7, b"#", False)
    elif what == "what was never shown":
        page(connection)
    elif what == "sealed though never shown":
        seal(connection, password)
    elif what == "a wrong place":
        part(connection, 0, b"##", True, password)
        part(connection, 1, b"#", False)
    elif what == "too much":
        for at in range(0, (2 << 20) + CHUNK, CHUNK):
            part(connection, at, b"#" * CHUNK, True, password if at == 0 else None)
    elif what == "of other rules":
        part(connection, 0, b"", False, password, bytes(32))
    elif what == "with a wrong password":
        part(connection, 0, b"", False, password)
        seal(connection, b"wrong otters juggle plums")
    elif what == "with the password":
        part(connection, 0, b"", False, password)
        seal(connection, password)


def main(socket, what):
    password = sys.stdin.readline().rstrip("\n").encode()
    try:
        attack(client.Connection(socket), what, password)
        told = "sealed"
    except client.Refused as refused:
        told = refused.code
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[2:])
