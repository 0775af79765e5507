# SPDX-License-Identifier: GPL-2.0-or-later
"""The one stream of events of a station, and who listens to it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from softfax.model import FaxUpdate

__all__ = ["Hub", "Sink"]

log = logging.getLogger("softfax.station")

Sink = Callable[[FaxUpdate], None]
E = TypeVar("E")


class Hub(Generic[E]):
    """Hands every event to every sink, in the order in which they subscribed; what one raises harms no other."""

    def __init__(self) -> None:
        self._sinks: dict[int, Callable[[E], None]] = {}
        self._next = 0

    def subscribe(self, sink: Callable[[E], None]) -> Callable[[], None]:
        """Adds a sink, which must not block; the function returned takes it out again, also from within a sink."""
        key, self._next = self._next, self._next + 1
        self._sinks[key] = sink

        def unsubscribe() -> None:
            self._sinks.pop(key, None)

        return unsubscribe

    def __len__(self) -> int:
        return len(self._sinks)

    def publish(self, event: E) -> None:
        """Pass an event to every subscriber."""
        for key, sink in list(self._sinks.items()):
            if key not in self._sinks:
                continue
            try:
                sink(event)
            except Exception:
                log.exception("a listener to events failed")
