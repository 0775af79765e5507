# SPDX-License-Identifier: GPL-2.0-or-later
"""The C side of the engine as ctypes sees it: structs, constants and prototypes of native/engine/engine.h."""

from __future__ import annotations

import ctypes as c
import os
from enum import IntEnum, IntFlag
from pathlib import Path

from softfax.errors import NativeError

__all__ = [
    "DisVerdict",
    "ErrorCorrection",
    "EventRecord",
    "EventType",
    "Flag",
    "Lacks",
    "LineConfig",
    "PageRecord",
    "PreviewRecord",
    "SessionConfig",
    "SessionStats",
    "Signal",
    "SrtpConfig",
    "SrtpSuite",
    "T38Record",
    "check",
    "library",
]

ABI_VERSION = 16


class EventType(IntEnum):
    """Kinds of events, see engine.h."""

    V21 = 1
    DIS = 2
    NEGOTIATED = 3
    PAGE = 4
    COMPLETE = 5
    HOSTILE = 6
    STALLED = 7
    FRAME = 8
    DISK = 9
    SIGNAL = 10
    COMMANDED = 11
    TURNED = 12


class Signal(IntEnum):
    """Signals of T.30 that are no frames (the first value of an event `SIGNAL`; then the rate, and the page)."""

    CNG = 1
    CED = 2
    TCF = 3
    IMAGE = 4


class Flag(IntFlag):
    """Flags of a session."""

    ECM = 1 << 0
    CALLER = 1 << 1
    TRACE = 1 << 2
    SYMMETRIC = 1 << 3
    POLLER = 1 << 4
    LEG = 1 << 5


class DisVerdict(IntEnum):
    """Treatment of a far end's DIS (the code of an event `DIS`): answered, or let go by because of the pages."""

    TAKEN = 1
    UNFIT = 2
    WAITING = 3
    OTHER = 4


class Lacks(IntFlag):
    """Capabilities that a receiver leaves out of its DIS (T.30 table 2)."""

    FINE = 1 << 0
    SUPERFINE = 1 << 1
    HIGH = 1 << 2
    WIDE = 1 << 3
    LONG = 1 << 4
    T4_2D = 1 << 5
    T6 = 1 << 6


class ErrorCorrection(IntEnum):
    """Error correction of UDPTL (T.38 §9.1.4)."""

    NONE = 0
    REDUNDANCY = 1
    FEC = 2


class EventRecord(c.Structure):
    _fields_ = [
        ("time_us", c.c_uint64),
        ("session", c.c_uint32),
        ("type", c.c_uint32),
        ("code", c.c_int32),
        ("value", c.c_int32 * 8),
        ("data_len", c.c_uint32),
        ("data", c.c_uint8 * 64),
        ("text", c.c_char * 64),
    ]


class SessionConfig(c.Structure):
    _fields_ = [
        ("flags", c.c_uint32),
        ("max_rate_bps", c.c_uint32),
        ("stall_ms", c.c_uint32),
        ("max_pages", c.c_uint32),
        ("lacks", c.c_uint32),
        ("tx_file", c.c_char_p),
        ("rx_file", c.c_char_p),
        ("ident", c.c_char_p),
        ("header", c.c_char_p),
        ("subaddress", c.c_char_p),
        ("sender_id", c.c_char_p),
        ("selective", c.c_char_p),
        ("password", c.c_char_p),
    ]


class PolledRecord(c.Structure):
    _fields_ = [("selective", c.c_char * 21), ("password", c.c_char * 21)]


class PageRecord(c.Structure):
    _fields_ = [
        ("width", c.c_uint32),
        ("rows", c.c_uint32),
        ("x_dpm", c.c_int32),
        ("y_dpm", c.c_int32),
        ("bytes", c.c_uint32 * 3),
        ("last", c.c_uint32),
    ]


_STATS_32 = {"page", "pages_done", "rate_bps", "ecm", "bad_rows", "retries", "active", "media", "rows"}


class SessionStats(c.Structure):
    """A snapshot of a session's counters, in the order of engine.h."""

    media_us: int
    rtp_rx_packets: int
    rtp_rx_lost: int
    rtp_rx_late: int
    rtp_rx_filled_samples: int
    rtp_tx_packets: int
    rtp_rx_restored: int
    udptl_rx_packets: int
    udptl_rx_lost: int
    udptl_rx_recovered: int
    udptl_rx_bad: int
    udptl_tx_packets: int
    srtp_rejected: int
    srtp_replayed: int
    captured: int
    capture_left_out: int
    image_bytes: int
    page: int
    pages_done: int
    rate_bps: int
    ecm: int
    bad_rows: int
    retries: int
    active: int
    media: int
    rows: int

    _fields_ = [(name, c.c_uint32 if name in _STATS_32 else c.c_uint64) for name in __annotations__]


