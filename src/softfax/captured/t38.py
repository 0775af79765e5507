# SPDX-License-Identifier: GPL-2.0-or-later
"""T.38 as it was captured: UDPTL (T.38 §9.1) and the packets of T.38 §7 in it, of one side. Pure; takes any octets."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

__all__ = ["Indicator", "Piece", "T38Side", "is_udptl", "udptl_packets"]

#: Signals that T.38 announces by name (§7.2.4).
INDICATORS = (
    "no signal", "CNG", "CED", "V.21 preamble", "V.27ter 2400 training", "V.27ter 4800 training", "V.29 7200 training",
    "V.29 9600 training", "V.17 7200 short training", "V.17 7200 training", "V.17 9600 short training", "V.17 9600 training",
    "V.17 12000 short training", "V.17 12000 training", "V.17 14400 short training", "V.17 14400 training",
)  # fmt: skip
HDLC_DATA, SIG_END, FCS_OK, FCS_BAD, FCS_OK_END, FCS_BAD_END, DATA, DATA_END = range(8)
FRAME_MAX = 300


@dataclass(frozen=True)
class Indicator:
    """A signal that T.38 announces."""

    name: str


@dataclass(frozen=True)
class Piece:
    """A frame (from its address on, first bit sent lowest) or a stretch of page data; `kind` is frame, image, damaged, data or
    end."""

    kind: str
    octets: bytes = b""


def is_udptl(payload: bytes) -> bool:
    """Return True if a datagram may be UDPTL with T.38 in it."""
    return len(payload) >= 5 and payload[0] >> 6 != 2 and bool(udptl_packets(payload))


def _length(data: bytes, at: int) -> tuple[int, int]:
    """A length as packed encoding rules write it, and where what follows begins. Raises ValueError."""
    if at >= len(data):
        raise ValueError("cut short")
    if data[at] < 0x80:
        return data[at], at + 1
    if data[at] & 0x40 or at + 1 >= len(data):
        raise ValueError("in pieces")
    return (data[at] & 0x3F) << 8 | data[at + 1], at + 2


def udptl_packets(payload: bytes) -> dict[int, bytes]:
    """IFP packets in a datagram by number: its own, and earlier ones that it repeats. Empty for what is no UDPTL."""
    found: dict[int, bytes] = {}
    if len(payload) < 4:
        return found
    number = struct.unpack_from("!H", payload)[0]
    try:
        size, at = _length(payload, 2)
        if not 0 < size <= len(payload) - at or not _is_ifp(payload[at : at + size]):
            return {}
        found[number] = payload[at : at + size]
        at += size
        if at < len(payload) and not payload[at] & 0x80:
            count, at = _length(payload, at + 1)
            for back in range(1, min(count, 16) + 1):
                size, at = _length(payload, at)
                if size > len(payload) - at:
                    break
                found.setdefault(number - back & 0xFFFF, payload[at : at + size])
                at += size
    except ValueError:
        return found
    return found


def _is_ifp(ifp: bytes) -> bool:
    return len(ifp) <= 2 if not ifp[0] & 0x80 else bool(ifp[0] & 0x40) and len(ifp) >= 3


@dataclass
class T38Side:
    """Packets of one side. `take` gives what each datagram adds, in order of its numbers."""

    expected: int | None = None
    packets: int = 0
    lost: int = 0
    recovered: int = 0
    _frame: bytearray = field(default_factory=bytearray)
    _signal: str = ""

    def take(self, payload: bytes) -> list[Indicator | Piece]:
        """Signals and pieces that came with this datagram, or by its repetitions."""
        said: list[Indicator | Piece] = []
        packets = udptl_packets(payload)
        if not packets:
            return said
        self.packets += 1
        number = next(iter(packets))
        if self.expected is None:
            self.expected = number
        ahead = number - self.expected & 0xFFFF
        if ahead >= 0x8000:
            return said
        for one in range(ahead + 1):
            ifp = packets.get(self.expected + one & 0xFFFF)
            if ifp is None:
                self.lost += 1
            else:
                self.recovered += one < ahead
                said += self._ifp(ifp)
        self.expected = number + 1 & 0xFFFF
        return said

    def _ifp(self, ifp: bytes) -> list[Indicator | Piece]:
        if not ifp:
            return []
        if not ifp[0] & 0x80:
            number = ifp[0] >> 1 & 31
            name = INDICATORS[number] if number < len(INDICATORS) else f"signal {number}"
            if name == self._signal:
                return []
            self._signal = name
            return [Indicator(name)]
        said: list[Indicator | Piece] = []
        at = 2
        for _ in range(ifp[1] if len(ifp) > 1 else 0):
            if at >= len(ifp):
                break
            head, at = ifp[at], at + 1
            data = b""
            if head & 0x80:
                if at + 2 > len(ifp):
                    break
                size = struct.unpack_from("!H", ifp, at)[0] + 1
                data, at = ifp[at + 2 : at + 2 + size], at + 2 + size
            said += self._field(head >> 4 & 7, data, ifp[0] >> 1 & 15)
        return said

    def _field(self, kind: int, data: bytes, modem: int) -> list[Indicator | Piece]:
        said: list[Indicator | Piece] = []
        if kind == HDLC_DATA:
            self._frame += data[: FRAME_MAX - len(self._frame)]
        elif kind in (FCS_OK, FCS_OK_END) and self._frame:
            said.append(Piece("image" if modem else "frame", _mirrored(bytes(self._frame))))
        elif kind in (FCS_BAD, FCS_BAD_END) and not modem:
            said.append(Piece("damaged", _mirrored(bytes(self._frame))))
        elif kind in (DATA, DATA_END) and data:
            said.append(Piece("data", _mirrored(data)))
        if kind in (SIG_END, FCS_OK, FCS_BAD, FCS_OK_END, FCS_BAD_END):
            self._frame.clear()
        if kind in (SIG_END, FCS_OK_END, FCS_BAD_END, DATA_END):
            said.append(Piece("end"))
        return said


_MIRROR = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))


def _mirrored(octets: bytes) -> bytes:
    return octets.translate(_MIRROR)
