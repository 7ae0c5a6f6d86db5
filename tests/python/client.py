"""A client in another language, written from docs/protocol.md alone, with nothing but the standard
library: it proves that the page is exact, and the attackers of the tests are built from it.

    client.py SOCKET status | unlock | create | get NAME [FIELD] | get-many NAME… | set NAME | list [GLOB] |
                     lock | script

`unlock` and `create` read the password from stdin, `set` the value; `script` reads JSON requests, one
a line, and answers each with a line, all on one connection.
"""

import array
import base64
import json
import os
import socket
import stat
import struct
import sys

PROTOCOL = 1
FRAME = 64 * 1024
CHUNK = 60 * 1024

CODES = ["error", "usage", "locked", "denied", "not-found", "wrong-password", "throttled", "conflict",
         "corrupt", "protocol", "storage", "weak-password", "no-vault", "paused"]
LOCK_REASONS = ["requested", "expired", "idle", "keyring-locked", "screen-locked", "suspend", "logout",
                "canary", "shutdown", "unlogged", "panic"]
MEMORY = ["none", "locked", "secret"]
KEYRING = ["unwatched", "no-bus", "no-keyring", "no-collection", "silent", "locked", "unlocked"]
LOGIND = ["unwatched", "no-bus", "no-logind", "silent", "undelayed", "watched"]
SCREEN = ["unwatched", "unseen", "open", "locked"]
AUDIT = ["unmet", "chained", "sealed", "alarm"]
VAULT = ["absent", "present", "damaged"]


class Refused(Exception):
    """The daemon said no: a code, and a line for the person."""

    def __init__(self, code, message, retry_after_ms):
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.retry_after_ms = code, message, retry_after_ms


# Writing.

def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def blob(data):
    data = data.encode() if isinstance(data, str) else data
    return varint(len(data)) + data


def option(thing, write=varint):
    return b"\x00" if thing is None else b"\x01" + write(thing)


def frame(payload):
    return struct.pack("<I", len(payload)) + payload


# Reading.

