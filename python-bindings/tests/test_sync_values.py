"""Names and values of every kind, byte for byte, and each method beside what `ctl` shows."""

import json
import random
import subprocess
import time
from datetime import datetime, timedelta

import pytest
from conftest import ctl

import glassdome

MIB = 1024 * 1024
CHUNK = 60 * 1024
VALUES = [
    b"",
    b"\0",
    b"plain",
    b"ends with a newline\n",
    b"\r\n\t\x1b[2J",
    bytes(range(256)),
    b"\xff\xfe not UTF-8",
    "pässwörd 🔑 データ".encode(),
    *(random.Random(length).randbytes(length) for length in (CHUNK - 1, CHUNK, CHUNK + 1, 64 * 1024, MIB)),
]
NAMES = ["a", "aws/prod/key", "データ/ключ/🔑", "with space", "#%&?*'\"\\", "n" * 512]


def printed(name: str) -> bytes:
    return subprocess.run(["ctl", "get", name], capture_output=True, check=True).stdout


@pytest.mark.parametrize("value", VALUES, ids=len)
def test_values_byte_for_byte(vault: glassdome.Vault, value: bytes) -> None:
    before = vault.info("value").version if "value" in vault else 0
    assert vault.set("value", value) == before + 1
    with vault.get_bytes("value") as secret:
        assert bytes(secret) == value and len(secret) == len(value)
    assert printed("value") == value
    assert vault.info("value").size == len(value)
    try:
        text = value.decode()
    except UnicodeDecodeError:
        with pytest.raises(glassdome.UsageError, match="value is not UTF-8 text: ask for it with get_bytes"):
            vault.get("value")
    else:
        assert vault.get("value") == vault["value"] == text


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_names(vault: glassdome.Vault, name: str) -> None:
    vault[name] = name
    assert vault[name] == name and name in vault and name in vault.list() and printed(name).decode() == name
    del vault[name]
    assert name not in vault and name not in list(vault)


def test_what_a_value_may_be(vault: glassdome.Vault) -> None:
    with glassdome.Secret(b"value") as secret:
        for value in ("value", b"value", bytearray(b"value"), memoryview(b"-value-")[1:-1], secret):
            vault.set("kind", value)
            assert vault["kind"] == "value"
    with pytest.raises(glassdome.UsageError, match="was wiped"):
        vault.set("kind", secret)
    for wrong in (1, None, ["value"], object()):
        with pytest.raises(TypeError, match="a value is str, bytes"):
            vault.set("kind", wrong)  # type: ignore[arg-type]
    with pytest.raises(glassdome.UsageError, match="surrogates"):
        vault.set("kind", "\ud800")
    assert vault["kind"] == "value"


def test_a_name_is_brought_into_normal_form(vault: glassdome.Vault) -> None:
    vault["e\u0301"] = "one"
    assert vault["é"] == vault["e\u0301"] == "one"


def test_fields_and_info(vault: glassdome.Vault) -> None:
    in_an_hour = datetime.now() + timedelta(hours=1)
    vault.set("github", "token", expires=in_an_hour)
    vault.set("github", "ann", field="user")
    assert vault.get("github", field="user") == "ann" and bytes(vault.get_bytes("github", field="user")) == b"ann"
    info = vault.info("github")
    shown = json.loads(ctl("info", "github", "--json"))
    assert info.fields == {field["name"]: field["size"] for field in shown["fields"]} == {"user": 3}
    for key in ("name", "version", "versions", "created", "changed", "expires", "size"):
        assert getattr(info, key) == shown[key], key
    vault.set("expires", "x", expires=int(in_an_hour.timestamp()))
    assert vault.info("expires").expires == int(in_an_hour.timestamp())
    for passed in (0, -1, 2**63, -(2**100), datetime.min, int(time.time()), datetime.now() - timedelta(days=1)):
        with pytest.raises(glassdome.UsageError, match="a time to come"):
            vault.set("expires", "x", expires=passed)


def test_many(vault: glassdome.Vault) -> None:
    values = {f"many/{i}": f"value {i}" * (i % 7) for i in range(150)} | {"many/large": "x" * 200_000}
    for name, value in values.items():
        vault[name] = value
    assert vault.get_many(values) == values and glassdome.get_many(iter(values)) == values
    assert vault.get_many([]) == {}
    assert set(vault.list("many/*")) == set(values) and vault.list("many/*") == sorted(values)
    assert len(vault) == len(vault.list()) == len(list(vault.keys()))
    with pytest.raises(glassdome.NotFoundError):
        vault.get_many(["many/1", "none"])
    with pytest.raises(TypeError, match="an iterable of names"):
        vault.get_many("many")


def test_new_is_new_once(vault: glassdome.Vault) -> None:
    assert vault.set("once", "first", new=True) == 1
    with pytest.raises(glassdome.ConflictError):
        vault.set("once", "second", new=True)
    assert vault["once"] == "first"
    assert vault.set("once", "second") == 2


def test_status_is_what_ctl_shows(vault: glassdome.Vault) -> None:
    status = vault.status()
    shown = json.loads(ctl("status", "--json"))
    assert status.state == shown["state"] == "unlocked"
    assert (status.expires_at, status.secrets) == (shown["expires_at"], shown["vault"]["secrets"])
    assert (status.pid, status.version, status.memory) == tuple(shown["daemon"].values())
    for part in ("keyring", "logind", "screen", "audit", "vault"):
        assert getattr(status, part) == shown[part]["state"], part
    assert (status.mode, status.last_backup) == ("file", None)
    assert shown["storage"] == {"mode": "file", "last_backup": None, "backup_due": True}
    glassdome.lock()
    locked, shown = glassdome.status(), json.loads(ctl("status", "--json"))
    assert (locked.state, locked.reason) == (shown["state"], shown["reason"]) == ("locked", "requested")
    assert locked.left_s is locked.expires_at is locked.secrets is locked.ends_soon is None


def test_the_modules_functions_are_a_vaults() -> None:
    glassdome.set("module", "value")
    assert glassdome.get("module") == "value" and bytes(glassdome.get_bytes("module")) == b"value"
    assert "module" in glassdome.list("mod*") and glassdome.info("module").version == 1
    glassdome.delete("module")
    with pytest.raises(KeyError):
        glassdome.get("module")


def test_what_is_closed_stays_closed() -> None:
    with glassdome.connect() as vault:
        vault.status()
    with pytest.raises(glassdome.UsageError, match="was closed"):
        vault.status()
    with glassdome.connect().watch() as watch:
        assert next(watch).state == "unlocked"
    assert list(watch) == []
