# SPDX-License-Identifier: GPL-2.0-or-later
"""Fax sessions in the native engine: created, joined to sockets, watched.

The engine has threads of its own for everything that happens every 20 ms. Python starts and stops media and takes events
from `Engine.events()` when `Engine.fileno()` is readable. All methods may be called from any thread; each releases the GIL.
"""

from __future__ import annotations

import ctypes as c
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol

from softfax.engine.abi import (
    ErrorCorrection,
    EventRecord,
    EventType,
    Flag,
    Lacks,
    LoadRecord,
    PageRecord,
    PolledRecord,
    PreviewRecord,
    SessionConfig,
    SessionStats,
    T38Record,
    check,
    library,
)
from softfax.engine.srtp import SrtpSettings
from softfax.errors import UsageError
from softfax.options import FaxOptions, check_digits
from softfax.outside import clean

__all__ = [
    "Engine",
    "EngineEvent",
    "EngineSession",
    "PageFormat",
    "PagePreview",
    "RedSettings",
    "T30Settings",
    "ThreadLoad",
    "UdptlSettings",
    "completion_text",
]

log = logging.getLogger("softfax.engine")

_BATCH = 64
_LAWS = {"PCMU": 0, "PCMA": 8}


@dataclass(frozen=True, slots=True)
class ThreadLoad:
    """Load of one of the engine's threads: ticks, how late they began and the CPU time they took, in all since its start; the
    latest since it was asked before; its sessions."""

    ticks: int
    late_s: float
    busy_s: float
    latest_s: float
    sessions: int


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """One event of a session; `values` and `code` as engine.h says for its type. `time_s` counts from the start of media."""

    type: EventType
    session: int
    time_s: float
    code: int
    values: tuple[int, ...]
    data: bytes
    text: str


@dataclass(frozen=True, kw_only=True)
class T30Settings(FaxOptions):
    """Settings of T.30: the options of the fax, of which none is left open. `tx_file` is a fax TIFF to send, `rx_file` a TIFF to
    write. With both a `caller` sends, and then fetches what the far end says that it has put out; another receives, and sends to
    who fetches, at once or after that (event `TURNED`).

    `caller`: the calling side of T.30, which sends CNG and waits for DIS: the sender of the image, even if the other side called.
    `ident` is the local station id (CSI/TSI, at most 20 characters of T.30 §5.3.6.2.4); `max_rate_bps` 2400 to 14400.
    `lacks` is what a receiver keeps out of its DIS. `selective` (SEP) and `password` (PWD) are said by a caller that
    receives, which polls; a sender that is no `caller` has its document put out for polling, and asks for them.
    """

    caller: bool
    tx_file: Path | None = None
    rx_file: Path | None = None
    stall_s: float = 0.0
    max_pages: int = 0
    symmetric: bool = False
    poller: bool = False
    selective: str = ""
    password: str = field(default="", repr=False)
    trace: bool = False
    lacks: Lacks = field(default_factory=lambda: Lacks(0))

    def __post_init__(self) -> None:
        self._settle()

    def to_c(self) -> SessionConfig:
        """The C struct; raises UsageError for what T.30 cannot carry."""
        if self.tx_file is None and self.rx_file is None:
            raise UsageError("a fax sends or receives a file")
        for digits in (self.subaddress, self.sender_id, self.selective, self.password):
            check_digits(digits)
        if not 2400 <= self.max_rate_bps <= 14400:
            raise UsageError(f"no fax rate: {self.max_rate_bps} bps", "use 2400 to 14400")
        wanted = {
            Flag.ECM: self.ecm,
            Flag.CALLER: self.caller,
            Flag.TRACE: self.trace,
            Flag.SYMMETRIC: self.symmetric,
            Flag.POLLER: self.poller,
        }
        return SessionConfig(
            flags=sum(flag for flag, on in wanted.items() if on),
            max_rate_bps=self.max_rate_bps,
            stall_ms=int(self.stall_s * 1000),
            max_pages=self.max_pages,
            lacks=int(self.lacks),
            tx_file=os.fsencode(self.tx_file) if self.tx_file else None,
            rx_file=os.fsencode(self.rx_file) if self.rx_file else None,
            ident=self.ident.encode("ascii", "replace")[:20] or None,
            header=self.header.encode("ascii", "replace") or None,
            subaddress=self.subaddress.encode() or None,
            sender_id=self.sender_id.encode() or None,
            selective=self.selective.encode() or None,
            password=self.password.encode() or None,
        )


@dataclass(frozen=True, slots=True)
class PageFormat:
    """A page to send as T.30 counts: dots and rows, dots per metre (8031, 11811, 16063 by 3850, 7700, 11811, 15400).

    `codes` are its sizes compressed by T.4 1-D, T.4 2-D and T.6; 0 where unknown. A page after the `last` of a fax is another
    fax's, and comes under a new DCS (EOM).
    """

    width: int
    rows: int
    x_dpm: int
    y_dpm: int
    codes: tuple[int, int, int] = (0, 0, 0)
    last: bool = False

    def to_c(self) -> PageRecord:
        """The C struct."""
        codes = (c.c_uint32 * 3)(*self.codes)
        return PageRecord(self.width, self.rows, self.x_dpm, self.y_dpm, codes, int(self.last))


