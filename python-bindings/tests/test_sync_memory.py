"""What stays of a value in a process: nothing of a Secret, and of a str what the docs say."""

import copy
import hashlib
import pickle
import random
import re

import pytest
from conftest import Script

import glassdome

# It never holds what it looks for; the name says where the value is.
HOLDER = """
import hashlib, sys, glassdome

kind = sys.argv[1]
with glassdome.connect() as vault:
    if kind == "str":
        kept = vault.get("needle")
        del kept  # A control: what is freed is not wiped.
    elif kind == "with":
        for name in ("needle", "needle/large"):
            with vault.get_bytes(name) as secret:
                hashlib.sha256(secret).digest()
    elif kind == "dropped":
        hashlib.sha256(vault.get_bytes("needle/large")).digest()
        secret = vault.get_bytes("needle")
        del secret
    elif kind == "set":
        # What is handed over is only read: it comes back, and goes out again.
        with vault.get_bytes("needle/large") as secret:
            vault.set("needle/copy", secret)
            with memoryview(secret) as view:
                vault.set("needle/copy", view)
    elif kind == "held":
        secret = vault.get_bytes("needle")
print("there", flush=True)
sys.stdin.readline()
"""


def copies(pid: int, needle: bytes) -> int:
    """How often a process has it in what it can write to."""
    found = 0
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            at = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if at is None or "[vvar" in line:
                continue
            begin, end = int(at[1], 16), int(at[2], 16)
            memory.seek(begin)
            found += memory.read(end - begin).count(needle)
    return found


@pytest.mark.parametrize(("kind", "stays"), [("with", 0), ("dropped", 0), ("set", 0), ("held", 1), ("str", 1)])
def test_what_stays_in_memory(kind: str, stays: int) -> None:
    needle = "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=4000))
    glassdome.set("needle", needle)
    glassdome.set("needle/large", bytes(500_000) + needle.encode() + bytes(300_000))
    script = Script(f"holder-{kind}.py", HOLDER)
    script.allow()
    with script.start(kind) as process:
        assert process.stdin and process.stdout and process.stdout.readline() == "there\n"
        # Its middle: what manages freed memory writes over the ends.
        found = copies(process.pid, needle[1000:1100].encode())
        process.communicate("\n", timeout=60)
    assert process.returncode == 0
    assert found == 0 if stays == 0 else found >= stays, found


def test_a_secret_is_a_buffer_that_nobody_changes(vault: glassdome.Vault) -> None:
    vault["secret"] = "value"
    secret = vault.get_bytes("secret")
    assert hashlib.sha256(secret).digest() == hashlib.sha256(b"value").digest()
    with memoryview(secret) as view:
        assert view == b"value"
    assert secret == b"value" and secret != b"other" and not secret != bytearray(b"value") and secret != "value"
    assert secret.decode() == "value" and secret[0] == 118 and secret[1:3] == b"al" and list(secret)[0] == 118
    assert repr(secret) == str(secret) == f"{secret}" == "<glassdome.Secret, 5 bytes>"
    changes = [
        lambda: secret.append(1),
        lambda: secret.extend(b"x"),
        lambda: secret.insert(0, 1),
        lambda: secret.pop(),
        lambda: secret.remove(118),
        lambda: secret.clear(),
        lambda: secret.reverse(),
        lambda: secret.__setitem__(0, 1),
        lambda: secret.__delitem__(0),
        lambda: secret.__iadd__(b"x"),
        lambda: secret.__imul__(2),
        lambda: secret.__init__(b"longer than before"),  # type: ignore[misc]
        lambda: hash(secret),
        lambda: copy.copy(secret),
        lambda: copy.deepcopy(secret),
        lambda: pickle.dumps(secret),
    ]
    for change in changes:
        with pytest.raises(TypeError):
            change()
    assert bytes(secret) == b"value" and not secret.wiped


def test_a_wiped_secret_is_empty_and_says_so(vault: glassdome.Vault) -> None:
    vault["secret"] = "value"
    with pytest.raises(RuntimeError, match="in between"), vault.get_bytes("secret") as secret:
        raise RuntimeError("in between")
    assert secret.wiped and len(secret) == 0 and repr(secret) == "<glassdome.Secret, wiped>"
    uses = [
        lambda: bytes(secret),
        lambda: secret.decode(),
        lambda: secret[0],
        lambda: iter(secret),
        lambda: secret == b"",
        lambda: b"v" in secret,
        lambda: bool(secret),
        lambda: secret + b"x",
        lambda: secret < b"x",
        lambda: secret.hex(),
        lambda: secret.startswith(b"v"),
        lambda: secret.split(),
    ]
    for use in uses:
        with pytest.raises(ValueError, match="was wiped"):
            use()
    secret.wipe()
    held = vault.get_bytes("secret")
    view = memoryview(held)
    vault["seen"] = view
    held.wipe()
    assert held.wiped and bytes(view) == bytes(5), "what holds it sees zeros"
    with pytest.raises(glassdome.UsageError, match="was wiped"):
        vault["seen"] = view
    assert vault["seen"] == "value"


@pytest.mark.parametrize("kind", [int, float])
def test_a_secret_that_is_no_number_is_not_told_in_the_error(kind: "type[int] | type[float]") -> None:
    with pytest.raises(TypeError, match="no number") as told:
        kind(glassdome.Secret(b"a value"))
    assert "a value" not in str(told.value)
    with pytest.raises(ValueError, match="a value"):
        kind(bytearray(b"a value"))  # Control: as Python has it.


def test_with_a_base_no_class_is_asked() -> None:
    """A limit that the documentation tells: it is time to change that when this fails."""
    with pytest.raises(ValueError, match="a value"):
        int(glassdome.Secret(b"a value"), 16)  # type: ignore[call-overload]


def test_it_is_wiped_where_it_lies() -> None:
    secret = glassdome.Secret(b"value")
    with memoryview(secret) as view:
        secret.wipe()
        assert bytes(view) == bytes(5)
    assert bytes(glassdome.Secret(bytearray(b"x"))) == b"x"
