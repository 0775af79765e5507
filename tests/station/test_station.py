# SPDX-License-Identifier: GPL-2.0-or-later
"""Two stations fax to each other over SIP on loopback: one in this process, the other is `softfax serve`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from softfax.delivery.targets import CallbackTarget
from softfax.errors import LocalError, PortInUseError, UsageError
from softfax.model import CallState, Direction, FaxResult, FaxUpdate, SessionState
from softfax.options import ModePolicy
from softfax.station import FaxOrder, Station
from tests.support.receiver import receiver

pytestmark = pytest.mark.sip

START_LIMIT_S = 60.0


@dataclass
class Served:
    """A running `softfax serve`."""

    process: subprocess.Popen[str]
    uri: str
    inbox: Path

    def ended(self, limit_s: float) -> tuple[int, str]:
        out, _ = self.process.communicate(timeout=limit_s)
        return self.process.returncode, out


@contextlib.contextmanager
def served(folder: Path, extra: str = "") -> Iterator[Served]:
    folder.mkdir(exist_ok=True)
    config = folder / "softfax.toml"
    config.write_text(
        f'[sip]\nlisten = "127.0.0.1:0"\n[http]\nlisten = "127.0.0.1:0"\n[data]\ndir = "{folder}"\n[fax]\nident = "SERVED"\n{extra}'
    )
    command = [sys.executable, "-m", "softfax.cli.main", "serve", "--json", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            found = re.search(r"listening at sip:(\S+) ", line)
            assert found, line + process.stderr.read()
            yield Served(process, f"sip:1234@{found[1]}", folder / "received")
        finally:
            if process.poll() is None:
                process.kill()


@contextlib.asynccontextmanager
async def a_station(folder: Path, **tables: dict[str, object]) -> AsyncIterator[Station]:
    config = {
        "sip": {"listen": "127.0.0.1:0", "direct": False},  # at the pace of a modem, so that something can happen
        "data": {"dir": folder / "own"},
        "fax": {"ident": "OWN", "resolution": "standard", "mode": ModePolicy.T38},
        "callbacks": {"allow_private": True},
        **tables,
    }
    async with Station(config) as station:
        yield station


@pytest.fixture
def letter(tmp_path: Path) -> str:
    path = tmp_path / "letter.txt"
    path.write_text("One short line.\n")
    return str(path)


def test_a_fax_from_station_to_station_that_is_stopping(tmp_path: Path, letter: str) -> None:
    async def run() -> None:
        target = f'[callbacks]\nallow_private = true\n[[callbacks.target]]\nurl = "{there.url}/served"\n'
        for dialect in ("signalwire", "simotel"):
            target += (
                f'[[callbacks.target]]\nurl = "{there.url}/{dialect}"\ndialect = "{dialect}"\nstyle = "url-event"\n'
            )
        with served(tmp_path / "served", target) as other:
            async with a_station(tmp_path) as station:
                updates: list[FaxUpdate] = []
                station.subscribe(lambda update: 1 / 0)
                station.subscribe(updates.append)
                order = FaxOrder(
                    destination=other.uri,
                    documents=(letter,),
                    caller_number="5551",
                    callbacks=(CallbackTarget(url=f"{there.url}/own", secret="s"),),
                )
                call = station.originate(order)
                assert re.fullmatch(r"PJSIP/127\.0\.0\.1-00000000", call.context.channel)
                assert re.fullmatch(r"\d{10}\.0", call.context.unique_id)
                assert station.find(call.context.channel) is station.find(call.context.fax_id) is call
                while call.state is not SessionState.ACTIVE:
                    await asyncio.sleep(0.05)
                assert station.stats().current_sessions == station.stats().transmit_attempts == 1
                (view,) = station.sessions()
                assert (view.session_type, view.operation, view.files) == ("T.38", "send", (letter,))
                # The first signal: what is under way goes on, nothing new is taken.
                other.process.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.3)
                late = await station.originate(FaxOrder(destination=other.uri, documents=(letter,))).result
                assert (late.success, late.sip_code, late.error) == (False, 503, "CONGESTION")
                result = await asyncio.wait_for(call.result, 60)
                assert (result.success, result.pages, result.fax_id) == (True, 1, call.context.fax_id)
                assert call.progress is not None, "what came over the line is counted, though nobody watched"
                assert call.progress.packets > 0
                assert station.calls() == []
                stats = station.stats()
                assert (stats.current_sessions, stats.completed_faxes, stats.failed_faxes) == (0, 1, 0)
                updates = [u for u in updates if u.context is call.context]
                assert isinstance(updates[-1].event, FaxResult)
                states = [u.event.state for u in updates if u.event.event == "session"]
                assert (states[0], states[-1]) == (SessionState.RESERVED, SessionState.COMPLETE)
                await _until(lambda: _results("/own") and _results("/served"))
                await _until(lambda: any(b"finished" in r.body for r in there.requests) and _simotel())
            (pdf,) = other.inbox.glob("*.pdf")
            assert pdf.stat().st_size > 200
            code, out = await asyncio.to_thread(other.ended, 20)
            assert code == 0
            objects = [json.loads(line) for line in out.splitlines()]
            assert objects[-1]["event"] == "result"
            assert objects[-1]["documents"] == [str(pdf)]
        simotel = [json.loads(r.body) for r in there.requests if r.path == "/simotel/IncomingFax"]
        assert (simotel[-1]["event_name"], simotel[-1]["state"]) == ("IncomingFax", "SUCCESS")
        finished = [json.loads(r.body) for r in there.requests if r.path.startswith("/signalwire")][-1]
        assert finished["params"]["fax"]["type"] == "finished"
        own = [r for r in there.requests if r.path == "/own"]
        assert all("softfax-signature" in r.headers for r in own)
        assert {r.headers["softfax-fax-id"] for r in own} == {call.context.fax_id}

    def _simotel() -> bool:
        return any(r.path.startswith("/simotel") and b"SUCCESS" in r.body for r in there.requests)

    def _results(path: str) -> bool:
        return any(r.path == path and b'"result"' in r.body for r in there.requests)

    with receiver() as there:
        asyncio.run(run())


async def _until(condition: object, limit_s: float = 60.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it takes too long"
        await asyncio.sleep(0.05)


def test_a_second_signal_drops_what_is_under_way(tmp_path: Path, letter: str) -> None:
    async def run() -> None:
        with served(tmp_path / "served") as other:
            async with a_station(tmp_path, callbacks={"enabled": False}) as station:
                call = station.originate(FaxOrder(destination=other.uri, documents=(letter,)))
                await _until(lambda: call.state is SessionState.ACTIVE, 30)
                other.process.send_signal(signal.SIGTERM)
                other.process.send_signal(signal.SIGINT)
                assert not (await call.result).success
                code, _ = await asyncio.to_thread(other.ended, 20)
                assert code == 130

    asyncio.run(run())


def test_orders_that_cannot_be(tmp_path: Path, letter: str) -> None:
    async def run() -> None:
        async with a_station(tmp_path, callbacks={"enabled": False}) as station:
            updates: list[FaxUpdate] = []
            station.subscribe(updates.append)
            for order, problem in (
                (FaxOrder(destination="nonsense!", documents=(letter,)), "not a SIP URI"),
                (FaxOrder(destination="12345", documents=(letter,)), "no account for the number"),
                (FaxOrder(destination="sip:a@127.0.0.1"), "nothing to send"),
                (FaxOrder(destination="sip:a@127.0.0.1", documents=(letter,), account="x"), "no account x"),
                (FaxOrder(destination="sip:a@127.0.0.1", documents=(letter,), ident="x" * 21), "identity"),
                (
                    FaxOrder(
                        destination="sip:a@127.0.0.1",
                        direction=Direction.RECEIVE,
                        receive_into=Path("/nowhere/x.pdf"),
                    ),
                    "no folder",
                ),
            ):
                with pytest.raises(UsageError, match=problem):
                    station.originate(order)
            assert not updates
            call = station.originate(FaxOrder(destination="sip:a@127.0.0.1:1", documents=("/nowhere/x.pdf",)))
            result = await asyncio.wait_for(call.result, 60)
            assert (result.error, result.success, result.pages, result.sip_code) == ("FILE_ERROR", False, 0, 0)
            assert call.call_state is None
            assert isinstance(updates[-1].event, FaxResult)
            stats = station.stats()
            assert (stats.transmit_attempts, stats.completed_faxes, stats.failed_faxes) == (1, 0, 0)
            call = station.originate(FaxOrder(destination="sip:a@127.0.0.1:1", documents=(letter,)))
            call.cancel()
            assert (await call.result).error == "CANCEL"
            station.drain()
            with pytest.raises(LocalError, match="stopping"):
                station.originate(FaxOrder(destination="sip:a@127.0.0.1", documents=(letter,)))

    asyncio.run(run())


def test_nobody_answers_and_hangup(tmp_path: Path, letter: str) -> None:
    async def run() -> None:
        with served(tmp_path / "served", "receive = false\n") as other:
            async with a_station(tmp_path, callbacks={"enabled": False}) as station:
                refused = await station.originate(FaxOrder(destination=other.uri, documents=(letter,))).result
                assert (refused.sip_code, refused.error) == (480, "NOANSWER")
                stats = station.stats()
                assert (stats.transmit_attempts, stats.completed_faxes) == (0, 0)
        with served(tmp_path / "served") as other:
            async with a_station(tmp_path, callbacks={"enabled": False}) as station:
                call = station.originate(FaxOrder(destination=other.uri, documents=(letter,)))
                await _until(lambda: call.call_state is CallState.ANSWERED, 20)
                station.hangup(call)
                result = await asyncio.wait_for(call.result, 60)
                assert (result.error, result.success) == ("CANCEL", False)
                assert (station.stats().completed_faxes, station.stats().failed_faxes) == (1, 1)

    asyncio.run(run())


def test_a_reload_has_other_callbacks(tmp_path: Path) -> None:
    async def run() -> None:
        async with a_station(tmp_path) as station:
            callbacks = station.config.callbacks.model_copy(update={"allow_private": False, "timeout_s": 3.0})
            station.reload(station.config.model_copy(update={"callbacks": callbacks}))
            assert station.outbox is not None
            assert (station.outbox.settings.allow_private, station.outbox.settings.timeout_s) == (False, 3.0)

    asyncio.run(run())


def test_what_keeps_a_station_from_starting_is_one_line(tmp_path: Path) -> None:
    async def run() -> None:
        async with a_station(tmp_path, callbacks={"enabled": False}) as station:
            host, port = station.bound_address
            config = tmp_path / "second.toml"
            config.write_text(
                f'[sip]\nlisten = "{host}:{port}"\n[http]\nlisten = "127.0.0.1:0"\n[data]\ndir = "{tmp_path}/second"\n'
            )
            done = await asyncio.to_thread(_serve, config)
            assert (done.returncode, done.stdout) == (2, "")
            assert re.fullmatch(
                r"softfax: SIP: 127\.0\.0\.1:\d+ is in use; change \[sip\] listen, or stop .*\n", done.stderr
            )
        config.write_text('[sip]\nlisten = "127.0.0.1:0"\n[inboxx]\ndir = "x"\n')
        done = await asyncio.to_thread(_serve, config)
        assert done.returncode == 2
        assert "second.toml:3: there is no key inboxx; did you mean inbox?" in done.stderr
        assert done.stderr.count("\n") == 1

    asyncio.run(run())


def _serve(config: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "softfax.cli.main", "serve", "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_one_station_at_a_time(tmp_path: Path) -> None:
    async def run() -> None:
        async with a_station(tmp_path, callbacks={"enabled": False}):
            with pytest.raises((LocalError, PortInUseError)):
                await Station({"callbacks": {"enabled": False}, "fax": {"receive": False}}).__aenter__()

    asyncio.run(run())