@dataclass(frozen=True, slots=True)
class PagePreview:
    """A page being received, as far as it has come: a bit a dot, black 1, rows filled up to whole octets."""

    page: int
    width: int
    rows: int
    x_dpm: int
    y_dpm: int
    dots: bytes


@dataclass(frozen=True, kw_only=True)
class UdptlSettings:
    """Settings for sending T.38 (RFC 3362, T.38 Annex D). `max_datagram` is the far end's limit in octets, 0 if it gave none."""

    version: int = 0
    error_correction: ErrorCorrection = ErrorCorrection.REDUNDANCY
    redundancy: int = 3
    fec_span: int = 3
    max_datagram: int = 0
    max_rate_bps: int = 14400
    local_tcf: bool = False
    no_pacing: bool = False

    def to_c(self) -> T38Record:
        """The C struct."""
        return T38Record(**{name: int(value) for name, value in vars(self).items()})


@dataclass(frozen=True, slots=True)
class RedSettings:
    """Redundant audio (RFC 2198): the payload types it comes and goes by, and the earlier packets that go with each."""

    receive_type: int
    send_type: int
    earlier: int


class SessionSettings(Protocol):
    """Settings of a session, of T.30 or as a leg of a gateway."""

    def to_c(self) -> SessionConfig: ...


class EngineSession:
    """One fax session of an engine. Its owner closes it; `close` is final and may be called twice."""

    def __init__(self, engine: Engine, settings: SessionSettings) -> None:
        self._lib = library()
        self._handle: c.c_void_p | None = c.c_void_p()
        self._closing = threading.Lock()
        self.settings = settings
        check(
            self._lib.sfx_session_create(engine.handle, c.byref(settings.to_c()), c.byref(self._handle)),
            "creating a fax session",
        )
        self.id: int = self._lib.sfx_session_id(self._handle)

    @property
    def handle(self) -> c.c_void_p:
        """The C handle; raises UsageError once closed."""
        if self._handle is None:
            raise UsageError("the fax session is closed")
        return self._handle

    def start_audio(
        self,
        fd: int,
        remote: tuple[str, int],
        *,
        codec: str,
        payload_type: int,
        ptime_ms: int = 20,
        srtp: SrtpSettings | None = None,
        red: RedSettings | None = None,
    ) -> None:
        """Runs T.30 over G.711 on the bound UDP socket `fd`, which the session takes over (closed on failure too).

        With `srtp` it is encrypted (RFC 3711), with `red` redundant (RFC 2198). Said again while audio runs, it moves to another
        address or other keys; a direction whose key stays goes on where it was.
        """
        status = self._lib.sfx_session_srtp(self.handle, c.byref(srtp.to_c()) if srtp else None)
        if status >= 0:
            types = (red.receive_type, red.send_type, red.earlier) if red else (0, 0, 0)
            status = self._lib.sfx_session_red(self.handle, *types)
        if status < 0:
            os.close(fd)
        check(status, "setting up audio")
        status = self._lib.sfx_session_start_audio(
            self.handle, fd, remote[0].encode(), remote[1], _LAWS[codec], payload_type, ptime_ms
        )
        check(status, "starting audio")

    def start_t38(self, fd: int, remote: tuple[str, int], udptl: UdptlSettings) -> None:
        """Runs T.30 over T.38 on the bound UDP socket `fd`, which the session takes over."""
        check(
            self._lib.sfx_session_start_t38(self.handle, fd, remote[0].encode(), remote[1], c.byref(udptl.to_c())),
            "starting T.38",
        )

    def document(
        self, pages: Sequence[PageFormat], *, more: bool, path: Path | None = None, polled: int | None = None
    ) -> None:
        """Set the pages that the document has so far (all of them); `more` if others will be appended to its file.

        From then on the engine sends while later pages are made, lets a DIS go by that asks for other pages (event `DIS`
        with `DisVerdict`), and takes for each run of pages the smallest code the far end decodes. `path` replaces the file.
        It is number `polled` of those that are out for polling. Raises NativeError, also while a page of the file to be
        replaced is being sent.
        """
        records = (PageRecord * len(pages))(*(page.to_c() for page in pages))
        file = os.fsencode(path) if path is not None else None
        check(
            self._lib.sfx_session_document(self.handle, file, records, len(pages), int(more)),
            "changing the document",
        )
        if polled is not None:
            check(self._lib.sfx_session_chosen(self.handle, polled), "changing the document")

    def polled(self, documents: Sequence[tuple[str, str]]) -> None:
        """Set what a far end has to name (SEP, PWD) for each document that is out for polling, the session's own first.

        Before the media. A DTC for another is let go by (`DisVerdict.OTHER`) until `document` has set that one.
        """
        records = (PolledRecord * len(documents))(*(PolledRecord(sep.encode(), pwd.encode()) for sep, pwd in documents))
        check(self._lib.sfx_session_polled(self.handle, records, len(documents)), "putting documents out")

    def signalled_from(self, host: str) -> None:
        """Limits media to other hosts than this one, a numeric address, to one second unless they answer.

        Before the media, for a call by a stranger: its SDP may name a third party. Raises NativeError.
        """
        check(self._lib.sfx_session_peer(self.handle, host.encode()), "limiting media to the caller")

    def hold(self, held: bool) -> None:
        """Keeps what comes by audio from T.30 while an offer of T.38 is under way; its timers go on."""
        self._lib.sfx_session_hold(self.handle, int(held))

    def cancel(self) -> None:
        """Ends T.30 politely: a COMPLETE event follows at once, DCN goes out (1.2 s on audio)."""
        self._lib.sfx_session_cancel(self.handle)

    def stop_media(self) -> None:
        """Ends T.30, if it runs (a COMPLETE event follows), and closes the socket."""
        self._lib.sfx_session_stop_media(self.handle)

    def capture(self, path: Path, max_bytes: int) -> None:
        """Keeps the packets in a pcap file (LINKTYPE_RAW), as they are before SRTP; whole once the session is closed.

        Before the media begins. Raises NativeError.
        """
        check(self._lib.sfx_session_capture(self.handle, os.fsencode(path), max_bytes), "capturing packets")

    def preview(self) -> PagePreview | None:
        """The page being received as far as its rows have come; None where there is none. From any thread."""
        record = PreviewRecord()
        with self._closing:
            if self._handle is None or self._lib.sfx_session_preview(self._handle, c.byref(record)) < 0:
                return None
        dots = c.string_at(record.dots, record.rows * record.bytes_per_row)
        self._lib.sfx_preview_free(c.byref(record))
        return PagePreview(record.page, record.width, record.rows, record.x_dpm, record.y_dpm, dots)

    def stats(self) -> SessionStats:
        """A snapshot of the counters."""
        out = SessionStats()
        self._lib.sfx_session_stats_get(self.handle, c.byref(out))
        return out

    def close(self) -> None:
        """Ends and frees the session."""
        with self._closing:
            handle, self._handle = self._handle, None
        if handle is not None:
            self._lib.sfx_session_destroy(handle)


