"""Lists names from the middle, as if a listing went on that never began. Prints how many came."""

import sys

import client

connection = client.Connection(sys.argv[1])
number = connection.ask(b"\x01\x01\x00\x01" + bytes(16))
print(connection.answer(number, 1, 1).varint())
