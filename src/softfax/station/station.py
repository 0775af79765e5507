# SPDX-License-Identifier: GPL-2.0-or-later
"""The station: answers calls and keeps their faxes, places calls for orders, and tells everybody what happens.

Everything here runs on one asyncio loop. The calls themselves are in this process (`Calls`) or in others (`Workers`); documents
are made, and callbacks written and posted, in other threads and processes.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from softfax.asjson import rfc3339
from softfax.delivery.database import Database, database_url
from softfax.delivery.outbox import Outbox, OutboxSettings
from softfax.delivery.policy import RetryPolicy
from softfax.delivery.store import Callback
from softfax.delivery.targets import CallbackTarget
from softfax.diskspace import make_private
from softfax.documents.job import process_kept_ready
from softfax.errors import LocalError, SoftfaxError, UsageError
from softfax.fax import outcome
from softfax.fax.facts import PageMark
from softfax.fax.inbox import Inbox
from softfax.fax.outcome import Outcome
from softfax.fax.settings import Role
from softfax.model import (
    CallEvent,
    CallState,
    Direction,
    FaxContext,
    FaxResult,
    FaxUpdate,
    NegotiatedEvent,
    PageEvent,
    ProgressEvent,
    SessionEvent,
    SessionState,
    new_fax_id,
)
from softfax.sip.headers import display_name, number_of
from softfax.sip.types import split_uri
from softfax.station import making, wire
from softfax.station.admission import mailbox_of_subaddress
from softfax.station.call import FaxCall
from softfax.station.callbacks import CallbackSink
from softfax.station.calls import CallHost, Calls, Report
from softfax.station.config import GatewayConfig, StationConfig
from softfax.station.hub import Hub, Sink
from softfax.station.links import DocumentLinks
from softfax.station.onward import going_on
from softfax.station.orders import FaxOrder, Service
from softfax.station.polled import PolledDocument, of_config
from softfax.station.receiving import Destination, page_count
from softfax.station.registry import Registry
from softfax.station.reloading import Reloading, reloading
from softfax.station.resting import Resting
from softfax.station.routes import Route
from softfax.station.rules import Rules
from softfax.station.views import RegistrationView, WorkerView
from softfax.station.workers import Workers

__all__ = ["Station"]

log = logging.getLogger("softfax.station")

#: What sockets, processes and databases were made of.
_NO_MEDIA = (SessionState.RESERVED, SessionState.UNINITIALIZED)


def _make_private(folder: Path) -> None:
    """Makes the station's folder, for its user alone, if it is not there. Raises LocalError."""
    try:
        make_private(folder)
    except OSError as error:
        raise LocalError(
            f"the station's data cannot be kept in {folder} ({error.strerror})",
            "name another folder in [data] dir, or give it to this user",
        ) from None


def _prepare(inbox: Inbox) -> None:
    """Raises LocalError where received faxes could not be written."""
    try:
        inbox.prepare()
    except LocalError as error:
        raise LocalError(error.problem, "name another folder in [inbox] dir, or give it to this user") from None


def _outbox_settings(config: StationConfig) -> OutboxSettings:
    c = config.callbacks
    return OutboxSettings(
        retry=RetryPolicy(first_s=c.retry_first_s, longest_s=c.retry_longest_s, give_up_s=c.give_up_s),
        timeout_s=c.timeout_s,
        allow_private=c.allow_private,
        workers=c.workers,
        workers_per_target=c.workers_per_target,
        secret=c.secret,
    )


#: Makes what runs the calls, and is given whom to report to.
HostFactory = Callable[[StationConfig, Report], CallHost]


class _Fax:
    """The station's own record of a fax, besides the `FaxCall` that others see."""

    def __init__(self, call: FaxCall, destination: Destination | None, remote_uri: str) -> None:
        self.call = call
        self.destination = destination
        self.remote_uri = remote_uri
        self.answered = self.ending = False
        self.marks: list[PageMark] = []


