"""Reads one secret many times over one connection: many_gets.py SOCKET NAME REQUESTS, 64 values a request."""

import sys

from client import Connection

_, path, name, requests = sys.argv
connection = Connection(path)
for _ in range(int(requests)):
    assert len(connection.get_many([name] * 64)) == 64
