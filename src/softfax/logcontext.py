# SPDX-License-Identifier: GPL-2.0-or-later
"""The fax that the running code works for, for its log records."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

__all__ = ["current", "fax"]

_current: ContextVar[Mapping[str, object] | None] = ContextVar("softfax_log", default=None)


def fax(fax_id: str, **more: object) -> None:
    """Set the fax that this task, and the threads and tasks it starts, work for; `more` are call_id and session if known."""
    _current.set({"fax_id": fax_id, **more})


def current() -> Mapping[str, object]:
    """Return the context set last in this task."""
    return _current.get() or {}
