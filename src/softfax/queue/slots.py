# SPDX-License-Identifier: GPL-2.0-or-later
"""Channel slots of the queue: those that are taken, the route of a fax, and the fax that gets the next free one.

A fax that is due while no slot is free for it is parked: its round sleeps long. When a slot is free, the first of the faxes that
are due and fit, by priority and then by age, is promised the slot and gets a round at once. So priorities hold however many
wait, and those that wait cost nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from softfax.errors import UsageError
from softfax.model import Fax
from softfax.queue.failover import failed_over
from softfax.station.routes import Route

if TYPE_CHECKING:
    from softfax.queue.queue import FaxQueue
    from softfax.queue.turns import Turn

__all__ = ["ChannelSlots"]

log = logging.getLogger("softfax.queue")

#: Time for which a promised slot is kept for a fax whose round does not come: the durable engine looks four times a second.
PROMISE_S = 15.0
#: A parked fax looks again by itself after this long, and the later the more there are: the promise is what it waits for.
PARKED_S, PARKED_EACH_S = 60.0, 0.1
LOOK_AGAIN_S = 1.0
#: Faxes that are due and looked at for a free slot, in all and at a time.
LOOKED_AT, LOOK = 2000, 100
#: Rounds at a time besides those that can have a slot: a fax that needs none (a SIP URI called directly) does not wait for one.
SPARE_ROUNDS = 4


class ChannelSlots:
    """Lives on the station's loop."""

    def __init__(self, queue: FaxQueue) -> None:
        self._queue = queue
        self._numbers: Counter[str] = Counter()
        self._accounts: Counter[str] = Counter()
        self._promised: dict[str, tuple[str, str, asyncio.TimerHandle]] = {}
        self._parked = 0
        self._stopped = False
        #: Whether the last fax that looked found a channel slot, and a machine without room for another call.
        self.no_room = False
        self._soon: asyncio.TimerHandle | None = None
        self._free = asyncio.Event()
        #: Rounds under way that wait until free slots have been handed out.
        self._asking: set[str] = set()
        self._handed_out = asyncio.Event()
        self._handed_out.set()
        self._task: asyncio.Task[None] | None = None

    # ---- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to hand out slots; an earlier station may have left parked faxes."""
        self._parked = 1
        self.freed()
        self._task = asyncio.ensure_future(self._hand_out())

    def stop(self) -> None:
        """Promises nothing more."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
        self._handed_out.set()
        for _, _, timer in self._promised.values():
            timer.cancel()

    @property
    def calls(self) -> int:
        """Calls of the queue at a time."""
        config = self._queue.station.config
        return config.queue.calls or config.sip.max_calls

    @property
    def rounds(self) -> int:
        """Rounds at a time: no more than there are slots, where the accounts limit them."""
        trunks = self._queue.station.config.routing().trunks
        if not trunks or not all(trunk.max_calls for trunk in trunks):
            return self.calls
        return min(self.calls, sum(trunk.max_calls for trunk in trunks) + SPARE_ROUNDS)

    # ---- slots --------------------------------------------------------------------------------------------------

    def choose(self, fax: Fax, routes: Sequence[Route], number: str) -> Route | None:
        """The route of the next attempt; None while all channel slots are taken."""
        station, config = self._queue.station, self._queue.station.config
        if self._numbers[number] >= config.queue.calls_per_number or self._numbers.total() >= self.calls:
            return None
        failed = failed_over(fax.attempts, routes)
        left = [route for route in routes if route.account not in failed]
        free = station.rules.free(left, self._accounts + self._others(), station.down())
        roomy = [route for route in free if station.room(route.account) > self._starting]
        self.no_room = bool(free) and not roomy
        return roomy[0] if roomy else None

    @property
    def _starting(self) -> int:
        """Faxes that have a channel slot, or the promise of one, and are not ordered yet."""
        calls = self._queue.station.calls()
        return self._numbers.total() - sum(c.order is not None and c.order.watch is not None for c in calls)

    def room_again(self) -> None:
        """Look again: there is room for calls."""
        if self.no_room:
            self.no_room = False
            self.freed()

    def _others(self) -> Counter[str]:
        """Calls on the accounts that are not the queue's: those that came in from there, and those that others place."""
        calls = self._queue.station.calls()
        return Counter(c.account for c in calls if c.known and (c.order is None or c.order.watch is None))

    @contextlib.contextmanager
    def taken(self, number: str, account: str) -> Iterator[None]:
        """Take a slot for as long as the block lasts."""
        self._count(number, account, 1)
        try:
            yield
        finally:
            self._count(number, account, -1)
            self.freed()

    def _count(self, number: str, account: str, by: int) -> None:
        self._numbers[number] += by
        self._accounts[account] += by
        if not self._numbers[number]:
            del self._numbers[number]

    def freed(self) -> None:
        """Look for waiting faxes: a slot may be free."""
        if self._parked and not self._stopped:
            self._handed_out.clear()
            self._free.set()

    async def others_first(self, fax_id: str) -> None:
        """Let a round that has come by itself queue up: it takes no free slot from those that have waited for one."""
        if fax_id not in self._promised and not self._handed_out.is_set():
            self._asking.add(fax_id)
            try:
                await self._handed_out.wait()
            finally:
                self._asking.discard(fax_id)

    # ---- those that wait for one --------------------------------------------------------------------------------

    def parking_s(self) -> float:
        """Sleep of a fax that finds no channel slot, in seconds, unless it gets one before."""
        return PARKED_S + PARKED_EACH_S * self._parked

    def parked(self) -> None:
        """Count another fax that waits for a slot."""
        self._parked += 1
        if self._soon is None:
            # One may have become free while this one looked.
            self._soon = asyncio.get_running_loop().call_later(LOOK_AGAIN_S, self._look_again)

    def _look_again(self) -> None:
        self._soon = None
        self.freed()

    def claim(self, fax_id: str) -> bool:
        """Take a fax's promised slot off the list, for it to use; false if none was promised."""
        promised = self._promised.pop(fax_id, None)
        if promised is None:
            return False
        number, account, timer = promised
        timer.cancel()
        self._count(number, account, -1)
        return True

    def unclaimed(self, fax_id: str) -> None:
        """Free a fax's promised slot for others, if it has not taken it."""
        if self.claim(fax_id):
            self.freed()

    def _promise(self, fax_id: str, number: str, account: str) -> None:
        self._count(number, account, 1)
        timer = asyncio.get_running_loop().call_later(PROMISE_S, self.unclaimed, fax_id)
        self._promised[fax_id] = (number, account, timer)

    async def _hand_out(self) -> None:
        while True:
            await self._free.wait()
            self._free.clear()
            try:
                await self._look()
            except Exception:
                log.exception("free channel slots could not be handed out")
                asyncio.get_running_loop().call_later(5.0, self.freed)
            if not self._free.is_set():
                self._handed_out.set()

    async def _look(self) -> None:
        """Promise free slots to the faxes that are due, in order."""
        after: tuple[int, int] | None = None
        for _ in range(0, LOOKED_AT, LOOK):
            if self._numbers.total() >= self.calls:
                return
            turns = await asyncio.to_thread(partial(self._queue.store.turns.due, LOOK, after))
            for turn in turns:
                try:
                    await self._offer(turn)
                except Exception as error:
                    # One that cannot be read holds up no other.
                    log.error("fax %r gets no channel slot: %s", turn.fax_id, error)
            if len(turns) < LOOK:
                if after is None and not turns:
                    self._parked = 0
                return
            after = (turns[-1].priority, turns[-1].seq)

    async def _offer(self, turn: Turn) -> None:
        """Promise a slot to a fax, where one is free for it."""
        queue, number = self._queue, self._queue.station.rules.number_key(turn.to)
        if turn.fax_id in self._promised or self._is_done(turn.fax_id):
            return
        config = queue.station.config
        if self._numbers[number] >= config.queue.calls_per_number or self._numbers.total() >= self.calls:
            return
        kept = await asyncio.to_thread(queue.store.take, turn.fax_id, turn.round_id)
        if kept is None or kept.request is None or self._is_done(turn.fax_id):
            return
        try:
            routes = queue.station.rules.routes(kept.fax.to, kept.request.account)
        except UsageError:
            return
        route = self.choose(kept.fax, routes, number)
        if route is not None:
            self._promise(turn.fax_id, number, route.account)
            if turn.fax_id in self._asking:
                return
            if not await asyncio.to_thread(queue.store.turns.hurry, turn.fax_id, turn.round_id):
                self.unclaimed(turn.fax_id)

    def _is_done(self, fax_id: str) -> bool:
        """Return True if a round of it is running that has its channel slot, or needs none."""
        return self._queue.under_way(fax_id) and fax_id not in self._asking
