# SPDX-License-Identifier: GPL-2.0-or-later
"""One station with two versions of IP: it registers, sends, receives and passes on over each, as its far ends want it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from softfax.model import Direction, FaxResult, FaxUpdate
from softfax.options import ModePolicy
from softfax.station import FaxOrder, Station
from tests.sip.test_networks import has_ipv6
from tests.support.absent import needs

pytestmark = [pytest.mark.sip, needs(has_ipv6(), "this machine has no IPv6")]

LIMIT_S = 150.0
#: Each on an address of its own: by it a station knows whose account a call belongs to.
FOUR, BOTH = "127.0.0.21", "127.0.0.22"


class Registrar(threading.Thread):
    """Takes every REGISTER, and keeps what it was told."""

    def __init__(self, host: str) -> None:
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.seen: list[str] = []
        self.start()

    @property
    def uri(self) -> str:
        host, port = self.sock.getsockname()[:2]
        return f"sip:[{host}]:{port}" if ":" in host else f"sip:{host}:{port}"

    def run(self) -> None:
        while True:
            data, source = self.sock.recvfrom(65535)
            text = data.decode()
            if not text.startswith("REGISTER"):
                continue
            self.seen.append(text)
            lines = [x for x in text.split("\r\n") if re.match("(Via|From|To|Call-ID|CSeq|Contact|Expires):", x)]
            answer = ["SIP/2.0 200 OK", *lines, "Content-Length: 0", "", ""]
            self.sock.sendto("\r\n".join(answer).encode(), source)


async def _station(stack: AsyncExitStack, folder: Path, listen: Any, **tables: Any) -> Station:
    config = {
        "sip": {"listen": listen},
        "data": {"dir": folder},
        "callbacks": {"enabled": False},
        "fax": {"ident": folder.name.upper(), "resolution": "standard"},
        **tables,
    }
    return await stack.enter_async_context(Station(config, isolated=True))


def uri(address: tuple[str, int], user: str = "1234") -> str:
    host, port = address
    return f"sip:{user}@[{host}]:{port}" if ":" in host else f"sip:{user}@{host}:{port}"


class Three:
    """A station with both, one that has IPv4 alone, and one that has IPv6 alone; each is an account of the first."""

    def __init__(self, both: Station, four: Station, six: Station) -> None:
        self.both, self.four, self.six = both, four, six
        self.results: list[FaxResult] = []
        both.subscribe(self._take)

    def _take(self, update: FaxUpdate) -> None:
        if isinstance(update.event, FaxResult):
            self.results.append(update.event)

    async def fax(self, sender: Station, destination: str, letter: str, **options: Any) -> FaxResult:
        order = FaxOrder(destination=destination, documents=(letter,), **options)
        return await asyncio.wait_for(sender.originate(order).result, LIMIT_S)

    async def result(self, number: int) -> FaxResult:
        """The result of this number at the one with both."""
        async with asyncio.timeout(LIMIT_S):
            while len(self.results) <= number:
                await asyncio.sleep(0.05)
        return self.results[number]


@asynccontextmanager
async def three(tmp_path: Path, listen: Any = (f"{BOTH}:0", "[::1]:0"), **tables: Any) -> AsyncIterator[Three]:
    async with AsyncExitStack() as stack:
        four = await _station(stack, tmp_path / "four", f"{FOUR}:0")
        six = await _station(stack, tmp_path / "six", "[::1]:0")
        accounts = [
            {"name": name, "server": uri(one.bound_address).replace("1234@", "")}
            for name, one in (("four", four), ("six", six))
        ]
        accounts += tables.pop("accounts", [])
        both = await _station(stack, tmp_path / "both", list(listen), account=accounts, **tables)
        yield Three(both, four, six)


@pytest.fixture
def letter(tmp_path: Path) -> str:
    path = tmp_path / "letter.txt"
    path.write_text("One short line.\n")
    return str(path)


def run(scenario: Any) -> None:
    asyncio.run(asyncio.wait_for(scenario, 3 * LIMIT_S))


def test_a_station_registers_sends_and_receives_over_both(tmp_path: Path, letter: str) -> None:
    async def scenario() -> None:
        registrars = {4: Registrar("127.0.0.1"), 6: Registrar("::1")}
        more = [
            {"name": f"pbx{version}", "server": one.uri, "user": "fax", "register": True}
            for version, one in registrars.items()
        ]
        async with three(tmp_path, accounts=more) as all_three:
            ipv4, ipv6 = all_three.both.bound_addresses
            assert (ipv4[0], ipv6[0]) == (BOTH, "::1")
            async with asyncio.timeout(20):
                while not all(one.seen for one in registrars.values()):
                    await asyncio.sleep(0.05)
            for version, host in ((4, f"{BOTH}:{ipv4[1]}"), (6, f"[::1]:{ipv6[1]}")):
                assert f"Contact: <sip:fax@{host};" in registrars[version].seen[0]
                assert re.search(rf"^Via: SIP/2.0/UDP {re.escape(host)};", registrars[version].seen[0], re.M)
            for account, station in (("four", all_three.four), ("six", all_three.six)):
                sent = await all_three.fax(all_three.both, uri(station.bound_address), letter, account=account)
                assert (sent.success, sent.remote_station_id) == (True, account.upper()), sent
            for station, address in ((all_three.four, ipv4), (all_three.six, ipv6)):
                sent = await all_three.fax(station, uri(address), letter)
                assert (sent.success, sent.remote_station_id) == (True, "BOTH"), sent
            received = await all_three.result(3)
            assert (received.success, received.remote_station_id) == (True, "SIX")
            # A process for calls that dies listens at both ports again, and registers at both again.
            before = [len(one.seen) for one in registrars.values()]
            os.kill(all_three.both.workers()[0].pid, signal.SIGKILL)
            async with asyncio.timeout(40):
                while any(len(one.seen) == count for one, count in zip(registrars.values(), before, strict=True)):
                    await asyncio.sleep(0.05)
            assert all_three.both.bound_addresses == (ipv4, ipv6)
            sent = await all_three.fax(all_three.six, uri(ipv6), letter)
            assert sent.success, sent

    run(scenario())


@pytest.mark.parametrize(("caller", "answerer"), [("six", "four"), ("four", "six")])
def test_a_gateway_passes_a_fax_from_one_version_to_the_other(
    tmp_path: Path, letter: str, caller: str, answerer: str
) -> None:
    async def scenario() -> None:
        rules = [{"name": "on", "from": [caller], "accounts": [answerer]}]
        async with three(tmp_path, gateway=rules) as all_three:
            ipv4, ipv6 = all_three.both.bound_addresses
            sender = all_three.six if caller == "six" else all_three.four
            # One side by T.38, the other by G.711.
            sent = await all_three.fax(sender, uri(ipv6 if caller == "six" else ipv4), letter, mode=ModePolicy.AUDIO)
            assert (sent.success, sent.remote_station_id) == (True, answerer.upper()), sent
            passed = await all_three.result(0)
            assert (passed.success, passed.direction, passed.pages) == (True, Direction.GATEWAY, 1), passed

    run(scenario())


def test_all_addresses_of_ipv6_are_those_of_ipv4_too(tmp_path: Path, letter: str) -> None:
    async def scenario() -> None:
        async with three(tmp_path, ("[::]:0",)) as all_three:
            assert [host for host, _ in all_three.both.bound_addresses] == ["::", "0.0.0.0"]
            sent = await all_three.fax(all_three.both, uri(all_three.four.bound_address), letter, account="four")
            assert (sent.success, sent.remote_station_id) == (True, "FOUR"), sent
            port = all_three.both.bound_addresses[1][1]
            sent = await all_three.fax(all_three.four, uri(("127.0.0.1", port)), letter)
            assert (sent.success, sent.remote_station_id) == (True, "BOTH"), sent

    run(scenario())
