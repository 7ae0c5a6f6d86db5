"""A value that can be wiped.

It is a `bytearray`, because that is the one buffer that every Python since 3.10 lets an extension fill, and anybody
overwrite, where it lies: no copy is left behind. What would make it longer or shorter, and so move it, is refused.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Any, NoReturn, SupportsIndex


class Secret(bytearray):
    """The bytes of a value. Wiped at the end of `with`, by wipe(), and when nobody uses it any more.

    A wiped one raises `ValueError` when it is read, but through the buffer: there it is empty, which no buffer of Python's
    can refuse. Do not use it behind its `with`.

    It is a buffer: what takes bytes-like objects takes it without a copy. What it is turned into (bytes(secret),
    secret.decode(), slices) is a copy that is not wiped. It cannot be changed, hashed, copied or pickled.
    """

    __slots__ = ("_wiped",)
    _wiped: bool

    def __init__(self, value: bytes | bytearray) -> None:
        if hasattr(self, "_wiped"):
            raise TypeError("a Secret is made once")
        # Room first, so that it never moves; from a bytearray it is filled without another copy.
        super().__init__(len(value))
        super().__setitem__(slice(None), value)
        self._wiped = False

    @property
    def wiped(self) -> bool:
        """Whether it was wiped: then it is empty."""
        return self._wiped

    def wipe(self) -> None:
        """Overwrites it with zeros, where it lies. Then it is empty, unless a memoryview holds it: then it is zeros."""
        super().__setitem__(slice(None), bytes(len(self)))
        self._wiped = True
        try:
            super().clear()
        except BufferError:
            pass  # A memoryview of it is in use: it stays as long as it is.

    def __enter__(self) -> Secret:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wipe()

    def __del__(self) -> None:
        self.wipe()

    def _there(self) -> None:
        if self._wiped:
            raise ValueError("this secret was wiped")

    def __bytes__(self) -> bytes:
        self._there()
        return bytes(memoryview(self))

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The text that it is: a copy that nobody can wipe."""
        self._there()
        return super().decode(encoding, errors)

    def __getitem__(self, key: Any) -> Any:
        self._there()
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[int]:
        self._there()
        return super().__iter__()

    def __contains__(self, key: Any) -> bool:
        self._there()
        return super().__contains__(key)

    def __bool__(self) -> bool:
        self._there()
        return len(self) > 0

    def __eq__(self, other: object) -> bool:
        """Whether they are the same bytes, in constant time."""
        if not isinstance(other, (bytes, bytearray, memoryview)):
            return NotImplemented
        self._there()
        from hmac import compare_digest

        return compare_digest(memoryview(self), memoryview(other))

    def __ne__(self, other: object) -> bool:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    __hash__ = None

    def __repr__(self) -> str:
        return "<glassdome.Secret, wiped>" if self._wiped else f"<glassdome.Secret, {len(self)} bytes>"

    __str__ = __repr__

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a Secret is not copied or pickled: it could not be wiped there")

    def _no_number(self) -> NoReturn:
        # What Python says of bytes that are no number has them in it. With a base, int() asks no class.
        raise TypeError("a Secret is no number: decode it first")

    __int__ = __float__ = _no_number

    def _refuse(self, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError("a Secret cannot be changed, only wiped")

    append = extend = insert = pop = remove = clear = reverse = resize = _refuse
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse


def _reading(name: str) -> Any:
    method = getattr(bytearray, name)

    def read(self: Secret, *args: Any, **options: Any) -> Any:
        self._there()
        return method(self, *args, **options)

    # With its signature, too.
    for told, what in {"__name__": name, "__doc__": method.__doc__, "__wrapped__": method}.items():
        setattr(read, told, what)
    return read


# Whatever else reads it: a wiped one must not pass for an empty value.
for _name in (
    "__add__ __mul__ __rmul__ __mod__ __lt__ __le__ __gt__ __ge__ __reversed__ capitalize center copy count endswith "
    "expandtabs find hex index isalnum isalpha isascii isdigit islower isspace istitle isupper join ljust lower lstrip "
    "partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split splitlines startswith "
    "strip swapcase title translate upper zfill"
).split():
    if hasattr(bytearray, _name):
        setattr(Secret, _name, _reading(_name))