class SrtpSuite(IntEnum):
    """Crypto suites of SRTP (RFC 4568 §6.2)."""

    AES_CM_128_HMAC_SHA1_80 = 1
    AES_CM_128_HMAC_SHA1_32 = 2


class SrtpConfig(c.Structure):
    _fields_ = [
        ("suite", c.c_int32),
        ("tx_key", c.c_uint8 * 30),
        ("rx_key", c.c_uint8 * 30),
        ("rx_lifetime", c.c_uint64),
    ]


class PreviewRecord(c.Structure):
    _fields_ = [
        ("page", c.c_uint32),
        ("width", c.c_uint32),
        ("rows", c.c_uint32),
        ("bytes_per_row", c.c_uint32),
        ("x_dpm", c.c_int32),
        ("y_dpm", c.c_int32),
        ("dots", c.POINTER(c.c_uint8)),
    ]


class T38Record(c.Structure):
    _fields_ = [
        (n, c.c_int32)
        for n in (
            "version",
            "error_correction",
            "redundancy",
            "fec_span",
            "max_datagram",
            "max_rate_bps",
            "local_tcf",
            "no_pacing",
        )
    ]


class LoadRecord(c.Structure):
    """`sfx_load`."""

    _fields_ = [
        ("ticks", c.c_uint64),
        ("late_us", c.c_uint64),
        ("busy_us", c.c_uint64),
        ("late_max_us", c.c_uint32),
        ("sessions", c.c_uint32),
    ]


class LineConfig(c.Structure):
    _fields_ = [
        ("mode", c.c_int32),
        ("seed", c.c_uint32),
        ("loss_ppm", c.c_uint32),
        ("duplicate_ppm", c.c_uint32),
        ("jitter_ms", c.c_uint32),
        ("delay_ms", c.c_uint32),
        ("pace_us", c.c_uint32),
        ("burst_ms", c.c_uint32),
        ("loss_from_ms", c.c_uint32),
        ("loss_until_ms", c.c_uint32),
        ("limit_us", c.c_uint64),
        ("t38", T38Record),
        ("skew_ppm", c.c_int32),
        ("phase_permille", c.c_uint32),
        ("gain_db", c.c_int32),
        ("snr_db", c.c_uint32),
        ("echo_db", c.c_uint32),
        ("echo_ms", c.c_uint32),
        ("ptime_ms", c.c_uint32),
        ("red", c.c_uint32),
    ]


class HeardKind(IntEnum):
    """Kinds of what a listener hears."""

    FRAME = 1
    DAMAGED = 2
    IMAGE_FRAME = 3
    DATA = 4
    TRAINED = 5
    CARRIER_DOWN = 6


HEARD = c.CFUNCTYPE(None, c.c_void_p, c.c_int, c.POINTER(c.c_uint8), c.c_size_t)

