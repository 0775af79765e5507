# SPDX-License-Identifier: GPL-2.0-or-later
"""A far end by script: T.30 over T.38 in simulated time, told what to hear and what to say.

A script is a generator. `yield far.hears("DIS")` waits for frames, `yield far.waits(3.0)` for time; `far.says("MCF")` speaks.
"""

from __future__ import annotations

import ctypes as c
import struct
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any

from softfax.engine.abi import EventType, T38Record, library
from softfax.engine.core import Engine, T30Settings, UdptlSettings
from softfax.fax import t30

__all__ = ["Departure", "FarEnd", "Heard", "Outcome", "Script", "dcs", "dis", "run_script"]

PREAMBLE_S, OCTET_S = 1.0, 8 / 300
V21_PREAMBLE, NO_SIGNAL, CNG, CED = 3, 0, 1, 2
#: Indicators of long training and types of data of the modems (T.38 §7.2.4, §7.3.1), by the bits of a DCS.
MODEMS = {
    2400: (4, 1), 4800: (5, 2), 7200: (6, 3), 9600: (7, 4),
    (7200, "V.17"): (9, 5), (9600, "V.17"): (11, 6), (12000, "V.17"): (13, 7), (14400, "V.17"): (15, 8),
}  # fmt: skip
#: Facsimile control fields, first bit on the left (T.30 §5.3.6.1).
FCF = {
    "DIS": 0x01, "CSI": 0x02, "NSF": 0x04, "DTC": 0x81, "DCS": 0x41, "TSI": 0x42, "NSS": 0x44, "SUB": 0x43, "SID": 0x45,
    "PWD": 0x83, "SEP": 0x85, "CIG": 0x82, "NSC": 0x84,
    "CFR": 0x21, "FTT": 0x22, "EOM": 0x71, "MPS": 0x72, "EOP": 0x74, "PRI-EOM": 0x79, "PRI-MPS": 0x7A,
    "PRI-EOP": 0x7C, "MCF": 0x31, "RTP": 0x33, "RTN": 0x32, "PIP": 0x35, "PIN": 0x34, "PPR": 0x3D, "RNR": 0x37, "ERR": 0x38,
    "CTR": 0x23, "CTC": 0x48, "EOR": 0x73, "RR": 0x76, "PPS": 0x7D, "CRP": 0x58, "DCN": 0x5F, "FCD": 0x60, "RCP": 0x61,
}  # fmt: skip
#: Frames that others of the same signal follow.
NOT_FINAL = {"CSI", "CIG", "NSF", "NSC", "TSI", "NSS", "SUB", "SID", "PWD", "SEP", "FCD", "RCP"}


class Departure(AssertionError):
    """The machine did something else than T.30 has it do."""


@dataclass(frozen=True)
class Heard:
    """A frame of the machine: name, octets as `t30.decode` takes them, and when its signal ended."""

    name: str
    octets: bytes
    time_s: float


Condition = Callable[[], object]
Script = Callable[["FarEnd"], Generator[Condition, Any, None]]


def _mirror(octets: bytes) -> bytes:
    return bytes(int(f"{octet:08b}"[::-1], 2) for octet in octets)


