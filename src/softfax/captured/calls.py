# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls in a capture: SIP by Call-ID, media by the addresses that SDP names, T.30 in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from softfax.captured.fax import ANSWERER, CALLER, CapturedEntry, FaxConversation
from softfax.captured.rtp import audio_blocks
from softfax.captured.t38 import Indicator, T38Side, is_udptl
from softfax.engine.abi import HeardKind
from softfax.engine.listener import Listener
from softfax.fax.pcap import Datagram
from softfax.outside import clean
from softfax.sip.redact import redact
from softfax.sip.sdp import SdpError
from softfax.sip.sdp import parse as parse_sdp

__all__ = ["CapturedCall", "calls_of"]

CALLS_MAX = 1000
LATE_OFFER_S = 10.0
_FIRST = re.compile(rb"([A-Z]{3,20}) sips?:\S+ SIP/2\.0\r?\n|SIP/2\.0 (\d{3}) ?([^\r\n]{0,80})\r?\n")
_SAMPLES_GAP_MAX = 50
Address = tuple[str, int]


@dataclass
class _Audio:
    """One side's RTP."""

    listener: Listener
    expected: int | None = None
    packets: int = 0
    lost: int = 0


@dataclass
class CapturedCall:
    """One call: who, what was said, its fax."""

    call_id: str
    caller: str = ""
    called: str = ""
    began_us: int = 0
    answered_us: int | None = None
    status: str = ""
    fax: FaxConversation = field(default_factory=FaxConversation)
    faults: list[str] = field(default_factory=list)
    media: set[str] = field(default_factory=set)
    addresses: dict[Address, tuple[int, str]] = field(default_factory=dict)
    t38: tuple[T38Side, T38Side] = field(default_factory=lambda: (T38Side(), T38Side()))
    audio: dict[int, _Audio] = field(default_factory=dict)
    wrong_ports: Counter[tuple[int, Address]] = field(default_factory=Counter)
    _sides: dict[Address, int] = field(default_factory=dict)
    _offered_us: int | None = None
    _now_us: int = 0

    def __post_init__(self) -> None:
        self.fax.expects = self._expects

    @property
    def entries(self) -> list[CapturedEntry]:
        """All that was said, in order."""
        return sorted(self.fax.entries, key=lambda entry: entry.time_us)

    @property
    def last_us(self) -> int:
        """Time of the last that was said; 0 for nothing."""
        return max((entry.time_us for entry in self.fax.entries), default=0)

    def address_of(self, side: int) -> Address | None:
        """Address of a side in the first message; None where no SIP was captured."""
        return next((address for address, one in self._sides.items() if one == side), None)

    # ---- SIP -----------------------------------------------------------------------------------------------------

    def sip(self, one: Datagram, text: str, method: str, status: str, reason: str) -> None:
        """Take a message of the call."""
        side = self._side_of_message(one)
        if not self.began_us:
            self.began_us = one.time_us
            self.caller, self.called = _header(text, "From"), _header(text, "To")
        cseq = _header(text, "CSeq")
        title = method or f"{status} {reason}".strip()
        body = text.partition("\r\n\r\n")[2]
        media = self._sdp(side, body, one.source[0])
        detail = "; ".join(filter(None, (cseq if status else "", f"offers {media}" if media else "")))
        self.fax.note(one.time_us, side, "sip", clean(title), clean(detail))
        if method == "INVITE" and "T.38" in media and self.answered_us is not None:
            self._offer_t38(one.time_us)
        if status and cseq.endswith("INVITE"):
            self._answer(one.time_us, int(status), title)

    def _side_of_message(self, one: Datagram) -> int:
        """The caller sent the first; an address that is new is of the side that the other address is not of."""
        if not self._sides:
            self._sides = {one.source: CALLER, one.destination: ANSWERER}
        if one.source not in self._sides:
            self._sides[one.source] = 1 - self._sides.get(one.destination, CALLER)
        return self._sides[one.source]

    def _sdp(self, side: int, body: str, host: str) -> str:
        if not body.startswith("v="):
            return ""
        try:
            described = parse_sdp(body)
        except (SdpError, ValueError) as error:
            self.faults.append(f"A description of media cannot be read: {clean(str(error))}.")
            return ""
        names = []
        for line in described.media:
            if not line.port:
                continue
            address = (line.address or described.address or host, line.port)
            kind = "T.38" if line.is_t38 else line.media.lower()
            names.append(f"{kind} at {address[0]}:{address[1]}")
            self.addresses[address] = side, kind
        return ", ".join(names)

    def _offer_t38(self, time_us: int) -> None:
        self._offered_us = time_us
        assert self.answered_us is not None
        late_s = (time_us - self.answered_us) / 1e6
        if self.fax.commanded:
            self.faults.append(
                "T.38 was offered when the fax in audio was under way: T.30 has to start over, or the offer is refused."
            )
        elif late_s > LATE_OFFER_S:
            self.faults.append(
                f"T.38 was offered {late_s:.0f} s after the answer: late enough for a machine to give up."
            )

    def _answer(self, time_us: int, status: int, title: str) -> None:
        if self.answered_us is None and status >= 200:
            self.status = title
            if status < 300:
                self.answered_us = time_us
        elif self._offered_us is not None and status >= 300:
            self.faults.append(f"The offer of T.38 was refused: {clean(title)}.")
            self._offered_us = None

    # ---- media ---------------------------------------------------------------------------------------------------

    def side_of(self, one: Datagram) -> int | None:
        """The side that sent a datagram of the call's media; None for one of no call of ours."""
        to = self.addresses.get(one.destination)
        if to is not None:
            return 1 - to[0]
        source = self.addresses.get(one.source)
        if source is None:
            return None
        self.wrong_ports[source[0], one.destination] += 1
        return source[0]

    def packet(self, one: Datagram, side: int) -> None:
        """Take a packet of media."""
        self._now_us = one.time_us
        payload = one.payload
        if len(payload) > 12 and payload[0] >> 6 == 2 and (blocks := audio_blocks(payload)):
            self._rtp(side, payload, blocks)
        elif is_udptl(payload):
            self.media.add("T.38")
            for said in self.t38[side].take(payload):
                if isinstance(said, Indicator):
                    self.fax.signal(one.time_us, side, said.name)
                elif said.kind == "frame":
                    self.fax.frame(one.time_us, side, said.octets)
                elif said.kind == "image":
                    self.fax.image(side, said.octets)
                elif said.kind == "damaged":
                    self.fax.damaged(one.time_us, side)
                elif said.kind == "data":
                    self.fax.data(side, said.octets)

    def _rtp(self, side: int, payload: bytes, blocks: Sequence[tuple[int, bytes]]) -> None:
        kind, samples = blocks[-1]
        codec = "PCMU" if kind == 0 else "PCMA"
        self.media.add(f"G.711 ({codec})")
        audio = self.audio.get(side)
        if audio is None:
            audio = self.audio[side] = _Audio(Listener(codec, lambda kind, octets: self._heard(side, kind, octets)))
        number = int.from_bytes(payload[2:4], "big")
        ahead = (number - audio.expected & 0xFFFF) if audio.expected is not None else 0
        if ahead >= 0x8000 or not samples:
            return
        if 0 < ahead <= _SAMPLES_GAP_MAX:
            again = [octets for _, octets in blocks[:-1][-ahead:] if octets]
            if lost := ahead - len(again):
                audio.lost += lost
                audio.listener.miss(lost * len(samples))
            for octets in again:
                audio.listener.hear(octets)
        audio.expected = number + 1 & 0xFFFF
        audio.packets += 1
        audio.listener.hear(samples)

    def _heard(self, side: int, kind: HeardKind, octets: bytes) -> None:
        if kind is HeardKind.FRAME:
            self.fax.frame(self._now_us, side, octets)
        elif kind is HeardKind.IMAGE_FRAME:
            self.fax.image(side, octets)
        elif kind is HeardKind.DATA:
            self.fax.data(side, octets)
        elif kind is HeardKind.TRAINED:
            self.fax.signal(self._now_us, side, f"modem trained, {self.fax.rate}")
        elif kind is HeardKind.DAMAGED and octets[:1] == b"\xff":
            self.fax.damaged(self._now_us, side)

    def _expects(self, side: int, rate: int | None, short: bool, frames: bool) -> None:
        audio = self.audio.get(side)
        if audio is not None:
            audio.listener.expect(rate, short=short, frames=frames)

    # ---- the end -------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Judge the call."""
        self.fax.finish()
        names = ("caller", "answerer")
        for side, name in enumerate(names):
            t38 = self.t38[side]
            if t38.lost:
                self.faults.append(f"{t38.lost} packets of T.38 from the {name} never came, by no repetition either.")
            audio = self.audio.pop(side, None)
            if audio is not None:
                audio.listener.close()
                if audio.lost:
                    share = 100 * audio.lost / (audio.lost + audio.packets)
                    self.faults.append(f"{audio.lost} packets of audio from the {name} never came ({share:.1f} %).")
            if self.media and self.answered_us and not t38.packets and audio is None:
                self.faults.append(f"No media came from the {name}: one side was not heard.")
        for (side, address), count in self.wrong_ports.items():
            self.faults.append(
                f"The {names[side]} sent {count} packets to {address[0]}:{address[1]}, which no description names."
            )
        if self.answered_us and not self.media:
            self.faults.append(
                "No media are in the capture, so nobody can tell what was faxed: capture RTP and UDPTL too (a station does "
                "with packets = true in [trace])."
            )
        if self.began_us and self.answered_us is None:
            self.faults.append(f"The call was not answered: {clean(self.status) or 'no final response'}.")
        self.faults += self.fax.faults


