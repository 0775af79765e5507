# SPDX-License-Identifier: GPL-2.0-or-later
"""The HTTP server of a station, on its loop: the API, the events, the web page."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import resource
import socket
import ssl
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from functools import partial
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from softfax.database.database import Database
from softfax.errors import ConfigError, LocalError, PortInUseError
from softfax.model import Fax
from softfax.peers import Places, network_of
from softfax.station import StationConfig
from softfax.tlsfront import TlsFront, load_certificate
from softfax.web.app import COOKIE, create_app, create_web, guarded
from softfax.web.guard import Guard
from softfax.web.problems import Problem
from softfax.web.seam import FaxQueueLike, MetricsLike, StationLike
from softfax.web.state import Web
from softfax.web.store import METADATA, WebStore

__all__ = ["WebServer"]

log = logging.getLogger("softfax.web")

#: How long the head of a request may take, and how long a connection may stay idle.
HEAD_S = 15.0
IDLE_S = 60
GRACE_S = 5
BACKLOG = 512
#: Half of the files that this process may open, at most this many: the rest is for the database, documents and calls.
CONNECTIONS_MAX = 2000
#: So many more are answered that there are too many; the next are cut.
CONNECTIONS_OVER = 100
SWEEP_S = 600.0


class _Protocol(H11Protocol):
    """uvicorn's, with a limit on how long the head of a request may take, and a way to drop a client that does not read."""

    _head: asyncio.TimerHandle | None = None
    network = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.network = network_of(self.client[0]) if self.client else ""
        inner: Any = self.app

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope["softfax.abort"] = transport.abort
            scope["softfax.full"] = self._too_many()
            await inner(scope, receive, send)

        self.app = app
        if self._too_many(CONNECTIONS_OVER):
            transport.abort()
        self._await_head()

    def _too_many(self, over: int = 0) -> bool:
        """Return True above the limit on connections, or that on those of one network: half of all are left to others, also by a
        proxy in front."""
        most = connections_max()
        of_one = sum(getattr(other, "network", "") == self.network for other in self.connections)
        return len(self.connections) > most + over or of_one > most // 2 + over

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._got_head()
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._got_head()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._got_head()

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read with problem details, as every other error."""
        self._got_head()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        response = Problem(400, "Malformed HTTP/1.1", kind="no-http").response()
        headers = [*response.raw_headers, (b"connection", b"close")]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=bytes(response.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _await_head(self) -> None:
        if self._head is None:
            self._head = self.loop.call_later(HEAD_S, self._late)

    def _got_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _late(self) -> None:
        self._head = None
        if not self.transport.is_closing():
            self.transport.close()


def connections_max() -> int:
    """Limit on connections."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CONNECTIONS_MAX if files == resource.RLIM_INFINITY else min(CONNECTIONS_MAX, files // 2)


