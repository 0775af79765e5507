# SPDX-License-Identifier: GPL-2.0-or-later
"""The station: answers calls and keeps their faxes, places calls for orders, and tells everybody what happens.

Everything runs on one asyncio loop; documents are made, and callbacks written and posted, in other threads and processes.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from softfax.delivery import Outbox, OutboxSettings, RetryPolicy
from softfax.documents import RasterJob, RasterSettings, start
from softfax.errors import LocalError, SoftfaxError, UsageError
from softfax.fax import outcome
from softfax.fax.inbox import Inbox
from softfax.fax.outcome import Outcome
from softfax.fax.runtime import FaxLine, FaxRuntime
from softfax.fax.settings import FaxSettings
from softfax.model import (
    CallEvent,
    CallState,
    Direction,
    Event,
    FaxContext,
    FaxResult,
    FaxUpdate,
    NegotiatedEvent,
    SessionEvent,
    SessionState,
    new_fax_id,
)
from softfax.sip import CallerId, IncomingCall, SipConfig, split_uri
from softfax.station import making
from softfax.station.call import FaxCall
from softfax.station.callbacks import CallbackSink
from softfax.station.config import StationConfig
from softfax.station.counters import Counters, views
from softfax.station.hub import Hub, Sink
from softfax.station.orders import FaxOrder, FaxStats, SessionView
from softfax.station.receiving import Destination
from softfax.station.registration import Registration

__all__ = ["Station"]

log = logging.getLogger("softfax.station")


class _Fax:
    """What the station itself knows of a fax, besides the `FaxCall` that others see."""

    def __init__(self, call: FaxCall, destination: Destination | None) -> None:
        self.call = call
        self.destination = destination
        self.line: FaxLine | None = None
        self.task: asyncio.Task[None] | None = None
        self.answered = False

    def stop(self) -> None:
        """Ends a fax that has no call yet."""
        if self.task is not None:
            self.task.cancel()


class Station:
    """A fax station. Use it as `async with Station(config) as station`; one at a time in a process.

    Raises PortInUseError, LocalError, ConfigError and NativeError where it cannot start.
    """

    def __init__(self, config: StationConfig | Mapping[str, Any] | None = None) -> None:
        if not isinstance(config, StationConfig):
            config = StationConfig.checked(config or {}, "the configuration")
        self.config = config
        #: Told what people should know, one line at a time.
        self.say: Callable[[str], None] = lambda text: None
        self.outbox: Outbox | None = None
        self.registration: Registration | None = None
        self._hub = Hub()
        self._faxes: dict[str, _Fax] = {}
        self._identities = making.Identities()
        self._counters = Counters()
        self._inbox = Inbox(config.inbox_dir, config.inbox.keep_tiff)
        self._callbacks: CallbackSink | None = None
        self._runtime: FaxRuntime | None = None
        self._exit = AsyncExitStack()
        self._draining = False

    # ---- life ---------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Station:
        await self._exit.__aenter__()
        try:
            if self.config.fax.receive:
                self._inbox.prepare()
            if self.config.callbacks.enabled:
                await self._open_outbox()
            # Only now: what comes in may be told to somebody.
            self._runtime = await FaxRuntime.start(self._sip_config())
            self._exit.push_async_callback(self._close_runtime, self._runtime)
            self._runtime.on_incoming = self._incoming
            if self.config.account and self.config.account[0].register_:
                self._keep_registered(self._runtime)
        except BaseException:
            await self._exit.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends what is under way and stops. What the outbox has not delivered waits for the next start."""
        self._draining = True
        await self._exit.aclose()

    async def _close_runtime(self, runtime: FaxRuntime) -> None:
        for fax in list(self._faxes.values()):
            fax.call.cancel()
        await self.idle(timeout_s=8.0)
        await runtime.close()
        # What is left has no call any more: its sinks are told all the same.
        await self.idle(timeout_s=10.0)
        self._runtime = None

    async def _open_outbox(self) -> None:
        c = self.config.callbacks
        settings = OutboxSettings(
            retry=RetryPolicy(first_s=c.retry_first_s, longest_s=c.retry_longest_s, give_up_s=c.give_up_s),
            timeout_s=c.timeout_s,
            allow_private=c.allow_private,
            workers=c.workers,
            workers_per_target=c.workers_per_target,
        )
        data = self.config.data
        self.outbox = await Outbox.open(data.dir, settings, url=data.url, known=self.config.targets(), name=data.name)
        self._exit.push_async_callback(self.outbox.close)
        self._callbacks = CallbackSink(self.outbox, self.config.targets())
        self._exit.callback(self.subscribe(self._callbacks))

    def _sip_config(self) -> SipConfig:
        sip, account = self.config.sip, self.config.account[0] if self.config.account else None
        config = SipConfig(
            listen=sip.listen,
            transport=sip.transport,
            public_address=sip.public_address or None,
            tls_certificate=str(sip.tls_certificate) if sip.tls_certificate else None,
            tls_private_key=str(sip.tls_private_key) if sip.tls_private_key else None,
            tls_ca=str(sip.tls_ca) if sip.tls_ca else None,
            tls_verify=sip.tls_verify,
            # One more than are answered, so that there is somebody to say 486.
            max_calls=sip.max_calls + 8,
        )
        if account is None:
            return config
        return dataclasses.replace(
            config,
            user=account.user or None,
            password=account.password or None,
            registrar=account.server if account.register_ else None,
            proxy=account.server if account.proxy else None,
            from_uri=account.from_uri or None,
            registration_expires_s=account.expires_s,
        )

    def _keep_registered(self, runtime: FaxRuntime) -> None:
        name = self.config.account[0].label
        self.registration = Registration(runtime.agent, name, lambda text: self.say(text))
        task = asyncio.ensure_future(self.registration.keep())
        self._exit.callback(task.cancel)

    @property
    def bound_address(self) -> tuple[str, int]:
        """Where SIP is listened on."""
        return self._running().agent.bound_address

    def _running(self) -> FaxRuntime:
        if self._runtime is None:
            raise LocalError("the station does not run", "use it in `async with`")
        return self._runtime

    def drain(self) -> None:
        """Takes no new calls (503) and no orders; faxes under way go on."""
        self._draining = True

    async def idle(self, timeout_s: float | None = None) -> bool:
        """Waits until no fax is under way; false if that takes longer than `timeout_s`."""
        waiting = [fax.call.result for fax in self._faxes.values()]
        if waiting:
            _, pending = await asyncio.wait(waiting, timeout=timeout_s)
            return not pending
        return True

    # ---- seen by front ends -------------------------------------------------------------------------------------

    def calls(self) -> list[FaxCall]:
        """The faxes under way, in the order in which they began."""
        return [fax.call for fax in self._faxes.values()]

    def find(self, key: str) -> FaxCall | None:
        """The fax under way with this fax id, channel name or unique id."""
        fax = self._faxes.get(key)
        if fax is not None:
            return fax.call
        for call in self.calls():
            if key in (call.context.channel, call.context.unique_id):
                return call
        return None

    def sessions(self) -> list[SessionView]:
        """What FAXSessions lists: the sessions of answered calls."""
        return views(self.calls())

    def stats(self) -> FaxStats:
        """What FAXStats says."""
        return self._counters.stats(self.calls())

    def hangup(self, call: FaxCall) -> None:
        """Ends a fax: DCN, then BYE or CANCEL."""
        call.cancel()

    def subscribe(self, sink: Sink) -> Callable[[], None]:
        """Every event of every fax goes to `sink`, on the station's loop; it must not block. Returns what ends that."""
        return self._hub.subscribe(sink)

    # ---- outgoing -----------------------------------------------------------------------------------------------

    def originate(self, order: FaxOrder) -> FaxCall:
        """Begins a fax by a call of ours and returns at once: documents are made first, then the call is placed.

        Raises UsageError for an order that makes no sense. A document that cannot be faxed ends the fax with a result whose
        `error` is FILE_ERROR, before anything is dialled.
        """
        self._running()
        if self._draining:
            raise LocalError("the station is stopping", "place the order again when it runs")
        if len(self._faxes) >= self.config.sip.max_calls:
            raise LocalError(f"{self.config.sip.max_calls} faxes are under way", "raise max_calls in [sip], or wait")
        uri, account = making.resolve_destination(order, self.config)
        sending = order.direction is Direction.SEND
        if sending and not order.documents:
            raise UsageError("there is nothing to send", "name a document")
        if order.status_urls and self._callbacks is None:
            raise UsageError("callbacks are switched off", "set enabled = true in [callbacks]")
        destination = None if sending else Destination.of(order.receive_into, self._inbox)
        fax_id, number = new_fax_id(), next(self._identities.sessions)
        document = destination.spool_path(fax_id) if destination else Path("fax.tif")
        settings = making.outgoing_settings(order, self.config, fax_id=fax_id, number=number, document=document)
        channel = self._identities.channel(account or split_uri(uri)[2].strip("[]"))
        context = FaxContext(
            fax_id=fax_id,
            direction=order.direction,
            outgoing=True,
            session_number=number,
            unique_id=self._identities.unique_id(channel),
            channel=channel,
            caller_number=order.caller_number or self._own_number() or settings.ident,
            caller_name=order.caller_name,
            called_number=making.number_of(uri),
            entry_point=account,
            ident=settings.ident,
            header=order.header or self.config.fax.header,
            documents=order.documents if sending else (str(order.receive_into or self._inbox.directory),),
            tags=dict(order.tags),
        )
        fax = self._add(context, destination, order, account)
        if self._callbacks is not None:
            self._callbacks.watch(fax_id, order.status_urls)
        self._run(fax, self._outgoing(fax, order, uri, settings))
        return fax.call

    def _own_number(self) -> str:
        return self.config.account[0].user if self.config.account else ""

    async def _outgoing(self, fax: _Fax, order: FaxOrder, uri: str, settings: FaxSettings) -> None:
        """Documents, then the call, then the fax."""
        job: RasterJob | None = None
        with tempfile.TemporaryDirectory(prefix="softfax-", ignore_cleanup_errors=True) as workdir:
            try:
                if order.direction is Direction.SEND:
                    job = await self._start_job(order, fax.call.context, Path(workdir))
                    await asyncio.to_thread(job.wait_ready)
                    settings = dataclasses.replace(settings, document=job.tiff)
                if not fax.call.result.done():
                    await self._dial(fax, uri, settings, job)
            except UsageError as error:
                self._never_dialled(fax, Outcome(False, "INVALID_ARGUMENTS", str(error), outcome.NO_T30, reached=False))
            except SoftfaxError as error:
                self._never_dialled(fax, making.document_failure(str(error)))
            finally:
                if job is not None:
                    await asyncio.to_thread(job.close)

    async def _start_job(self, order: FaxOrder, context: FaxContext, workdir: Path) -> RasterJob:
        header = None
        if context.header:
            when = datetime.now(UTC).isoformat()
            header = {"station": context.header, "number": context.ident, "time_zone": "", "when": when}
        raster = RasterSettings(resolution=order.resolution or self.config.fax.resolution)
        allow_private = self.config.fax.allow_private_documents
        begin = partial(start, order.documents, raster, workdir, header=header, allow_private=allow_private)
        return await asyncio.to_thread(begin)

    async def _dial(self, fax: _Fax, uri: str, settings: FaxSettings, job: RasterJob | None) -> None:
        order = fax.call.order
        shown = CallerId(order.caller_number, order.caller_name) if order else None
        line = self._running().send(uri, settings, partial(self._on_event, fax), job=job, caller=shown)
        fax.line = line
        fax.call.on_cancel = line.cancel
        result = await line.result
        if fax.destination is not None:
            result = await fax.destination.deliver(result, line.session, uri)
        self._end(fax, result)

    def _never_dialled(self, fax: _Fax, why: Outcome) -> None:
        if fax.call.result.done():
            return
        if why.error == "FILE_ERROR":
            self._counters.attempt(fax.call.context.direction)
        took_s = (datetime.now(UTC) - fax.call.began).total_seconds()
        session = dataclasses.replace(fax.call.session, state=SessionState.COMPLETE, time=datetime.now(UTC))
        self._on_event(fax, session)
        self._end(fax, making.failed(fax.call.context, why, took_s))

    # ---- incoming -----------------------------------------------------------------------------------------------

    def _incoming(self, call: IncomingCall) -> tuple[FaxSettings, Callable[[Event], None]] | int:
        if self._draining:
            return 503
        if not self.config.fax.receive:
            return 480
        if len(self._faxes) >= self.config.sip.max_calls:
            log.warning("a call from %s is refused: %d faxes are under way", call.remote_uri, len(self._faxes))
            return 486
        fax_id, number = new_fax_id(), next(self._identities.sessions)
        destination = Destination(self._inbox)
        document = destination.spool_path(fax_id)
        settings = making.incoming_settings(self.config, fax_id=fax_id, number=number, document=document)
        context = self._incoming_context(call, fax_id, number)
        account = context.entry_point
        fax = self._add(context, destination, None, account)
        self._run(fax, self._receive(fax))
        return settings, partial(self._on_event, fax)

    def _incoming_context(self, call: IncomingCall, fax_id: str, number: int) -> FaxContext:
        headers = call.headers
        caller = headers.get("P-Asserted-Identity") or headers.get("From") or call.remote_uri
        account = (
            self.config.account[0]
            if self.config.account and self._is_from(call, self.config.account[0].server)
            else None
        )
        label = account.label if account is not None else ""
        channel = self._identities.channel(label or making.host_of(call.remote_uri) or "anonymous")
        return FaxContext(
            fax_id=fax_id,
            direction=Direction.RECEIVE,
            outgoing=False,
            session_number=number,
            unique_id=self._identities.unique_id(channel),
            channel=channel,
            caller_number=making.number_of(caller),
            caller_name=making.display_name(caller),
            called_number=making.number_of(headers.get("Request-URI") or headers.get("To") or call.local_uri),
            entry_point=label,
            ident=self.config.fax.ident,
            documents=(str(self._inbox.directory),),
        )

    @staticmethod
    def _is_from(call: IncomingCall, server: str) -> bool:
        """Whether a call names the account's server as its own place; a trunk may name others, and is then just a host."""
        host = split_uri(server)[2].strip("[]").lower()
        return host in (making.host_of(call.remote_uri), making.host_of(call.headers.get("Request-URI", "")))

    async def _receive(self, fax: _Fax) -> None:
        # The line is made when the decision to answer has been returned.
        for _ in range(100):
            line = next((one for one in self._running().lines if one.session.fax_id == fax.call.context.fax_id), None)
            if line is not None:
                break
            await asyncio.sleep(0)
        else:
            why = Outcome(False, "INIT_ERROR", "the call could not be answered", outcome.NO_T30, reached=False)
            self._never_dialled(fax, why)
            return
        fax.line = line
        fax.call.on_cancel = line.cancel
        result = await line.result
        assert fax.destination is not None
        remote = line.call.remote_uri if line.call is not None else ""
        self._end(fax, await fax.destination.deliver(result, line.session, remote))

    # ---- events -------------------------------------------------------------------------------------------------

    def _add(self, context: FaxContext, destination: Destination | None, order: FaxOrder | None, account: str) -> _Fax:
        result: asyncio.Future[FaxResult] = asyncio.get_running_loop().create_future()
        call = FaxCall(
            context=context, session=making.first_session(context), result=result, order=order, account=account
        )
        fax = _Fax(call, destination)
        call.on_cancel = fax.stop
        self._faxes[context.fax_id] = fax
        return fax

    def _run(self, fax: _Fax, work: Coroutine[Any, Any, None]) -> None:
        """Whatever becomes of the task of a fax, the fax gets a result."""
        fax.task = asyncio.ensure_future(work)
        fax.task.add_done_callback(partial(self._ran, fax))

    def _ran(self, fax: _Fax, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("fax %s failed", fax.call.context.fax_id, exc_info=error)
        word, text = ("INIT_ERROR", f"softfax failed ({error})") if error else ("CANCEL", "cancelled")
        self._never_dialled(fax, Outcome(False, word, text, outcome.T30_CALLDROPPED, reached=False))

    def _on_event(self, fax: _Fax, event: Event) -> None:
        """Takes what the fax session says. Its result waits until a received document is written."""
        call = fax.call
        if isinstance(event, FaxResult):
            return
        if isinstance(event, SessionEvent):
            call.session = event
        elif isinstance(event, CallEvent):
            call.call_state, call.sip_code = event.state, event.sip_code
            if event.state is CallState.ANSWERED:
                self._counters.attempt(call.context.direction)
                fax.answered = True
        elif isinstance(event, NegotiatedEvent):
            call.remote_station_id = event.remote_station_id
        if fax.line is not None and call.state not in (SessionState.RESERVED, SessionState.UNINITIALIZED):
            call.mode = fax.line.session.mode
        self._hub.publish(FaxUpdate(call.context, event))

    def _end(self, fax: _Fax, result: FaxResult) -> None:
        if fax.answered:
            self._counters.ended(result.success)
        fax.call.remote_station_id = result.remote_station_id or fax.call.remote_station_id
        self._hub.publish(FaxUpdate(fax.call.context, result))
        self._faxes.pop(fax.call.context.fax_id, None)
        if not fax.call.result.done():
            fax.call.result.set_result(result)
