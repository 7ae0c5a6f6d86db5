"""Begins to store a random value of 1 MiB, hangs up in the middle, and prints the bytes it sent.

    half_upload.py SOCKET
"""

import os
import sys
import time

from client import CHUNK, Connection, blob, frame, varint

connection = Connection(sys.argv[1])
value = os.urandom(2 * CHUNK)
body = b"\x01\x03" + blob("unfinished") + b"\x00\x00\x00\x00" + varint(1 << 20) + blob(value[:CHUNK])
number = connection.ask(body)
connection.wire.sendall(frame(varint(number) + b"\x03" + blob(value[CHUNK:])))
time.sleep(0.2)
connection.wire.close()
connection.accepted.close()
time.sleep(0.2)
sys.stdout.buffer.write(value)
