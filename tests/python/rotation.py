"""A rotation step by step, as docs/protocol.md has it: a test stops, locks and kills it at the moment that it is about."""

import os
import subprocess

from client import Connection, Refused, blob, option

SOCKET = os.environ["XDG_RUNTIME_DIR"] + "/glassdome/daemon.sock"
PASSWORD = os.environ["PASSWORD"]


def ctl(*args, lines=()):
    """`ctl …` with these lines: its code, and what it printed and told."""
    out = subprocess.run(["ctl", *args], input="".join(f"{line}\n" for line in lines), capture_output=True, text=True)
    return {"code": out.returncode, "stdout": out.stdout, "stderr": out.stderr}


class Rotation(Connection):
    """A connection, and the rotation that it has begun."""

    def __init__(self):
        super().__init__(SOCKET)

    def begin(self, code=None):
        """Gives how many rows were done before."""
        reader = self.call(b"\x07\x01" + blob(PASSWORD) + option(code, blob), 7, 1)
        before = reader.varint()
        reader.end()
        return before

    def step(self):
        """Gives rows that are done, rows in all, and whether it is ready."""
        reader = self.call(b"\x07\x02", 7, 2)
        told = reader.varint(), reader.varint(), reader.flag()
        reader.end()
        return told

    def carry(self):
        """Goes on until it is ready; gives the number of steps."""
        steps = 1
        while not self.step()[2]:
            steps += 1
        return steps

    def ask_for_the_end(self):
        return self.ask(b"\x07\x03")

    def has_ended(self, number):
        """Whether the former file is overwritten; or what was refused."""
        try:
            reader = self.answer(number, 7, 3)
        except Refused as refused:
            return refused.code
        erased = reader.flag()
        reader.end()
        return erased
