# SPDX-License-Identifier: GPL-2.0-or-later
"""One at a time for each of many things, which are remembered for as long as they are held or awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

__all__ = ["EachOnce"]

Thing = TypeVar("Thing", bound=Hashable)


class EachOnce(Generic[Thing]):
    """Locks of one asyncio loop: `async with each.of(thing)`. Who holds or awaits one keeps it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Thing, asyncio.Lock] = WeakValueDictionary()

    def __contains__(self, thing: Thing) -> bool:
        return thing in self._locks

    def of(self, thing: Thing) -> asyncio.Lock:
        """Return the lock of a thing."""
        return self._locks.setdefault(thing, asyncio.Lock())
