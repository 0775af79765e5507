# SPDX-License-Identifier: GPL-2.0-or-later
"""One at a time for each of many things, which are remembered for as long as they are held or awaited."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Hashable
from typing import Generic, TypeVar

__all__ = ["EachOnce"]

Thing = TypeVar("Thing", bound=Hashable)


class EachOnce(Generic[Thing]):
    """Locks of one asyncio loop."""

    def __init__(self) -> None:
        self._locks: dict[Thing, tuple[asyncio.Lock, int]] = {}

    def __contains__(self, thing: Thing) -> bool:
        return thing in self._locks

    @contextlib.asynccontextmanager
    async def of(self, thing: Thing) -> AsyncIterator[None]:
        """The block has the thing for itself."""
        lock, users = self._locks.get(thing, (None, 0))
        lock = lock or asyncio.Lock()
        self._locks[thing] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            users = self._locks[thing][1] - 1
            if users:
                self._locks[thing] = lock, users
            else:
                del self._locks[thing]
