"""Leaves in a home what the predecessor leaves there: its keyring items by Python's keyring library, which it used,
its secrets in Fernet tokens, its session's cache. Or does what other programs of the user's do with that.

predecessor.py leave HOME    its items and its files, with secrets in the file that its key does not open
               mend HOME     the file of secrets again, without these
               change        another value in one item, and an item more
               crowd COUNT   so many items; and two of one name, one without a name, one of 70,000 bytes; then take
               take          prints the master key as any program gets it, and how many of its items there are
"""

import base64
import json
import os
import sys

import keyring
import secretstorage
from cryptography.fernet import Fernet

SERVICE = "glassdome"


def sealed(key: bytes, value: str) -> str:
    return base64.b64encode(Fernet(key).encrypt(value.encode())).decode()


def write(home: str, name: str, document: object) -> None:
    with open(os.path.join(home, ".glassdome", name), "w") as file:
        json.dump(document, file, indent=2)


def leave(home: str) -> None:
    key = Fernet.generate_key()
    keyring.set_password(SERVICE, "master_key", base64.b64encode(key).decode())
    keyring.set_password(SERVICE, "proxmox_password", "of the keyring")
    # As its check of the keyring leaves it, when that is cut short.
    keyring.set_password(SERVICE, "test_key", "test_value")
    os.makedirs(os.path.join(home, ".glassdome"))
    secrets = {
        "openai_api_key": sealed(key, "sk-of-the-file"),
        "proxmox_password": sealed(key, "an older one"),
        "foreign": sealed(Fernet.generate_key(), "of another key"),
        "cut": sealed(key, "cut")[:40],
    }
    write(home, "secrets.encrypted", secrets)
    session = {"authenticated_at": "2025-11-24T09:00:00", "expires_at": "2025-11-24T17:00:00", "secrets_count": 4}
    write(home, "session_cache.json", session)


def mend(home: str) -> None:
    key = base64.b64decode(keyring.get_password(SERVICE, "master_key"))
    secrets = {"openai_api_key": "sk-of-the-file", "proxmox_password": "of the keyring"}
    write(home, "secrets.encrypted", {name: sealed(key, value) for name, value in secrets.items()})


def collection() -> secretstorage.Collection:
    return secretstorage.get_default_collection(secretstorage.dbus_init())


def change() -> None:
    keyring.set_password(SERVICE, "proxmox_password", "a newer one")
    keyring.set_password(SERVICE, "came_later", "unseen")


def crowd(count: int) -> None:
    into = collection()

    def put(value: bytes, **more: str) -> None:
        into.create_item("left", {"service": SERVICE, **more}, value, replace=False)

    for at in range(count):
        put(b"v%d" % at, username="s%02d" % at)
    put(b"one", username="twin")
    put(b"another", username="twin")
    put(b"nameless")
    put(b"x" * 70_000, username="long")


def take() -> None:
    print(keyring.get_password(SERVICE, "master_key"), len(list(collection().search_items({"service": SERVICE}))))


if sys.argv[1] == "take":
    take()
elif sys.argv[1] == "change":
    change()
elif sys.argv[1] == "crowd":
    crowd(int(sys.argv[2]))
    take()
else:
    {"leave": leave, "mend": mend}[sys.argv[1]](sys.argv[2])
