# SPDX-License-Identifier: GPL-2.0-or-later
"""The station: answers calls and keeps their faxes, places calls for orders, and tells everybody what happens.

Everything here runs on one asyncio loop. The calls themselves are in this process (`Calls`) or in others (`Workers`); documents
are made, and callbacks written and posted, in other threads and processes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from softfax.database.away import is_away
from softfax.database.database import Database, database_error, database_url
from softfax.delivery.outbox import Outbox
from softfax.delivery.store import Callback
from softfax.delivery.targets import CallbackTarget
from softfax.documents.job import process_kept_ready
from softfax.errors import LocalError, UsageError, in_short
from softfax.fax.facts import PageMark
from softfax.fax.inbox import Inbox
from softfax.fax.settings import Role
from softfax.model import Direction, FaxContext, FaxResult, FaxUpdate, new_fax_id
from softfax.sip.headers import display_name, number_of
from softfax.sip.types import split_uri
from softfax.station import making, wire
from softfax.station.call import FaxCall
from softfax.station.callbacks import CallbackSink, outbox_settings
from softfax.station.calls import Calls
from softfax.station.config import GatewayConfig, StationConfig
from softfax.station.faxes import StationFax
from softfax.station.host import CallHost, Report
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


#: Makes what runs the calls, and is given whom to report to.
HostFactory = Callable[[StationConfig, Report], CallHost]


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
        self.resting = Resting()
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
        self.watchers = Hub[FaxUpdate]()
        self._faxes: dict[str, StationFax] = {}
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
            making.prepare_data(self.config)
            if self._isolated:
                self._exit.enter_context(process_kept_ready())
            making.prepare_inbox(self.config, self._inbox)
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
        except BaseException as error:
            await self._exit.aclose()
            if self.database is not None and is_away(error):
                raise database_error(self.database.url, error) from None
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends what is under way and stops. What the outbox has not delivered waits for the next start."""
        self._draining = True
        try:
            await self._exit.aclose()
        except Exception as error:
            # All parts have stopped nevertheless.
            if not is_away(error):
                raise
            log.error("what was left at the end could not be written down: the database says %s", in_short(error))

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
        outbox = self.outbox = Outbox(database, outbox_settings(self.config), known=self.config.targets())
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
        self._identities = making.Identities(database.stations.number)
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

    def order(self, message: wire.Message) -> None:
        """Order something of what runs the calls. Raises LocalError where nothing does."""
        self._running().order(message)

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do work on a fax beside the rest; the station ends after it."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def over(self, fax_id: str) -> None:
        """Forget a fax that has its result."""
        self._faxes.pop(fax_id, None)

    def reload(self, config: StationConfig) -> Reloading:
        """Take another configuration without dropping calls, and return what of it holds now and what waits for a restart.

        Raises ConfigError or LocalError, having changed nothing.
        """
        new = reloading(self.config, config)
        config = new.config
        inbox = Inbox(config.inbox_dir, config.inbox.keep_tiff)
        making.prepare_inbox(config, inbox)
        self.config, self._inbox = config, inbox
        if self.database is not None:
            self.database.stations.facts["config_digest"] = config.digest
        if self._callbacks is not None and self.outbox is not None:
            self._callbacks.reload(config.targets())
            self.outbox.reload(outbox_settings(config), config.targets())
        self.order(wire.Reload(config.model_dump(mode="json", by_alias=True)))
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
        if not len(self.watchers):
            self.order(wire.Watch(True))
        unsubscribe = self.watchers.subscribe(sink)

        def unwatch() -> None:
            unsubscribe()
            if not len(self.watchers) and self._host is not None:
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
        return gone | self.resting.accounts(time.monotonic())

    def workers(self) -> list[WorkerView]:
        """The processes that calls run in; none where they run in this one."""
        return self._host.views() if isinstance(self._host, Workers) else []

    def room(self, account: str = "") -> int:
        """Number of further calls that the station takes now through an account, so that those under way lose nothing."""
        return self._running().room(account)

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
                fax.take(message)

    def _arrived(self, call: wire.Arrived) -> None:
        if call.fax_id in self._faxes:
            log.error("the process for calls reports fax %s as new, which is under way", call.fax_id)
            return
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
            tags={"polled": polled.name} if polled else {"fetched_with": with_} if (with_ := call.fetched_with) else {},
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
            self.order(order)

    def refuse(self, call: FaxCall, sip_code: int, why: str) -> None:
        """Refuse a call that waits for a document's decision."""
        if self._host is not None:
            self._host.order(wire.Refuse(call.context.fax_id, sip_code, "CANCEL", why))

    def take(self, call: FaxCall, order: FaxOrder | None = None) -> None:
        """Answer a call that waits for a document's decision and receive its fax, or send that of `order`.

        The call stays up for another one, until `release`. Raises UsageError where it has ended.
        """
        fax = self._faxes.get(call.context.fax_id)
        if fax is None or call.context.direction is not Direction.GATEWAY:
            raise UsageError("the call has ended", "receive its fax before")
        self.order(fax.receive(self._inbox) if order is None else fax.send(order))

    def release(self, call: FaxCall) -> None:
        """Hang up on a call that was kept up after its fax; nothing happens to one that has ended."""
        if self._host is not None:
            self._host.order(wire.Release(call.context.fax_id))

    def _add(
        self, context: FaxContext, destination: Destination | None, uri: str, order: FaxOrder | None, account: str
    ) -> StationFax:
        result: asyncio.Future[FaxResult] = asyncio.get_running_loop().create_future()
        call = FaxCall(
            context=context, session=making.first_session(context), result=result, order=order, account=account
        )
        fax = self._faxes[context.fax_id] = StationFax(self, call, destination, uri)
        call.on_cancel = lambda: self.order(wire.Cancel(context.fax_id))
        return fax

    async def salvage(self, context: FaxContext) -> FaxResult:
        """Save a fax that was being received when an earlier station ended: its result, with the pages that came."""
        destination = Destination(self._inbox)
        pages = await asyncio.to_thread(page_count, destination.spool_path(context.fax_id))
        result = making.interrupted(context, pages)
        return await destination.deliver(result, [PageMark(True, 0)] * pages, context.caller_number)
