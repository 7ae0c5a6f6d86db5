"""A program that has the approval PIN, on one connection: tests see what that gives it, and what not.

    prover.py SCRIPTS SOCKET        each line of stdin is a request: prove PIN, get NAME, approve ID, …

Prints what it was told as a line of JSON: `code` as `ctl` exits with, and `got`.
"""

import json
import sys

# Nothing is looked for where the script lies.
sys.path[0] = sys.argv[1]
import client  # noqa: E402
from client import blob, varint  # noqa: E402

EXITS = {"error": 1, "usage": 2, "locked": 3, "denied": 4, "not-found": 5, "wrong-password": 7,
         "throttled": 8, "conflict": 9, "weak-password": 2}


def ask(connection, do, word=""):
    if do == "get":
        return connection.get(word)["value"].decode()
    if do == "list":
        return [entry["name"] for entry in connection.list()]
    body, family, variant = {
        "prove": lambda: (b"\x00\x0b\x00" + blob(word), 0, 8),
        "approve": lambda: (b"\x04\x0b" + varint(int(word)) + b"\x00\x00", 4, 11),
        "rules": lambda: (b"\x04\x01\x00\x00", 4, 1),
        "settings": lambda: (b"\x02\x00", 2, 0),
        "handle": lambda: (b"\x04\x07\x01" + blob(word) + b"\x00\x00", 4, 7),
        # Each takes the master password; this one brings the PIN.
        "unlock": lambda: (b"\x00\x03" + blob(word) + b"\x00\x00", 0, 2),
        "set-setting": lambda: (b"\x02\x01" + blob(word) + blob("idle") + blob("1m"), 2, 1),
        "set-pin": lambda: (b"\x00\x0d" + blob(word) + b"\x00", 0, 10),
        "remove-rule": lambda: (b"\x04\x04" + blob(word) + blob("none"), 4, 4),
        "prove-password": lambda: (b"\x00\x0b\x01" + blob(word), 0, 8),
    }[do]()
    connection.call(body, family, variant)
    return None


def main(socket):
    connection = client.Connection(socket)
    print(json.dumps({"connected": True}), flush=True)
    for line in sys.stdin:
        try:
            told = {"code": 0, "got": ask(connection, *line.rstrip("\n").split(" ", 1))}
        except client.Refused as refused:
            told = {"code": EXITS[refused.code], "got": None, "why": refused.message}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[2])