def _bits(*numbers: int, octets: int) -> bytes:
    """Octets of a DIS or DCS with these bits set (T.30 table 2), extension bits among them."""
    field_ = bytearray(octets)
    for number in numbers:
        field_[(number - 1) // 8] |= 1 << (number - 1) % 8
    for index in range(2, octets - 1):
        field_[index] |= 0x80
    return bytes(field_)


def dis(
    *more: int, modems: Iterable[int] = (11, 12, 14), receives: bool = True, ecm: bool = True, octets: int = 4
) -> bytes:
    """The field of a DIS: V.27ter, V.29 and V.17, fine, MR, unlimited length, no time for a row."""
    bits = {15, 16, 20, 21, 22, 23, *modems, *more} | ({10} if receives else set()) | ({27} if ecm else set())
    return _bits(*bits, octets=octets)


#: Bits 11 to 14 of a DCS.
_RATES = {2400: (), 4800: (12,), 9600: (11,), 7200: (11, 12), (14400, "V.17"): (14,), (12000, "V.17"): (12, 14),
          (9600, "V.17"): (11, 14), (7200, "V.17"): (11, 12, 14)}  # fmt: skip


def dcs(rate: object = (14400, "V.17"), *, ecm: bool = True, t6: bool = False) -> bytes:
    """The field of a DCS: fine, unlimited length, 1-D unless `t6`."""
    return _bits(
        10, 15, 20, 21, 22, 23, *_RATES[rate], *((27,) if ecm else ()), *((31,) if t6 else ()), octets=4  # type: ignore[index]
    )  # fmt: skip


@dataclass
class FarEnd:
    """The scripted side of one call."""

    say: Callable[[bytes], None]
    now_s: float = 0.0
    heard: list[Heard] = field(default_factory=list)
    indicators: list[tuple[float, int]] = field(default_factory=list)
    #: Frames of image data: number and octets, since the last RCP.
    frames: list[tuple[int, bytes]] = field(default_factory=list)
    zeros: int = 0
    _seq: int = 0
    _due: list[tuple[float, bytes]] = field(default_factory=list)
    _free_s: float = 0.0
    _partial: bytearray = field(default_factory=bytearray)
    _seen: int = 0

    # ---- hearing -------------------------------------------------------------------------------------------------

    def packet(self, datagram: bytes) -> None:
        """Take a UDPTL datagram; nothing is lost here, so its primary packet is all."""
        ifp = datagram[3 : 3 + datagram[2]] if datagram[2] < 0x80 else datagram[4:]
        if len(datagram) > 4 and datagram[2] >= 0x80:
            ifp = datagram[4 : 4 + ((datagram[2] & 0x3F) << 8 | datagram[3])]
        seq = struct.unpack_from("!H", datagram)[0]
        if seq < self._seen:
            return
        self._seen = seq + 1
        if not ifp[0] & 0x80:
            self.indicators.append((self.now_s, ifp[0] >> 1 & 15))
            return
        self._fields(ifp)

    def _fields(self, ifp: bytes) -> None:
        at, kind = 2, ifp[0] >> 1 & 15
        for _ in range(ifp[1]):
            head = ifp[at]
            at += 1
            data = b""
            if head & 0x80:
                size = struct.unpack_from("!H", ifp, at)[0] + 1
                data, at = ifp[at + 2 : at + 2 + size], at + 2 + size
            field_type = head >> 4 & 7
            if field_type in (6, 7):
                self.zeros += data.count(0)
            self._partial += data if field_type == 0 else b""
            if field_type in (2, 4):
                self._frame(_mirror(bytes(self._partial)), kind)
            if field_type in (1, 2, 3, 4, 5):
                self._partial.clear()

    def _frame(self, octets: bytes, kind: int) -> None:
        name = t30.decode(octets).name
        if name == "FCD":
            self.frames.append((octets[3], octets[4:]))
        elif kind == 0:
            self.heard.append(Heard(name, octets, self.now_s))

    # ---- conditions ----------------------------------------------------------------------------------------------

    def hears(self, *names: str, within_s: float = 40.0) -> Condition:
        """Wait for a final frame, which has to be one of these; yields it. Raises Departure for another, or none."""
        end_s, first = self.now_s + within_s, len(self.heard)

        def check() -> object:
            for one in self.heard[first:]:
                if one.name in names or (one.name.startswith("PPS") and "PPS" in names):
                    return one
                if one.name not in NOT_FINAL:
                    raise Departure(f"said {one.name} instead of {' or '.join(names)}")
            if self.now_s > end_s:
                raise Departure(f"never said {' or '.join(names)}")
            return None

        return check

    def hears_nothing(self, for_s: float) -> Condition:
        """Wait; raise Departure for any frame meanwhile."""
        end_s, first = self.now_s + for_s, len(self.heard)

        def check() -> object:
            if len(self.heard) > first:
                raise Departure(f"said {self.heard[first].name} where it should be silent")
            return self.now_s >= end_s

        return check

    def waits(self, for_s: float) -> Condition:
        """Wait."""
        end_s = self.now_s + for_s
        return lambda: self.now_s >= end_s

    def done_saying(self) -> Condition:
        """Wait until all has been said."""
        return lambda: self.now_s >= self._free_s and not self._due

    # ---- saying ----------------------------------------------------------------------------------------------------

    def _put(self, after_s: float, ifp: bytes) -> None:
        self._free_s = max(self._free_s, self.now_s) + after_s
        self._due.append((self._free_s, ifp))

    def says(self, *frames: str | tuple[str, bytes], damaged: bool = False, x_bit: bool = False) -> None:
        """One V.21 signal: frames by name, or name and field. `damaged`: the checksum of the last is wrong."""
        self._put(0.2, bytes([V21_PREAMBLE << 1]))
        self._put(PREAMBLE_S, b"")
        for index, frame in enumerate(frames):
            name, body = (frame, b"") if isinstance(frame, str) else frame
            last = index == len(frames) - 1
            fcf = FCF[name] | (0x80 if x_bit else 0)
            octets = b"\xff" + (b"\xc0" if name in NOT_FINAL else b"\xc8") + bytes([fcf]) + _mirror(body)
            end = (5 if damaged else 4) if last else 2
            self._put(len(octets) * OCTET_S, _data(0, [(0, octets), (end, b"")]))
        self._put(0.02, bytes([NO_SIGNAL << 1]))

    def trains(self, rate: object = (14400, "V.17"), *, bad: bool = False) -> None:
        """Training and its check of 1.5 s; with `bad`, a check of anything but zeros."""
        indicator, kind = MODEMS[rate]  # type: ignore[index]
        bps = rate[0] if isinstance(rate, tuple) else rate
        self._put(0.08, bytes([indicator << 1]))
        self._put(1.4, b"")
        chunk = bytes(int(bps * 0.03 / 8))  # type: ignore[operator]
        for _ in range(50):
            self._put(0.03, _data(kind, [(6, b"\xa5" * len(chunk) if bad else chunk)]))
        self._put(0.02, _data(kind, [(7, b"")]))
        self._put(0.02, bytes([NO_SIGNAL << 1]))

    def sends_frames(self, frames: Iterable[tuple[int, bytes]], *, clean_end: bool = True) -> None:
        """Image frames by number, and three RCP unless the end is not to be clean."""
        self._put(0.08, bytes([MODEMS[14400, "V.17"][0] - 1 << 1]))
        self._put(0.3, b"")
        kind = MODEMS[14400, "V.17"][1]
        for number, octets in frames:
            frame = b"\xff\xc0" + bytes([FCF["FCD"]]) + _mirror(bytes([number])) + octets
            self._put(0.15, _data(kind, [(0, frame), (2, b"")]))
        for last in (False, False, True):
            if clean_end:
                self._put(0.01, _data(kind, [(0, b"\xff\xc0" + bytes([FCF["RCP"]])), (4 if last else 2, b"")]))
        self._put(0.02, bytes([NO_SIGNAL << 1]))

    def sends_rows(self, data: bytes) -> None:
        """A page without error correction, in 1-D code with its RTC."""
        self._put(0.08, bytes([MODEMS[14400, "V.17"][0] - 1 << 1]))
        self._put(0.3, b"")
        kind = MODEMS[14400, "V.17"][1]
        for at in range(0, len(data), 54):
            self._put(0.03, _data(kind, [(6, data[at : at + 54])]))
        self._put(0.02, _data(kind, [(7, b"")]))
        self._put(0.02, bytes([NO_SIGNAL << 1]))

    def tick(self) -> None:
        """Say what is due."""
        while self._due and self._due[0][0] <= self.now_s:
            ifp = self._due.pop(0)[1]
            if ifp:
                size = bytes([len(ifp)]) if len(ifp) < 128 else struct.pack("!H", 0x8000 | len(ifp))
                self.say(struct.pack("!H", self._seq & 0xFFFF) + size + ifp + b"\0\0")
                self._seq += 1


def _data(kind: int, fields: list[tuple[int, bytes]]) -> bytes:
    packed = b"".join(
        bytes([(0x80 if data else 0) | field_type << 4]) + (struct.pack("!H", len(data) - 1) + data if data else b"")
        for field_type, data in fields
    )
    return bytes([0xC0 | kind << 1, len(fields)]) + packed


@dataclass(frozen=True)
class Outcome:
    """End of the machine's side: its completion code (-1 for none), the pages it counts, how long it took."""

    code: int
    pages: int
    seconds: float


def run_script(settings: T30Settings, script: Script, *, limit_s: float = 400.0) -> Outcome:
    """Run the script against a machine of these settings. Raises Departure."""
    packet_type = c.CFUNCTYPE(None, c.c_void_p, c.POINTER(c.c_uint8), c.c_size_t)
    tick_type = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_uint64)
    problem: list[BaseException] = []
    lib = library()
    with Engine(shards=1) as engine:
        session = engine.session(settings)
        lib.sfx_test_say.argtypes = [c.c_void_p, c.c_char_p, c.c_size_t]
        lib.sfx_test_say.restype = None
        lib.sfx_test_scripted.argtypes = [
            c.c_void_p, c.POINTER(T38Record), c.c_uint64, packet_type, tick_type, c.c_void_p, c.POINTER(c.c_uint64),
        ]  # fmt: skip
        far = FarEnd(lambda packet: lib.sfx_test_say(session.handle, packet, len(packet)))
        steps = script(far)
        waiting: list[Condition | None] = [next(steps, None)]

        def on_packet(_: object, data: object, size: int) -> None:
            try:
                far.packet(bytes(data[:size]))  # type: ignore[index]
            except Exception as error:
                problem.append(error)

        def on_tick(_: object, now_us: int) -> int:
            try:
                far.now_s = now_us / 1e6
                far.tick()
                while waiting[0] is not None and (found := waiting[0]()):
                    waiting[0] = steps.send(found)
            except StopIteration:
                waiting[0] = None
            except Exception as error:
                problem.append(error)
            return 1 if problem else 0

        simulated_us = c.c_uint64()
        lib.sfx_test_scripted(
            session.handle, c.byref(UdptlSettings(redundancy=0).to_c()), int(limit_s * 1e6), packet_type(on_packet),
            tick_type(on_tick), None, c.byref(simulated_us),
        )  # fmt: skip
        events = list(engine.events())
        session.close()
    if problem:
        raise problem[0]
    if waiting[0] is not None:
        raise Departure(f"hung up after {simulated_us.value / 1e6:.0f} s, before the script was over")
    ends = [e for e in events if e.type is EventType.COMPLETE]
    return Outcome(ends[-1].code if ends else -1, ends[-1].values[0] if ends else 0, simulated_us.value / 1e6)
