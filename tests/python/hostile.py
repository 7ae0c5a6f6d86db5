"""Raw peers that keep to no rule.

    hostile.py SOCKET CASE      (prints a JSON object)

Most cases say what the daemon answered (`refused`: its codes), whether it `closed`, and after how many
seconds.
"""

import json
import os
import resource
import select
import socket
import struct
import subprocess
import sys
import time

from client import (CHUNK, Connection, Reader, Refused, blob, frame, hello, read_frame, read_reply,
                    receive_challenge, varint)

STATUS = b"\x00\x00"
PATIENCE = 30


def ended(wire, began=None):
    """Reads until the daemon hangs up."""
    began, told = began or time.monotonic(), {"refused": [], "closed": False}
    wire.settimeout(PATIENCE)
    try:
        while True:
            _, outcome = read_reply(Reader(read_frame(wire)))
            if isinstance(outcome, Refused):
                told["refused"].append(outcome.code)
                told["message"] = outcome.message
    except (EOFError, ConnectionResetError):
        told["closed"] = True
    except TimeoutError:
        pass
    return told | {"seconds": time.monotonic() - began}


def after_hello(words):
    def case(path):
        connection = Connection(path)
        connection.call(STATUS, 0, 0)
        connection.wire.sendall(words)
        return ended(connection.wire)
    return case


def instead_of_hello(words):
    def case(path):
        connection = Connection(path, greet=False)
        connection.wire.sendall(words(connection) if callable(words) else words)
        return ended(connection.wire)
    return case


def slow(path):
    """A byte now and then, of a frame that is never whole."""
    connection = Connection(path)
    connection.call(STATUS, 0, 0)
    began, words = time.monotonic(), frame(bytes(100))
    for byte in words[:-1]:
        try:
            connection.wire.sendall(bytes([byte]))
        except BrokenPipeError:
            break
        readable, _, _ = select.select([connection.wire], [], [], 0.2)
        if readable:
            break
    return ended(connection.wire, began)


def endless(body):
    """Asks and asks, and never reads."""
    def case(path):
        connection = Connection(path)
        began, sent = time.monotonic(), 0
        words = b"".join(frame(varint(number) + body) for number in range(1, 2000))
        connection.wire.settimeout(PATIENCE)
        try:
            while time.monotonic() - began < 2 * PATIENCE:
                sent += connection.wire.send(words)
        except (BrokenPipeError, ConnectionResetError):
            return {"closed": True, "seconds": time.monotonic() - began, "sent": sent}
        except TimeoutError:
            pass
        return {"closed": False, "seconds": time.monotonic() - began, "sent": sent}
    return case


def in_flight(path):
    """More at a time than may be; then a lock ends them all."""
    connection, password = Connection(path), sys.stdin.buffer.read()
    for _ in range(70):
        connection.ask(b"\x00\x03" + blob(password) + b"\x00\x00")
    told = {}
    Connection(path).lock()
    connection.wire.settimeout(PATIENCE)
    for _ in range(70):
        _, outcome = read_reply(Reader(read_frame(connection.wire)))
        code = outcome.code if isinstance(outcome, Refused) else "answered"
        told[code] = told.get(code, 0) + 1
    return told


def ctl(*arguments):
    """What another client gets meanwhile: its code, and how long it took."""
    began = time.monotonic()
    out = subprocess.run(["ctl", *arguments], capture_output=True)
    return {"code": out.returncode, "seconds": time.monotonic() - began}


