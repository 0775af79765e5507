# SPDX-License-Identifier: GPL-2.0-or-later
"""The manager interface on TCP and TLS: connections, and what the station's faxes mean to them.

Everything runs on the station's loop. Sinks of the station only format and queue: a client that does not read is dropped,
so neither a fax nor another client ever waits for it.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import logging
import os
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from softfax import _version
from softfax.ami.access import Permission
from softfax.ami.actions import perform
from softfax.ami.auth import User, Users
from softfax.ami.channel import AmiEvent
from softfax.ami.client import Client
from softfax.ami.console import Results
from softfax.ami.events import FaxChannel, originate_response
from softfax.ami.originate import Originate
from softfax.ami.settings import AmiSettings, address, from_config, tls_context
from softfax.ami.wire import ASTERISK_VERSIONS, Framer, banner, encode
from softfax.errors import DocumentError, PortInUseError, SoftfaxError
from softfax.model import (
    BroadcastEvent,
    Direction,
    FaxContext,
    FaxResult,
    FaxUpdate,
    JobEvent,
    SessionEvent,
    new_fax_id,
)
from softfax.peers import Places, Throttle, ip_of, network_of
from softfax.station import FaxCall, FaxOrder, FaxStats, SessionView
from softfax.station.views import RegistrationView
from softfax.tlsfront import TlsFront, load_certificate

if TYPE_CHECKING:
    from softfax.station.config import AmiConfig

__all__ = ["AmiServer", "StationPort"]

log = logging.getLogger("softfax.ami")

READ_OCTETS = 16_384
# What the kernel may keep of a client's events besides our own queue.
KERNEL_OCTETS = 262_144
GLOBALS_MAX = 1000
# Numbers of channels for faxes that never became a call, apart from the station's own.
OWN_SEQUENCE = 0xF0000000


class StationPort(Protocol):
    """The part of `softfax.station.Station` that the manager interface uses."""

    def originate(self, order: FaxOrder) -> FaxCall: ...
    def calls(self) -> list[FaxCall]: ...
    def find(self, key: str) -> FaxCall | None: ...
    def sessions(self) -> list[SessionView]: ...
    def stats(self) -> FaxStats: ...
    def registrations(self) -> list[RegistrationView]: ...
    def hangup(self, call: FaxCall) -> None: ...
    def subscribe(self, sink: Callable[[FaxUpdate], None]) -> Callable[[], None]: ...


class AmiServer:
    """Serves the manager interface for a station, from `start()` to `close()`.

    `settings` may be the table [ami] of the station's configuration. Raises ConfigError for users that make no sense.
    """

    def __init__(self, station: StationPort, settings: AmiSettings | AmiConfig) -> None:
        if not isinstance(settings, AmiSettings):
            settings = from_config(settings)
        self.station = station
        self.settings = settings
        self.users = Users(settings.users)
        self.throttle = Throttle(settings.max_failures, settings.failure_window_s)
        self.variables: dict[str, str] = {}
        #: For the commands of the console: results of faxes, and the number of calls since the start.
        self.results = Results()
        self.calls_processed = 0
        self.began = datetime.now(UTC)
        self.started = time.monotonic()
        self._servers: list[asyncio.Server] = []
        self._context: ssl.SSLContext | None = None
        self._handshakes = Places(settings.max_unauthenticated, settings.max_unauthenticated_of_one)
        self._clients: dict[Client, asyncio.Task[None]] = {}
        self._faxes: dict[str, FaxChannel] = {}
        self._by_unique_id: dict[str, str] = {}
        self._answers: dict[str, asyncio.Future[bool]] = {}
        self._placing: Originate | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._sequence = itertools.count(OWN_SEQUENCE)

    def reload(self, table: AmiConfig) -> None:
        """Other users, and a renewed certificate; who is logged in stays so. Raises ConfigError, having changed nothing."""
        settings = from_config(table)
        if self._context is not None and settings.tls_certificate is not None:
            tls_context(settings)
            load_certificate(self._context, settings.tls_certificate, settings.tls_private_key)
        self.settings, self.users = settings, Users(settings.users)

    async def start(self) -> None:
        """Listens. Raises PortInUseError, ConfigError."""
        context = self._context = tls_context(self.settings)
        self._unsubscribe = self.station.subscribe(self._on_update)
        try:
            if self.settings.listen:
                await self._listen(self.settings.listen, None)
            if context is not None:
                await self._listen(self.settings.tls_listen, context)
        except BaseException:
            await self.close()
            raise

    async def _listen(self, listen: str, context: ssl.SSLContext | None) -> None:
        host, port = address(listen)
        loop = asyncio.get_running_loop()

        def protocol() -> asyncio.Protocol:
            return asyncio.StreamReaderProtocol(asyncio.StreamReader(loop=loop), self._accept, loop=loop)

        def connection() -> asyncio.Protocol:
            return (
                protocol()
                if context is None
                else TlsFront(protocol, context, self._handshakes, self.settings.login_timeout_s)
            )

        try:
            server = await loop.create_server(connection, host, port)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            # What asyncio says has the address in it, at length.
            text = "it is taken" if taken else os.strerror(error.errno) if error.errno else str(error)
            remedy = "change [ami] listen, or stop what listens there"
            raise PortInUseError(f"AMI cannot listen at {listen} ({text})", remedy) from None
        self._servers.append(server)
        log.info("AMI at %s%s", ":".join(map(str, self.addresses[-1])), " (TLS)" if context else "")
        ip = ip_of(self.addresses[-1][0])
        if context is None and not (ip is not None and ip.is_loopback):
            log.warning("AMI at %s is not encrypted: secrets and faxes can be read on the way", listen)
        if not self.users:
            log.warning("AMI has no users: nobody can log in")

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of the plain and the TLS listener, as far as they exist."""
        return [sock.getsockname()[:2] for server in self._servers for sock in server.sockets]

    async def close(self) -> None:
        """Stops listening, takes leave and disconnects everybody."""
        unsubscribe, self._unsubscribe = self._unsubscribe, lambda: None
        unsubscribe()
        self.publish([AmiEvent("Shutdown", Permission.SYSTEM, (("Shutdown", "Cleanly"), ("Restart", "False")))])
        for server in self._servers:
            server.close()
        tasks = list(self._clients.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        for server in self._servers:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(server.wait_closed(), 5)
        self._servers.clear()

    # ---- connections --------------------------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername") or ("", 0)
        client = Client(writer, str(peer[0]), self.settings.queue_octets)
        if not self._has_room(client.host):
            log.warning("AMI: too many connections, %s is refused", client.host)
            writer.transport.abort()
            return
        sock = writer.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_OCTETS)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        task = asyncio.current_task()
        assert task is not None
        self._clients[client] = task
        try:
            client.send(banner(self.settings.version))
            await self._serve(client, reader, writer)
        except (OSError, TimeoutError, asyncio.CancelledError):
            # Gone, not logged in in time, or cancelled by close(), which asyncio's streams would log as an error.
            pass
        except Exception:
            log.exception("AMI: the connection of %s is closed", client.name)
        finally:
            self._clients.pop(client, None)
            client.gone()
            if client.overrun:
                log.warning("AMI: %s does not read what it is sent and is disconnected", client.name)
            await _close(writer)

    def _has_room(self, host: str) -> bool:
        """Return True if one more client may connect. Among those not logged in, the oldest of the busiest network makes room."""
        settings, key = self.settings, network_of(host)
        strangers = [client for client in self._clients if client.user is None and not client.closing]
        of = Counter(network_of(client.host) for client in strangers)
        known = len(self._clients) - len(strangers)
        if of[key] >= settings.max_unauthenticated_of_one or known >= settings.max_clients:
            return False
        if len(strangers) < settings.max_unauthenticated and len(self._clients) < settings.max_clients:
            return True
        most, count = of.most_common(1)[0] if of else ("", 0)
        if count <= of[key] + 1:
            return False
        oldest = next(client for client in strangers if network_of(client.host) == most)
        log.warning("AMI: too many connections, one of %s is closed", oldest.host)
        oldest.drop()
        return True

    async def _serve(self, client: Client, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer = Framer()
        async with asyncio.timeout(self.settings.login_timeout_s) as deadline:
            while data := await reader.read(READ_OCTETS):
                for action in framer.feed(data):
                    await perform(self, client, action)
                    if client.closing:
                        return
                    if client.user is not None:
                        deadline.reschedule(None)
                    # A client that asks for more than it reads waits.
                    await writer.drain()

    def logged_in(self, client: Client, user: User) -> None:
        """A login went through."""
        client.user = user
        log.info("AMI: %s logged in", client.name)

    def log_failure(self, client: Client, name: str) -> None:
        """A login failed."""
        log.warning("AMI: login of %r from %s failed", name[:64], client.host)

    def publish(self, events: Iterable[AmiEvent]) -> None:
        """Sends events to every client that wants them; each is formatted once."""
        clients = [client for client in self._clients if client.user is not None]
        if not clients:
            return
        for event in events:
            data = b""
            for client in clients:
                if client.wants(event):
                    data = data or encode(event.message())
                    client.hear(data)

    # ---- faxes ----------------------------------------------------------------------------------------------------------

    def _on_update(self, update: FaxUpdate) -> None:
        context, event = update.context, update.event
        queued = isinstance(event, (BroadcastEvent, JobEvent))
        if queued or (isinstance(event, FaxResult) and not self._is_call(context.fax_id)):
            return
        try:
            fax = self._fax(context)
            call = self.station.find(update.context.fax_id)
            self.publish(fax.update(update.event, call.mode if call is not None else None))
            self._settle(update.context.fax_id, fax)
            if isinstance(event, FaxResult):
                if fax.answered and context.direction is not Direction.GATEWAY:
                    self.results.add(event)
                self._forget(context.fax_id)
        except Exception:
            log.exception("AMI: an event of fax %s is lost", update.context.fax_id)

    def _is_call(self, fax_id: str) -> bool:
        """Faxes that wait in a queue are no channels."""
        return fax_id in self._faxes or self.station.find(fax_id) is not None

    def _fax(self, context: FaxContext) -> FaxChannel:
        fax = self._faxes.get(context.fax_id)
        if fax is None:
            # A fax first heard of while an order is being placed is the one of that order.
            origin = self._placing.origin if self._placing is not None and context.outgoing else None
            fax = FaxChannel(context, origin, self.settings.status_events, self.settings.version)
            fax.channel.context = self.settings.context
            self._faxes[context.fax_id] = fax
            self.calls_processed += 1
            if origin is not None and origin.unique_id:
                self._by_unique_id[origin.unique_id] = context.fax_id
        return fax

    def _settle(self, fax_id: str, fax: FaxChannel) -> None:
        answer = self._answers.get(fax_id)
        if answer is not None and not answer.done() and (fax.answered or fax.ended):
            answer.set_result(fax.answered)

    def _forget(self, fax_id: str) -> None:
        fax = self._faxes.pop(fax_id, None)
        self._answers.pop(fax_id, None)
        if fax is not None:
            self._by_unique_id.pop(fax.channel.unique_id, None)

    def channel_of(self, call: FaxCall) -> FaxChannel:
        """The channel of a fax under way."""
        # A fax that has just ended is not taken up again.
        return self._faxes.get(call.context.fax_id) or FaxChannel(call.context, None, self.settings.status_events)

    def sessions(self) -> list[SessionView]:
        """The sessions in Asterisk's order: by the last digit of the number, then by age."""
        return sorted(self.station.sessions(), key=lambda view: view.session_number % 10)

    def session(self, number: int) -> tuple[str, SessionEvent, str] | None:
        """The session of a number: its channel, its record, and the name of its file, as outsiders know it."""
        for call in self.station.calls():
            for channel, one in call.sessions:
                if one == number:
                    files = self.channel_of(call).files
                    return channel, replace(call.session, session_number=number), files[0] if files else ""
        return None

    @property
    def asterisk_version(self) -> str:
        """The version that is shown."""
        return f"{ASTERISK_VERSIONS[self.settings.version][1]}-softfax-{_version.__version__}"

    def files_of(self, view: SessionView) -> tuple[str, ...]:
        """The documents of a session, as outsiders know them."""
        call = self.station.find(view.channel)
        return (self.channel_of(call).files if call is not None else ()) or view.files

    def find(self, key: str) -> FaxCall | None:
        """A fax under way, by channel name or unique id (the station's or the originator's)."""
        return self.station.find(self._by_unique_id.get(key, key))

    def hangup(self, call: FaxCall, cause: int) -> None:
        """Ends a fax; `cause` is what its Hangup event will say."""
        self._fax(call.context).hangup_cause = cause
        self.station.hangup(call)

    def set_variable_of(self, call: FaxCall, name: str, value: str) -> None:
        """Sets a variable of a fax under way, also of one without an event so far."""
        self.publish(self._fax(call.context).channel.say(name, value))

    def set_variable(self, name: str, value: str) -> None:
        """Sets a global variable."""
        if name in self.variables or len(self.variables) < GLOBALS_MAX:
            self.variables[name] = value
        fields = (("Channel", "none"), ("Uniqueid", "none"), ("Variable", name), ("Value", value))
        self.publish([AmiEvent("VarSet", Permission.DIALPLAN, fields)])

    def originate(self, wanted: Originate) -> asyncio.Future[bool]:
        """Places the call; the future says whether it was answered. What goes wrong becomes events."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if wanted.order is None:
            self._refuse(wanted, answer, "INVALID_ARGUMENTS" if wanted.wrong else "", wanted.wrong)
            return answer
        self._placing = wanted
        try:
            call = self.station.originate(wanted.order)
            fax = self._fax(call.context)
        except DocumentError as error:
            log.warning("AMI: %s", error)
            self._refuse(wanted, answer, "FILE_ERROR", "error reading file")
        except SoftfaxError as error:
            log.warning("AMI: %s", error)
            self._refuse(wanted, answer, "", "")
        except Exception:
            log.exception("AMI: the order could not be placed")
            self._refuse(wanted, answer, "", "")
        else:
            self._answers[call.context.fax_id] = answer
            self._settle(call.context.fax_id, fax)
        finally:
            self._placing = None
        return answer

    def _refuse(self, wanted: Originate, answer: asyncio.Future[bool], error: str, text: str) -> None:
        """Report an Originate that is not dialled, as Asterisk would after the call, or as an unknown channel."""
        answer.set_result(False)
        origin = wanted.origin
        if error:
            fax = FaxChannel(self._context_of(wanted), origin)
            fax.channel.context = self.settings.context
            self.publish(fax.no_fax(error, text))
        elif origin.wants_response:
            self.publish([originate_response(origin, "0")])

    def _context_of(self, wanted: Originate) -> FaxContext:
        origin, number = wanted.origin, next(self._sequence)
        technology, _, line = origin.channel.partition("/")
        return FaxContext(
            fax_id=new_fax_id(),
            direction=wanted.direction,
            outgoing=True,
            session_number=-1,
            unique_id=f"{int(time.time())}.{number}",
            channel=f"{technology}/{line.partition('/')[0]}-{number:08x}",
            documents=origin.files,
        )


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError, ssl.SSLError, asyncio.TimeoutError):
        async with asyncio.timeout(2):
            await writer.wait_closed()
    writer.transport.abort()
