# SPDX-License-Identifier: GPL-2.0-or-later
"""A database that takes nothing now: which errors mean that is decided here, and how what has happened is written down then."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from softfax.errors import in_short

__all__ = ["is_away", "until_written"]

log = logging.getLogger("softfax.database")

#: How soon is written again what the database did not take.
HELD_S = 1.0

T = TypeVar("T")

#: What PEP 249 calls the errors of a database that is away, hangs, is locked or full (OperationalError), lost its connection
#: (InterfaceError), or is tired of a transaction or only read (InternalError): so they are called by SQLAlchemy and by drivers.
_AWAY = frozenset({"OperationalError", "InterfaceError", "InternalError"})
#: Errors of SQLAlchemy's own: no connection became free, or it was lost within a transaction.
_LOST = (sa.exc.TimeoutError, sa.exc.DisconnectionError, sa.exc.PendingRollbackError, sa.exc.ResourceClosedError)


def is_away(error: BaseException | None) -> bool:
    """Return True for an error of a database that does not take something now, and may later."""
    if getattr(getattr(error, "orig", error), "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
        # A wrong statement, or a column that is not there: a fault of ours, though of the same class.
        return False
    if isinstance(error, _LOST) or getattr(error, "connection_invalidated", False):
        return True
    return any(kind.__name__ in _AWAY for kind in type(error).__mro__)


def until_written(what: str, write: Callable[[], T], stopping: threading.Event) -> T:
    """Write down what has happened, and must not happen again for want of a note, as soon as the database takes it. Blocks.

    Raises the database's error where the station stops before.
    """
    say = log.error
    while True:
        try:
            return write()
        except Exception as error:
            if not is_away(error) or stopping.is_set():
                raise
            say("%s cannot be written and is held: %s", what, in_short(error))
        say = log.debug  # once, not each second
        stopping.wait(HELD_S)