class Engine:
    """Threads, clock and event queue for fax sessions. `shards=0` takes one thread per core."""

    def __init__(self, shards: int = 0) -> None:
        self._lib = library()
        self._handle: c.c_void_p | None = c.c_void_p()
        check(self._lib.sfx_engine_create(shards, c.byref(self._handle)), "creating the fax engine")
        if not self._lib.sfx_decoder_guarded():
            log.warning("spandsp was loaded by another library before softfax: far ends may crash it with a page")
        self._batch = (EventRecord * _BATCH)()
        # Another thread may close it while one asks.
        self._closing = threading.Lock()

    @property
    def handle(self) -> c.c_void_p:
        """The C handle; raises UsageError once closed."""
        if self._handle is None:
            raise UsageError("the fax engine is closed")
        return self._handle

    def fileno(self) -> int:
        """A descriptor that is readable while events wait."""
        return int(self._lib.sfx_engine_event_fd(self.handle))

    def session(self, settings: T30Settings) -> EngineSession:
        """A new session. Raises UsageError for settings T.30 cannot carry."""
        return EngineSession(self, settings)

    def events(self) -> Iterator[EngineEvent]:
        """Takes all events that wait, oldest first. Raises UsageError once closed."""
        while True:
            with self._closing:
                n = self._lib.sfx_engine_events(self.handle, self._batch, _BATCH)
                found = [_event(self._batch[i]) for i in range(n)]
            if not found:
                return
            yield from found

    def cpu_s(self) -> float:
        """CPU time of the engine's threads so far, in seconds."""
        with self._closing:
            return float(self._lib.sfx_engine_cpu_us(self.handle)) / 1e6

    def load(self) -> list[ThreadLoad]:
        """Load of each thread."""
        record = LoadRecord()
        found: list[ThreadLoad] = []
        with self._closing:
            while self._lib.sfx_engine_load(self.handle, len(found), c.byref(record)) == 0:
                found.append(
                    ThreadLoad(
                        record.ticks,
                        record.late_us / 1e6,
                        record.busy_us / 1e6,
                        record.late_max_us / 1e6,
                        record.sessions,
                    )
                )
        return found

    def close(self) -> None:
        """Ends all threads. Sessions still open are destroyed: close them first."""
        with self._closing:
            handle, self._handle = self._handle, None
        if handle is not None:
            self._lib.sfx_engine_destroy(handle)

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _event(record: EventRecord) -> EngineEvent:
    return EngineEvent(
        type=EventType(record.type),
        session=record.session,
        time_s=record.time_us / 1e6,
        code=record.code,
        values=tuple(record.value),
        data=bytes(record.data[: record.data_len]),
        text=clean(record.text.decode("latin-1")).strip(),
    )


def completion_text(code: int) -> str:
    """spandsp's text of a T.30 completion code."""
    text: bytes = library().sfx_t30_completion_text(code)
    return text.decode("ascii", "replace")
