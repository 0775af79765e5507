# SPDX-License-Identifier: GPL-2.0-or-later
"""Traces that a station keeps of a call, and shows of it while it goes on: a station that calls itself."""

from __future__ import annotations

import asyncio
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from softfax.fax.preview import PAPER_GREY
from softfax.fax.trace import load_trace, pcap_path
from softfax.model import Direction, FaxResult
from softfax.options import ModePolicy
from softfax.station import FaxOrder, Station
from softfax.station.config.operations import TraceConfig
from tests.support.pcap import Packet, packets_of

pytestmark = pytest.mark.sip


def drawn(png: bytes) -> np.ndarray:
    """The rows of a picture that have come."""
    dots = np.asarray(Image.open(io.BytesIO(png)))
    assert dots.shape[1] == 864
    blank = (dots == PAPER_GREY).all(axis=1)
    return dots[: int(blank.argmax())] if blank.any() else dots


async def fax_to_itself(tmp_path: Path) -> tuple[FaxResult, dict[str, list[bytes]], dict[str, Direction]]:
    """The result, and the pictures of each side's page while it was under way."""
    letter = tmp_path / "letter.txt"
    letter.write_text("".join(f"{n}. A line of a letter that is long enough to take some time.\n" for n in range(14)))
    config = {
        "sip": {"listen": "127.0.0.1:0", "direct": False},
        "data": {"dir": tmp_path / "data"},
        "inbox": {"dir": tmp_path / "received"},
        "fax": {"ident": "ITSELF", "resolution": "standard"},
    }
    pictures: dict[str, list[bytes]] = {}
    directions: dict[str, Direction] = {}
    async with Station(config) as station:
        # An engineer asks for packets while the station runs.
        station.reload(station.config.model_copy(update={"trace": TraceConfig(packets=True)}))
        host, port = station.bound_address
        order = FaxOrder(destination=f"sip:1@{host}:{port}", documents=(str(letter),), mode=ModePolicy.T38)
        call = station.originate(order)
        while not call.result.done():
            for one in station.calls():
                directions[one.context.fax_id] = one.context.direction
                png = await station.preview(one.context.fax_id)
                pictures.setdefault(one.context.fax_id, []).extend([png] if png else [])
            await asyncio.sleep(0.2)
        return await call.result, pictures, directions


def is_sip(packet: Packet) -> bool:
    return re.match(rb"(SIP/2\.0 \d|[A-Z]+ sip:)", packet.payload) is not None


def test_the_page_is_seen_as_it_comes_and_the_packets_are_kept(tmp_path: Path) -> None:
    result, pictures, directions = asyncio.run(fax_to_itself(tmp_path))

    assert result.success
    (receiving,) = (fax_id for fax_id, direction in directions.items() if direction is Direction.RECEIVE)
    assert not pictures[result.fax_id], "a sender receives no page"
    pages = [drawn(png) for png in pictures[receiving]]
    heights = [len(page) for page in pages]
    assert heights == sorted(heights)
    assert len(set(heights)) > 3
    for page in pages:
        assert np.array_equal(page, pages[-1][: len(page)])
    assert (pages[-1] < 128).sum() > (pages[0] < 128).sum() > 0

    traces = tmp_path / "data" / "traces"
    # Both sides' messages have one Call-ID: whoever is written first has them all.
    captures = [packets_of(pcap_path(traces, fax_id).read_bytes()) for fax_id in directions]
    assert all(p.checksums_hold for packets in captures for p in packets)
    (packets,) = (packets for packets in captures if any(map(is_sip, packets)))
    assert packets[0].payload.startswith(b"INVITE sip:1@")
    assert [p.time_s for p in packets] == sorted(p.time_s for p in packets)
    images = [re.search(rb"m=image (\d+) udptl", p.payload) for p in packets if is_sip(p)]
    ports = {int(found[1]) for found in images if found}
    between = [p for p in packets if {p.source[1], p.destination[1]} == ports]
    assert len(ports) == 2
    assert len(between) > 100
    trace = load_trace(traces, result.fax_id)
    assert trace is not None
    assert trace["statistics"]["captured"] >= len(between)
    assert "capture_left_out" not in trace["statistics"]
