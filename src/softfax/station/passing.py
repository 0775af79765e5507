# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that do not become a fax at once, in the process for calls: a gateway's rule passes them on, or listens first,
or they fetch documents."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from softfax import logcontext
from softfax.documents.job import PageJob
from softfax.errors import SoftfaxError
from softfax.fax import outcome
from softfax.fax.active import ActiveFax, Choice, EventSink, Turn
from softfax.fax.gateway import ActiveGateway, Onward
from softfax.fax.legs import GatewaySettings
from softfax.fax.listening import ListenSettings
from softfax.fax.outcome import Outcome
from softfax.fax.runtime import FaxRuntime
from softfax.fax.settings import FaxSettings
from softfax.model import Event, HeardSignal
from softfax.sip.call import IncomingCall
from softfax.sip.types import CallerId, CallHandler
from softfax.station import making, wire
from softfax.station.config import GatewayConfig, StationConfig
from softfax.station.polled import PolledDocument
from softfax.station.polled_call import FetchAfter, PolledCall
from softfax.station.progress import gateway_progress
from softfax.station.shared import SharedCall

__all__ = ["Passing", "PlacedFax"]

log = logging.getLogger("softfax.station")


class PlacedFax:
    """A fax under way."""

    def __init__(self, account: str, arrived: wire.Arrived | None = None, caller: str = "") -> None:
        self.account, self.caller = account, caller
        self.mailbox = arrived.mailbox if arrived is not None else ""
        self.incoming, self.known = arrived is not None, arrived is None or arrived.known
        self.active: ActiveFax | None = None
        #: Of one that we call for: its call, which others may share.
        self.shared: SharedCall[PlacedFax] | None = None
        self.gateway: ActiveGateway | None = None
        #: What is fetched after it, in the same call.
        self.fetch: FetchAfter | None = None
        #: The account by which a gateway's call goes on.
        self.onward = ""
        self.task: asyncio.Task[None] | None = None
        self.may_dial: asyncio.Future[wire.Dial] = asyncio.get_running_loop().create_future()
        #: Done once a gateway's call that waits is to become a fax here.
        self.taken: asyncio.Future[wire.Take] = asyncio.get_running_loop().create_future()
        self.why: Outcome | None = None
        self.ended = False


class Host(Protocol):
    """The calls of a process, as those that pass need them."""

    config: StationConfig
    faxes: dict[str, PlacedFax]

    def running(self) -> FaxRuntime: ...
    def report(self, message: wire.Message, /) -> None: ...
    def run(self, fax_id: str, fax: PlacedFax, work: Coroutine[Any, Any, None]) -> None: ...
    def on_event(self, fax_id: str, fax: PlacedFax, event: Event) -> None: ...
    def close_if_full(self) -> None: ...
    def unready(self) -> tuple[str, str] | None: ...
    def incoming_settings(self, arrived: wire.Arrived) -> FaxSettings: ...
    def undialled(self, fax_id: str, fax: PlacedFax, why: Outcome) -> None: ...
    async def finish(self, fax_id: str, fax: PlacedFax, active: ActiveFax, remote_uri: str) -> None: ...


