# SPDX-License-Identifier: GPL-2.0-or-later
"""One fax of a station, from its order or its arrival to its result: what its call reports, and who is asked and told."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softfax.asjson import rfc3339
from softfax.errors import SoftfaxError
from softfax.fax import outcome
from softfax.fax.facts import PageMark
from softfax.fax.inbox import Inbox
from softfax.fax.outcome import Outcome
from softfax.fax.settings import Role
from softfax.model import (
    CallEvent,
    CallState,
    Direction,
    FaxResult,
    FaxUpdate,
    PageEvent,
    ProgressEvent,
    SessionEvent,
    SessionState,
)
from softfax.station import making, wire
from softfax.station.admission import mailbox_of_subaddress
from softfax.station.call import FaxCall
from softfax.station.orders import FaxOrder
from softfax.station.receiving import Destination

if TYPE_CHECKING:
    from softfax.station.station import Station

__all__ = ["StationFax"]

log = logging.getLogger("softfax.station")


class StationFax:
    """The station's own record of a fax, besides the `FaxCall` that others see. `destination` is None for one that is sent."""

    def __init__(self, station: Station, call: FaxCall, destination: Destination | None, remote_uri: str) -> None:
        self.call, self.destination = call, destination
        #: Whether its end is being written.
        self.ending = False
        self._station, self._remote_uri = station, remote_uri
        self._answered = False
        self._marks: list[PageMark] = []

    def take(self, message: wire.Message) -> None:
        """Take what its call reports."""
        if isinstance(message, wire.FaxEvent):
            self._happened(message)
        elif isinstance(message, wire.Chosen):
            self._chosen(message.polled)
        elif isinstance(message, wire.Ready):
            self._begin(self._ready())
        elif isinstance(message, wire.Ended):
            self._begin(self._ended(message))
        elif isinstance(message, wire.NotDialled):
            why = Outcome(False, message.error, message.text, message.code, reached=False, remedy=message.remedy)
            self._begin(self._undialled(why))
        elif isinstance(message, wire.Lost):
            why = Outcome(False, "UNKNOWN", message.text, outcome.CRASHED)
            self._begin(self._lost(why))

    def receive(self, inbox: Inbox) -> wire.Take:
        """Receive a fax on a call that waited for a decision: the order of it."""
        call, self.destination = self.call, Destination(inbox)
        documents = (str(inbox.directory),)
        call.context = dataclasses.replace(call.context, direction=Direction.RECEIVE, documents=documents)
        call.session = making.first_session(call.context)
        return wire.Take(call.context.fax_id)

    def send(self, order: FaxOrder) -> wire.Take:
        """Send a fax on a call that waited for a decision: the order of it."""
        call, config = self.call, self._station.config
        settings = making.outgoing_settings(
            order,
            config,
            fax_id=call.context.fax_id,
            document=Path("fax.tif"),
            account=call.account,
            role=Role.ANSWERER,
        )
        call.context = dataclasses.replace(
            call.context, direction=Direction.SEND, documents=order.documents, ident=settings.ident,
            header=order.header or config.fax.options.header,
        )  # fmt: skip
        call.session = making.first_session(call.context)
        pages = making.placing(order, config, call.context, settings, "").pages
        return wire.Take(call.context.fax_id, settings, pages)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._station.begin(self._to_its_end(work))

    async def _to_its_end(self, work: Coroutine[Any, Any, None]) -> None:
        """A fax ends, whatever goes wrong with it here."""
        try:
            await work
        except Exception as error:
            log.error(
                "fax %s is ended by a fault of this station: %s", self.call.context.fax_id, error,
                exc_info=None if isinstance(error, SoftfaxError) else error,
            )  # fmt: skip
            self.ending = False
            why = making.own_failure(f"softfax failed ({type(error).__name__})")
            await self._end(making.failed(self.call.context, why, self.call.age_s))

    async def _ready(self) -> None:
        """The pages are made: who placed the order is asked before the call is placed."""
        order, fax_id = self.call.order, self.call.context.fax_id
        try:
            if order is not None and self.call.context.outgoing:
                self._station.rules.permit(order.destination)
            if order is not None and order.watch is not None:
                await order.watch.ready(self.call)
        except SoftfaxError as error:
            self._station.order(wire.Cancel(fax_id, "CANCEL", str(error)))
            return
        except Exception:
            log.exception("fax %s is not dialled", fax_id)
            self._station.order(wire.Cancel(fax_id, "INIT_ERROR", "what was to be noted before the call could not be"))
            return
        database = self._station.database
        self._station.order(wire.Dial(fax_id, database.stations.until if database is not None else 0.0))

    def _chosen(self, name: str) -> None:
        """The far end has named one of several documents."""
        polled = next((one for one in self._station.polled() if one.name == name), None)
        if polled is not None:
            context, tags = self.call.context, {"polled": polled.name}
            self.call.context = dataclasses.replace(context, documents=polled.documents, tags=tags)

    def _happened(self, message: wire.FaxEvent) -> None:
        call = self.call
        # Its own, whatever the process for calls says.
        event = dataclasses.replace(message.event, fax_id=call.context.fax_id)  # type: ignore[call-arg]
        if isinstance(event, ProgressEvent):
            call.progress = event
            # The last one has the counters of the whole call, and nothing moves any more.
            if event.rate_bps:
                self._station.watchers.publish(FaxUpdate(call.context, event))
            return
        call.note(event, message.mode)
        if isinstance(event, SessionEvent):
            # Of a gateway's call the first of those that it has by now.
            event = call.session = dataclasses.replace(event, session_number=call.sessions[0][1])
        elif isinstance(event, CallEvent) and event.state is CallState.ANSWERED:
            if call.context.direction is not Direction.GATEWAY:
                self._station.counters.attempt(call.context.direction)
                self._answered = True
        elif isinstance(event, PageEvent):
            self._marks.append(PageMark(event.quality != "bad", event.bad_rows))
            if call.order is not None:
                # A fax that goes on counts its pages from where it went on.
                event = dataclasses.replace(event, number=event.number + call.order.first_page - 1)
        self._station.publish(FaxUpdate(call.context, event))

    # ---- its end ------------------------------------------------------------------------------------------------

    async def _ended(self, message: wire.Ended) -> None:
        """T.30 is over; what was received becomes a document."""
        context = self.call.context
        result = dataclasses.replace(message.result, fax_id=context.fax_id, session=context.session_number)
        if self.call.order is not None:
            self._station.resting.note(self.call.account, result, time.monotonic())
        if result.direction is Direction.RECEIVE:
            named = mailbox_of_subaddress(self._station.config, result.subaddress)
            if named is not None:
                self.call.context = dataclasses.replace(self.call.context, mailbox=named.name)
        if self.destination is not None:
            result = await self._deliver(result, message.marks, message.remote_uri or self._remote_uri)
        await self._end(result)

    async def _deliver(self, result: FaxResult, marks: Sequence[PageMark], remote: str) -> FaxResult:
        """Make the document of what was received, and wait for those who keep it."""
        assert self.destination is not None
        result = await self.destination.deliver(result, marks, remote)
        for kept in self._station.on_document:
            await kept(self.call.context, result)
        return result

    async def _undialled(self, why: Outcome) -> None:
        if why.error == "FILE_ERROR":
            self._station.counters.attempt(self.call.context.direction)
        self._complete()
        await self._end(making.failed(self.call.context, why, self.call.age_s))

    async def _lost(self, why: Outcome) -> None:
        """The process that ran the call is gone; the pages that came before stay."""
        self._complete()
        context = self.call.context
        result = making.failed(context, why, self.call.age_s)
        result = dataclasses.replace(
            result,
            mode=self.call.mode or result.mode,
            pages=sum(mark.confirmed for mark in self._marks),
            remote_station_id=self.call.remote_station_id,
            bad_rows=sum(mark.bad_rows for mark in self._marks),
        )
        if self.destination is not None:
            result = await self._deliver(result, self._marks, self._remote_uri)
        await self._end(result)

    def _complete(self) -> None:
        """The record of a session that ends here."""
        now = datetime.now(UTC)
        self.call.session = dataclasses.replace(self.call.session, state=SessionState.COMPLETE, time=now)
        self._station.publish(FaxUpdate(self.call.context, self.call.session))

    async def _end(self, result: FaxResult) -> None:
        call, order = self.call, self.call.order
        if self.ending:
            return
        self.ending = True
        if self._answered:
            self._station.counters.ended(result.success)
        call.remote_station_id = result.remote_station_id or call.remote_station_id
        if order is not None and order.watch is not None:
            try:
                result = await order.watch.ended(call, dataclasses.replace(result, attempt=order.attempt))
            except Exception:
                log.exception("the end of fax %s was not taken", call.context.fax_id)
                # So it is no end: who placed the order finds out later what became of it.
                result = dataclasses.replace(result, retry_at=rfc3339(datetime.now(UTC)))
        else:
            for noted in self._station.before_result:
                await noted(call.context, result)
        self._station.publish(FaxUpdate(call.context, result, call.recorded))
        self._station.over(call.context.fax_id)
        if not call.result.done():
            call.result.set_result(result)
