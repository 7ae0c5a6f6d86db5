"""How a service and a user of ``keyring``'s become the name of a secret: ``keyring/SERVICE/USER``, readable in
``ctl list`` and in rules, whatever characters they have, and never the same for two different ones.

What is not a letter, a digit or one of ``-._~@:+`` is percent-encoded, byte by byte of its UTF-8 (RFC 3986, 2.1):
slashes, what means something to a glob or a shell, and what does not show. What is empty is ``%``. Which letters stand
as they are is decided by a version of Unicode that every Python has, so that all of them find the same name.
"""

from __future__ import annotations

from unicodedata import ucd_3_2_0 as unicode
from urllib.parse import unquote

PREFIX = "keyring/"

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~@:+")
_LETTERS = frozenset(("Lu", "Ll", "Lt", "Lm", "Lo", "Nd"))
_EMPTY = "%"


def name(service: str, user: str) -> str:
    """Of the secret; it may be too long to be one."""
    return under(service) + _encoded(user)


def under(service: str) -> str:
    """What the names of all users of a service begin with."""
    return PREFIX + _encoded(service) + "/"


def user(secret: str, service: str) -> str:
    """The user whose secret of that service has this name."""
    return _decoded(secret[len(under(service)) :])


def _encoded(text: str) -> str:
    if not text:
        return _EMPTY
    encoded = "".join(c if c in _PLAIN or _is_letter(c) else _bytes(c) for c in text)
    # Letters that are fine alone may make up another one together, as those of Hangul do.
    return encoded if unicode.is_normalized("NFC", encoded) else "".join(c if c in _PLAIN else _bytes(c) for c in text)


def _decoded(segment: str) -> str:
    return "" if segment == _EMPTY else unquote(segment, errors="surrogatepass")


def _is_letter(character: str) -> bool:
    return (
        character > "\x7f"
        and unicode.category(character) in _LETTERS
        and unicode.is_normalized("NFC", character)
    )


def _bytes(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
