"""What stands for a secret where a variable is given one: ``NAME`` or ``NAME#FIELD``, as ``ctl run --env`` has it."""

from __future__ import annotations

from collections.abc import Mapping

import glassdome


def parse(reference: str) -> tuple[str, str | None]:
    """Name and field. The last ``#`` counts, and with nothing behind it there is no field: ``a#b#`` is ``a#b``."""
    name, mark, field = reference.rpartition("#")
    return (name, field or None) if mark else (reference, None)


def value(reference: str) -> str:
    """What it stands for. Errors: those of `glassdome.get`."""
    name, field = parse(reference)
    return glassdome.get(name, field=field)


def values(references: Mapping[str, str]) -> dict[str, str]:
    """What each key stands for. Values beside no field are asked for together, so that a person is asked once.

    Errors: those of `glassdome.get_many` and `glassdome.get`; then there is none of them.
    """
    parsed = {key: parse(reference) for key, reference in references.items()}
    plain = list(dict.fromkeys(name for name, field in parsed.values() if field is None))
    together = glassdome.get_many(plain)
    found: dict[str, str] = {}
    try:
        for key, (name, field) in parsed.items():
            found[key] = together[name] if field is None else glassdome.get(name, field=field)
    except BaseException:
        # What shows the locals of a traceback is not to show those that were found.
        together.clear()
        found.clear()
        raise
    return found
