# SPDX-License-Identifier: GPL-2.0-or-later
"""One number for voice and fax, as its far ends see it: a fax is received here, a voice call is bridged, referred or redirected."""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from softfax.model import Event
from tests.sip.far_end import AUDIO, HERE, T38, FarEnd, Message
from tests.support.command import SoftfaxProcess
from tests.support.station_thread import StationThread

pytestmark = pytest.mark.sip

TRUNK, PBX = "127.0.0.31", "127.0.0.32"
#: Number called: how it is listened to and handed on. Only the first two have time for a tone.
RULES: dict[str, dict[str, Any]] = {
    "fax": {"listen": "answer", "listen_s": 30},
    "fax-early": {"listen": "early", "listen_s": 30},
    "answer": {"listen": "answer", "listen_s": 0.3},
    "early": {"listen": "early", "listen_s": 0.3},
    "refer": {"listen": "answer", "listen_s": 0.3, "hand_on": "refer"},
    "redirect": {"listen": "early", "listen_s": 0.3, "hand_on": "redirect"},
}


class Listener:
    """A station with such rules, in a thread of its own; the PBX's socket, and the events."""

    def __init__(self, folder: Path) -> None:
        self.pbx = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.pbx.bind((PBX, 0))
        self.folder = folder
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        rules = [
            {"name": name, "from": ["trunk"], "numbers": [name], "to": "200", "accounts": ["pbx"], **rule}
            for name, rule in RULES.items()
        ]
        config = {
            "sip": {"listen": f"{HERE}:0"},
            "data": {"dir": folder},
            "callbacks": {"enabled": False},
            "account": [
                {"name": "trunk", "server": f"sip:{TRUNK}"},
                {"name": "pbx", "server": self.server},
            ],
            "gateway": rules,
        }
        self._station = StationThread(config, lambda update: self.events.put(update.event))
        self.port = self._station.port

    @property
    def server(self) -> str:
        return f"sip:{PBX}:{self.pbx.getsockname()[1]}"

    def until(self, fits: Callable[[Event], bool], limit_s: float = 90.0) -> Event:
        """The next event that fits."""
        end = time.monotonic() + limit_s
        while (left := end - time.monotonic()) > 0:
            event = self.events.get(timeout=left)
            if fits(event):
                return event
        raise AssertionError("no such event came")

    def heard(self) -> str:
        """The signal of the next event that says one."""
        return str(self.until(lambda event: event.event == "heard")["signal"])

    def result(self) -> Event:
        """The next result."""
        return self.until(lambda event: event.event == "result")

    def close(self) -> None:
        self._station.close()
        self.pbx.close()


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    running = Listener(tmp_path_factory.mktemp("listening"))
    yield running
    running.close()


def dialled(listener: Listener, number: str) -> FarEnd:
    """A caller behind the trunk."""
    return FarEnd(listener.port, TRUNK, target=f"sip:{number}@{HERE}:{listener.port}")


def at_pbx(listener: Listener) -> tuple[FarEnd, Message]:
    """The PBX with the call that has come on to it."""
    pbx = FarEnd(listener.port, PBX, listener.pbx)
    invite = pbx.expect("INVITE")
    assert invite.start.startswith("INVITE sip:200@")
    return pbx, invite


def hang_up(caller: FarEnd, *others: FarEnd) -> None:
    cseq = caller.request("BYE")
    caller.expect("200", cseq=cseq)
    for one in others:
        one.respond(one.expect("BYE"), "200 OK")
    caller.sock.close()


def test_a_voice_call_is_bridged_after_its_answer(listener: Listener) -> None:
    caller = dialled(listener, "answer")
    caller.invite(body=AUDIO)
    pbx, invite = at_pbx(listener)
    assert listener.heard() == "nothing"
    pbx.respond(invite, "180 Ringing")
    pbx.respond(invite, "200 OK", body=AUDIO)
    pbx.expect("ACK")
    listener.until(lambda event: event.event == "call" and event["state"] == "answered")
    hang_up(caller, pbx)
    assert "no fax" in listener.result()["status_string"]


def hears_ringing(media: socket.socket) -> bool:
    """Return True if a tone comes within one turn of ring-back, and not silence alone."""
    media.settimeout(5.0)
    end = time.monotonic() + 6.0
    while time.monotonic() < end:
        if max(octet & 0x7F ^ 0x7F for octet in media.recv(2048)[12:]) > 40:
            return True
    return False


def test_a_voice_call_is_bridged_before_any_answer(listener: Listener) -> None:
    caller = dialled(listener, "early")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
        media.bind((TRUNK, 0))
        body = AUDIO.replace("40002", str(media.getsockname()[1])).replace(f"IN IP4 {HERE}", f"IN IP4 {TRUNK}")
        cseq = caller.request("INVITE", body=body)
        assert caller.expect("183", cseq=cseq).lines == ["m=audio # RTP/AVP 0"]
        assert hears_ringing(media), "while it is listened to"
        pbx, invite = at_pbx(listener)
        pbx.respond(invite, "180 Ringing")
        assert hears_ringing(media), "while it rings"
    pbx.respond(invite, "486 Busy Here")
    pbx.expect("ACK")
    caller.expect("486", cseq=cseq)
    assert listener.heard() == "nothing"
    assert listener.result()["error"] == "BUSY"


