"""Checks an audit log with BLAKE3 and libsodium alone. Written from docs/audit.md, and shares no code with Glassdome.

read_audit_log.py KEY-FILE LINK FILE…   the log's files, oldest first
"""

import json
import sys

from blake3 import blake3
from nacl.public import PrivateKey, SealedBox


def keyed(key, data):
    return blake3(data, key=key).digest()


def auditors_key(text):
    prefix, version, secret, check = text.strip().rsplit("-", 3)
    assert (prefix, version) == ("glassdome-auditor", "1"), "no auditor's key"
    before = text.strip().rpartition("-")[0]
    assert blake3(before.encode()).digest()[:4].hex() == check, "a mistake in the auditor's key"
    return bytes.fromhex(secret)


class Reader:
    def __init__(self, secret):
        self.secret = PrivateKey(secret)
        self.public = bytes(self.secret.public_key).hex()
        self.origin = blake3(secret, derive_key_context="glassdome v1 audit origin").digest()
        self.log = None
        self.seq = 0
        self.hash = bytes(32).hex()
        self.key = None
        self.links = {}
        self.sealed = 0
        self.linked = []

    def file(self, lines):
        assert lines.endswith(b"\n"), "the last line has no end"
        for n, line in enumerate(lines.removesuffix(b"\n").split(b"\n")):
            record = json.loads(line)
            assert ("log" in record) == (n == 0), f"record {record['seq']}: the first line says which log it is"
            self.line(line, record)

    def line(self, line, record):
        seq = record["seq"]
        assert seq == self.seq + 1, f"record {seq} stands behind {self.seq}"
        assert record["prev"] == self.hash, f"record {seq} does not follow the one before"
        if "log" in record:
            assert record["log"]["format"] == 1
            assert self.log in (None, record["log"]["id"]), f"record {seq} is of another log"
            self.log = record["log"]["id"]
        key = record.get("key")
        if "mac" in record:
            body = line[: -len(',"mac":""}') - 32]
            assert line == body + b',"mac":"%s"}' % record["mac"].encode(), f"the seal of {seq} is not its last member"
            under = self.under(key["linked"]) if key else self.key
            assert keyed(under, blake3(body).digest())[:16].hex() == record["mac"], f"the seal of {seq} does not fit"
            self.sealed += 1
        else:
            assert self.key is None, f"record {seq} has no seal"
        if key:
            assert (record["event"], key["auditor"]) == ("seal", self.public)
            self.key = SealedBox(self.secret).decrypt(bytes.fromhex(key["sealed"]))
            self.linked.append(key["linked"] if isinstance(key["linked"], str) else "link")
        elif self.key:
            self.key = keyed(self.key, b"glassdome audit next")
        if self.key:
            self.links[seq] = keyed(self.key, b"glassdome audit link")
        self.seq, self.hash = seq, blake3(line).hexdigest()

    def under(self, linked):
        if linked == "running":
            return self.key
        if linked == "origin":
            return self.origin
        assert linked["log"] == self.log, "it goes on from another log"
        return self.links[linked["seq"]]

    def link(self, block):
        assert len(block) == 64 and block[:5] == b"GLNK\x01", "no link"
        assert blake3(block[:61]).digest()[:3] == block[61:], "a torn link"
        seq = int.from_bytes(block[21:29], "little")
        assert (block[5:21].hex(), block[29:61]) == (self.log, self.links[seq]), "the link is another"
        return seq


def main(key, link, *files):
    with open(key, encoding="ascii") as file:
        reader = Reader(auditors_key(file.read()))
    for name in files:
        with open(name, "rb") as file:
            reader.file(file.read())
    with open(link, "rb") as file:
        link = reader.link(file.read())
    print(json.dumps({"records": reader.seq, "hash": reader.hash, "sealed": reader.sealed, "link": link,
                      "linked": reader.linked}))


main(*sys.argv[1:])
