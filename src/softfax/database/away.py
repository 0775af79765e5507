# SPDX-License-Identifier: GPL-2.0-or-later
"""A database that takes nothing now: which errors mean that is decided here. Work goes on once it takes something again."""

from __future__ import annotations

import sqlalchemy as sa

__all__ = ["is_away"]

#: What PEP 249 calls the errors of a database that is away, hangs, is locked or full (OperationalError), lost its connection
#: (InterfaceError), or is tired of a transaction or only read (InternalError): so they are called by SQLAlchemy and by drivers.
_AWAY = frozenset({"OperationalError", "InterfaceError", "InternalError"})
#: Errors of SQLAlchemy's own: no connection became free, or it was lost within a transaction.
_LOST = (sa.exc.TimeoutError, sa.exc.DisconnectionError, sa.exc.PendingRollbackError, sa.exc.ResourceClosedError)


def is_away(error: BaseException | None) -> bool:
    """Return True for an error of a database that does not take something now, and may later."""
    if isinstance(error, _LOST) or getattr(error, "connection_invalidated", False):
        return True
    return any(kind.__name__ in _AWAY for kind in type(error).__mro__)
