"""The predecessor's package: see `glassdome.core.session`."""

from __future__ import annotations

from glassdome.core.session import GlassdomeSession, get_session, require_session

__all__ = ["GlassdomeSession", "get_session", "require_session"]
