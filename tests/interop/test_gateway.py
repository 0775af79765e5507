# SPDX-License-Identifier: GPL-2.0-or-later
"""A station as a gateway between a real Asterisk and itself: from T.38 alone to G.711 alone, the other way round, and from T.38 with
redundancy to T.38 with FEC, dot for dot."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from softfax.documents.tiff import read_pages
from softfax.model import FaxResult
from softfax.station import Station
from tests.peer.asterisk import PeerAddress, originate

pytestmark = [pytest.mark.peer, pytest.mark.sip]

LIMIT_S = 240.0


def accounts(asterisk: PeerAddress) -> list[dict[str, Any]]:
    """The one Asterisk as two: where calls come from, and where they go to as an endpoint that has no T.38 or has it."""
    server = asterisk.uri("").replace("sip:@", "sip:")
    return [
        {"name": "caller", "server": server, "numbers": ["1", "2", "3"]},
        {"name": "audio", "server": server, "user": "audio"},
        {"name": "t38", "server": server, "user": "fec"},
    ]


def rules(asterisk: PeerAddress) -> list[dict[str, Any]]:
    """Return rules by the number called: to a receiver in G.711 alone, or in T.38 alone."""
    audio = {"name": "to-audio", "numbers": ["1"], "to": asterisk.uri("recv-audio"), "accounts": ["audio"]}
    t38 = {"name": "to-t38", "numbers": ["2", "3"], "to": asterisk.uri("recv-t38only"), "accounts": ["t38"]}
    return [{**rule, "from": ["caller"]} for rule in (audio, t38)]


#: By number: how Asterisk calls, and what each side of the gateway has.
CALLS = {
    "1": ("out", "z", ("T38", "audio")),
    "2": ("out-audio", "F", ("audio", "T38")),
    "3": ("out", "z", ("T38", "T38")),
}


def test_pages_are_identical(tmp_path: Path, asterisk: PeerAddress) -> None:
    """One after the other: what the receiver reports names no call that is known here."""

    async def scenario(number: str, endpoint: str, options: str, modes: tuple[str, str]) -> None:
        results: list[FaxResult] = []
        tag = f"gw{secrets.token_hex(4)}"
        config = {
            "sip": {"listen": "127.0.0.1:0"},
            "data": {"dir": tmp_path / number},
            "callbacks": {"enabled": False},
            "account": accounts(asterisk),
            "gateway": rules(asterisk),
        }
        ami = await asterisk.manager()
        try:
            async with Station(config, isolated=True) as station:
                station.subscribe(lambda u: results.append(u.event) if isinstance(u.event, FaxResult) else None)
                received = ami.expect(
                    lambda m: (
                        m.get("UserEvent") == "FaxResult"
                        and m.get("Direction", "").lower().startswith("rec")
                        and m.get("RemoteStationID", "") == asterisk.station_id
                    )
                )
                uri = f"sip:{number}@127.0.0.1:{station.bound_address[1]}"
                sent = await asyncio.wait_for(
                    await originate(ami, "send", uri, tag, endpoint=endpoint, options=options), LIMIT_S
                )
                got = await asyncio.wait_for(received, 30)
                async with asyncio.timeout(30):
                    while not results:
                        await asyncio.sleep(0.05)
        finally:
            await ami.close()
        assert sent["Status"] == "SUCCESS", sent
        assert got["Status"] == "SUCCESS", got
        assert (sent["Mode"], got["Mode"]) == modes
        want = [dots for _, dots in read_pages(asterisk.faxes / "send.tif")]
        have = [dots for _, dots in read_pages(asterisk.outside(got["File"]))]
        assert len(have) == len(want) == int(sent["Pages"])
        assert all(np.array_equal(x, y) for x, y in zip(want, have, strict=True))
        assert results[0].success
        assert results[0].pages == len(want)

    for number, (endpoint, options, modes) in CALLS.items():
        asyncio.run(asyncio.wait_for(scenario(number, endpoint, options, modes), 2 * LIMIT_S))
