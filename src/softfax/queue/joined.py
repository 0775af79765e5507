# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes to one number that are claimed together and go in one call, each with its own attempt and result."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime, timedelta
from typing import Any

from softfax.options import FaxOptions, outside_options
from softfax.queue.policy import slower
from softfax.records.reading import StoredFax

__all__ = ["JoinedFaxes", "same_call"]

#: How long a call waits for the pages of those that are to go in it.
GATHER_S = 5.0
#: How long the end of a fax waits for that of those before it in the call.
ENDED_S = 10.0
#: How long a fax waits at most for the next call of the one that it was to follow.
AGAIN_S = 60.0
#: Options in which the faxes of one call may differ: their pages have them, or the claim has settled them (route, rate). All
#: others T.30 and SIP say once for a call, or show of it.
_OF_EACH = frozenset({"header", "resolution", "scan", "account", "max_rate_bps", "poll"})


def same_call(one: StoredFax, other: StoredFax, defaults: FaxOptions) -> bool:
    """Return True if two faxes to one number may go in one call: what T.30 and SIP say once for it is the same."""
    return _said(one, defaults) == _said(other, defaults)


def _said(stored: StoredFax, defaults: FaxOptions) -> tuple[Any, ...] | None:
    assert stored.request is not None
    asked = stored.request.with_defaults(defaults)
    rate_bps = slower([attempt.cause for attempt in stored.fax.attempts], asked.max_rate_bps)
    return (rate_bps, *(getattr(asked, name) for name in outside_options() if name not in _OF_EACH))


class _Joined:
    """One of them: whether its pages are made, and whether it has ended or been put off."""

    def __init__(self) -> None:
        self.made, self.done = asyncio.Event(), asyncio.Event()


class JoinedFaxes:
    """Faxes in one call, in their order; the call is that of the first. Lives on the station's loop, once they are claimed."""

    def __init__(self, first: str, faxes_max: int, pages_max: int) -> None:
        self.first = first
        #: How many faxes may be in it, and how many were found for it.
        self.faxes_max, self.found = faxes_max, 1
        self._pages_max, self._pages = pages_max, 0
        self._faxes: dict[str, _Joined] = {}
        self._called, self._is_called = asyncio.Event(), False
        #: When the one that the call ended with is tried again.
        self.again_at: datetime | None = None

    def add(self, fax_id: str) -> None:
        """A fax was claimed for it."""
        self._faxes[fax_id] = _Joined()

    @property
    def several(self) -> bool:
        """Return True if there are others than the first."""
        return len(self._faxes) > 1

    def place(self, fax_id: str) -> int:
        """Place of a fax in the call, 0 for the first."""
        return list(self._faxes).index(fax_id)

    async def made(self, fax_id: str, pages: int) -> bool:
        """The pages of a fax are made. The first waits for those of the others for a moment, the others until it is called.

        False where a fax does not go in this call.
        """
        self._pages += pages
        if fax_id == self.first:
            waits = [asyncio.ensure_future(one.made.wait()) for key, one in self._faxes.items() if key != fax_id]
            if waits:
                _, late = await asyncio.wait(waits, timeout=GATHER_S)
                for one in late:
                    one.cancel()
            return True
        if self._pages > self._pages_max:
            self._pages -= pages
            return False
        self._faxes[fax_id].made.set()
        await self._called.wait()
        return self._is_called

    def called(self) -> None:
        """The first is being called."""
        self._is_called = True
        self._called.set()

    def left(self, fax_id: str) -> None:
        """A fax has ended, or is put off."""
        self._faxes[fax_id].made.set()
        self._faxes[fax_id].done.set()
        if fax_id == self.first:
            self._called.set()

    async def again(self, fax_id: str, now: datetime) -> datetime:
        """The time of the next try of a fax whose turn did not come: with the one that the call ended with, and soon."""
        for one in list(self._faxes.values())[: self.place(fax_id)]:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(one.done.wait(), ENDED_S)
        return min(max(self.again_at or now, now), now + timedelta(seconds=AGAIN_S))
