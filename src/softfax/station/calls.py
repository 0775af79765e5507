# SPDX-License-Identifier: GPL-2.0-or-later
"""The calls of a station: SIP, the engine, and the documents being made for them. In the station's process or in one of its own.

Takes orders and gives reports (`softfax.station.wire`); keeps nothing on disk but pages being received.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from softfax import logcontext
from softfax.diskspace import DiskFloor
from softfax.documents.job import PageJob
from softfax.errors import LocalError, PortInUseError, SoftfaxError
from softfax.fax import outcome
from softfax.fax.active import ActiveFax
from softfax.fax.kept import KeptCall
from softfax.fax.outcome import Outcome
from softfax.fax.runtime import FaxRuntime
from softfax.fax.settings import FaxSettings
from softfax.model import Event, FaxResult, new_fax_id
from softfax.sip.call import IncomingCall
from softfax.sip.headers import number_of
from softfax.sip.types import CALLS_PER_PROCESS, CallerId, CallHandler, SipAccount, calls_possible
from softfax.sipstatus import status
from softfax.station import making, wire
from softfax.station.admission import ActiveCall, CallFacts, Refusal, Screen, admit, gateway_of, mailbox_of, polled_of
from softfax.station.config import StationConfig
from softfax.station.host import Report
from softfax.station.load import Load, LoadMeter, Refusals
from softfax.station.passing import Passing, PlacedFax
from softfax.station.polled import PolledDocument, of_config
from softfax.station.polled_call import FetchAfter
from softfax.station.progress import fax_progress
from softfax.station.registrations import Registrations
from softfax.station.shared import SharedCall, TurnLostError
from softfax.station.watching import ProgressWatch

__all__ = ["LAPSED", "NO_ROOM", "Calls"]

log = logging.getLogger("softfax.station")

#: How often it is measured how the process keeps up, with calls and without.
MEASURE_S, MEASURE_IDLE_S = 0.5, 2.0
#: Why a fax waits, or is not dialled.
NO_ROOM = "this machine is at its limit: another call would take from those under way"
#: Why a fax is not dialled though that was written down.
LAPSED = "the station's lease lapsed before the call"
#: Time that a fax has to end after it was cancelled.
GRACE_S = 8.0
#: An order that finds no room waits so long for it, looking so often.
ROOM_WAIT_S, ROOM_CHECK_S = 30.0, 0.25


class Calls:
    """One user agent and one engine, for any number of faxes; one in a process."""

    def __init__(self, config: StationConfig, report: Report) -> None:
        self.config = config
        self.report = report
        self.faxes: dict[str, PlacedFax] = {}
        self._put_out: tuple[PolledDocument, ...] = ()
        #: Calls that stay up, by the fax that they had.
        self._kept: dict[str, KeptCall] = {}
        self._passing = Passing(self)
        self._runtime: FaxRuntime | None = None
        self._draining = False
        self._screen = Screen()
        self._floor = _floor(config)
        self._watch = ProgressWatch(self.faxes, report)
        self._registrations = Registrations(report)
        self._meter = LoadMeter(config.slots().calls)
        self._overload = self._no_slot = 0
        self._measuring: asyncio.Task[None] | None = None
        self._load = Load()

    # ---- life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listens. Raises PortInUseError, NativeError, UsageError."""
        trace = making.trace_settings(self.config)
        try:
            self._runtime = await FaxRuntime.start(making.sip_config(self.config), trace=trace)
        except PortInUseError as error:
            remedy = "change [sip] listen" + (", or stop what listens there" if "in use" in error.problem else "")
            raise PortInUseError(f"SIP: {error.problem}", remedy) from None
        self._runtime.on_incoming = self._incoming
        self._runtime.agent.on_refused = self._record_refusal
        self._have_room_for(self.config.slots().calls)
        self._measuring = asyncio.ensure_future(self._measure())
        # Not before it is said that we listen.
        self._have_accounts(self._runtime.agent.accounts)

    async def close(self, grace_s: float = GRACE_S) -> None:
        """Ends what is under way, with its reports, and stops."""
        self._draining = True
        self._watch.turn(False)
        if self._measuring is not None:
            self._measuring.cancel()
        for kept in list(self._kept.values()):
            kept.hang_up()
        for fax_id in list(self.faxes):
            self._cancel(wire.Cancel(fax_id))
        await self._idle(grace_s)
        self._registrations.close()
        if self._runtime is not None:
            await self._runtime.close()
            self._runtime = None
        # What is left has no call any more: its result is reported all the same.
        await self._idle(10.0)

    async def _idle(self, timeout_s: float) -> None:
        tasks = [fax.task for fax in self.faxes.values() if fax.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)

    @property
    def bound_addresses(self) -> tuple[tuple[str, int], ...]:
        """Addresses and ports on which SIP listens, one for each version of IP."""
        return self.running().agent.bound_addresses

    def running(self) -> FaxRuntime:
        """The runtime. Raises LocalError before the start."""
        if self._runtime is None:
            raise LocalError("the station does not run", "use it in `async with`")
        return self._runtime

    # ---- load ---------------------------------------------------------------------------------------------------

    def room(self, account: str = "") -> int:
        """Number of further calls that it takes now; the accounts share them."""
        del account
        return self._meter.room(self._calls_up)

    @property
    def _calls_up(self) -> int:
        """Calls, without those that wait for their pages."""
        faxes = sum((fax.incoming or fax.active is not None) + (fax.gateway is not None) for fax in self.faxes.values())
        return faxes + len(self._kept)

    def _have_room_for(self, calls: int) -> None:
        """Make room for as many calls as configured, or as are possible."""
        possible = calls_possible()
        if possible < min(calls, CALLS_PER_PROCESS):
            log.warning("%d calls at a time are possible, for want of files that may be opened", possible)
        self._meter.calls_max, self._meter.limited = min(calls, possible), possible < calls

    async def _measure(self) -> None:
        """Report the load, and close the process to calls that would take from those that are up."""
        loop = asyncio.get_running_loop()
        told: Load | None = None
        while True:
            due = loop.time() + (MEASURE_S if self.faxes else MEASURE_IDLE_S)
            await asyncio.sleep(due - loop.time())
            now, runtime = loop.time(), self.running()
            self._meter.sample(now, runtime.engine.load(), max(0.0, now - due))
            self._load = self._meter.load(self._calls_up, self._refusals(runtime))
            self.close_if_full()
            if self._load != told:
                told = self._load
                self.report(wire.Measured(self._load))

    def _refusals(self, runtime: FaxRuntime) -> Refusals:
        early = runtime.agent.refused
        return Refusals(
            overload=self._overload + early.overload,
            slots=self._no_slot,
            unknown_calls=early.calls,
            unknown_connections=early.connections,
            connections_ended=early.connections_ended,
        )

    def close_if_full(self) -> None:
        """Close the user agent to calls that there is no room for."""
        self.running().agent.close_to_calls(self._meter.is_full(self._calls_up), self._draining)

    # ---- orders -------------------------------------------------------------------------------------------------

    def order(self, message: wire.Message) -> None:
        """Takes an order; what comes of it is reported."""
        if isinstance(message, wire.PlaceCall):
            fax = self.faxes[message.fax_id] = PlacedFax(message.settings.account)
            first = self.faxes.get(message.joins) if message.joins else fax
            if first is fax:
                fax.shared = SharedCall(fax)
            elif first is not None and first.shared is not None and first.shared.join(fax, message.place):
                fax.shared = first.shared
            self.run(message.fax_id, fax, self._outgoing(message, fax))
        elif isinstance(message, wire.Dial):
            waiting = self.faxes.get(message.fax_id)
            if waiting is not None and not waiting.may_dial.done():
                waiting.may_dial.set_result(message)
        elif isinstance(message, wire.Cancel):
            self._cancel(message)
        elif isinstance(message, wire.Bridge):
            self._passing.bridge(message)
        elif isinstance(message, wire.Take):
            placed = self.faxes.get(message.fax_id)
            if placed is not None and not placed.taken.done():
                placed.taken.set_result(message)
        elif isinstance(message, wire.Release):
            if message.fax_id in self._kept:
                self._kept[message.fax_id].hang_up()
        elif isinstance(message, wire.Refuse):
            self._passing.refuse(message)
        elif isinstance(message, wire.Drain):
            self._draining = True
            self.close_if_full()
        elif isinstance(message, wire.PutOut):
            self._put_out = message.documents
        elif isinstance(message, wire.Watch):
            self._watch.turn(message.on)
        elif isinstance(message, wire.Show):
            task = asyncio.ensure_future(self._show(message))
            task.add_done_callback(lambda done: done.exception())
        elif isinstance(message, wire.Reload):
            self.config = StationConfig.checked(message.config, "the configuration")
            self._floor = _floor(self.config)
            self._have_room_for(self.config.slots().calls)
            self.running().trace = making.trace_settings(self.config)
            self._have_accounts(self.config.sip_accounts())

    def _cancel(self, message: wire.Cancel) -> None:
        fax = self.faxes.get(message.fax_id)
        if fax is None:
            return
        under_way = fax.active or fax.gateway
        if under_way is not None:
            under_way.cancel()
        elif fax.task is not None:
            fax.why = Outcome(False, message.error, message.text, outcome.T30_CALLDROPPED, reached=False)
            fax.task.cancel()

    def _have_accounts(self, accounts: Sequence[SipAccount]) -> None:
        task = asyncio.ensure_future(self._registrations.apply(self.running().agent, accounts))
        task.add_done_callback(_have)

    def run(self, fax_id: str, fax: PlacedFax, work: Coroutine[Any, Any, None]) -> None:
        """Run the task of a fax, which gets an end whatever becomes of it."""
        fax.task = asyncio.ensure_future(work)
        fax.task.add_done_callback(partial(self._ran, fax_id, fax))

    def _ran(self, fax_id: str, fax: PlacedFax, task: asyncio.Task[None]) -> None:
        self.faxes.pop(fax_id, None)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("fax %s failed", fax_id, exc_info=error)
            under_way = fax.active or fax.gateway
            if under_way is not None:
                under_way.cancel()
            self.undialled(
                fax_id, fax, Outcome(False, "INIT_ERROR", f"softfax failed ({error})", outcome.T30_CALLDROPPED)
            )
        elif not fax.ended:
            why = fax.why or Outcome(False, "CANCEL", "cancelled", outcome.T30_CALLDROPPED, reached=False)
            self.undialled(fax_id, fax, why)
        if fax.shared is not None:
            # Also of a task that was cancelled before it began.
            fax.shared.leave(fax, fax.active.session.outcome if fax.active is not None else fax.why)

    def undialled(self, fax_id: str, fax: PlacedFax, why: Outcome) -> None:
        if not fax.ended:
            fax.ended = True
            self.report(wire.NotDialled(fax_id, why.error, why.text, why.code, why.remedy))

    # ---- outgoing -----------------------------------------------------------------------------------------------

    async def _outgoing(self, order: wire.PlaceCall, fax: PlacedFax) -> None:
        """Documents, then leave to dial, or to go on in the call of another fax, then the fax."""
        logcontext.fax(order.fax_id)
        shared = fax.shared
        if shared is None:
            return self.undialled(order.fax_id, fax, outcome.not_reached(outcome.OK))
        job: PageJob | None = None
        try:
            if order.pages is not None:
                job = await asyncio.to_thread(making.start_job, order.pages, order.settings, shared.folder())
                await asyncio.to_thread(job.wait if order.joins else job.wait_ready)
            await self._send(order, fax, shared, job)
        except TurnLostError as error:
            self.undialled(order.fax_id, fax, error.why)
        except (SoftfaxError, OSError) as error:
            self.undialled(order.fax_id, fax, making.why_undialled(error))
        finally:
            if job is not None:
                await asyncio.to_thread(job.close)

    async def _send(
        self, order: wire.PlaceCall, fax: PlacedFax, shared: SharedCall[PlacedFax], job: PageJob | None
    ) -> None:
        """Ask for leave once there is room for a call, or it is the turn of this fax on another's, and send it."""
        settings = order.settings if job is None else dataclasses.replace(order.settings, document=job.tiff)
        if order.joins:
            await shared.turn(fax)
        elif order.on not in self._kept:
            await self._wait_for_room()
        self.report(wire.Ready(order.fax_id))
        if (await fax.may_dial).too_late:
            raise LocalError(LAPSED)
        on_event = partial(self.on_event, order.fax_id, fax)
        if order.joins and job is not None:
            fax.active = await shared.follow(self.running(), fax, settings, on_event, job)
            await self.finish(order.fax_id, fax, fax.active, order.uri)
        else:
            await self._dial(order, fax, settings, job)

    async def _wait_for_room(self) -> None:
        """Wait until another call may begin. Raises LocalError where the machine stays at its limit."""
        loop = asyncio.get_running_loop()
        until = loop.time() + ROOM_WAIT_S
        while not self.room():
            if loop.time() >= until:
                self._overload += 1
                raise LocalError(NO_ROOM)
            await asyncio.sleep(ROOM_CHECK_S)

    async def _dial(self, order: wire.PlaceCall, fax: PlacedFax, settings: FaxSettings, job: PageJob | None) -> None:
        on_event = partial(self.on_event, order.fax_id, fax)
        kept = self._kept.get(order.on)
        taken = await kept.take() if kept is not None else None
        if taken is not None:
            del self._kept[order.on]
            fax.active = self.running().take_over(taken, settings, on_event, job=job)
            await self.finish(order.fax_id, fax, fax.active, taken.call.remote_uri)
            return
        if not order.uri:
            gone = Outcome(False, "HANGUP", "the call has ended", outcome.T30_CALLDROPPED, reached=False)
            self.undialled(order.fax_id, fax, gone)
            return
        self._meter.begun(asyncio.get_running_loop().time())
        shown = CallerId(settings.caller_number, settings.caller_name)
        fax.fetch = FetchAfter.of(self, order.uri, settings, partial(self._passing.second, fax, order.fax_id))
        fax.active = self.running().send(
            order.uri,
            settings,
            on_event,
            job=job,
            caller=shown,
            account=settings.account,
            turn=fax.fetch.turn if fax.fetch else None,
        )
        if fax.shared is not None:
            fax.shared.begin(fax.active)
        await self.finish(order.fax_id, fax, fax.active, order.uri)

    async def finish(self, fax_id: str, fax: PlacedFax, active: ActiveFax, remote_uri: str) -> None:
        """Report the end of a fax, once it has one."""
        result = await active.result
        result = fax.fetch.noted(result, active.session) if fax.fetch else result
        fax.ended = True
        if active.kept is not None and active.kept.up:
            self._kept[fax_id] = active.kept
            active.kept.on_end = partial(self._kept.__delitem__, fax_id)
        if fax.caller and result.result_code in outcome.T30_SILENCE:
            self._screen.silent(fax.caller, time.monotonic())
        marks = tuple(active.session.page_marks)
        # Packets are counted at the end, also where progress was not watched.
        counters = fax_progress(active, fax_id, ended=True)
        if counters is not None:
            self.report(wire.FaxEvent(fax_id, counters, active.session.mode))
        self.report(wire.Ended(fax_id, result, remote_uri, marks))

    # ---- incoming -----------------------------------------------------------------------------------------------

    def _incoming(self, call: IncomingCall) -> tuple[FaxSettings, Callable[[Event], None]] | CallHandler | int:
        if self._draining:
            return self._refuse(call, 503, "the station is about to stop")
        if self._meter.is_full(self._calls_up):
            self._overload += 1
            return self._refuse(call, 503, NO_ROOM, "too many calls at the moment")
        arrived = making.arrived(self.config, call, new_fax_id())
        caller = number_of(arrived.caller)
        called = number_of(arrived.called)
        facts = CallFacts(account=call.account, known=call.known, caller_number=caller, called_number=called)
        out = (*of_config(self.config.polled), *self._put_out)
        polled = polled_of(self.config, out, facts, datetime.now(UTC))
        rule = gateway_of(self.config, facts) if not polled else None
        unready = self.unready() if not polled and (rule is None or rule.swml) else None
        if unready is not None:
            return self._refuse(call, 480, *unready)
        now = time.monotonic()
        active = [ActiveCall(f.account, f.mailbox, f.incoming, f.known) for f in self.faxes.values()]
        active += [ActiveCall(f.onward, "", False) for f in self.faxes.values() if f.gateway is not None]
        decision = admit(self.config, facts, active, self._screen.history(caller, now))
        if isinstance(decision, Refusal):
            self._no_slot += decision.sip_code == 486
            # Who is blocked is not told so.
            told = decision.reason if decision.sip_code == 486 else "the call is not taken"
            return self._refuse(call, decision.sip_code, decision.reason, told)
        self._screen.called(caller, now)
        self._meter.begun(asyncio.get_running_loop().time())
        arrived = dataclasses.replace(arrived, mailbox=decision.mailbox, ident=decision.ident)
        fax_id = arrived.fax_id
        if polled:
            return self._passing.put_out(call, arrived, caller, polled)
        if rule is not None:
            return self._passing.pass_on(call, arrived, caller, rule)
        settings = self.incoming_settings(arrived)
        fax = self.faxes[fax_id] = PlacedFax(call.account, arrived, caller)
        self.close_if_full()
        self.report(arrived)
        self.run(fax_id, fax, self._receive(fax_id, fax))
        return settings, partial(self.on_event, fax_id, fax)

    def incoming_settings(self, arrived: wire.Arrived) -> FaxSettings:
        """Settings of a fax that comes in."""
        document = making.spool_path(self.config, arrived.fax_id)
        settings = making.incoming_settings(
            self.config, fax_id=arrived.fax_id, document=document, account=arrived.account
        )
        return dataclasses.replace(settings, ident=arrived.ident)

    def _refuse(self, call: IncomingCall, code: int, why: str, told: str = "") -> int:
        """Refuse a call, with a line in the log, a Warning (`told`), and a record where it came from an account."""
        account = call.account or call.called_account or "none"
        log.warning("a call from %s to account %s is refused (%d): %s", call.remote_uri, account, code, why)
        call.refused_for(told or why)
        self._record_refusal(call, code, why)
        return code

    def _record_refusal(self, call: IncomingCall, code: int, why: str) -> None:
        """Report a call that was for us and was refused as a fax that failed; strangers leave a line in the log alone."""
        if not call.known:
            return
        arrived = making.arrived(self.config, call, new_fax_id())
        mailbox = mailbox_of(self.config, number_of(arrived.called))
        arrived = dataclasses.replace(arrived, mailbox=mailbox.name if mailbox is not None else "")
        self.report(arrived)
        text = f"softfax refused the call ({code}: {why})"
        self.report(wire.NotDialled(arrived.fax_id, status(code).word, text, outcome.NO_T30 + code))

    def unready(self) -> tuple[str, str] | None:
        """Reasons for receiving no faxes, for the log and for the caller; None where they are received."""
        if not self.config.fax.receive:
            return "no faxes are received here", ""
        problem = self._floor.problem()
        return (problem, "no faxes can be received at the moment") if problem else None

    async def _receive(self, fax_id: str, fax: PlacedFax) -> None:
        logcontext.fax(fax_id)
        # The fax begins when the decision to answer has been returned.
        for _ in range(100):
            active = next((one for one in self.running().faxes if one.session.fax_id == fax_id), None)
            if active is not None:
                break
            await asyncio.sleep(0)
        else:
            why = Outcome(False, "INIT_ERROR", "the call could not be answered", outcome.NO_T30, reached=False)
            self.undialled(fax_id, fax, why)
            return
        fax.active = active
        await self.finish(fax_id, fax, active, active.call.remote_uri if active.call is not None else "")

    # ---- events -------------------------------------------------------------------------------------------------

    def on_event(self, fax_id: str, fax: PlacedFax, event: Event) -> None:
        """Takes an event of a fax. Its result goes with the end."""
        if isinstance(event, FaxResult):
            return
        under_way = fax.active or fax.gateway
        mode = under_way.session.mode if under_way is not None else None
        self.report(wire.FaxEvent(fax_id, event, mode))

    async def _show(self, message: wire.Show) -> None:
        png = await self.preview(message.fax_id)
        self.report(wire.Picture(message.number, base64.b64encode(png or b"").decode()))

    async def preview(self, fax_id: str) -> bytes | None:
        """The page being received as far as its lines have come, as PNG."""
        fax = self.faxes.get(fax_id)
        under_way = (fax.active or fax.gateway) if fax is not None and not fax.ended else None
        return await under_way.preview() if under_way is not None else None


def _have(task: asyncio.Task[None]) -> None:
    """Accounts that cannot be had are logged; those before them are in force."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.error("not all accounts are in force: %s", error)


def _floor(config: StationConfig) -> DiskFloor:
    return DiskFloor((config.data.dir, config.inbox_dir), config.retention.min_free_mb)
