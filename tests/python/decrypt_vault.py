"""Reads a vault from its sealed rows and the password, written from docs/vault-format.md alone.

    decrypt_vault.py [--keys] [--recovery] [--device] < rows     (rows: JSON lines of table, key, row; the first line is
                                                                  the password, or the recovery code; with --device the
                                                                  second is the device key, in hexadecimal)

Prints a JSON object: `secrets` (name to value, fields, version, times), `history`, `settings`. With
--keys also the master key and its sub-keys: what no memory of the daemon may hold. Bytes are hex.
"""

import hmac
import json
import struct
import sys

from argon2.low_level import Type, hash_secret_raw
from blake3 import blake3

from client import Reader
from xchacha import decrypt

CONTEXTS = ["names", "records", "settings", "audit", "contexts", "set"]
KINDS = ["set", "removed", "restored", "moved"]


def derive(context, material, length=32):
    return blake3(material, derive_key_context=context).digest(length=length)


def prefixed(*parts):
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


def unseal(key, sealed, vault, table, entry, version):
    nonce, commitment, ciphertext = sealed[:24], sealed[24:56], sealed[56:]
    both = derive("glassdome v1 record", key + nonce, 64)
    if not hmac.compare_digest(both[32:], commitment):
        raise ValueError("wrong password, or an altered row")
    place = prefixed(vault, table.encode(), entry, struct.pack("<Q", version))
    return decrypt(both[:32], nonce, ciphertext, place)


def recovery_code(typed):
    """The code as it is derived from, if its check fits."""
    alphabet = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    code = typed.upper().replace(b"-", b"").replace(b" ", b"").translate(bytes.maketrans(b"OIL", b"011"))
    values = [alphabet.index(symbol) for symbol in code]
    number = 0
    for value in values[:26]:
        number = number * 32 + value
    if len(values) != 28 or number % 1021 != values[26] * 32 + values[27]:
        raise ValueError("no recovery code")
    return code


def slot_key(rows, wanted, password, device=None):
    """The master key out of the slot of that kind: 1 password, 2 recovery code, 3 password and device key."""
    vault = rows["header"][b"vault"][4:20]
    for slot, row in rows["slots"].items():
        kind, memory, passes, lanes, length = struct.unpack_from("<BIIIB", row)
        if kind != wanted:
            continue
        if not (64 * 1024 <= memory <= 4 * 1024 * 1024 and 3 <= passes <= 64 and 1 <= lanes <= 64):
            raise ValueError("tampered: the key derivation was weakened")
        salt, sealed = row[14:14 + length], row[14 + length:]
        key = hash_secret_raw(password, salt, passes, memory, lanes, 32, Type.ID, version=0x13)
        if kind == 3:
            bound_to, sealed = sealed[:16], sealed[16:]
            if derive("glassdome v1 device key id", device)[:16] != bound_to:
                raise ValueError("another device key")
            key = derive("glassdome v1 device kek", key + device)
        return key, unseal(key, sealed, vault, "slots", slot, 0)
    raise ValueError("no such slot")


class Vault:
    """The rows, and the keys to them."""

    def __init__(self, rows, kind, password, device=None):
        self.rows, self.id = rows, rows["header"][b"vault"][4:20]
        if struct.unpack_from("<I", rows["header"][b"vault"])[0] != 1:
            raise ValueError("a newer format")
        self.kek, self.master = slot_key(rows, kind, password, device)
        self.keys = {name: derive(f"glassdome v1 {name}", self.master) for name in CONTEXTS}

    def open(self, table, entry, row, key="records"):
        version, = struct.unpack_from("<Q", row)
        reader = Reader(unseal(self.keys[key], row[8:], self.id, table, entry, version))
        if reader.take(1) != b"\x01":
            raise ValueError("a newer row")
        return version, reader

    def record(self, table, entry, row):
        version, reader = self.open(table, entry, row)
        record = {"name": reader.text(), "version": version, "expires": reader.option(reader.varint),
                  "value": reader.option(lambda: reader.blob().hex()),
                  "fields": dict(reader.list(lambda: (reader.text(), reader.blob().hex())))}
        reader.end()
        return record

    def meta(self, entry, row):
        version, reader = self.open("meta", entry, row)
        meta = {"name": reader.text(), "created": reader.varint(), "expires": reader.option(reader.varint),
                "size": reader.option(reader.varint),
                "fields": reader.list(lambda: (reader.text(), reader.varint())),
                "versions": reader.list(lambda: {
                    "version": reader.varint(), "time": reader.varint(), "size": reader.varint(),
                    "kind": KINDS[reader.varint()]})}
        reader.end()
        if meta["versions"][-1]["version"] != version:
            raise ValueError("the last version is not the row's")
        return meta

    def name_hash(self, name):
        return blake3(name.encode(), key=self.keys["names"]).digest()[:16]

    def secrets(self):
        secrets = {}
        for index, entry in self.rows["names"].items():
            meta = self.meta(entry, self.rows["meta"][entry])
            if self.name_hash(meta["name"]) != index:
                raise ValueError("the index names another entry")
            if meta["versions"][-1]["kind"] == "removed":
                continue
            record = self.record("values", entry, self.rows["values"][entry])
            if record["name"] != meta["name"]:
                raise ValueError("two names for one entry")
            secrets[record["name"]] = record | {"versions": meta["versions"]}
        return secrets

    def history(self):
        return [self.record("history", key[:16], row) for key, row in self.rows["history"].items()]

    def settings(self):
        settings = {}
        for key, row in self.rows["sealed"].items():
            if key != b"set":
                _, reader = self.open("sealed", key, row, "settings")
                settings[key.decode()] = reader.blob().hex()
                reader.end()
        return settings

    def check_sums(self):
        """Two sums over all rows: none altered, added, taken away or put back."""
        row = self.rows["sealed"][b"set"]
        generation, = struct.unpack_from("<Q", row)
        plain = unseal(self.keys["settings"], row[8:], self.id, "sealed", b"set", generation)
        if plain != b"\x01" + self.sum("header", "slots", "sealed") + self.sum("meta", "values", "names", "history"):
            raise ValueError("the rows are not those that the last change left")

    def sum(self, *tables):
        total = 0
        for table in tables:
            for key, row in self.rows[table].items():
                if (table, key) != ("sealed", b"set"):
                    digest = blake3(prefixed(table.encode(), key, row), key=self.keys["set"]).digest()
                    total += int.from_bytes(digest, "little")
        return (total % 2**256).to_bytes(32, "little")


def main():
    password, *lines = sys.stdin.buffer.read().split(b"\n")
    device = bytes.fromhex(lines.pop(0).decode()) if "--device" in sys.argv else None
    rows = {table: {} for table in
            ("header", "slots", "sealed", "plain", "meta", "values", "names", "history")}
    for line in filter(None, lines):
        row = json.loads(line)
        rows[row["table"]][bytes.fromhex(row["key"])] = bytes.fromhex(row["row"])
    if "--recovery" in sys.argv:
        vault = Vault(rows, 2, recovery_code(password))
    else:
        vault = Vault(rows, 1 if device is None else 3, password, device)
    vault.check_sums()
    found = {"secrets": vault.secrets(), "history": vault.history(), "settings": vault.settings()}
    if "--keys" in sys.argv:
        keys = {"master": vault.master, "kek": vault.kek} | vault.keys
        found["keys"] = {name: key.hex() for name, key in keys.items()}
    print(json.dumps(found, ensure_ascii=True))


if __name__ == "__main__":
    main()