class Passing:
    """The calls that a gateway's rule passes on, and those that fetch."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def pass_on(self, call: IncomingCall, arrived: wire.Arrived, caller: str, rule: GatewayConfig) -> CallHandler:
        """A call that goes on by a gateway: where to, the station says. It may be listened to for a fax first."""
        fax_id = arrived.fax_id
        onward = dataclasses.replace(arrived, mailbox="", gateway=rule.name)
        listens = bool(rule.listen) and self._host.unready() is None
        fax = PlacedFax(call.account, arrived if listens or rule.swml else onward, caller)
        t38 = making.t38_preferences(self._host.config, call.account)
        settings = GatewaySettings(fax_id=fax_id, t38=t38, negotiate_both=rule.negotiate_both)
        gateway = fax.gateway = ActiveGateway(
            self._host.running(), call, settings, partial(self._host.on_event, fax_id, fax)
        )
        self._host.faxes[fax_id] = fax
        self._host.close_if_full()
        if listens:
            listening = ListenSettings(early=rule.listen == "early", seconds=rule.listen_s)
            self._host.run(fax_id, fax, self._listen(fax, gateway, listening, arrived, onward))
        elif rule.swml:
            waiting = dataclasses.replace(arrived, gateway=rule.name)
            self._host.report(waiting)
            self._host.run(fax_id, fax, self._await_document(fax, gateway, waiting))
        else:
            self._host.report(onward)
            self._host.run(fax_id, fax, self._end_of_gateway(fax_id, fax, gateway))
        return gateway.handler

    def put_out(
        self, call: IncomingCall, arrived: wire.Arrived, caller: str, polled: Sequence[PolledDocument]
    ) -> CallHandler:
        """A call that may fetch one of several documents. It is answered once the pages of the first are made."""
        fax_id = arrived.fax_id
        receives = self._host.unready() is None
        only_polled = dataclasses.replace(arrived, mailbox="", polled=polled[0].name)
        fax = PlacedFax(call.account, arrived if receives else only_polled, caller)
        waiting = fax.gateway = ActiveGateway(
            self._host.running(), call, GatewaySettings(fax_id=fax_id), partial(_ignore, fax_id)
        )
        self._host.faxes[fax_id] = fax
        self._host.close_if_full()
        either: PolledCall | None = None
        if receives:
            on_event, place = partial(self._on_event, fax), partial(self.second, fax, arrived.fax_id)
            either = PolledCall(self._host, arrived, polled, on_event, place)
        else:
            self._host.report(only_polled)
        self._host.run(fax_id, fax, self._send_polled(fax, waiting, arrived, polled, either))
        return waiting.handler

    def _on_event(self, fax: PlacedFax, fax_id: str, event: Event) -> None:
        self._host.on_event(fax_id, self._host.faxes.get(fax_id, fax), event)

    def second(self, first: PlacedFax, first_id: str, arrived: wire.Arrived, active: ActiveFax) -> None:
        """A fax is fetched on the call of one that was sent the other way."""
        fax = PlacedFax(arrived.account, arrived, first.caller)
        fax.active = active
        if self._host.faxes.get(first_id) is first:
            del self._host.faxes[first_id]  # one call
        self._host.faxes[arrived.fax_id] = fax
        uri = active.call.remote_uri if active.call is not None else arrived.remote_uri
        self._host.run(arrived.fax_id, fax, self._host.finish(arrived.fax_id, fax, active, uri))

    async def _send_polled(
        self,
        fax: PlacedFax,
        waiting: ActiveGateway,
        arrived: wire.Arrived,
        polled: Sequence[PolledDocument],
        either: PolledCall | None,
    ) -> None:
        config = self._host.config
        settings = making.polled_settings(
            polled, config, fax_id=arrived.fax_id, document=Path("fax.tif"), account=arrived.account
        )
        makers = [partial(making.polled_job, one, config) for one in polled]
        if either is None:
            await self._send_pages(fax, waiting, settings, makers, partial(self._chosen, fax, arrived.fax_id, polled))
        else:
            received = self._host.incoming_settings(arrived)
            await self._send_pages(fax, waiting, settings, makers, either.chosen, (received, either))

    async def _send_pages(
        self,
        fax: PlacedFax,
        waiting: ActiveGateway,
        settings: FaxSettings,
        makers: Sequence[Callable[[Path], PageJob]],
        on_chosen: Callable[[int], None] = lambda index: None,
        received: tuple[FaxSettings, PolledCall] | None = None,
    ) -> None:
        """Answer a call that waits once the pages of the first document are made, and send them; or another, by polling.

        With `received` a fax may come in first, or alone.
        """
        fax_id = settings.fax_id
        logcontext.fax(fax_id)
        try:
            with tempfile.TemporaryDirectory(prefix="softfax-", ignore_cleanup_errors=True) as workdir:
                made = [partial(make, Path(workdir)) for make in makers]
                await self._send_made(fax, waiting, settings, made, on_chosen, received)
        except (SoftfaxError, OSError) as error:
            why = making.why_undialled(error)
            log.error("%s cannot be sent to who calls: %s", " ".join(settings.documents), error)
            if fax.gateway is not None:  # it still waits: a fax hangs up by itself
                waiting.session.refuse(why, 480)
            if received is not None:
                received[1].failed()
            self._host.undialled(fax_id, fax, why)

    async def _send_made(
        self,
        fax: PlacedFax,
        waiting: ActiveGateway,
        settings: FaxSettings,
        made: Sequence[Callable[[], PageJob]],
        on_chosen: Callable[[int], None],
        received: tuple[FaxSettings, PolledCall] | None,
    ) -> None:
        fax_id = settings.fax_id
        job = await asyncio.to_thread(made[0])
        try:
            await asyncio.to_thread(job.wait_ready)
            if waiting.result.done():
                if received is not None:
                    received[1].failed()
                why = Outcome(False, "CANCEL", "the caller gave up", outcome.NO_T30 + 487, reached=False)
                self._host.undialled(fax_id, fax, why)
                return
            taken, fax.gateway = waiting.release(), None
            settings = dataclasses.replace(settings, document=job.tiff)
            on_event: EventSink = partial(self._host.on_event, fax_id, fax)
            others = Choice(made, on_chosen) if len(made) > 1 else Choice()
            turn: Turn | None = None
            if received is not None:
                turn, on_event = received[1].turn(settings), received[1].on_event
                settings = received[0]
            fax.active = self._host.running().take_over(taken, settings, on_event, job=job, polled=others, turn=turn)
            await self._host.finish(fax_id, fax, fax.active, taken.call.remote_uri)
            if received is not None and (fetched := received[1].active) is not None:
                await fetched.result  # whose pages are these
        finally:
            await asyncio.to_thread(job.close)

    def _chosen(self, fax: PlacedFax, fax_id: str, polled: Sequence[PolledDocument], index: int) -> None:
        """The far end has named one of several documents."""
        if fax.active is not None:
            session = fax.active.session
            session.settings = dataclasses.replace(session.settings, documents=polled[index].documents)
        self._host.report(wire.Chosen(fax_id, polled[index].name))

    async def _await_document(self, fax: PlacedFax, gateway: ActiveGateway, arrived: wire.Arrived) -> None:
        """A call that a document of the station's decides on."""
        logcontext.fax(arrived.fax_id)
        either: set[asyncio.Future[Any]] = {gateway.result, fax.taken}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if gateway.result.done():
            await self._end_of_gateway(arrived.fax_id, fax, gateway)
        elif (take := fax.taken.result()).pages is not None and take.settings is not None:
            makers = [partial(making.start_job, take.pages, take.settings)]
            await self._send_pages(fax, gateway, take.settings, makers)
        else:
            await self._receive_taken(fax, gateway, arrived, keep=True)

    async def _listen(
        self,
        fax: PlacedFax,
        gateway: ActiveGateway,
        settings: ListenSettings,
        arrived: wire.Arrived,
        onward: wire.Arrived,
    ) -> None:
        """A call that may be voice or fax. The station hears of it once it is known which."""
        fax_id = arrived.fax_id
        logcontext.fax(fax_id)
        heard = await gateway.listen(settings)
        if heard is None or heard.signal is HeardSignal.NOTHING:
            self._host.report(onward)
            if heard is not None:
                self._host.report(wire.FaxEvent(fax_id, heard))
            await self._end_of_gateway(fax_id, fax, gateway)
            return
        self._host.report(arrived)
        self._host.report(wire.FaxEvent(fax_id, heard))
        await self._receive_taken(fax, gateway, arrived)

    async def _receive_taken(
        self, fax: PlacedFax, gateway: ActiveGateway, arrived: wire.Arrived, *, keep: bool = False
    ) -> None:
        fax_id = arrived.fax_id
        settings = dataclasses.replace(self._host.incoming_settings(arrived), keep=keep)
        taken, fax.gateway = gateway.release(), None
        fax.active = self._host.running().take_over(taken, settings, partial(self._host.on_event, fax_id, fax))
        await self._host.finish(fax_id, fax, fax.active, taken.call.remote_uri)

    def bridge(self, order: wire.Bridge) -> None:
        fax = self._host.faxes.get(order.fax_id)
        if fax is None or fax.gateway is None:
            return
        onward = [Onward(r.account, r.uri, making.t38_preferences(self._host.config, r.account)) for r in order.routes]
        fax.onward = order.routes[0].account if order.routes else ""
        caller = CallerId(order.caller_number, order.caller_name)
        bridge = partial(fax.gateway.begin, onward, caller, answer_s=order.answer_timeout_s)
        if order.hand_on == "redirect":
            fax.gateway.redirect(order.routes[0].uri)
        elif order.hand_on == "refer":
            fax.gateway.refer(order.routes[0].uri, bridge)
        else:
            bridge()

    def refuse(self, order: wire.Refuse) -> None:
        fax = self._host.faxes.get(order.fax_id)
        if fax is not None and fax.gateway is not None:
            log.warning("a gateway's call from %s is refused: %s", fax.account, order.text)
            why = Outcome(False, order.error, order.text, outcome.NO_T30 + order.sip_code, reached=False)
            fax.gateway.session.refuse(why, order.sip_code)

    async def _end_of_gateway(self, fax_id: str, fax: PlacedFax, gateway: ActiveGateway) -> None:
        logcontext.fax(fax_id)
        result = await gateway.result
        fax.ended = True
        counters = gateway_progress(gateway, fax_id, ended=True)
        if counters is not None:
            self._host.report(wire.FaxEvent(fax_id, counters, gateway.session.mode))
        self._host.report(wire.Ended(fax_id, result, gateway.call.remote_uri))


def _ignore(fax_id: str, event: Event) -> None:
    """Drop the events of a call that only waits."""
    del fax_id, event