_PROTOTYPES: dict[str, tuple[object, list[object]]] = {
    "sfx_abi_version": (c.c_int, []),
    "sfx_engine_create": (c.c_int, [c.c_uint, c.POINTER(c.c_void_p)]),
    "sfx_engine_destroy": (None, [c.c_void_p]),
    "sfx_engine_event_fd": (c.c_int, [c.c_void_p]),
    "sfx_engine_events": (c.c_int, [c.c_void_p, c.POINTER(EventRecord), c.c_int]),
    "sfx_engine_cpu_us": (c.c_uint64, [c.c_void_p]),
    "sfx_engine_load": (c.c_int, [c.c_void_p, c.c_uint, c.POINTER(LoadRecord)]),
    "sfx_session_create": (c.c_int, [c.c_void_p, c.POINTER(SessionConfig), c.POINTER(c.c_void_p)]),
    "sfx_session_destroy": (None, [c.c_void_p]),
    "sfx_session_id": (c.c_uint32, [c.c_void_p]),
    "sfx_session_start_audio": (c.c_int, [c.c_void_p, c.c_int, c.c_char_p, c.c_uint16, c.c_int, c.c_int, c.c_int]),
    "sfx_session_red": (c.c_int, [c.c_void_p, c.c_int, c.c_int, c.c_int]),
    "sfx_session_srtp": (c.c_int, [c.c_void_p, c.POINTER(SrtpConfig)]),
    "sfx_session_start_t38": (c.c_int, [c.c_void_p, c.c_int, c.c_char_p, c.c_uint16, c.POINTER(T38Record)]),
    "sfx_session_peer": (c.c_int, [c.c_void_p, c.c_char_p]),
    "sfx_session_hold": (c.c_int, [c.c_void_p, c.c_int]),
    "sfx_session_cancel": (c.c_int, [c.c_void_p]),
    "sfx_session_stop_media": (c.c_int, [c.c_void_p]),
    "sfx_session_stats_get": (c.c_int, [c.c_void_p, c.POINTER(SessionStats)]),
    "sfx_session_capture": (c.c_int, [c.c_void_p, c.c_char_p, c.c_uint64]),
    "sfx_session_preview": (c.c_int, [c.c_void_p, c.POINTER(PreviewRecord)]),
    "sfx_preview_free": (None, [c.POINTER(PreviewRecord)]),
    "sfx_session_document": (c.c_int, [c.c_void_p, c.c_char_p, c.POINTER(PageRecord), c.c_uint, c.c_int]),
    "sfx_session_polled": (c.c_int, [c.c_void_p, c.POINTER(PolledRecord), c.c_uint]),
    "sfx_session_chosen": (c.c_int, [c.c_void_p, c.c_uint]),
    "sfx_line_run": (c.c_int, [c.c_void_p, c.c_void_p, c.POINTER(LineConfig), c.POINTER(c.c_uint64)]),
    "sfx_line_run_gateway": (
        c.c_int,
        [*[c.c_void_p] * 4, c.POINTER(LineConfig), c.POINTER(LineConfig), c.POINTER(c.c_uint64)],
    ),
    "sfx_gateway_create": (c.c_int, [c.c_void_p, c.c_void_p, c.POINTER(c.c_void_p)]),
    "sfx_gateway_destroy": (None, [c.c_void_p]),
    "sfx_gateway_hold": (c.c_int, [c.c_void_p, c.c_int]),
    "sfx_gateway_ring": (c.c_int, [c.c_void_p, c.c_int, c.c_int]),
    "sfx_listener_create": (c.c_void_p, [c.c_int, HEARD, c.c_void_p]),
    "sfx_listener_destroy": (None, [c.c_void_p]),
    "sfx_listener_expect": (c.c_int, [c.c_void_p, c.c_int, c.c_int, c.c_int]),
    "sfx_listener_hear": (None, [c.c_void_p, c.c_char_p, c.c_size_t]),
    "sfx_listener_miss": (None, [c.c_void_p, c.c_int]),
    "sfx_page_write": (c.c_int, [c.c_char_p, c.c_int, c.c_int, c.c_int, c.c_int, c.c_char_p, c.c_size_t]),
    "sfx_maker": (c.c_int, [c.c_char_p, c.c_size_t, c.c_char_p, c.c_size_t]),
    "sfx_decoder_guarded": (c.c_int, []),
    "sfx_t30_completion_text": (c.c_char_p, [c.c_int]),
}


def _load() -> c.CDLL:
    path = os.environ.get("SOFTFAX_ENGINE") or str(
        Path(__file__).resolve().parent.parent / "_native" / "libsoftfax_engine.so"
    )
    try:
        lib = c.CDLL(path)
    except OSError as error:
        raise NativeError(
            f"the native engine cannot be loaded ({error})",
            "build it with `make build`, or install the wheel for this platform",
        ) from None
    others = NativeError("the native engine and softfax are of different versions", "rebuild it with `make build`")
    try:
        for name, (restype, argtypes) in _PROTOTYPES.items():
            function = getattr(lib, name)
            function.restype = restype
            function.argtypes = argtypes
    except AttributeError:
        raise others from None
    if lib.sfx_abi_version() != ABI_VERSION:
        raise others
    return lib


_library: c.CDLL | None = None


def library() -> c.CDLL:
    """The loaded engine. Raises NativeError where it is missing or of another version."""
    global _library
    if _library is None:
        _library = _load()
    return _library


def check(status: int, what: str) -> int:
    """Returns `status`; raises NativeError for a negative errno."""
    if status < 0:
        raise NativeError(f"{what} failed: {os.strerror(-status)}", "check memory, disk and open files")
    return status
