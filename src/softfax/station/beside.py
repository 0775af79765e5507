# SPDX-License-Identifier: GPL-2.0-or-later
"""The faxes of a single `softfax send` or `softfax receive`, seen as those of a station: for a manager interface beside them."""

from __future__ import annotations

import asyncio

from softfax.errors import UsageError
from softfax.fax.active import ActiveFax
from softfax.fax.runtime import FaxRuntime
from softfax.fax.settings import Role
from softfax.model import CallEvent, CallState, Event, FaxResult, FaxUpdate
from softfax.sip.call import IncomingCall
from softfax.sip.headers import display_name, number_of
from softfax.station import making
from softfax.station.call import FaxCall
from softfax.station.orders import FaxOrder
from softfax.station.registry import Registry
from softfax.station.views import RegistrationView

__all__ = ["Beside"]


class Beside(Registry):
    """Watches a runtime. Takes no orders: what is faxed has been said on the command line."""

    def __init__(self, runtime: FaxRuntime) -> None:
        super().__init__()
        self._calls: dict[str, FaxCall] = {}
        self._identities = making.Identities()
        runtime.on_event = self._on_event

    def originate(self, order: FaxOrder) -> FaxCall:
        """Raises UsageError."""
        raise UsageError("no orders are taken here", "run `softfax serve`")

    def calls(self) -> list[FaxCall]:
        """The faxes under way."""
        return list(self._calls.values())

    def registrations(self) -> list[RegistrationView]:
        """None: there are no accounts here."""
        return []

    def _on_event(self, active: ActiveFax, event: Event) -> None:
        # A moment later: the first event comes before the fax knows its call.
        asyncio.get_running_loop().call_soon(self._take, active, event)

    def _take(self, active: ActiveFax, event: Event) -> None:
        fax_id = active.session.fax_id
        call = self._calls.get(fax_id)
        if call is None:
            call = self._calls[fax_id] = self._new(active)
        call.note(event, active.session.mode)
        if isinstance(event, CallEvent) and event.state is CallState.ANSWERED:
            self.counters.attempt(call.context.direction)
        self._hub.publish(FaxUpdate(call.context, event))
        if isinstance(event, FaxResult):
            self._calls.pop(fax_id, None)
            if call.mode is not None:
                self.counters.ended(event.success)
            if not call.result.done():
                call.result.set_result(event)

    def _new(self, active: ActiveFax) -> FaxCall:
        settings, sip = active.session.settings, active.call
        remote = sip.remote_uri if sip is not None else ""
        headers = sip.headers if isinstance(sip, IncomingCall) else {}
        outgoing = settings.role is Role.CALLER
        caller = headers.get("P-Asserted-Identity") or headers.get("From") or remote
        context = self._identities.context(
            making.host_of(remote) or "fax",
            fax_id=active.session.fax_id,
            direction=settings.direction,
            outgoing=outgoing,
            session_number=active.session.number,
            caller_number=settings.ident if outgoing else number_of(caller),
            caller_name="" if outgoing else display_name(caller),
            called_number=number_of(remote if outgoing else headers.get("Request-URI", "")),
            ident=settings.ident,
            header=settings.header,
            documents=settings.documents or (str(settings.document),),
        )
        result: asyncio.Future[FaxResult] = asyncio.get_running_loop().create_future()
        return FaxCall(context=context, session=making.first_session(context), result=result, on_cancel=active.cancel)
