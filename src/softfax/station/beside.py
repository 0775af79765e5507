# SPDX-License-Identifier: GPL-2.0-or-later
"""The faxes of a single `softfax send` or `softfax receive`, seen as those of a station: for a manager interface beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from softfax.errors import UsageError
from softfax.fax.runtime import FaxLine, FaxRuntime
from softfax.fax.settings import Role
from softfax.model import (
    CallEvent,
    CallState,
    Event,
    FaxContext,
    FaxResult,
    FaxUpdate,
    NegotiatedEvent,
    SessionEvent,
    SessionState,
)
from softfax.sip import IncomingCall
from softfax.station import making
from softfax.station.call import FaxCall
from softfax.station.counters import Counters, views
from softfax.station.hub import Hub, Sink
from softfax.station.orders import FaxOrder, FaxStats, SessionView

__all__ = ["Beside"]


class Beside:
    """Watches a runtime. Takes no orders: what is faxed has been said on the command line."""

    def __init__(self, runtime: FaxRuntime) -> None:
        self._hub = Hub()
        self._calls: dict[str, FaxCall] = {}
        self._counters = Counters()
        self._identities = making.Identities()
        runtime.on_event = self._on_event

    def originate(self, order: FaxOrder) -> FaxCall:
        """Raises UsageError."""
        raise UsageError("no orders are taken here", "run `softfax serve`")

    def calls(self) -> list[FaxCall]:
        """The faxes under way."""
        return list(self._calls.values())

    def find(self, key: str) -> FaxCall | None:
        """The fax under way with this fax id, channel name or unique id."""
        for call in self.calls():
            if key in (call.context.fax_id, call.context.channel, call.context.unique_id):
                return call
        return None

    def sessions(self) -> list[SessionView]:
        """What FAXSessions lists."""
        return views(self.calls())

    def stats(self) -> FaxStats:
        """What FAXStats says."""
        return self._counters.stats(self.calls())

    def hangup(self, call: FaxCall) -> None:
        """Ends a fax."""
        call.cancel()

    def subscribe(self, sink: Sink) -> Callable[[], None]:
        """As `Station.subscribe`."""
        return self._hub.subscribe(sink)

    def _on_event(self, line: FaxLine, event: Event) -> None:
        # A moment later: the first event comes before the line knows its call.
        asyncio.get_running_loop().call_soon(self._take, line, event)

    def _take(self, line: FaxLine, event: Event) -> None:
        fax_id = line.session.fax_id
        call = self._calls.get(fax_id)
        if call is None:
            call = self._calls[fax_id] = self._new(line)
        if isinstance(event, SessionEvent):
            call.session = event
        elif isinstance(event, CallEvent):
            call.call_state, call.sip_code = event.state, event.sip_code
            if event.state is CallState.ANSWERED:
                self._counters.attempt(call.context.direction)
        elif isinstance(event, NegotiatedEvent):
            call.remote_station_id = event.remote_station_id
        if call.state not in (SessionState.RESERVED, SessionState.UNINITIALIZED):
            call.mode = line.session.mode
        self._hub.publish(FaxUpdate(call.context, event))
        if isinstance(event, FaxResult):
            self._calls.pop(fax_id, None)
            if call.mode is not None:
                self._counters.ended(event.success)
            if not call.result.done():
                call.result.set_result(event)

    def _new(self, line: FaxLine) -> FaxCall:
        settings, sip = line.session.settings, line.call
        remote = sip.remote_uri if sip is not None else ""
        headers = sip.headers if isinstance(sip, IncomingCall) else {}
        outgoing = settings.role is Role.CALLER
        caller = headers.get("P-Asserted-Identity") or headers.get("From") or remote
        channel = self._identities.channel(making.host_of(remote) or "fax")
        context = FaxContext(
            fax_id=line.session.fax_id,
            direction=settings.direction,
            outgoing=outgoing,
            session_number=line.session.number,
            unique_id=self._identities.unique_id(channel),
            channel=channel,
            caller_number=settings.ident if outgoing else making.number_of(caller),
            caller_name="" if outgoing else making.display_name(caller),
            called_number=making.number_of(remote if outgoing else headers.get("Request-URI", "")),
            ident=settings.ident,
            header=settings.header,
            documents=settings.documents or (str(settings.document),),
        )
        result: asyncio.Future[FaxResult] = asyncio.get_running_loop().create_future()
        return FaxCall(context=context, session=making.first_session(context), result=result, on_cancel=line.cancel)
