# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that are given to faxes, with a user agent that is not there."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from softfax.documents.job import PageJob
from softfax.documents.types import RasterSettings
from softfax.engine.abi import EventType
from softfax.engine.core import Engine, EngineEvent, EngineSession
from softfax.errors import DocumentError, LocalError, NativeError, UsageError
from softfax.fax.gateway import ActiveGateway
from softfax.fax.kept import TakenCall
from softfax.fax.legs import GatewaySettings
from softfax.fax.media import UdptlSockets
from softfax.fax.outcome import NO_T30, Outcome
from softfax.fax.runtime import FaxRuntime
from softfax.fax.settings import FaxSettings, Polling, Role, Timeouts
from softfax.model import CallState, Direction
from softfax.options import ModePolicy
from softfax.sip.call import IncomingCall
from softfax.sip.types import AudioMedia


class Agent:
    """A user agent without calls."""

    config = SimpleNamespace(dscp_media=0, offer_timeout_s=10.0)
    bound_addresses = (("127.0.0.1", 5060),)
    incoming: Any = None

    def __init__(self) -> None:
        self.posted: list[Any] = []

    def post(self, command: Any) -> None:
        """Take note of it."""
        self.posted.append(command)

    def call(self, destination: str, handler: Any, **how: Any) -> Any:
        """Refuse it."""
        raise UsageError(f"not a SIP URI: {destination}")

    async def close(self) -> None:
        """Do nothing."""