def test_a_voice_call_is_handed_on_by_refer(listener: Listener) -> None:
    caller = dialled(listener, "refer")
    caller.invite(body=AUDIO)
    refer = caller.expect("REFER")
    assert refer.header("Refer-To") == f"<{listener.server.replace('sip:', 'sip:200@')}>"
    caller.respond(refer, "202 Accepted")
    state = ("Event: refer", "Subscription-State: terminated;reason=noresource")
    cseq = caller.request("NOTIFY", *state, body="SIP/2.0 200 OK\r\n", kind="message/sipfrag")
    caller.expect("200", cseq=cseq)
    caller.respond(caller.expect("BYE"), "200 OK")
    assert "REFER" in listener.result()["status_string"]


def test_a_caller_that_knows_no_refer_is_bridged(listener: Listener) -> None:
    caller = dialled(listener, "refer")
    caller.invite(body=AUDIO)
    caller.respond(caller.expect("REFER"), "405 Method Not Allowed")
    pbx, invite = at_pbx(listener)
    pbx.respond(invite, "200 OK", body=AUDIO)
    pbx.expect("ACK")
    hang_up(caller, pbx)
    listener.result()


def test_a_voice_call_is_redirected(listener: Listener) -> None:
    caller = dialled(listener, "redirect")
    cseq = caller.request("INVITE", body=AUDIO)
    caller.expect("183", cseq=cseq)
    moved = caller.expect("302", cseq=cseq)
    assert moved.all("Contact") == [f"<{listener.server.replace('sip:', 'sip:200@')}>"]
    assert "302" in listener.result()["status_string"]


def test_a_caller_gives_up_while_it_is_listened_to(listener: Listener) -> None:
    caller = dialled(listener, "fax")
    caller.invite(body=AUDIO)
    hang_up(caller)
    assert "no fax" in listener.result()["status_string"]


def test_cng_in_early_media_is_answered(listener: Listener) -> None:
    caller = dialled(listener, "fax-early")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
        media.bind((TRUNK, 0))
        body = AUDIO.replace("40002", str(media.getsockname()[1])).replace(f"IN IP4 {HERE}", f"IN IP4 {TRUNK}")
        cseq = caller.request("INVITE", body=body)
        port = int(caller.expect("183", cseq=cseq).body.partition("m=audio ")[2].split()[0])
        answered = threading.Event()
        sounding = threading.Thread(target=sound, args=(media, port, answered))
        sounding.start()
        try:
            answer = caller.expect("200", cseq=cseq)
        finally:
            answered.set()
            sounding.join()
        caller.remote = answer.header("To")
        caller.target = answer.header("Contact").partition("<")[2].partition(">")[0]
        caller.request("ACK", cseq=int(cseq.split()[0]))
        assert listener.heard() == "CNG"
        hang_up(caller)
        assert listener.result()["direction"] == "receive"


def sound(media: socket.socket, port: int, enough: threading.Event) -> None:
    """CNG in µ-law, packet by packet, until it is enough."""
    tone = 4000 * np.sin(2 * np.pi * 1100 * np.arange(160 * 25) / 8000)
    bias = np.abs(tone).astype(int) + 132
    exponent = np.floor(np.log2(bias)).astype(int) - 7
    law = ~(np.where(tone < 0, 128, 0) | exponent << 4 | (bias >> (exponent + 3)) & 15) & 255
    octets = law.astype(np.uint8).tobytes()
    for number in range(3000):
        at = number % 175  # 0.5 s of tone, 3 s of silence
        payload = octets[at * 160 : at * 160 + 160] or b"\xff" * 160
        header = b"\x80\x00" + number.to_bytes(2, "big") + (number * 160).to_bytes(4, "big") + b"cng!"
        media.sendto(header + payload, (HERE, port))
        if enough.wait(0.02):
            return


def test_an_offer_of_t38_is_a_fax(listener: Listener) -> None:
    caller = dialled(listener, "fax")
    assert caller.invite(body=T38).lines == ["m=image # udptl t38"]
    assert listener.heard() == "T.38"
    hang_up(caller)
    assert listener.result()["direction"] == "receive"


def test_a_fax_is_received_here(listener: Listener, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear front desk")

    async def send() -> dict[str, Any]:
        sender = await SoftfaxProcess.start(
            *("send", f"sip:fax@{HERE}:{listener.port}", "letter.txt", "--listen", f"{TRUNK}:0"), cwd=tmp_path
        )
        await sender.wait(120)
        assert sender.results[0]["success"], sender.stderr
        return sender.results[0]

    sent = asyncio.run(send())
    assert listener.heard() == "CNG"
    result = listener.result()
    assert (result["success"], result["direction"], result["pages"]) == (True, "receive", 1)
    assert (sent["mode"], result["mode"]) == ("T38", "T38")
