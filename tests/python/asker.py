#!/usr/bin/python3
"""A program that asks for secrets, by `ctl` and as a client of its own: tests allow it, and then copy,
edit and steer it.

    asker.py SCRIPTS SOCKET (ctl|client) (get|list|set|remove) [NAME], or ctl move NAME NAME
    asker.py SCRIPTS SOCKET stay           each line of stdin is such a request, on one connection

Prints what it was told as a line of JSON: `code` as `ctl` exits with, `got`, and `why` not.
"""

import json
import os
import subprocess
import sys

# Nothing is looked for where the script lies.
sys.path[0] = sys.argv[1]
import client  # noqa: E402

EXITS = {"error": 1, "usage": 2, "locked": 3, "denied": 4, "not-found": 5, "wrong-password": 7,
         "throttled": 8, "conflict": 9, "corrupt": 10, "protocol": 11, "storage": 12, "paused": 3}
NEW = "a new value"


def by_ctl(action, name=None, to=None):
    words = {"get": ["get", "--", name], "list": ["list"], "set": ["set", "--stdin", "--", name],
             "remove": ["rm", "--", name], "move": ["mv", "--", name, to]}[action]
    done = subprocess.run(["ctl", *words], input=NEW, capture_output=True, text=True)
    return {"code": done.returncode, "got": done.stdout or None, "why": done.stderr.strip()}


def by_client(connection, action, name=None):
    try:
        if action == "get":
            got = connection.get(name)["value"].decode()
        elif action == "list":
            got = "".join(entry["name"] + "\n" for entry in connection.list())
        elif action == "set":
            got = connection.set(name, NEW.encode())
        else:
            got = connection.call(b"\x01\x05" + client.blob(name) + b"\x00", 1, 5).end()
        return {"code": 0, "got": got, "why": ""}
    except client.Refused as refused:
        return {"code": EXITS[refused.code], "got": None, "why": refused.message}


class Asker:
    def __init__(self, socket):
        self.socket, self.connection = socket, None

    def ask(self, how, action, name=None, to=None):
        if how == "ctl":
            return by_ctl(action, name, to)
        try:
            self.connection = self.connection or client.Connection(self.socket)
        except client.Refused as refused:
            return {"code": EXITS[refused.code], "got": None, "why": refused.message}
        return by_client(self.connection, action, name)


def main(socket, how, *words):
    asker = Asker(socket)
    if how != "stay":
        print(json.dumps(asker.ask(how, *words)), flush=True)
        return
    print(json.dumps({"pid": os.getpid()}), flush=True)
    for line in sys.stdin:
        print(json.dumps(asker.ask(*line.rstrip("\n").split(" ", 2))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[2:])