def flood(path):
    """Every place there is, then the short ones, then past those; and clients among them."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    held, told = [], {}
    for _ in range(1024):
        connection = Connection(path)
        connection.status()
        held.append(connection)
    short = Connection(path)
    told["short status"] = short.status()["state"]
    try:
        short.get("bait")
    except Refused as refused:
        told["short get"] = refused.code
    told["short ends"] = ended(short.wire)["closed"]

    crowd = []
    for _ in range(100):
        accepted = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        accepted.settimeout(PATIENCE)
        accepted.connect(path)
        crowd.append(accepted)
    told["crowd"] = {}
    challenged = []
    for accepted in crowd:
        try:
            challenged.append(receive_challenge(accepted))
            word = "challenged"
        except Refused as refused:
            word = refused.code
        told["crowd"][word] = told["crowd"].get(word, 0) + 1
    # Only now: each that is closed early would make room for one that has not been accepted yet.
    for accepted in crowd:
        accepted.close()
    challenged.clear()
    # Those that came in time are still served.
    told["first"], told["last"] = held[0].get("bait")["version"], held[-1].get("bait")["version"]
    told["ctl status"], told["ctl lock"] = ctl("status", "--json"), ctl("lock")
    told["after"] = held[0].status()["state"]
    return told


def never_reads(path):
    """Asks for large values, and looks away, while others ask for small ones."""
    connection = Connection(path)
    began = time.monotonic()
    for _ in range(20):
        connection.ask(b"\x01\x00" + blob("large") + b"\x00")
    # Whether it is closed shows without reading.
    poller, others = select.poll(), []
    poller.register(connection.wire, 0)
    while not poller.poll(0) and time.monotonic() - began < PATIENCE:
        others.append(ctl("get", "bait"))
    return {"closed": bool(poller.poll(0)), "seconds": time.monotonic() - began,
            "served": sum(other["code"] == 0 for other in others), "asked": len(others),
            "slowest": max(other["seconds"] for other in others)}


def uploads(path):
    """Large values that are begun, on many connections, and never go on."""
    held, codes = [], {}
    for _ in range(40):
        connection = Connection(path)
        body = b"\x01\x03" + blob("half") + b"\x00\x00\x00\x00" + varint(1 << 20) + blob(bytes(CHUNK))
        connection.ask(body)
        held.append(connection)
    for connection in held:
        told = ended(connection.wire)
        key = told["refused"][0] if told["refused"] else "closed" if told["closed"] else "open"
        codes[key] = codes.get(key, 0) + 1
    return codes


def request(number, *parts):
    return frame(varint(number) + b"".join(parts))


CASES = {
    "oversize": after_hello(struct.pack("<I", 65537)),
    "huge": after_hello(b"\xff\xff\xff\xff"),
    "empty": after_hello(bytes(4)),
    "truncated": after_hello(struct.pack("<I", 100) + bytes(10)),
    "slow": slow,
    "garbage": after_hello(frame(os.urandom(200))),
    "unknown-family": after_hello(request(1, b"\x09")),
    "unknown-message": after_hello(request(1, b"\x00\x63")),
    "trailing": after_hello(request(1, STATUS, b"\x00")),
    "not-utf8": after_hello(request(1, b"\x01\x00", blob(b"\xff\xfe"), b"\x00")),
    "long-name": after_hello(request(1, b"\x01\x00", blob(b"x" * 513), b"\x00")),
    "many-items": after_hello(request(1, b"\x01\x04", varint(2**32 - 1))),
    "long-varint": after_hello(frame(b"\xff" * 64)),
    "part-of-nothing": after_hello(request(1, b"\x03", blob(b"x"))),
    "endless-upload": after_hello(request(1, b"\x01\x03", blob("a"), b"\0\0\0\0", varint(4), blob(b"abc"))
                                  + request(1, b"\x03", blob(b"de"))),
    "empty-part": after_hello(request(1, b"\x01\x03", blob("a"), b"\0\0\0\0", varint(4), blob(b"abc"))
                              + request(1, b"\x03", blob(b""))),
    "over-1-mib": after_hello(request(1, b"\x01\x03", blob("a"), b"\0\0\0\0", varint(2**32 - 1), blob(b"abc"))
                              + frame(b"\xff")),
    "silent": instead_of_hello(b""),
    "no-hello": instead_of_hello(request(1, STATUS)),
    "wrong-nonce": instead_of_hello(lambda connection: hello(bytes(32))),
    "old-version": instead_of_hello(lambda connection: hello(connection.nonce, protocol=0)),
    "new-version": instead_of_hello(lambda connection: hello(connection.nonce, protocol=2)),
    "endless-status": endless(STATUS),
    "endless-batches": endless(b"\x01\x04\x00\x00\x01"),
    "in-flight": in_flight,
    "flood": flood,
    "never-reads": never_reads,
    "uploads": uploads,
}

if __name__ == "__main__":
    print(json.dumps(CASES[sys.argv[2]](sys.argv[1])), flush=True)
