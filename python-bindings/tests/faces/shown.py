"""What a program shows that reports its errors with all that was at hand."""

from __future__ import annotations

from pathlib import Path

import glassdome


def locals_shown(error: BaseException) -> str:
    """What a reporter that shows the locals of a traceback shows of our frames."""
    ours, shown, trace = str(Path(glassdome.__file__).parent), [], error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith(ours):
            shown.append(repr(trace.tb_frame.f_locals))
        trace = trace.tb_next
    assert shown, "it went through the package"
    return "".join(shown)
