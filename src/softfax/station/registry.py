# SPDX-License-Identifier: GPL-2.0-or-later
"""The faxes under way, as front ends look at them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from softfax.model import FaxUpdate
from softfax.station.call import FaxCall
from softfax.station.counters import Counters, views
from softfax.station.hub import Hub, Sink
from softfax.station.orders import FaxStats, SessionView

__all__ = ["Registry"]


class Registry(ABC):
    """Interface to the faxes of a station, or of a single command seen as one."""

    def __init__(self) -> None:
        self._hub = Hub[FaxUpdate]()
        self.counters = Counters()

    @abstractmethod
    def calls(self) -> list[FaxCall]:
        """The faxes under way, in the order in which they began."""

    def find(self, key: str) -> FaxCall | None:
        """The fax under way with this fax id, channel name or unique id."""
        for call in self.calls():
            if key in (call.context.fax_id, call.context.channel, call.context.unique_id):
                return call
        return None

    def sessions(self) -> list[SessionView]:
        """Sessions for FAXSessions: those of answered calls."""
        return views(self.calls())

    def stats(self) -> FaxStats:
        """Counters for FAXStats."""
        return self.counters.stats(self.calls())

    def hangup(self, call: FaxCall) -> None:
        """Ends a fax: DCN, then BYE or CANCEL."""
        call.cancel()

    def subscribe(self, sink: Sink) -> Callable[[], None]:
        """Every event of every fax goes to `sink`, on the station's loop; it must not block. Returns what ends that."""
        return self._hub.subscribe(sink)
