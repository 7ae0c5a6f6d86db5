"""Secrets in ``os.environ`` for as long as a block runs, for libraries that read them from nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType

from glassdome import UsageError

from . import _reference


class inject:
    """Puts secrets into ``os.environ``, and takes them out again.

    ``with glassdome.inject(PGPASSWORD="shop/db#password"): ...``: each keyword is a variable, and stands for a
    secret, ``NAME`` or ``NAME#FIELD``; a mapping may be given as well, or instead. All are fetched before the first
    is put there. At the end, also by an exception, what was there before is there again; what the block itself
    did to these variables is undone with it. One object can be entered again, also within itself.

    An environment is no secret place: while the block runs, every thread of this process sees the variables, each
    process that it starts inherits them and keeps them, and every process of the same user can read those of the
    started ones. Blocks with one variable in two threads at a time undo each other; do not.

    Errors: those of `glassdome.get_many`; `glassdome.UsageError` of a variable that cannot be one, or a value with a
    zero byte. Then nothing has changed.
    """

    def __init__(self, references: Mapping[str, str] | None = None, /, **variables: str) -> None:
        self._references = {**(references or {}), **variables}
        self._undo: list[dict[bytes, bytes | None]] = []
        for variable in self._references:
            if not variable or "=" in variable or "\0" in variable:
                raise UsageError("a variable has a name without '=' and zero bytes")

    def __enter__(self) -> None:
        values = {os.fsencode(key): text.encode() for key, text in _reference.values(self._references).items()}
        unfit = next((variable for variable, value in values.items() if b"\0" in value), None)
        if unfit is not None:
            # What shows the locals of a traceback is not to show the others.
            values.clear()
            raise UsageError(f"{os.fsdecode(unfit)}: a value with a zero byte fits no variable")
        before = {variable: os.environb.get(variable) for variable in values}
        self._undo.append(before)
        try:
            os.environb.update(values)
        except BaseException:
            # A signal's handler raised in between.
            values.clear()
            self._restore()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _restore(self) -> None:
        for variable, former in self._undo.pop().items():
            if former is None:
                os.environb.pop(variable, None)
            else:
                os.environb[variable] = former
