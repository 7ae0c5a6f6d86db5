"""Services and users as names of secrets: there and back, never two alike, and such as the vault takes."""

from __future__ import annotations

import random
import unicodedata

import pytest
from glassdome._keyring_name import name, user


@pytest.mark.parametrize(
    ("service", "username", "expected"),
    [
        ("github.com", "me@example.org", "keyring/github.com/me@example.org"),
        ("127.0.0.1:8080", "me", "keyring/127.0.0.1:8080/me"),
        ("https://upload.pypi.org/legacy/", "__token__", "keyring/https:%2F%2Fupload.pypi.org%2Flegacy%2F/__token__"),
        ("Chrome Safe Storage", "Chrome", "keyring/Chrome%20Safe%20Storage/Chrome"),
        ("ключ", "ユーザー", "keyring/ключ/ユーザー"),
        ("", "", "keyring/%/%"),
        ("%", "%25", "keyring/%25/%2525"),
        ("*,?#", "a\0\n", "keyring/%2A%2C%3F%23/a%00%0A"),
        # Letters that would be another one in normal form C: a mark behind, in Hangul, behind what is encoded.
        ("a\u0301", "á", "keyring/a%CC%81/á"),
        ("\u1100\u1161", "가", "keyring/%E1%84%80%E1%85%A1/가"),
        ("\r\u030c", "\u212b", "keyring/%0D%CC%8C/%E2%84%AB"),
        # Shown as nothing or from right to left; not of any text; younger than the version of Unicode.
        ("a\u200b\u202e", "\ud800", "keyring/a%E2%80%8B%E2%80%AE/%ED%A0%80"),
        ("🔑", "\U00016ea0", "keyring/%F0%9F%94%91/%F0%96%BA%A0"),
    ],
)
def test_names_are_these(service: str, username: str, expected: str) -> None:
    assert name(service, username) == expected
    assert user(expected, service) == username


def test_any_two_have_names_of_their_own() -> None:
    choose = random.Random(1)
    ranges = [(0, 0x80), (0, 0x3000), (0x1100, 0x1200), (0xAC00, 0xAD00), (0, 0x110000)]

    def text() -> str:
        return "".join(chr(choose.randrange(*choose.choice(ranges))) for _ in range(choose.randrange(4)))

    seen: dict[str, tuple[str, str]] = {}
    for _ in range(20_000):
        service, username = text(), text()
        secret = name(service, username)
        assert seen.setdefault(secret, (service, username)) == (service, username)
        assert user(secret, service) == username
        assert secret.count("/") == 2
        assert unicodedata.is_normalized("NFC", secret)
        secret.encode()
