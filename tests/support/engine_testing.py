# SPDX-License-Identifier: GPL-2.0-or-later
"""The engine's test library: far ends that misbehave, lines that do harm, parts of the engine by themselves.

It holds the shipped library's own objects and what is in native/testing. `load` comes before the engine is first used in a process.
"""

from __future__ import annotations

import ctypes as c
import errno
import functools
import os
from enum import IntEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from softfax.engine.abi import LineConfig, check, library
from softfax.engine.core import EngineSession, PageFormat
from softfax.engine.gateway import Gateway
from softfax.engine.line import LineSettings
from softfax.engine.srtp import SrtpSettings

__all__ = [
    "TEST_LIBRARY",
    "Fault",
    "Srtp",
    "behind_nat",
    "feed_gateway",
    "feed_t38",
    "feed_udptl",
    "load",
    "misbehave",
    "overhear",
    "page_fits",
    "run_impaired_gateway_line",
    "run_impaired_line",
    "run_tapped_line",
]

#: The sanitizers' builds have theirs elsewhere.
TEST_LIBRARY = Path(
    os.environ.get("SOFTFAX_ENGINE")
    or Path(__file__).resolve().parents[2] / ".build" / "cmake" / "libsoftfax_engine_test.so"
)


class Fault(IntEnum):
    """Deliberate misbehaviour of a session, see native/testing/testing.h."""

    NONE = 0
    SHORT_FCD = 1
    DCS_WIDTH = 2
    DCS_LENGTH = 3
    SLOW_DISK = 4
    DISK_FULL = 5
    RUNS = 6
    ROWS = 7
    LOST_MCF = 8
    NO_TCF = 9
    UNGUARDED = 10


class _Impairments(c.Structure):
    _fields_ = [("mutate_ppm", c.c_uint32), ("skew_ppm", c.c_int32), ("phase_permille", c.c_uint32)]


def load() -> None:
    """Take the test library for the engine, in this process and those it starts."""
    os.environ["SOFTFAX_ENGINE"] = str(TEST_LIBRARY)


def misbehave(session: EngineSession, fault: Fault) -> None:
    """Make a session misbehave, before its media begin."""
    if fault is not Fault.NONE:
        check(library().sfx_test_misbehave(session.handle, int(fault)), "misbehaving")


def run_impaired_line(
    a: EngineSession,
    b: EngineSession,
    line: LineSettings,
    *,
    mutate: float = 0.0,
    skew_ppm: int = 0,
    phase: float = 0.0,
) -> tuple[float, bool]:
    """Join two sessions as `run_line` does. `mutate` is the fraction of IFP packets of the first that are spoilt.

    On audio, the sample clock of the second is `skew_ppm` faster than that of the first, and `phase` of a sample away at first.
    """
    function = library().sfx_test_line_run
    function.argtypes = [
        *(c.c_void_p, c.c_void_p, c.POINTER(LineConfig), c.POINTER(_Impairments), c.POINTER(c.c_uint64))
    ]
    simulated_us = c.c_uint64()
    impairments = _Impairments(int(mutate * 1e6), skew_ppm, round(phase * 1000))
    status = function(a.handle, b.handle, c.byref(line.to_c()), c.byref(impairments), c.byref(simulated_us))
    timed_out = status == -110
    if not timed_out:
        check(status, "the in-memory line")
    return simulated_us.value / 1e6, not timed_out


def run_impaired_gateway_line(
    caller: EngineSession, gateway: Gateway, answerer: EngineSession, a: LineSettings, b: LineSettings, *, mutate: float
) -> tuple[float, bool]:
    """Join four as `run_gateway_line` does; of the IFP packets of one end, the fraction `mutate` is spoilt."""
    function = library().sfx_test_line_run_gateway
    lines = [c.POINTER(LineConfig)] * 2
    function.argtypes = [*[c.c_void_p] * 4, *lines, c.POINTER(_Impairments), c.POINTER(c.c_uint64)]
    simulated_us = c.c_uint64()
    handles = (one.handle for one in (caller, gateway.a, gateway.b, answerer))
    wanted = _Impairments(int(mutate * 1e6), 0, 0)
    status = function(*handles, c.byref(a.to_c()), c.byref(b.to_c()), c.byref(wanted), c.byref(simulated_us))
    timed_out = status == -110
    if not timed_out:
        check(status, "the in-memory line")
    return simulated_us.value / 1e6, not timed_out


