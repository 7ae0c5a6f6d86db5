"""Secrets under the names of variables, for code that reads ``os.environ``: each is asked for when it is looked up,
and nothing is put into the environment, where every process of the user could read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import glassdome
from glassdome._native import LONGEST

from . import _reference


class Environ(Mapping[str, str]):
    """A mapping of variables to the values of secrets.

    ``glassdome.environ["DATABASE_URL"]`` is the secret ``DATABASE_URL``. Called, it makes another one:
    ``environ(prefix="shop/dev")`` has the secret ``shop/dev/DATABASE_URL`` there, as ``ctl import .env --prefix
    shop/dev`` stored it; ``environ({"DATABASE_URL": "shop/db"})`` has what the mapping says (``NAME`` or
    ``NAME#FIELD``) and nothing else. Nothing is kept: each look-up asks the daemon.

    Errors: a variable that stands for nothing is a `KeyError` (`glassdome.NotFoundError`), so that ``get`` with a
    default and ``in`` work; whatever else `glassdome.get` raises goes through, a refusal or a locked vault too:
    these are no missing variables. Going through all of a prefix takes a rule with the action ``list``.
    """

    __slots__ = ("_prefix", "_references")

    def __init__(self, references: Mapping[str, str] | None = None, *, prefix: str = "") -> None:
        self._prefix = prefix.rstrip("/") + "/" if prefix else ""
        self._references = None if references is None else dict(references)

    def __call__(self, references: Mapping[str, str] | None = None, *, prefix: str = "") -> Environ:
        return Environ(references, prefix=prefix)

    def __getitem__(self, variable: str) -> str:
        if self._references is None:
            name = self._prefix + variable
            if not _can_be(variable) or _is_too_long(name):
                raise KeyError(variable)
            return glassdome.get(name)
        return _reference.value(self._prefix + self._references[variable])

    def __iter__(self) -> Iterator[str]:
        if self._references is not None:
            return iter(self._references)
        # A glob escapes nothing, so that more may be found than has the prefix; and no variable has a slash.
        found = (name.removeprefix(self._prefix) for name in glassdome.list(self._prefix + "*") if name.startswith(self._prefix))
        return (variable for variable in found if "/" not in variable)

    def __len__(self) -> int:
        return len(self._references) if self._references is not None else sum(1 for _ in self)

    def __repr__(self) -> str:
        of = f"prefix={self._prefix!r}" if self._references is None else ", ".join(self._references)
        return f"<glassdome.environ of {of}>"


def _can_be(variable: str) -> bool:
    """Whether a secret can be called that: not without a letter between slashes, with control characters, or what UTF-8
    does not have."""
    return "" not in variable.split("/") and not any(
        c < " " or "\x7f" <= c <= "\x9f" or "\ud800" <= c <= "\udfff" for c in variable
    )


def _is_too_long(name: str) -> bool:
    """For a name of a secret, which is what it is in normal form C."""
    if len(name.encode(errors="surrogatepass")) <= LONGEST:
        return False
    from unicodedata import normalize

    return len(normalize("NFC", name).encode(errors="surrogatepass")) > LONGEST


environ = Environ()
