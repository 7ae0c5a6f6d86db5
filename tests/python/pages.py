"""Lists all names, page by page, and waits for whoever is asked; then tries to have more of the same yes.

    pages.py SCRIPTS SOCKET

Prints a line of JSON for each attempt: how many names came, and how often somebody was asked.
"""

import json
import sys

sys.path[0] = sys.argv[1]
import client  # noqa: E402

WAIT = 40
ASKED = 2


class Waiting(client.Connection):
    def __init__(self, path):
        super().__init__(path, greet=False)
        greeting = client.hello(self.nonce)
        # How long it waits comes last.
        self.wire.sendall(client.frame(greeting[4:-1] + client.varint(WAIT)))
        self.asked = 0

    def answer(self, number, family, variant):
        while True:
            frame = client.read_frame(self.wire)
            reader = client.Reader(frame)
            reader.varint()
            if reader.varint() != ASKED:
                break
            self.asked += 1
        _, outcome = client.read_reply(client.Reader(frame))
        if isinstance(outcome, client.Refused):
            raise outcome
        got, reader = outcome
        if got != family or reader.varint() != variant:
            raise ValueError("an answer to something else")
        return reader


def attempt(connection, ask):
    try:
        names = ask()
    except client.Refused as refused:
        names = refused.code
    print(json.dumps({"names": names, "asked": connection.asked}), flush=True)


def main(socket):
    connection = Waiting(socket)
    attempt(connection, lambda: len(connection.list()))
    # From the middle, as if the listing went on.
    attempt(connection, lambda: connection.call(b"\x01\x01\x00\x01" + bytes(16), 1, 1).varint())
    attempt(connection, lambda: len(connection.list()))


if __name__ == "__main__":
    main(*sys.argv[2:])
