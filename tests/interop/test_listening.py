# SPDX-License-Identifier: GPL-2.0-or-later
"""One number for voice and fax before a real Asterisk: a voice call hears ring-back, then the Asterisk behind; a fax of its own to the same
number is received here."""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from softfax.documents.tiff import read_pages
from softfax.model import Event, FaxResult, HeardEvent
from softfax.station import Station
from tests.peer.asterisk import PeerAddress, originate
from tests.sip.far_end import AUDIO, HERE, FarEnd

pytestmark = [pytest.mark.peer, pytest.mark.sip]

TRUNK = "127.0.0.33"
LIMIT_S = 240.0


def config(folder: Path, asterisk: PeerAddress, listen: str, listen_s: float) -> dict[str, Any]:
    server = asterisk.uri("").replace("sip:@", "sip:")
    accounts = [
        {"name": "trunk", "server": f"sip:{TRUNK}"},
        {"name": "asterisk", "server": server, "numbers": ["7"]},
        {"name": "desk", "server": server, "user": "audio"},
    ]
    rule = {"name": "front", "from": ["trunk", "asterisk"], "numbers": ["7"], "listen": listen, "listen_s": listen_s}
    return {
        "sip": {"listen": f"{HERE}:0"},
        "data": {"dir": folder},
        "inbox": {"keep_tiff": True},
        "callbacks": {"enabled": False},
        "account": accounts,
        "gateway": [{**rule, "to": asterisk.uri("voice"), "accounts": ["desk"]}],
    }


def tones(media: socket.socket, seconds: float) -> set[int]:
    """Tones that are heard, in Hz, by stretches of 0.4 s; 425 is ring-back, 440 Asterisk."""
    media.settimeout(5.0)
    end, heard, octets = time.monotonic() + seconds, set(), b""
    while time.monotonic() < end:
        octets += media.recv(2048)[12:]
        if len(octets) >= 3200:
            part, octets = np.frombuffer(octets[:3200], np.uint8) ^ 0xFF, octets[3200:]
            size = ((part & 15) * 2.0 + 33) * 2.0 ** (part >> 4 & 7) - 33
            power = np.abs(np.fft.rfft(np.where(part & 0x80, -size, size) * np.hanning(3200), 16000))
            if power.max() > 100_000:
                heard.add(round(int(power.argmax()) * 0.5))
    return heard


def voice_call(port: int) -> tuple[set[int], set[int]]:
    """A call by a human: what is heard before the answer (or within two seconds of it) and after."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
        media.bind((TRUNK, 0))
        body = AUDIO.replace("40002", str(media.getsockname()[1])).replace(f"IN IP4 {HERE}", f"IN IP4 {TRUNK}")
        caller = FarEnd(port, TRUNK, target=f"sip:7@{HERE}:{port}")
        cseq = caller.request("INVITE", body=body)
        first = caller.any_of("183", "200")
        before = tones(media, 1.5)
        answer = first if first.kind == "200" else caller.expect("200", cseq=cseq)
        caller.remote = answer.header("To")
        caller.target = answer.header("Contact").partition("<")[2].partition(">")[0]
        caller.request("ACK", cseq=int(cseq.split()[0]))
        tones(media, 2.0)
        after = tones(media, 2.5)
        caller.bye()
        caller.close()
    return before, after


@pytest.mark.parametrize("listen", ["answer", "early"])
def test_a_voice_call_goes_on_to_asterisk(tmp_path: Path, asterisk: PeerAddress, listen: str) -> None:
    async def scenario() -> None:
        events: list[Event] = []
        async with Station(config(tmp_path, asterisk, listen, 2.0), isolated=True) as station:
            station.subscribe(lambda u: events.append(u.event))
            before, after = await asyncio.to_thread(voice_call, station.bound_address[1])
            async with asyncio.timeout(30):
                while not any(isinstance(event, FaxResult) for event in events):
                    await asyncio.sleep(0.05)
        assert {frequency for frequency in before if abs(frequency - 425) <= 2}, before
        assert {frequency for frequency in after if abs(frequency - 440) <= 2}, after
        assert not {frequency for frequency in after if abs(frequency - 425) <= 2}, "ring-back is over"
        assert [event.signal for event in events if isinstance(event, HeardEvent)] == ["nothing"]

    asyncio.run(asyncio.wait_for(scenario(), LIMIT_S))


def test_a_fax_to_the_same_number_is_received(tmp_path: Path, asterisk: PeerAddress) -> None:
    async def scenario() -> None:
        events: list[Event] = []
        ami = await asterisk.manager()
        try:
            async with Station(config(tmp_path, asterisk, "answer", 10.0), isolated=True) as station:
                station.subscribe(lambda u: events.append(u.event))
                uri = f"sip:7@127.0.0.1:{station.bound_address[1]}"
                tag = f"fl{secrets.token_hex(4)}"
                sent = await asyncio.wait_for(await originate(ami, "send", uri, tag, options="fz"), LIMIT_S)
                async with asyncio.timeout(30):
                    while not any(isinstance(event, FaxResult) for event in events):
                        await asyncio.sleep(0.05)
        finally:
            await ami.close()
        assert sent["Status"] == "SUCCESS", sent
        (result,) = (event for event in events if isinstance(event, FaxResult))
        assert result.success
        assert [event.signal for event in events if isinstance(event, HeardEvent)] == ["CNG"]
        (file,) = tmp_path.rglob("received/*.tif")
        want = [dots for _, dots in read_pages(asterisk.faxes / "send.tif")]
        have = [dots for _, dots in read_pages(file)]
        assert len(have) == len(want)
        assert all(np.array_equal(x, y) for x, y in zip(want, have, strict=True))

    asyncio.run(asyncio.wait_for(scenario(), LIMIT_S + 60))