@pytest.fixture
def third() -> Iterator[socket.socket]:
    """A host that has to do with no call."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.66", 0))
        sock.setblocking(False)
        yield sock


def receiving(folder: Path, **more: Any) -> FaxSettings:
    return FaxSettings(direction=Direction.RECEIVE, role=Role.ANSWERER, document=folder / "r.tif", **more)


def audio_towards(remote: tuple[str, int]) -> AudioMedia:
    ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ours.bind(("127.0.0.1", 0))
    return AudioMedia(ours.detach(), remote, 0, "PCMU", True, True)


def packets(sock: socket.socket) -> int:
    count = 0
    while True:
        try:
            sock.recv(2048)
        except BlockingIOError:
            return count
        count += 1


@pytest.mark.parametrize("known", [False, True])
def test_a_strangers_call_that_is_taken_over_floods_no_third_party(
    known: bool, third: socket.socket, tmp_path: Path
) -> None:
    async def main() -> None:
        agent: Any = Agent()
        runtime = FaxRuntime(Engine(1), agent)
        call = IncomingCall(agent)
        call.source, call.known = "127.0.0.1", known
        audio = audio_towards(third.getsockname())
        settings = receiving(tmp_path, mode=ModePolicy.AUDIO)
        taken = TakenCall(call, None, audio, None, answered=True, asked=True)
        active = runtime.take_over(taken, settings, lambda event: None)
        await asyncio.sleep(1.6)
        active.session.call_state(CallState.ENDED)
        await runtime.close()

    asyncio.run(main())
    assert packets(third) > 60 if known else 0 < packets(third) <= 51


def test_a_call_that_cannot_be_placed_leaves_no_descriptor_open(tmp_path: Path) -> None:
    async def main() -> None:
        agent: Any = Agent()
        runtime = FaxRuntime(Engine(1), agent)
        before = os.listdir("/proc/self/fd")
        with pytest.raises(UsageError):
            runtime.send("nowhere", receiving(tmp_path))
        assert len(os.listdir("/proc/self/fd")) == len(before)
        assert not runtime.faxes
        await runtime.close()

    gc.disable()
    try:
        asyncio.run(main())
    finally:
        gc.enable()


def test_nothing_follows_of_a_call_that_cannot_be_placed(tmp_path: Path) -> None:
    async def main() -> None:
        agent: Any = Agent()
        runtime = FaxRuntime(Engine(1), agent)
        late: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: late.append(context))
        settings = replace(receiving(tmp_path), role=Role.CALLER, timeouts=Timeouts(answer_s=0.05, call_s=0.05))
        with pytest.raises(UsageError):
            runtime.send("nowhere", settings)
        await asyncio.sleep(0.2)
        assert not late
        await runtime.close()

    asyncio.run(main())


def test_a_call_that_cannot_become_a_fax_is_hung_up(tmp_path: Path) -> None:
    async def main() -> None:
        agent: Any = Agent()
        runtime = FaxRuntime(Engine(1), agent)
        before = os.listdir("/proc/self/fd")
        taken = TakenCall(IncomingCall(agent), None, audio_towards(("127.0.0.1", 9)), None, answered=True, asked=True)
        with pytest.raises(UsageError):
            runtime.take_over(taken, receiving(tmp_path, subaddress="no digits"), lambda event: None)
        assert len(agent.posted) == 1, "BYE"
        assert len(os.listdir("/proc/self/fd")) == len(before)
        await runtime.close()

    asyncio.run(main())


def test_what_cannot_begin_leaves_no_session_in_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[EngineSession] = []
    begin = EngineSession.__init__

    def note(self: EngineSession, *args: Any) -> None:
        begin(self, *args)
        made.append(self)

    monkeypatch.setattr(EngineSession, "__init__", note)
    others = tuple(Polling(document=str(number)) for number in range(5000))
    out = replace(receiving(tmp_path), direction=Direction.SEND, polling=Polling(), others=others)

    async def main() -> None:
        agent: Any = Agent()
        runtime = FaxRuntime(Engine(1), agent)
        before = os.listdir("/proc/self/fd")
        runtime.on_incoming = lambda call: (out, lambda event: None)
        with pytest.raises(NativeError):
            agent.incoming(IncomingCall(agent))
        sockets = [lambda: UdptlSockets(["127.0.0.1"], 0), lambda: UdptlSockets(["192.0.2.1"], 0)]
        monkeypatch.setattr(runtime, "udptl_sockets", lambda: sockets.pop(0)())
        with pytest.raises(LocalError):
            ActiveGateway(runtime, IncomingCall(agent), GatewaySettings(fax_id="x"), lambda event: None)
        assert len(made) == 3
        assert not [one for one in made if one._handle is not None]
        assert len(os.listdir("/proc/self/fd")) == len(before)
        await runtime.close()

    gc.disable()
    try:
        asyncio.run(main())
    finally:
        gc.enable()


@pytest.mark.parametrize("taken_over", [False, True])
def test_a_call_that_fails_as_its_fax_begins_leaves_no_fax(tmp_path: Path, taken_over: bool) -> None:
    """Nobody would end one that goes on: its owner has been told that it failed."""

    async def main() -> None:
        agent: Any = Agent()
        runtime = FaxRuntime(Engine(1), agent)
        before = os.listdir("/proc/self/fd")
        call = IncomingCall(agent)
        call.source = "no address"
        runtime.on_incoming = lambda call: (receiving(tmp_path), lambda event: None)
        begin = lambda: agent.incoming(call)  # noqa: E731
        if taken_over:
            taken = TakenCall(call, None, audio_towards(("127.0.0.1", 9)), None, answered=True, asked=True)
            begin = lambda: runtime.take_over(taken, receiving(tmp_path), lambda event: None)  # noqa: E731
        with pytest.raises(NativeError):
            begin()
        assert len(agent.posted) == taken_over, "BYE; a call that comes in is refused by the user agent"
        assert not runtime.faxes
        assert len(os.listdir("/proc/self/fd")) == len(before)
        await runtime.close()

    asyncio.run(main())


def test_nothing_is_dialled_for_pages_that_failed_while_the_call_waited(tmp_path: Path) -> None:
    """A page may be found damaged after the first were made, and before there was room for the call."""

    async def main() -> None:
        agent: Any = Agent()
        dialled: list[str] = []
        agent.call = lambda destination, handler, **how: dialled.append(destination)
        runtime = FaxRuntime(Engine(1), agent)
        job = PageJob([], tmp_path / "pages.tif", RasterSettings())
        job.error = DocumentError("the third page cannot be drawn")
        settings = replace(receiving(tmp_path), direction=Direction.SEND, role=Role.CALLER, document=job.tiff)
        with pytest.raises(DocumentError, match="third page"):
            runtime.send("sip:1@127.0.0.1", settings, job=job)
        assert not dialled
        assert not runtime.faxes
        await runtime.close()

    asyncio.run(main())


def test_a_call_that_was_given_away_and_becomes_no_fax_has_an_end() -> None:
    async def main() -> None:
        agent: Any = Agent()
        runtime = FaxRuntime(Engine(1), agent)
        gateway = ActiveGateway(runtime, IncomingCall(agent), GatewaySettings(fax_id="x"), lambda event: None)
        gateway.release().close()
        gateway.session.refuse(Outcome(False, "INIT_ERROR", "no socket", NO_T30, reached=False), 480)
        assert (await asyncio.wait_for(gateway.result, 1)).status_string == "no socket"
        await runtime.close()

    asyncio.run(main())


def test_an_event_that_is_not_understood_takes_none_from_another_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(event: EngineEvent) -> None:
        raise ValueError("a fault of ours")

    async def main() -> None:
        agent: Any = Agent()
        engine, heard = Engine(1), []
        runtime = FaxRuntime(engine, agent)
        runtime.watch(1, fails)
        runtime.watch(2, heard.append)
        events = [EngineEvent(EventType.V21, session, 0.0, 0, (0,) * 8, b"", "") for session in (1, 2)]
        monkeypatch.setattr(engine, "events", lambda: iter(events))
        runtime.drain()
        assert heard == [events[1]]
        await runtime.close()

    asyncio.run(main())