class _Server(uvicorn.Server):
    """uvicorn's, which leaves signals to the station."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class WebServer:
    """A part of a station: `station.add(WebServer(station, queue))` after the queue. `address` is where it listens.

    Raises ConfigError, PortInUseError, LocalError where it cannot start.
    """

    def __init__(self, station: StationLike, queue: FaxQueueLike, *, metrics: MetricsLike | None = None) -> None:
        self.station, self.queue, self.metrics = station, queue, metrics
        self.web: Web | None = None
        self.address: tuple[str, int] = ("", 0)
        #: Sends a fax by e-mail, where that is set up.
        self.forward_email: Callable[[Fax, str], Awaitable[None]] | None = None
        #: What /v1/mailboxes says, where it is more than the configuration.
        self.mailboxes: Callable[[], Sequence[Mapping[str, Any]]] | None = None
        #: Lines that say what is not ready.
        self.ready: list[Callable[[], str]] = []
        self._guard: Guard | None = None
        self._store: WebStore | None = None
        self._server: _Server | None = None
        self._context: ssl.SSLContext | None = None
        self._tasks: list[asyncio.Task[Any]] = []

    # ---- life ---------------------------------------------------------------------------------------------------

    def prepare(self, database: Database) -> None:
        """Makes its tables. Blocks, in a thread."""
        database.prepare(METADATA)
        self._store = WebStore(database.engine)

    async def start(self) -> None:
        """Listens. Raises PortInUseError, ConfigError, LocalError."""
        config = self.station.config.http
        if not config.enabled:
            return
        if self._store is None:
            raise LocalError("the web server has no database", "add it to the station before that is entered")
        listening = _listen(*config.address)
        try:
            self.address = listening.getsockname()[:2]
            if config.tls_certificate is not None:
                self._context = await asyncio.to_thread(_tls, config)
            await self._begin(listening)
        except BaseException:
            listening.close()
            raise

    async def _begin(self, listening: socket.socket) -> None:
        assert self._store is not None
        self.web = web = create_web(
            self.station,
            self.queue,
            self._store,
            # Cookies know no ports: two stations on one machine keep theirs apart.
            cookie=f"{COOKIE}-{self.address[1]}",
            metrics=self.metrics,
            forward_email=self.forward_email,
            mailboxes=self.mailboxes,
            ready=self.ready,
        )
        await web.access.start()
        await web.swml.start()
        app = await asyncio.to_thread(create_app, web)
        self._guard = guarded(app)
        self._server = _Server(self._settings(self._guard))
        serving = asyncio.ensure_future(self._server.serve(sockets=[listening]))
        while not self._server.started and not serving.done():
            await asyncio.sleep(0.01)
        if serving.done():
            serving.result()
        self._tasks = [serving, asyncio.ensure_future(self._sweep())]
        self.station.on_reload.append(self._reload)
        await asyncio.to_thread(app.openapi)

    def _settings(self, app: ASGIApp) -> uvicorn.Config:
        settings = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=IDLE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
        settings.load()
        if (context := self._context) is not None:
            # uvicorn would count connections only once their handshake is over.
            inner, places = settings.http_protocol_class, Places(connections_max() // 4, connections_max() // 16)
            settings.http_protocol_class = lambda **more: TlsFront(partial(inner, **more), context, places)  # type: ignore[assignment]
        return settings

    async def stop(self) -> None:
        """Ends event streams, then requests under way, within seconds."""
        if self._server is None or self.web is None:
            return
        self.web.stopping = True
        if self._reload in self.station.on_reload:
            self.station.on_reload.remove(self._reload)
        self.web.streams.close()
        await self.web.swml.stop()
        self._server.should_exit = True
        serving, *others = self._tasks
        for task in others:
            task.cancel()
        await asyncio.wait([serving], timeout=GRACE_S + 5)
        self._server = None

    async def close(self) -> None:
        """Do nothing: all it keeps is on disk at once."""

    # ---- while it runs ------------------------------------------------------------------------------------------

    def _reload(self, config: StationConfig) -> None:
        """Another configuration: tokens, limits, certificates. Streams end, and clients that still may connect again."""
        if self.web is None or self._guard is None:
            return
        same = self.web.access.config == config.http
        if not same:
            self.web.access.reload(config.http)
            self._guard.reload()
            self.web.streams.most = config.http.max_streams
            self.web.streams.close()
        if self._context is not None and config.http.tls_certificate is not None:
            try:
                load_certificate(self._context, config.http.tls_certificate, config.http.tls_private_key)
            except (OSError, ssl.SSLError) as error:
                log.error("the certificate stays as it was: %s", error)

    async def _sweep(self) -> None:
        while True:
            try:
                assert self.web is not None
                await asyncio.to_thread(self.web.uploads.sweep)
            except Exception:
                log.exception("old uploads were not swept")
            await asyncio.sleep(SWEEP_S)


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises PortInUseError."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        # asyncio switches Nagle's algorithm off only where the protocol is named.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise PortInUseError(
            f"HTTP cannot listen on {host}:{port} ({error.strerror})", "change [http] listen"
        ) from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        why = "it is taken" if error.errno == errno.EADDRINUSE else str(error.strerror)
        raise PortInUseError(
            f"HTTP cannot listen on {host}:{port} ({why})", "change [http] listen, or stop what listens there"
        ) from None
    return listening


def _tls(config: Any) -> ssl.SSLContext:
    """Raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        load_certificate(context, config.tls_certificate, config.tls_private_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"[http] certificate {config.tls_certificate} cannot be used ({error.strerror or error})",
            "name a PEM certificate and the key that belongs to it",
        ) from None
    return context