class Reader:
    """What is left of a message."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise ValueError("a message was cut short")
        self.at += count
        return self.data[self.at - count:self.at]

    def varint(self):
        number = shift = 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7

    def blob(self):
        return self.take(self.varint())

    def text(self):
        return self.blob().decode()

    def flag(self):
        return self.take(1)[0] == 1

    def option(self, read):
        return read() if self.flag() else None

    def list(self, read):
        return [read() for _ in range(self.varint())]

    def end(self):
        if self.at != len(self.data):
            raise ValueError("bytes behind a message")


def read_frame(sock):
    length, = struct.unpack("<I", read_exactly(sock, 4))
    if not 0 < length <= FRAME:
        raise ValueError(f"a frame of {length} bytes")
    return read_exactly(sock, length)


def read_exactly(sock, count):
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise EOFError("the daemon closed the connection")
        data += part
    return data


# The connection.

def check_place(path):
    """Whose socket is it? Asked before a byte is sent."""
    directory, own = os.path.dirname(path), os.geteuid()
    for place, kind in ((directory, stat.S_ISDIR), (path, stat.S_ISSOCK)):
        found = os.lstat(place)
        if not kind(found.st_mode) or found.st_uid != own:
            raise PermissionError(f"{place} is not ours, or not what it should be")
    if os.lstat(directory).st_mode & 0o022:
        raise PermissionError(f"others may write to {directory}")


def peer_uid(sock):
    return struct.unpack("iII", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]


def receive_challenge(accepted):
    """Range of versions, nonce, and the fresh socket; a refusal comes without one."""
    data, rights = b"", array.array("i")
    while len(data) < 4 or len(data) < 4 + struct.unpack("<I", data[:4])[0]:
        part, control, _, _ = accepted.recvmsg(4096, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
        if not part:
            raise EOFError("the daemon closed the connection")
        data += part
        for level, kind, payload in control:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                rights.frombytes(payload[:4])
    reader = Reader(data[4:])
    if not rights:
        raise read_reply(reader)[1]
    challenge = reader.varint(), reader.varint(), reader.take(32)
    reader.end()
    return challenge, socket.socket(fileno=rights[0])


def hello(nonce, name="client.py", version="1", protocol=PROTOCOL):
    # Its requests wait for nobody.
    return frame(varint(protocol) + nonce + blob(name) + blob(version) + varint(0))


def read_reply(reader):
    """Id, and a `Refused` or the rest of the answer as (family, reader)."""
    number = reader.varint()
    if reader.varint() == 1:
        code, message = reader.varint(), reader.text()
        return number, Refused(CODES[code], message, reader.option(reader.varint))
    return number, (reader.varint(), reader)


class Connection:
    """Connects and greets; then one request after the other."""

    def __init__(self, path, greet=True):
        check_place(path)
        self.accepted = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.accepted.connect(path)
        if peer_uid(self.accepted) != os.geteuid():
            raise PermissionError("another user's program listens there")
        (oldest, newest, self.nonce), self.wire = receive_challenge(self.accepted)
        if not oldest <= PROTOCOL <= newest:
            raise ValueError(f"the daemon speaks protocol {oldest} to {newest}")
        self.number = 0
        if greet:
            self.wire.sendall(hello(self.nonce))

    def ask(self, body):
        self.number += 1
        try:
            self.wire.sendall(frame(varint(self.number) + body))
        except BrokenPipeError:
            pass  # it may have been refused: what the daemon said last is still to be read
        return self.number

    def answer(self, number, family, variant):
        """The reader behind the expected kind of answer."""
        replied, outcome = read_reply(Reader(read_frame(self.wire)))
        if isinstance(outcome, Refused):
            raise outcome
        got, reader = outcome
        if replied != number or got != family or (variant is not None and reader.varint() != variant):
            raise ValueError("an answer to something else")
        return reader

    def call(self, body, family, variant):
        return self.answer(self.ask(body), family, variant)

    def status(self):
        reader = self.call(b"\x00\x00", 0, 0)
        status = {"state": ["locked", "unlocked"][reader.varint()]}
        if status["state"] == "unlocked":
            status |= {key: reader.varint() for key in ("expires_at", "left_s", "secrets")}
        status["last_lock"] = reader.option(lambda: LOCK_REASONS[reader.varint()])
        status |= {"pid": reader.varint(), "version": reader.text()}
        status |= {"memory": MEMORY[reader.varint()], "vault": VAULT[reader.varint()]}
        status |= {"keyring": KEYRING[reader.varint()], "logind": LOGIND[reader.varint()]}
        status["screen"] = SCREEN[reader.varint()]
        status["audit"] = AUDIT[reader.varint()]
        status["storage"] = reader.option(
            lambda: {"bound": reader.flag(), "backup": reader.option(reader.varint)})
        reader.end()
        return status

    def _unlocked(self, body):
        reader = self.call(body, 0, 2)
        told = {"opened": reader.flag(), "expires_at": reader.varint(), "left_s": reader.varint()}
        reader.end()
        return told

    def create(self, password):
        return self._unlocked(b"\x00\x02" + blob(password) + b"\x01" + b"\x00\x00")

    def unlock(self, password, total_s=None, idle_s=None):
        return self._unlocked(b"\x00\x03" + blob(password) + option(total_s) + option(idle_s))

    def end_panic(self, password):
        return self._unlocked(b"\x00\x0a" + blob(password) + option(None) + option(None))

    def panic(self):
        self.call(b"\x00\x09", 0, 7).end()

    def lock(self):
        self.call(b"\x00\x05", 0, 3).end()

    def get(self, name, field=None):
        number = self.ask(b"\x01\x00" + blob(name) + option(field, blob))
        reader = self.answer(number, 1, 0)
        version, expires, total = reader.varint(), reader.option(reader.varint), reader.varint()
        value = reader.blob()
        reader.end()
        while len(value) < total:
            reader = self.answer(number, 3, None)
            value += reader.blob()
            reader.end()
        return {"version": version, "expires": expires, "value": value}

    def get_many(self, names):
        """Values of names, or of (name, field), in their order; None for one that must be got alone."""
        wanted = [(name, None) if isinstance(name, str) else name for name in names]
        items = b"".join(blob(name) + option(field, blob) for name, field in wanted)
        reader = self.call(b"\x01\x09" + varint(len(wanted)) + items, 1, 8)

        def found():
            if reader.varint() == 1:
                return None
            return {"version": reader.varint(), "expires": reader.option(reader.varint), "value": reader.blob()}

        values = reader.list(found)
        reader.end()
        return values

    def set(self, name, value, field=None, expires=None, expect=b"\x00"):
        body = b"\x01\x03" + blob(name) + option(field, blob) + option(expires) + expect + b"\x00"
        number = self.ask(body + varint(len(value)) + blob(value[:CHUNK]))
        for start in range(CHUNK, len(value), CHUNK):
            self.wire.sendall(frame(varint(number) + b"\x03" + blob(value[start:start + CHUNK])))
        reader = self.answer(number, 1, 3)
        version = reader.varint()
        reader.end()
        return version

    def list(self, glob=None):
        entries, after = [], None
        while True:
            body = b"\x01\x01" + option(glob, blob) + option(after, lambda cursor: cursor)
            reader = self.call(body, 1, 1)
            entries += reader.list(lambda: {
                "name": reader.text(), "version": reader.varint(), "changed": reader.varint(),
                "expires": reader.option(reader.varint), "size": reader.option(reader.varint),
                "fields": reader.take(1)[0]})
            after = reader.option(lambda: reader.take(16))
            reader.end()
            if after is None:
                return entries


def script(connection, line):
    """One JSON request of `script`: {"do": "get", …}; bytes are base64."""
    request = json.loads(line)
    do = request.pop("do")
    for key in ("value", "password"):
        if key in request:
            request[key] = base64.b64decode(request[key])
    try:
        answer = getattr(connection, do)(**request)
    except Refused as refused:
        return {"refused": refused.code, "message": refused.message}
    if do == "get":
        answer["value"] = base64.b64encode(answer["value"]).decode()
    return {"ok": answer}


def main(path, command, *arguments):
    connection = Connection(path)
    if command == "script":
        for line in sys.stdin:
            print(json.dumps(script(connection, line)), flush=True)
    elif command in ("unlock", "create"):
        print(json.dumps(getattr(connection, command)(sys.stdin.buffer.read())))
    elif command == "get":
        sys.stdout.buffer.write(connection.get(*arguments)["value"])
    elif command == "get-many":
        values = connection.get_many(arguments)
        print(json.dumps([value and base64.b64encode(value["value"]).decode() for value in values]))
    elif command == "set":
        print(connection.set(*arguments, sys.stdin.buffer.read()))
    elif command in ("status", "list", "lock"):
        print(json.dumps(getattr(connection, command)(*arguments)))
    else:
        sys.exit(f"no such command: {command}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Refused as refused:
        sys.exit(f"refused: {refused}")
