# SPDX-License-Identifier: GPL-2.0-or-later
"""Claims of faxes that are due: the first by priority and then by age that a channel slot of an account and of its number is free
for. So priorities hold however many wait, and those that wait cost nothing.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from softfax.database.away import is_away
from softfax.database.jobs import Job, alone
from softfax.errors import UsageError, in_short
from softfax.model import Attempt, Cause, Fax, FaxState
from softfax.queue.failover import failed_over
from softfax.queue.joined import JoinedFaxes, same_call
from softfax.queue.keeping import tidy
from softfax.records.fax_jobs import TakenSlot
from softfax.records.reading import StoredFax
from softfax.station.calls import NO_ROOM
from softfax.station.routes import Route
from softfax.transitions import FAXES as FAXES_TABLE

if TYPE_CHECKING:
    from softfax.queue.queue import FaxQueue

__all__ = ["FAXES", "FaxClaim", "FaxClaims"]

log = logging.getLogger("softfax.queue")

FAXES = "faxes"
#: Faxes that are claimed in one transaction, and those that are due and looked at for a free slot, in all and at a time.
AT_ONCE, LOOKED_AT, LOOK = 20, 2000, 100
#: How often all folders are looked at: there may be very many.
FOLDERS_EVERY_S = 6 * 3600.0
#: How long the station's loop may take to say what is free.
ROOM_S = 30.0
#: So long does a fax wait for room on the machine before that is noted: calls of one order begin one after another.
NOTED_AFTER_S = 10.0
#: What can be done about a machine that is at its limit.
WAITS_FOR_ROOM = "it is sent as soon as there is room; give the station more processors, or fewer calls at a time"


@dataclass(frozen=True)
class FaxClaim(Job):
    """A claimed fax: with the route of an attempt that has a channel slot, or without, to be ended or put off."""

    stored: StoredFax
    routes: tuple[Route, ...] = ()
    attempt: Attempt | None = None
    #: The faxes that go in one call with it, where there may be others.
    joined: JoinedFaxes | None = None


@dataclass(frozen=True)
class _Room:
    """The station's calls at one moment: those that are not the queue's, by account, the number of those that are, the accounts
    that are down, and how many calls more the machine takes through each.
    """

    others: Counter[str]
    ordered: int
    down: Collection[str]
    left: Mapping[str, int]


#: The room of a claim that needs none.
_NO_ROOM = _Room(Counter(), 0, (), {})


class _Search:
    """One search for faxes that can be called, with the channel slots that are taken as it goes on, and `taken` before it."""

    def __init__(self, queue: FaxQueue, room: _Room, taken: Iterable[TakenSlot]) -> None:
        self._queue, self._room, self._rules = queue, room, queue.station.rules
        config = queue.station.config
        self._calls, self._per_number = config.queue.calls or config.sip.max_calls, config.queue.calls_per_number
        self._numbers, self._accounts = Counter[str](), Counter(room.others)
        #: The queue's faxes that this station has under way.
        self._ours = 0
        for slot in taken:
            self._take(self._rules.number_key(slot.to), slot.account, slot.is_ours)
        #: Faxes with a free slot that the machine has no room for.
        self.no_room = 0
        #: By number, faxes in whose call others may go.
        self._first: dict[str, FaxClaim] = {}
        #: Those that have been claimed.
        self.begun: set[str] = set()

    def _take(self, number: str, account: str, is_ours: bool = True) -> None:
        self._numbers[number] += 1
        self._accounts[account] += 1
        self._ours += is_ours

    def takes(self, claim: FaxClaim) -> bool:
        """Take the slots of a claim that was found; false where they were taken meanwhile."""
        if claim.attempt is None:
            return True
        if claim.attempt.joined:
            return claim.attempt.joined in self.begun
        number, account = self._rules.number_key(claim.stored.fax.to), claim.attempt.account
        route = Route(account, claim.attempt.destination)
        if self.full or self._numbers[number] >= self._per_number:
            return False
        if not self._rules.free((route,), self._accounts, ()):
            return False
        self._take(number, account)
        return True

    @property
    def full(self) -> bool:
        """Return True if no fax more can be called."""
        return self._ours >= self._calls or self.no_room >= AT_ONCE

    @property
    def done(self) -> bool:
        """Return True if no fax more can be called, nor go in a call that was found."""
        return self.full and all(one.joined.found >= one.joined.faxes_max for one in self._first.values() if one.joined)

    def look(self, row: Any) -> FaxClaim | None:
        """A claim of a fax that is due, if there is a slot for it, or if it needs none."""
        number = self._rules.number_key(row.to)
        if not row.cancelled and (first := self._first.get(number)) is not None:
            return self._join(row, first)
        if self.full or (not row.cancelled and (self._numbers[number] >= self._per_number or self._is_full_for(row))):
            return None
        if (claim := self._read(row)) is None or claim.stored.cancelled or not (routes := self._routes(claim.stored)):
            return claim
        fax = claim.stored.fax
        free = self._rules.free(self._left(fax, routes), self._accounts, self._room.down)
        starting = self._ours - self._room.ordered
        roomy = [route for route in free if self._room.left.get(route.account, 0) > starting]
        if not roomy:
            self.no_room += bool(free)
            if free and fax.reason != NO_ROOM and row.due < time.time() - NOTED_AFTER_S:
                self._queue.store.note(fax.id, NO_ROOM, WAITS_FOR_ROOM, cause=Cause.OURS)
            return None
        self._take(number, roomy[0].account)
        config = self._queue.station.config.queue
        most = 1 if fax.poll else self._queue.memory.of(fax.to).joined_for(config.joined_faxes, time.time())
        joined = JoinedFaxes(fax.id, most, config.joined_pages) if most > 1 else None
        claim = dataclasses.replace(claim, routes=routes, attempt=_attempt(fax, roomy[0]), joined=joined)
        if joined is not None:
            self._first[number] = claim
        return claim

    def _join(self, row: Any, first: FaxClaim) -> FaxClaim | None:
        """A claim of a fax that is due, to go in the call of another; None where it waits for one of its own."""
        joined = first.joined
        assert joined is not None
        assert first.attempt is not None
        if joined.found >= joined.faxes_max or (claim := self._read(row)) is None:
            return None
        stored, defaults = claim.stored, self._queue.station.config.fax.options
        route = Route(first.attempt.account, first.attempt.destination)
        if stored.cancelled or stored.fax.poll or route not in self._left(stored.fax, self._routes(stored)):
            return None
        if not same_call(first.stored, stored, defaults):
            return None
        joined.found += 1
        attempt = dataclasses.replace(_attempt(stored.fax, route), joined=first.key)
        return dataclasses.replace(claim, routes=self._routes(stored), attempt=attempt, joined=joined)

    def _read(self, row: Any) -> FaxClaim | None:
        """A fax that is due, to be ended or put off unless more is found; None where another station was quicker."""
        stored = self._queue.store.kept(row.id)
        if stored is None or stored.request is None or not FAXES_TABLE.allows(stored.fax.state, FaxState.PREPARING):
            return None
        return FaxClaim(row.id, stored.token, stored)

    def _routes(self, stored: StoredFax) -> tuple[Route, ...]:
        """The routes of a fax; none where it may not be called now."""
        fax, now = stored.fax, datetime.now(UTC)
        assert stored.request is not None
        try:
            routes = self._rules.routes(fax.to, stored.request.account)
        except UsageError:
            return ()
        if self._rules.opens(self._rules.number_key(fax.to), now) not in (now, None) or now < (fax.not_before or now):
            return ()
        return routes

    @staticmethod
    def _left(fax: Fax, routes: Sequence[Route]) -> list[Route]:
        """The routes of a fax that have not failed of late."""
        failed = failed_over(fax.attempts, routes)
        return [route for route in routes if route.account not in failed]

    def _is_full_for(self, row: Any) -> bool:
        """Return True if all accounts of a fax are full, before all that is known of it is read."""
        try:
            routes = self._rules.routes(row.to, json.loads(row.request)["account"])
        except (UsageError, ValueError, KeyError, TypeError):
            return False
        return not self._rules.free(routes, self._accounts, self._room.down)


class FaxClaims:
    """A kind of jobs (`softfax.database.jobs.Work`). Called in the thread that claims."""

    name = FAXES

    def __init__(self, queue: FaxQueue, loop: asyncio.AbstractEventLoop) -> None:
        self._queue, self.rows, self._loop = queue, queue.store, loop
        self._folders_at = 0.0
        #: Whether a fax found a channel slot, and a machine without room for another call.
        self._no_room = False

    def claim(self, running: int) -> Sequence[FaxClaim]:
        """Claim the faxes that end without a call, then those that a channel slot is free for, in order. They are looked for
        before the transaction, which is short, and counts the slots once more.
        """
        store = self._queue.store
        if self._queue.takes_nothing:
            return ()
        found, room = [FaxClaim(one.fax.id, one.token, one) for one in store.ending(AT_ONCE)], _NO_ROOM
        if not found:
            found, room = self._due()
        claimed = []
        if found:
            with store.engine.begin() as connection:
                if not alone(connection):
                    return ()
                slots = _Search(self._queue, room, store.taken(connection))
                for claim in found:
                    stored = store.begin(connection, claim.stored, claim.attempt) if slots.takes(claim) else None
                    if stored is not None:
                        slots.begun.add(claim.key)
                        if claim.joined is not None:
                            claim.joined.add(claim.key)
                        claimed.append(dataclasses.replace(claim, token=stored.token, stored=stored))
        return claimed

    def _due(self) -> tuple[list[FaxClaim], _Room]:
        """Faxes that are due, with a free slot or not to be called now; and the room that they were found for."""
        found = list[FaxClaim]()
        room = asyncio.run_coroutine_threadsafe(self._room(), self._loop).result(ROOM_S)
        # Before the faxes are read: of several in one call that are due again, each is, once their slot is free.
        with self.rows.engine.connect() as connection:
            search = _Search(self._queue, room, self.rows.taken(connection))
        for row in self._in_order():
            if search.done or len(found) >= AT_ONCE:
                break
            try:
                claim = search.look(row)
            except Exception as error:
                if is_away(error):
                    raise
                # One that cannot be read holds up no other.
                log.error("fax %r gets no channel slot: %s", row.id, in_short(error))
                continue
            if claim is not None:
                found.append(claim)
        self._no_room = search.no_room > 0
        return found, room

    def _in_order(self) -> Iterator[Any]:
        after: tuple[int, int] | None = None
        for _ in range(0, LOOKED_AT, LOOK):
            rows = self.rows.due(LOOK, after)
            yield from rows
            if len(rows) < LOOK:
                return
            after = (rows[-1].priority, rows[-1].seq)

    async def _room(self) -> _Room:
        station = self._queue.station
        calls, accounts = station.calls(), ["", *(one.label for one in station.config.account)]
        queued = [call.order is not None and call.order.watch is not None for call in calls]
        # Of those in one call the first alone counts, or what is left of them.
        ordered = {call.order.joins or call.context.fax_id for call in calls if call.order and call.order.watch}
        others = Counter(call.account for call, ours in zip(calls, queued, strict=True) if call.known and not ours)
        return _Room(others, len(ordered), station.down(), {name: station.room(name) for name in accounts})

    def begin(self, job: FaxClaim) -> Future[None]:
        """Work on a claimed fax, on the station's loop."""
        return asyncio.run_coroutine_threadsafe(self._queue.work(job), self._loop)

    def upkeep(self) -> None:
        """Tidy the tables, and now and then the folders, which takes longer: elsewhere."""
        whole = time.monotonic() >= self._folders_at
        if whole:
            self._folders_at = time.monotonic() + FOLDERS_EVERY_S
        self._queue.makers.submit(self._tidy, whole)
        asyncio.run_coroutine_threadsafe(self._queue.take_up(), self._loop)

    def _tidy(self, whole: bool) -> None:
        try:
            tidy(self._queue, whole)
        except Exception:
            log.exception("the upkeep of the queue failed")

    def close(self) -> None:
        """Leave what is under way to end on the loop."""

    def room_again(self) -> None:
        """Look again: there is room for calls. On the station's loop."""
        if self._no_room:
            self._no_room = False
            self._queue.wake()


def _attempt(fax: Fax, route: Route) -> Attempt:
    """The next attempt of a fax."""
    number = 1 + max((a.number for a in fax.attempts if a.ended is not None), default=0)
    first_page = 1 if fax.only_polls else fax.pages + 1
    # An unconfirmed page may have reached the far end in a call that a crash cut off.
    resent = not fax.only_polls and any(
        a.cause is Cause.CRASH and first_page <= a.first_page + a.pages for a in fax.attempts
    )
    return Attempt(
        number=number, started=datetime.now(UTC), account=route.account, destination=route.uri, first_page=first_page,
        resent=resent,
    )  # fmt: skip
