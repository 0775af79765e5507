# SPDX-License-Identifier: GPL-2.0-or-later
"""The end of an attempt, a fax or a broadcast: its events and their callbacks, in the transaction that records it."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from softfax.model import FaxUpdate
from softfax.records.eventlog import EventLog
from softfax.station import Station

__all__ = ["End"]


class End:
    """Events to be recorded with what they tell of, after those that wait; then the station publishes them as `recorded`. Made on
    its loop.
    """

    def __init__(self, station: Station, waiting: Sequence[FaxUpdate], updates: Sequence[FaxUpdate]) -> None:
        self._updates = (*waiting, *updates)
        self.is_tried = self.is_written = False
        self._outbox = station.outbox
        self._callbacks = [callback for update in updates for callback in station.callbacks_of(update)]

    def write(self, connection: sa.Connection) -> None:
        """Write them within a transaction: the events last, as no other gets a number until it has ended."""
        self.is_tried = True
        if self._outbox is not None and self._callbacks:
            self._outbox.write(connection, self._callbacks)
        EventLog.write(connection, self._updates)

    def written(self) -> None:
        """Have the callbacks delivered: the transaction has committed."""
        self.is_written = True
        if self._outbox is not None and self._callbacks:
            self._outbox.wake()