class Station(Registry):
    """A fax station. Use it as `async with Station(config) as station`; one at a time in a process.

    With `isolated`, SIP and calls run in processes of their own (`[workers]`), and `calls` may say where else.
    Raises PortInUseError, LocalError, ConfigError and NativeError where it cannot start.
    """

    def __init__(
        self,
        config: StationConfig | Mapping[str, Any] | None = None,
        *,
        isolated: bool = False,
        calls: HostFactory | None = None,
    ) -> None:
        if not isinstance(config, StationConfig):
            config = StationConfig.checked(config or {}, "the configuration")
        super().__init__()
        self.config = config
        #: Told what people should know, one line at a time.
        self.say: Callable[[str], None] = lambda text: None
        self.outbox: Outbox | None = None
        self._resting = Resting()
        self.database: Database | None = None
        self.rules = Rules(lambda: self.config)
        self._services: list[Service] = []
        #: Told of another configuration when it is in force.
        self.on_reload: list[Callable[[StationConfig], None]] = []
        #: Told while there is room for calls.
        self.on_room: list[Callable[[], None]] = []
        #: Awaited, one after the other, once the document of a received fax is made, before its result is reported.
        self.on_document: list[Callable[[FaxContext, FaxResult], Awaitable[None]]] = []
        #: Awaited, one after the other, before the result of a fax that the queue did not order is reported.
        self.before_result: list[Callable[[FaxContext, FaxResult], Awaitable[None]]] = []
        #: Runs the document of a call that came in, by its rule; without one such calls are refused.
        self.on_swml: Callable[[FaxCall, GatewayConfig], None] | None = None
        self._isolated = isolated
        self._make_host: HostFactory = calls or (Workers if isolated else Calls)
        self._watchers = Hub[FaxUpdate]()
        self._faxes: dict[str, _Fax] = {}
        self._identities = making.Identities()
        self._inbox = Inbox(config.inbox_dir, config.inbox.keep_tiff)
        self._callbacks: CallbackSink | None = None
        self.links = DocumentLinks(lambda: self.config)
        self._host: CallHost | None = None
        self._registrations: tuple[RegistrationView, ...] = ()
        self._put_out: tuple[PolledDocument, ...] = ()
        self._tasks: set[asyncio.Task[None]] = set()
        self._exit = AsyncExitStack()
        self._draining = False
        #: What calls reported before all parts had started to listen; a station that cannot start says why, and nothing else.
        self._early: list[wire.Message] | None = []

    # ---- life ---------------------------------------------------------------------------------------------------

    def add(self, service: Service) -> None:
        """Adds a part that keeps things on disk; before the station is entered."""
        self._services.append(service)

    async def __aenter__(self) -> Station:
        await self._exit.__aenter__()
        try:
            _make_private(self.config.data.dir)
            if self._isolated:
                self._exit.enter_context(process_kept_ready())
            if self.config.fax.receive:
                _prepare(self._inbox)
            if self.config.callbacks.enabled or self._services:
                await self._open_database()
            # Only now: what comes in can be reported.
            host = self._make_host(self.config, self._report)
            host.order(wire.PutOut(self._put_out))
            await host.start()
            self._host = host
            self._exit.push_async_callback(self._close_host, host)
            for service in self._services:
                self._exit.push_async_callback(service.stop)
                await service.start()
            early, self._early = self._early or [], None
            for message in early:
                self._report(message)
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

    async def _close_host(self, host: CallHost) -> None:
        await host.close()
        await self.idle(timeout_s=10.0)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=10.0)
        self._host = None

    async def _open_database(self) -> None:
        data = self.config.data
        folder = data.dir if data.stations == "many" else None
        database = self.database = Database(database_url(data.dir, data.url), name=data.name, folder=folder)
        database.stations.facts |= {"config_digest": self.config.digest, "url": self.config.http.url}
        self._exit.push_async_callback(asyncio.to_thread, database.close)
        outbox = self.outbox = Outbox(database, _outbox_settings(self.config), known=self.config.targets())
        self._exit.push_async_callback(outbox.close)

        def begin() -> None:
            outbox.prepare()
            for service in self._services:
                service.prepare(database)
            # Times of rows are everybody's: that one clock of many was set is none of theirs.
            if database.stations.many:
                self.links.shared = database.secret("links")
            else:
                database.clock.start()
            outbox.start()

        # Before they are prepared: one that cannot start leaves nothing behind in this process.
        for service in self._services:
            self._exit.push_async_callback(service.close)
        await asyncio.to_thread(begin)
        self._identities = making.Identities.of(database.stations.number)
        self._callbacks = CallbackSink(self.outbox, self.config.targets(), link=self.links.of_result)
        self._exit.callback(self.subscribe(self._callbacks))

    @property
    def bound_address(self) -> tuple[str, int]:
        """Address and port on which SIP listens, the first where it is two; of the first process where there are several."""
        return self.bound_addresses[0]

    @property
    def bound_addresses(self) -> tuple[tuple[str, int], ...]:
        """Addresses and ports on which SIP listens, one for each version of IP; of the first process."""
        return self._running().bound_addresses

    def _running(self) -> CallHost:
        if self._host is None:
            raise LocalError("the station does not run", "use it in `async with`")
        return self._host

    def reload(self, config: StationConfig) -> Reloading:
        """Take another configuration without dropping calls, and return what of it holds now and what waits for a restart.

        Raises ConfigError or LocalError, having changed nothing.
        """
        new = reloading(self.config, config)
        config = new.config
        inbox = Inbox(config.inbox_dir, config.inbox.keep_tiff)
        if config.fax.receive:
            _prepare(inbox)
        self.config, self._inbox = config, inbox
        if self.database is not None:
            self.database.stations.facts["config_digest"] = config.digest
        if self._callbacks is not None and self.outbox is not None:
            self._callbacks.reload(config.targets())
            self.outbox.reload(_outbox_settings(config), config.targets())
        self._running().order(wire.Reload(config.model_dump(mode="json", by_alias=True)))
        for told in self.on_reload:
            told(config)
        return new

    def drain(self) -> None:
        """Takes no new calls (503) and no orders; faxes under way go on."""
        self._draining = True
        if self.database is not None:
            self.database.stations.facts["draining"] = True
        if self._host is not None:
            self._host.order(wire.Drain())

    @property
    def draining(self) -> bool:
        """True if no orders are taken any more."""
        return self._draining

    async def idle(self, timeout_s: float | None = None) -> bool:
        """Waits until no fax is under way; false if that takes longer than `timeout_s`."""
        waiting = [fax.call.result for fax in self._faxes.values()]
        if waiting:
            _, pending = await asyncio.wait(waiting, timeout=timeout_s)
            return not pending
        return True

    def is_calling(self) -> bool:
        """Return True while a call is under way; of one that is over the end may still have to be written."""
        return any(not fax.ending for fax in self._faxes.values())

    # ---- seen by front ends -------------------------------------------------------------------------------------

    def calls(self) -> list[FaxCall]:
        """The faxes under way, in the order in which they began."""
        return [fax.call for fax in self._faxes.values()]

    def publish(self, update: FaxUpdate) -> None:
        """Publish an event of a fax that is not on a call, or not yet."""
        self._hub.publish(update)

    def tell(self, fax_id: str, targets: Sequence[CallbackTarget]) -> None:
        """Notify `targets` of this fax too, until the result after which no other follows."""
        if self._callbacks is not None:
            self._callbacks.watch(fax_id, targets)

    def callbacks_of(self, update: FaxUpdate) -> list[Callback]:
        """Return the callbacks of an event, for those who record it."""
        found: list[Callback] = []
        if self._callbacks is not None and self.outbox is not None:
            made = self.outbox.made
            self._callbacks.each(update, lambda target, **said: found.append(made(target, **said)))
        return found

    def watch_progress(self, sink: Sink) -> Callable[[], None]:
        """The progress of every fax under way goes to `sink`, about once a second. Returns what ends that."""
        if not len(self._watchers):
            self._running().order(wire.Watch(True))
        unsubscribe = self._watchers.subscribe(sink)

        def unwatch() -> None:
            unsubscribe()
            if not len(self._watchers) and self._host is not None:
                self._host.order(wire.Watch(False))

        return unwatch

    def put_out(self, documents: Sequence[PolledDocument]) -> None:
        """Put documents out for polling, besides those of the configuration, instead of those that were."""
        before, self._put_out = self._put_out, tuple(documents)
        if self._host is not None and self._put_out != before:
            self._host.order(wire.PutOut(self._put_out))

    def polled(self) -> tuple[PolledDocument, ...]:
        """Return the documents that are put out for polling, those of the configuration first."""
        return *of_config(self.config.polled), *self._put_out

    async def preview(self, fax_id: str) -> bytes | None:
        """The page that a fax is receiving as far as its lines have come, as PNG."""
        return await self._running().preview(fax_id) if fax_id in self._faxes else None

    @property
    def trace_folder(self) -> Path:
        """Folder of the faxes' traces (`softfax.fax.trace.load_trace`)."""
        return making.trace_folder(self.config)

    def registrations(self) -> list[RegistrationView]:
        """The registrations of the accounts, as they are now."""
        return list(self._registrations)

    def down(self) -> set[str]:
        """The accounts that calls do not get through at the moment."""
        gone = {view.account for view in self._registrations if view.state in ("failed", "unreachable")}
        return gone | self._resting.accounts(time.monotonic())

    def workers(self) -> list[WorkerView]:
        """The processes that calls run in; none where they run in this one."""
        return self._host.views() if isinstance(self._host, Workers) else []

    def room(self, account: str = "") -> int:
        """Number of further calls that the station takes now through an account, so that those under way lose nothing."""
        host = self._running()
        return host.room(account) if isinstance(host, (Calls, Workers)) else self.config.sip.max_calls

    # ---- outgoing -----------------------------------------------------------------------------------------------

    def originate(self, order: FaxOrder) -> FaxCall:
        """Begins a fax by a call of ours and returns at once: documents are made first, then the call is placed.

        Raises UsageError for an order that makes no sense, DoNotFaxError, OutOfHoursError, and LocalError where there is no
        channel slot. A document that cannot be faxed ends the fax with a result whose
        `error` is FILE_ERROR, before anything is dialled.
        """
        host = self._running()
        self._check(order)
        first = order.on.context if order.on is not None and not order.on.context.outgoing else None
        route = self._permitted(order) if first is None else Route(first.entry_point, "")
        uri, account = route.uri, route.account
        sending = order.direction is Direction.SEND
        destination = None if sending else Destination.of(order.receive_into, self._inbox)
        fax_id = order.fax_id or new_fax_id()
        document = destination.spool_path(fax_id) if destination else Path("fax.tif")
        role = Role.CALLER if first is None else Role.ANSWERER
        settings = making.outgoing_settings(
            order, self.config, fax_id=fax_id, document=document, account=account, role=role
        )
        numbers: dict[str, Any] = {
            "caller_number": order.caller_number or self._own_number(account) or settings.ident,
            "caller_name": order.caller_name,
            "called_number": number_of(uri),
        }
        if first is not None:
            numbers = {name: getattr(first, name) for name in (*numbers, "mailbox")}
        context = self._identities.context(
            making.via_of(first.channel) if first is not None else account or split_uri(uri)[2].strip("[]"),
            fax_id=fax_id,
            direction=order.direction,
            outgoing=first is None,
            **numbers,
            entry_point=account,
            ident=settings.ident,
            header=order.header or self.config.fax.options.header,
            documents=order.documents if sending else (str(order.receive_into or self._inbox.directory),),
            attempt=order.attempt,
            tags=dict(order.tags),
        )
        fax = self._add(context, destination, uri, order, account)
        self.tell(fax_id, order.callbacks)
        host.order(making.placing(order, self.config, context, settings, uri))
        return fax.call

    def _permitted(self, order: FaxOrder) -> Route:
        """The route of an order that may be dialled now. Raises DoNotFaxError, OutOfHoursError, LocalError, UsageError."""
        self.rules.permit(order.destination)
        if order.route is not None:
            return order.route  # its sender has a channel slot
        routes = self.rules.routes(order.destination, order.account)
        return self.rules.slot(routes, Counter(call.account for call in self.calls() if call.known), self.down())

    def _check(self, order: FaxOrder) -> None:
        if self._draining:
            raise LocalError("the station is stopping", "place the order again when it runs")
        if not order.joins and len(self._faxes) >= self.config.sip.max_calls:
            raise LocalError(f"{self.config.sip.max_calls} faxes are under way", "raise max_calls in [sip], or wait")
        if order.direction is Direction.SEND and not order.documents:
            raise UsageError("there is nothing to send", "name a document")
        if order.callbacks and self._callbacks is None:
            raise UsageError("callbacks are switched off", "set enabled = true in [callbacks]")
        if order.fax_id in self._faxes:
            raise UsageError(f"fax {order.fax_id} is under way", "wait for its result")

    def _own_number(self, account: str) -> str:
        return next((a.user for a in self.config.account if a.label == account), "")

    # ---- what the calls report ----------------------------------------------------------------------------------

    def _report(self, message: wire.Message) -> None:
        if self._early is not None and not isinstance(message, (wire.Registered, wire.Measured)):
            self._early.append(message)
        elif isinstance(message, wire.Arrived):
            self._arrived(message)
        elif isinstance(message, wire.Notice):
            self.say(message.text)
        elif isinstance(message, wire.Registered):
            self._registrations = message.views
        elif isinstance(message, wire.Measured):
            if message.load.room:
                for told in self.on_room:
                    told()
        else:
            fax = self._faxes.get(getattr(message, "fax_id", ""))
            if fax is not None:
                self._of_fax(fax, message)

    def _of_fax(self, fax: _Fax, message: wire.Message) -> None:
        if isinstance(message, wire.FaxEvent):
            self._happened(fax, message)
        elif isinstance(message, wire.Chosen):
            self._chosen(fax, message.polled)
        elif isinstance(message, wire.Ready):
            self._begin(fax, self._ready(fax))
        elif isinstance(message, wire.Ended):
            self._begin(fax, self._ended(fax, message))
        elif isinstance(message, wire.NotDialled):
            why = Outcome(False, message.error, message.text, message.code, reached=False)
            self._begin(fax, self._undialled(fax, why))
        elif isinstance(message, wire.Lost):
            why = Outcome(False, "UNKNOWN", message.text, outcome.CRASHED)
            self._begin(fax, self._lost(fax, why))

    def _begin(self, fax: _Fax, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(self._to_its_end(fax, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _to_its_end(self, fax: _Fax, work: Coroutine[Any, Any, None]) -> None:
        """A fax ends, whatever goes wrong with it here."""
        try:
            await work
        except Exception as error:
            log.error(
                "fax %s is ended by a fault of this station: %s", fax.call.context.fax_id, error,
                exc_info=None if isinstance(error, SoftfaxError) else error,
            )  # fmt: skip
            fax.ending = False
            why = making.own_failure(f"softfax failed ({type(error).__name__})")
            await self._end(fax, making.failed(fax.call.context, why, fax.call.age_s))

    def _arrived(self, call: wire.Arrived) -> None:
        polled = next((one for one in self.polled() if one.name == call.polled), None)
        direction = Direction.GATEWAY if call.gateway else Direction.RECEIVE if polled is None else Direction.SEND
        documents = (str(self._inbox.directory),) if direction is Direction.RECEIVE else ()
        context = self._identities.context(
            call.account or making.host_of(call.remote_uri) or "anonymous",
            fax_id=call.fax_id,
            direction=direction,
            outgoing=False,
            caller_number=number_of(call.caller),
            caller_name=display_name(call.caller),
            called_number=number_of(call.called),
            entry_point=call.account,
            mailbox=call.mailbox,
            ident=call.ident,
            documents=documents if polled is None else polled.documents,
            tags={} if polled is None else {"polled": polled.name},
        )
        destination = Destination(self._inbox) if direction is Direction.RECEIVE else None
        fax = self._add(context, destination, call.remote_uri, None, call.account)
        fax.call.known = call.known
        rule = next((one for one in self.config.gateway if one.name == call.gateway and one.swml), None)
        if rule is not None and self.on_swml is not None:
            self.on_swml(fax.call, rule)
        elif rule is not None:
            self.refuse(fax.call, 480, "no SWML is run here")
        elif call.gateway:
            fax.call.numbers = self._identities.more_sessions(context)
            fax.call.negotiate_both = any(g.negotiate_both for g in self.config.gateway if g.name == call.gateway)
            order = going_on(self.config, self.rules, call.gateway, fax.call, self.calls(), self.down())
            fax.call.onward_channel = self._identities.channel(fax.call.onward or "none")
            self._running().order(order)

    def _chosen(self, fax: _Fax, name: str) -> None:
        """The far end has named one of several documents."""
        polled = next((one for one in self.polled() if one.name == name), None)
        if polled is not None:
            context, tags = fax.call.context, {"polled": polled.name}
            fax.call.context = dataclasses.replace(context, documents=polled.documents, tags=tags)

    def refuse(self, call: FaxCall, sip_code: int, why: str) -> None:
        """Refuse a call that waits for a document's decision."""
        if self._host is not None:
            self._host.order(wire.Refuse(call.context.fax_id, sip_code, "CANCEL", why))

    def take(self, call: FaxCall, order: FaxOrder | None = None) -> None:
        """Answer a call that waits for a document's decision and receive its fax, or send that of `order`.

        The call stays up for another one, until `release`. Raises UsageError where it has ended.
        """
        fax, context = self._faxes.get(call.context.fax_id), call.context
        if fax is None or context.direction is not Direction.GATEWAY:
            raise UsageError("the call has ended", "receive its fax before")
        if order is None:
            documents = (str(self._inbox.directory),)
            call.context = dataclasses.replace(context, direction=Direction.RECEIVE, documents=documents)
            fax.destination = Destination(self._inbox)
            taking = wire.Take(context.fax_id)
        else:
            settings = making.outgoing_settings(
                order, self.config, fax_id=context.fax_id, document=Path("fax.tif"), account=call.account,
                role=Role.ANSWERER,
            )  # fmt: skip
            call.context = dataclasses.replace(
                context, direction=Direction.SEND, documents=order.documents, ident=settings.ident,
                header=order.header or self.config.fax.options.header,
            )  # fmt: skip
            pages = making.placing(order, self.config, call.context, settings, "").pages
            taking = wire.Take(context.fax_id, settings, pages)
        call.session = making.first_session(call.context)
        self._running().order(taking)

    def release(self, call: FaxCall) -> None:
        """Hang up on a call that was kept up after its fax; nothing happens to one that has ended."""
        if self._host is not None:
            self._host.order(wire.Release(call.context.fax_id))

    def _add(
        self, context: FaxContext, destination: Destination | None, uri: str, order: FaxOrder | None, account: str
    ) -> _Fax:
        result: asyncio.Future[FaxResult] = asyncio.get_running_loop().create_future()
        call = FaxCall(
            context=context, session=making.first_session(context), result=result, order=order, account=account
        )
        fax = self._faxes[context.fax_id] = _Fax(call, destination, uri)
        call.on_cancel = lambda: self._running().order(wire.Cancel(context.fax_id))
        return fax

    async def _ready(self, fax: _Fax) -> None:
        """The pages are made: who placed the order is asked before the call is placed."""
        order, fax_id = fax.call.order, fax.call.context.fax_id
        try:
            if order is not None and fax.call.context.outgoing:
                self.rules.permit(order.destination)
            if order is not None and order.watch is not None:
                await order.watch.ready(fax.call)
        except SoftfaxError as error:
            self._running().order(wire.Cancel(fax_id, "CANCEL", str(error)))
            return
        except Exception:
            log.exception("fax %s is not dialled", fax_id)
            self._running().order(
                wire.Cancel(fax_id, "INIT_ERROR", "what was to be noted before the call could not be")
            )
            return
        self._running().order(wire.Dial(fax_id, self.database.stations.until if self.database is not None else 0.0))

    def _happened(self, fax: _Fax, message: wire.FaxEvent) -> None:
        call, event = fax.call, message.event
        if isinstance(event, ProgressEvent):
            call.progress = event
            # The last one has the counters of the whole call, and nothing moves any more.
            if event.rate_bps:
                self._watchers.publish(FaxUpdate(call.context, event))
            return
        if isinstance(event, SessionEvent):
            call.session = event
            event = call.session = dataclasses.replace(event, session_number=call.sessions[0][1])
        elif isinstance(event, CallEvent):
            call.call_state, call.sip_code = event.state, event.sip_code
            if event.state is CallState.ANSWERED and call.context.direction is not Direction.GATEWAY:
                self._counters.attempt(call.context.direction)
                fax.answered = True
        elif isinstance(event, NegotiatedEvent):
            call.remote_station_id = event.remote_station_id
        elif isinstance(event, PageEvent):
            fax.marks.append(PageMark(event.quality != "bad", event.bad_rows))
            if call.order is not None:
                # A fax that goes on counts its pages from where it went on.
                event = dataclasses.replace(event, number=event.number + call.order.first_page - 1)
        if message.mode is not None and call.state not in _NO_MEDIA:
            call.mode = message.mode
        self._hub.publish(FaxUpdate(call.context, event))

    # ---- ends ---------------------------------------------------------------------------------------------------

    async def _ended(self, fax: _Fax, message: wire.Ended) -> None:
        """T.30 is over; what was received becomes a document."""
        result = dataclasses.replace(message.result, session=fax.call.context.session_number)
        if fax.call.order is not None:
            self._resting.note(fax.call.account, result, time.monotonic())
        named = mailbox_of_subaddress(self.config, result.subaddress) if result.direction is Direction.RECEIVE else None
        if named is not None:
            fax.call.context = dataclasses.replace(fax.call.context, mailbox=named.name)
        if fax.destination is not None:
            result = await self._deliver(fax, result, message.marks, message.remote_uri or fax.remote_uri)
        await self._end(fax, result)

    async def _deliver(self, fax: _Fax, result: FaxResult, marks: Sequence[PageMark], remote: str) -> FaxResult:
        """Make the document of what was received, and wait for those who keep it."""
        assert fax.destination is not None
        result = await fax.destination.deliver(result, marks, remote)
        for kept in self.on_document:
            await kept(fax.call.context, result)
        return result

    async def _undialled(self, fax: _Fax, why: Outcome) -> None:
        if why.error == "FILE_ERROR":
            self._counters.attempt(fax.call.context.direction)
        self._complete(fax)
        await self._end(fax, making.failed(fax.call.context, why, fax.call.age_s))

    async def _lost(self, fax: _Fax, why: Outcome) -> None:
        """The process that ran the call is gone; the pages that came before stay."""
        self._complete(fax)
        context = fax.call.context
        result = making.failed(context, why, fax.call.age_s)
        result = dataclasses.replace(
            result,
            mode=fax.call.mode or result.mode,
            pages=sum(mark.confirmed for mark in fax.marks),
            remote_station_id=fax.call.remote_station_id,
            bad_rows=sum(mark.bad_rows for mark in fax.marks),
        )
        if fax.destination is not None:
            result = await self._deliver(fax, result, fax.marks, fax.remote_uri)
        await self._end(fax, result)

    async def salvage(self, context: FaxContext) -> FaxResult:
        """Save a fax that was being received when an earlier station ended: its result, with the pages that came."""
        destination = Destination(self._inbox)
        pages = await asyncio.to_thread(page_count, destination.spool_path(context.fax_id))
        result = making.interrupted(context, pages)
        return await destination.deliver(result, [PageMark(True, 0)] * pages, context.caller_number)

    def _complete(self, fax: _Fax) -> None:
        """The record of a session that ends here."""
        now = datetime.now(UTC)
        fax.call.session = dataclasses.replace(fax.call.session, state=SessionState.COMPLETE, time=now)
        self._hub.publish(FaxUpdate(fax.call.context, fax.call.session))

    async def _end(self, fax: _Fax, result: FaxResult) -> None:
        call, order = fax.call, fax.call.order
        if fax.ending:
            return
        fax.ending = True
        if fax.answered:
            self._counters.ended(result.success)
        call.remote_station_id = result.remote_station_id or call.remote_station_id
        if order is not None and order.watch is not None:
            try:
                result = await order.watch.ended(call, dataclasses.replace(result, attempt=order.attempt))
            except Exception:
                log.exception("the end of fax %s was not taken", call.context.fax_id)
                # So it is no end: who placed the order finds out later what became of it.
                result = dataclasses.replace(result, retry_at=rfc3339(datetime.now(UTC)))
        else:
            for noted in self.before_result:
                await noted(call.context, result)
        self._hub.publish(FaxUpdate(call.context, result, call.recorded))
        self._faxes.pop(call.context.fax_id, None)
        if not call.result.done():
            call.result.set_result(result)