def run_tapped_line(a: EngineSession, b: EngineSession, line: LineSettings) -> list[tuple[bool, int, bytes]]:
    """Join two sessions as `run_line` does; returns each packet: True for one of the first, when in microseconds, octets."""
    kind = c.CFUNCTYPE(None, c.c_void_p, c.c_int, c.c_uint64, c.POINTER(c.c_uint8), c.c_size_t)
    seen: list[tuple[bool, int, bytes]] = []
    tapped = kind(lambda _, of_a, time_us, packet, size: seen.append((bool(of_a), time_us, bytes(packet[:size]))))
    function = library().sfx_test_line_tap
    function.argtypes = [c.c_void_p, c.c_void_p, c.POINTER(LineConfig), kind, c.c_void_p, c.POINTER(c.c_uint64)]
    simulated_us = c.c_uint64()
    check(function(a.handle, b.handle, c.byref(line.to_c()), tapped, None, c.byref(simulated_us)), "the in-memory line")
    return seen


def feed_udptl(datagram: bytes) -> int:
    """Feed one datagram to a fresh UDPTL decoder: the number of IFP packets in it, or a negative errno."""
    function = library().sfx_test_udptl
    function.argtypes = [c.c_char_p, c.c_size_t]
    return int(function(datagram, len(datagram)))


def feed_t38(datagrams: bytes, caller: bool, rx_file: Path) -> None:
    """Feed length-prefixed datagrams to one T.38 terminal."""
    function = library().sfx_test_t38
    function.argtypes = [c.c_char_p, c.c_size_t, c.c_int, c.c_char_p]
    function(datagrams, len(datagrams), int(caller), os.fsencode(rx_file))


def feed_gateway(packets: bytes) -> None:
    """Feed packets to a gateway between T.38 and G.711, as `sfx_test_gateway` takes them."""
    function = library().sfx_test_gateway
    function.argtypes = [c.c_char_p, c.c_size_t]
    check(function(packets, len(packets)), "feeding a gateway")


def overhear(samples: npt.NDArray[np.int16]) -> set[str]:
    """The signals of a fax that a gateway hears in samples on G.711."""
    function = library().sfx_test_overhear
    function.argtypes = [c.c_void_p, c.c_size_t]
    heard = check(function(np.ascontiguousarray(samples).ctypes.data, len(samples)), "listening")
    return {name for bit, name in enumerate(("CNG", "CED", "V.21")) if heard & 1 << bit}


def behind_nat(signalled: str, seen: str) -> bool:
    """Return True if media go to where packets are seen to come from instead of the address that was signalled."""
    function = library().sfx_test_behind_nat
    function.argtypes = [c.c_char_p, c.c_char_p]
    return bool(function(signalled.encode(), seen.encode()))


@functools.cache
def _parts() -> c.CDLL:
    """The test library for parts without a session; the process may have the shipped library for its engine."""
    lib = c.CDLL(str(TEST_LIBRARY))
    lib.sfx_test_page_fits.argtypes = [c.c_void_p, c.c_char_p, c.c_size_t]
    lib.sfx_test_srtp_destroy.argtypes = [c.c_void_p]
    lib.sfx_test_srtp_protect.argtypes = [c.c_void_p, c.c_void_p, c.c_size_t, c.c_size_t]
    lib.sfx_test_srtp_unprotect.argtypes = [c.c_void_p, c.c_void_p, c.c_size_t]
    return lib


def page_fits(page: PageFormat, dis: bytes) -> bool:
    """Return True if a far end with this DIS or DTC (address octet first) takes the page (T.30 table 2)."""
    return bool(_parts().sfx_test_page_fits(c.byref(page.to_c()), dis, len(dis)))


class Srtp:
    """One side of a call without a session: what a session does with its packets."""

    def __init__(self, settings: SrtpSettings) -> None:
        self._lib = _parts()
        self._handle = c.c_void_p()
        check(self._lib.sfx_test_srtp_create(c.byref(settings.to_c()), c.byref(self._handle)), "preparing SRTP")

    def close(self) -> None:
        """Forgets the keys."""
        handle, self._handle = self._handle, c.c_void_p()
        self._lib.sfx_test_srtp_destroy(handle)

    def protect(self, packet: bytes) -> bytes:
        """An RTP packet, encrypted and authenticated. Raises NativeError for what is no RTP."""
        buffer = c.create_string_buffer(packet, len(packet) + 10)
        size = self._lib.sfx_test_srtp_protect(self._handle, buffer, len(packet), len(buffer))
        check(min(size, 0), "encrypting a packet")
        return buffer.raw[:size]

    def unprotect(self, packet: bytes) -> bytes | None:
        """The RTP packet in an SRTP packet; None for one that is not authentic, or was seen before."""
        buffer = c.create_string_buffer(packet, len(packet) or 1)
        size = self._lib.sfx_test_srtp_unprotect(self._handle, buffer, len(packet))
        if size in (-errno.EBADMSG, -errno.EALREADY):
            return None
        check(min(size, 0), "decrypting a packet")
        return buffer.raw[:size]
