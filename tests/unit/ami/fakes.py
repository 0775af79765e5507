# SPDX-License-Identifier: GPL-2.0-or-later
"""A station without calls, and a client that speaks octets."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from softfax.ami import AmiServer, AmiSettings, User
from softfax.model import (
    CallEvent,
    CallState,
    Direction,
    Event,
    FaxContext,
    FaxResult,
    FaxUpdate,
    Mode,
    NegotiatedEvent,
    Operation,
    SessionEvent,
    SessionState,
)
from softfax.station import FaxCall, FaxOrder, FaxStats, SessionView
from softfax.station.views import RegistrationView

ALL = User("fax", "secret")
SEND = {"Action": "Originate", "Channel": "PJSIP/out/sip:recv@127.0.0.1", "Application": "SendFAX", "ActionID": "o"}


class FakeStation:
    """Does what a test tells it. Each order becomes a call that only `say` moves on; `refuse` is raised instead, once set."""

    def __init__(self) -> None:
        self.orders: list[FaxOrder] = []
        self.refuse: Exception | None = None
        self.counted: FaxStats | None = None
        self.accounts: list[RegistrationView] = []
        self.under_way: list[FaxCall] = []
        self.hung_up: list[FaxCall] = []
        self._sinks: list[Callable[[FaxUpdate], None]] = []
        self._numbers = itertools.count(1)

    def originate(self, order: FaxOrder) -> FaxCall:
        if self.refuse is not None:
            raise self.refuse
        self.orders.append(order)
        call = self.call(outgoing=True, direction=order.direction, documents=order.documents, order=order)
        self.say(call, record(call, SessionState.RESERVED))
        self.say(call, CallEvent(state=CallState.CALLING))
        return call

    def call(
        self, *, outgoing: bool, direction: Direction, documents: tuple[str, ...] = (), order: FaxOrder | None = None
    ) -> FaxCall:
        number = next(self._numbers)
        context = FaxContext(
            fax_id=f"{number:024x}",
            direction=direction,
            outgoing=outgoing,
            session_number=number,
            unique_id=f"1795210337.{number}",
            channel=f"PJSIP/out-{number:08x}",
            caller_number="" if outgoing else "0301234567",
            called_number="recv" if not outgoing else "",
            ident="SOFTFAX",
            documents=documents,
        )
        future: asyncio.Future[FaxResult] = asyncio.get_running_loop().create_future()
        operation = Operation.SEND if direction is Direction.SEND else Operation.RECEIVE
        session = SessionEvent(session_number=number, operation=operation, state=SessionState.RESERVED)
        call = FaxCall(context=context, session=session, result=future, order=order)
        self.under_way.append(call)
        return call

    def say(self, call: FaxCall, event: Event, mode: Mode | None = None) -> None:
        call.mode = mode or call.mode
        if isinstance(event, SessionEvent):
            call.session = event
        for sink in self._sinks:
            sink(FaxUpdate(call.context, event))
        if isinstance(event, FaxResult):
            self.under_way.remove(call)
            call.result.set_result(event)

    def calls(self) -> list[FaxCall]:
        return list(self.under_way)

    def find(self, key: str) -> FaxCall | None:
        for call in self.under_way:
            if key in (call.context.fax_id, call.context.channel, call.context.unique_id):
                return call
        return None

    def sessions(self) -> list[SessionView]:
        return [
            SessionView(
                channel=call.context.channel,
                session_number=call.session.session_number,
                session_type="T.38" if call.mode is Mode.T38 else "G.711" if call.mode else "none",
                operation=call.session.operation,
                state=call.session.state,
                files=call.context.documents,
            )
            for call in self.under_way
        ]

    def stats(self) -> FaxStats:
        return self.counted or FaxStats(current_sessions=len(self.under_way), transmit_attempts=7)

    def registrations(self) -> list[RegistrationView]:
        return self.accounts

    def hangup(self, call: FaxCall) -> None:
        self.hung_up.append(call)

    def subscribe(self, sink: Callable[[FaxUpdate], None]) -> Callable[[], None]:
        self._sinks.append(sink)
        return lambda: self._sinks.remove(sink)


def record(call: FaxCall, state: SessionState, *, pages: int = 0, ecm: bool = True) -> SessionEvent:
    """A FAXSession record as the fax layer makes it."""
    early = state in (SessionState.RESERVED, SessionState.UNINITIALIZED)
    sending = call.context.direction is Direction.SEND
    return SessionEvent(
        session_number=call.context.session_number,
        operation=Operation.SEND if sending else Operation.RECEIVE,
        state=state,
        error_correction_mode=None if early else ecm,
        data_rate=None if early else 14400,
        image_resolution=None if early else "8031x7700",
        page_number=None if early else pages + 1,
        file_name=None if early else "/tmp/internal.tif",
        pages_transmitted=None if early else pages if sending else 0,
        pages_received=None if early else 0 if sending else pages,
        total_bad_lines=None if early else 0,
    )


def result(call: FaxCall, **changes: object) -> FaxResult:
    """Return how the fax of `call` ended; a success unless `changes` say otherwise."""
    values: dict[str, object] = {
        "session": call.context.session_number,
        "direction": call.context.direction,
        "success": True,
        "status": "SUCCESS",
        "error": "NO_ERROR",
        "status_string": "OK",
        "result_code": 0,
        "mode": Mode.T38,
        "pages": 1,
        "pages_total": 1,
        "bitrate": 14400,
        "ecm": True,
        "encoding": "T.6",
        "resolution": "204x196",
        "local_station_id": "SOFTFAX",
        "remote_station_id": "FAR END",
        "bad_rows": 0,
        "duration_s": 20.0,
        "documents": list(call.context.documents),
        "call_id": "x",
        "fax_id": call.context.fax_id,
        "sip_code": 200,
        **changes,
    }
    return FaxResult(**values)  # type: ignore[arg-type]


def negotiated(mode: Mode) -> NegotiatedEvent:
    return NegotiatedEvent(
        mode=mode, bitrate=14400, ecm=True, encoding="T.6", resolution="204x196", remote_station_id="FAR END"
    )


def whole_fax(station: FakeStation, call: FaxCall, mode: Mode = Mode.T38) -> None:
    """Play a fax from the answer to the result, over `mode`."""
    station.say(call, CallEvent(state=CallState.ANSWERED, sip_code=200))
    station.say(call, record(call, SessionState.UNINITIALIZED))
    station.say(call, record(call, SessionState.OPEN), Mode.AUDIO)
    if mode is Mode.T38:
        station.say(call, record(call, SessionState.OPEN), Mode.T38)
    station.say(call, negotiated(mode))
    station.say(call, record(call, SessionState.ACTIVE))
    station.say(call, CallEvent(state=CallState.ENDED, sip_code=200))
    station.say(call, record(call, SessionState.COMPLETE, pages=1))
    station.say(call, result(call, mode=mode))


class Octets:
    """A client that sends text and reads messages."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, server: AmiServer, *, index: int = 0, source: str = "127.0.0.1") -> Octets:
        client = cls(*await asyncio.open_connection(*server.addresses[index], local_addr=(source, 0)))
        assert await client.reader.readline() == b"Asterisk Call Manager/5.0.4\r\n"
        return client

    async def say(self, **headers: str) -> str:
        """Sends an action and returns the next message."""
        self.send(**headers)
        return await self.next()

    def send(self, **headers: str) -> None:
        text = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        self.writer.write(text.encode() + b"\r\n")

    async def next(self) -> str:
        data = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        return data.decode().replace("\r\n", "\n").rstrip("\n")

    async def rest(self, until: str = "") -> list[str]:
        """The messages up to the one that begins with `until`, or up to the end of the connection."""
        messages: list[str] = []
        try:
            while True:
                messages.append(await self.next())
                if until and messages[-1].startswith(until):
                    return messages
        except asyncio.IncompleteReadError:
            return messages

    async def login(self, name: str = "fax", secret: str = "secret", **headers: str) -> str:
        return await self.say(Action="Login", Username=name, Secret=secret, **headers)

    async def closed(self) -> bool:
        return not await asyncio.wait_for(self.reader.read(), 10)


def settings(**changes: object) -> AmiSettings:
    values: dict[str, object] = {"listen": "127.0.0.1:0", "failure_delay_s": 0.05, **changes}
    return AmiSettings(**values)  # type: ignore[arg-type]


@asynccontextmanager
async def serving(*users: User, **changes: object) -> AsyncIterator[tuple[AmiServer, FakeStation]]:
    station = FakeStation()
    server = AmiServer(station, settings(users=users or (ALL,), **changes))
    await server.start()
    try:
        yield server, station
    finally:
        await server.close()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(test(), 30)

    asyncio.run(limited())
