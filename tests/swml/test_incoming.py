# SPDX-License-Identifier: GPL-2.0-or-later
"""A SWML document decides on calls that come in: it takes the fax, or refuses the call, and knows what became of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from softfax.model import Direction, FaxResult, FaxUpdate
from softfax.station import Station
from softfax.swml.incoming import IncomingSwml
from tests.sip.far_end import AUDIO, HERE, FarEnd
from tests.support.command import SoftfaxProcess
from tests.support.http_server import Server, answer

pytestmark = pytest.mark.sip

CALLER = "127.0.0.36"
TAKES = """
version: 1.0.0
sections:
  main:
    - answer
    - receive_fax
    - transfer: after
    - request: {url: "%{base}/never"}
  after:
    - request: {url: "%{base}/%{call.to}/%{receive_fax_result}/%{receive_fax_pages}"}
"""
REFUSES = """
sections:
  main:
    - cond:
        - {when: "call.to == 'no'", then: [hangup]}
    - receive_fax
"""


def test_calls_that_come_in(tmp_path: Path) -> None:
    server = Server()
    (tmp_path / "takes.yaml").write_text(TAKES.replace("%{base}", server.url("")))
    server.answers["/refuses"] = answer(REFUSES.encode())
    server.answers["/nothing"] = answer(b"{}")
    rules = {
        "takes": str(tmp_path / "takes.yaml"),
        "no": server.url("/refuses"),
        "nothing": server.url("/nothing"),
        "lost": str(tmp_path / "lost.yaml"),
    }
    config: dict[str, Any] = {
        "sip": {"listen": f"{HERE}:0"},
        "data": {"dir": tmp_path / "data"},
        "callbacks": {"allow_private": True},
        "account": [{"name": "trunk", "server": f"sip:{CALLER}"}],
        "gateway": [{"name": n, "from": ["trunk"], "numbers": [n], "swml": source} for n, source in rules.items()],
    }
    (tmp_path / "letter.txt").write_text("Dear reader")

    def refused(port: int) -> list[str]:
        said = []
        for number in ("no", "nothing", "lost"):
            caller = FarEnd(port, CALLER, target=f"sip:{number}@{HERE}:{port}")
            caller.request("INVITE", body=AUDIO)
            said.append(caller.any_of("200", "480", "603").kind)
            caller.sock.close()
        return said

    async def scenario() -> list[FaxResult]:
        results: list[FaxResult] = []

        def take(update: FaxUpdate) -> None:
            if isinstance(update.event, FaxResult) and update.context.direction is Direction.RECEIVE:
                results.append(update.event)

        async with Station(config, isolated=True) as station:
            IncomingSwml(station)
            station.subscribe(take)
            port = station.bound_address[1]
            assert await asyncio.to_thread(refused, port) == ["603", "480", "480"]
            sender = await SoftfaxProcess.start(
                *("send", f"sip:takes@{HERE}:{port}", "letter.txt", "--listen", f"{CALLER}:0"), cwd=tmp_path
            )
            await sender.wait(120)
            assert sender.results[0]["success"], sender.stderr
            async with asyncio.timeout(60):
                while not any("/takes/" in one for one in server.requests):
                    await asyncio.sleep(0.05)
        return results

    try:
        (result,) = asyncio.run(scenario())
    finally:
        server.close()
    assert (result.success, result.pages) == (True, 1)
    asked = [one.split()[1] for one in server.requests]
    assert asked == ["/refuses", "/nothing", "/takes/success/1"]