def _header(text: str, name: str) -> str:
    found = re.search(rf"^{name}\s*:\s*([^\r\n]+)", text, re.I | re.M)
    return found[1].strip() if found else ""


def calls_of(datagrams: Iterable[Datagram]) -> list[CapturedCall]:
    """The calls in a capture, each with its fax. Media without any SIP are a call of their own."""
    calls: dict[str, CapturedCall] = {}
    for one in sorted(datagrams, key=lambda datagram: datagram.time_us):
        first = _FIRST.match(one.payload[:300])
        if first is not None:
            text = redact(one.payload.decode("utf-8", "replace"))
            call_id = _header(text, "Call-ID") or _header(text, "i")
            if call_id not in calls and (first[1] != b"INVITE" or len(calls) >= CALLS_MAX):
                continue
            call = calls.setdefault(call_id, CapturedCall(clean(call_id)))
            method, status, reason = ((part or b"").decode("ascii", "replace") for part in first.groups())
            call.sip(one, text, method, status, reason)
            continue
        for call in reversed(calls.values()):
            side = call.side_of(one)
            if side is not None:
                call.packet(one, side)
                break
        else:
            _without_sip(calls, one)
    for call in calls.values():
        call.finish()
    return [call for call in calls.values() if call.began_us or call.fax.entries]


def _without_sip(calls: dict[str, CapturedCall], one: Datagram) -> None:
    """Take a packet of media whose call's SIP was not captured: the side that sends first is taken for the caller."""
    rtp = len(one.payload) > 12 and one.payload[0] >> 6 == 2 and one.payload[1] & 0x7F in (0, 8)
    if len(calls) >= CALLS_MAX or not (rtp or is_udptl(one.payload)):
        return
    name = f"{one.source[0]}:{one.source[1]} and {one.destination[0]}:{one.destination[1]}"
    call = calls[f"between {name}"] = CapturedCall(f"between {name}", began_us=0)
    call.addresses = {one.source: (CALLER, "media"), one.destination: (ANSWERER, "media")}
    call.packet(one, CALLER)
