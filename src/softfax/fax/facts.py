# SPDX-License-Identifier: GPL-2.0-or-later
"""Facts of a fax as T.30 goes on: what was negotiated, the pages so far, and the events made of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from softfax.engine.core import EngineEvent, completion_text
from softfax.fax import outcome
from softfax.fax.outcome import Outcome
from softfax.fax.settings import FaxSettings
from softfax.model import Direction, Mode, NegotiatedEvent, Operation, PageEvent, SessionEvent, SessionState

__all__ = ["FaxFacts", "PageMark"]


@dataclass(frozen=True)
class PageMark:
    """A page as it went: whether it was confirmed (MCF, RTP) and how many of its rows are bad. A receiver's file has both."""

    confirmed: bool
    bad_rows: int


@dataclass
class FaxFacts:
    """One fax so far. `pages` are those confirmed; `confirmed_last` once the last one is. `pages_before` are those of other faxes
    on the call, which the engine counts before them. `subaddress` (SUB) and `sender_id` (SID) are what the sender says,
    `hostile` is what the guard caught the far end at.
    """

    pages: int = 0
    pages_before: int = 0
    page_marks: list[PageMark] = field(default_factory=list)
    confirmed_last: bool = False
    bitrate: int = 0
    ecm: bool = False
    encoding: str = ""
    resolution: str = "0x0"
    dots_per_metre: str = "0x0"
    remote_station_id: str = ""
    bad_rows: int = 0
    subaddress: str = ""
    sender_id: str = ""
    dis_heard: bool = False
    hostile: str = ""

    @property
    def terms(self) -> tuple[int, bool, str]:
        """Rate, error correction and code as negotiated."""
        return self.bitrate, self.ecm, self.encoding

    def negotiate(self, event: EngineEvent) -> None:
        """Take in a DCS (T.30 §5.3.6)."""
        rate, ecm, encoding, x_dpm, y_dpm = event.values[:5]
        self.bitrate, self.ecm, self.encoding = rate, bool(ecm), outcome.encoding_name(encoding)
        self.resolution, self.dots_per_metre = outcome.resolution_name(x_dpm, y_dpm), f"{x_dpm}x{y_dpm}"
        self.remote_station_id = event.text or self.remote_station_id

    def note_addresses(self, event: EngineEvent) -> None:
        """Take in what was said with a DCS: SUB and SID."""
        self.subaddress, self.sender_id = (t.strip() for t in event.data.decode().ljust(2, "\0").split("\0")[:2])

    def negotiated(self, mode: Mode, fax_id: str) -> NegotiatedEvent:
        """The event of it."""
        return NegotiatedEvent(
            mode=mode,
            bitrate=self.bitrate,
            ecm=self.ecm,
            encoding=self.encoding,
            resolution=self.resolution,
            remote_station_id=self.remote_station_id,
            fax_id=fax_id,
        )

    def page(self, event: EngineEvent, direction: Direction, fax_id: str) -> PageEvent:
        """Count a page, and return the event of it. The rows of one that passes a gateway are its receiver's to judge."""
        number, size, rows, bad_rows, duration_ms, _fcf, _retries, confirmed = event.values
        number -= self.pages_before
        self.bad_rows += bad_rows
        self.page_marks.append(PageMark(bool(confirmed), bad_rows))
        if confirmed:
            self.pages = number
        poor = bad_rows and direction is not Direction.GATEWAY
        return PageEvent(
            direction=direction,
            number=number,
            bytes=size,
            rows=rows,
            bad_rows=bad_rows,
            seconds=round(duration_ms / 1000, 3),
            quality="bad" if not confirmed else "poor" if poor else "good",
            fax_id=fax_id,
        )

    def session(self, state: SessionState, settings: FaxSettings, number: int, fax_id: str) -> SessionEvent:
        """The FAXSession record of a fax that is sent or received."""
        sending = settings.direction is Direction.SEND
        return SessionEvent(
            session_number=number,
            operation=Operation.SEND if sending else Operation.RECEIVE,
            state=state,
            fax_id=fax_id,
            error_correction_mode=self.ecm,
            data_rate=self.bitrate or settings.max_rate_bps,
            image_resolution=self.dots_per_metre,
            page_number=self.pages + 1,
            file_name="&".join(settings.documents) or str(settings.document),
            pages_transmitted=self.pages if sending else 0,
            pages_received=0 if sending else self.pages,
            total_bad_lines=self.bad_rows,
        )

    def judge(self, code: int, settings: FaxSettings) -> Outcome:
        """Outcome of a fax whose T.30 has ended with spandsp's completion code `code`."""
        if self.hostile:
            return Outcome(False, "UNKNOWN", self.hostile, code or outcome.T30_CALLDROPPED)
        if self.confirmed_last:
            return outcome.OK
        asked = settings.polling is not None and settings.direction is Direction.RECEIVE
        polls = asked and self.dis_heard and not self.bitrate
        result = outcome.from_t30(code, completion_text(code), polls=polls)
        if result.success and not self.pages:
            return Outcome(False, "HANGUP", "the call ended before the first page", outcome.T30_CALLDROPPED)
        return result

    def in_result(self) -> dict[str, Any]:
        """The fields of its result that are known from here."""
        names = ("pages", "bitrate", "ecm", "encoding", "resolution", "remote_station_id")
        return {name: getattr(self, name) for name in names}
