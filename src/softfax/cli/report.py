# SPDX-License-Identifier: GPL-2.0-or-later
"""Output about a fax: JSON lines on standard output, progress bars or plain lines on standard error."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, TextIO

from softfax.cli.lines import clock, counted, json_line, json_text
from softfax.cli.terminal import Terminal
from softfax.engine.abi import SessionStats
from softfax.fax.causes import classify, remedy
from softfax.model import (
    CallEvent,
    CallState,
    Direction,
    Event,
    FaxResult,
    HeardEvent,
    Mode,
    NegotiatedEvent,
    PageEvent,
)
from softfax.outside import paragraphs

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["Reporter", "describe", "remedy_of"]

POLL_S = 0.25


def describe(event: Event) -> str | None:
    """An event in plain words, None for those a person need not see."""
    match event:
        case CallEvent(state=CallState.CALLING | CallState.ENDED):
            return None
        case CallEvent():
            return event.state.value
        case HeardEvent():
            return f"heard {event.signal} after {event.seconds:.1f} s"
        case NegotiatedEvent():
            mode = "T.38" if event.mode is Mode.T38 else "G.711"
            ecm = "ECM" if event.ecm else "no ECM"
            far = f", far end {event.remote_station_id}" if event.remote_station_id else ""
            return f"{mode}, {event.bitrate} bit/s, {ecm}, {event.encoding}, {event.resolution} dpi{far}"
        case PageEvent():
            verb = _VERBS[event.direction]
            if event.direction is Direction.GATEWAY:
                return f"page {event.number} {verb} in {event.seconds:.1f} s"
            bad = f", {event.bad_rows} bad rows" if event.bad_rows else ""
            return f"page {event.number} {verb}: {event.bytes / 1000:.1f} kB in {event.seconds:.1f} s{bad}"
        case FaxResult():
            return _describe_result(event)
    return None


_VERBS = {Direction.SEND: "sent", Direction.RECEIVE: "received", Direction.GATEWAY: "passed on"}


def _describe_result(r: FaxResult) -> str:
    pages = counted(r.pages, "page")
    sending = r.direction is Direction.SEND
    where = "" if sending or not r.documents else f" → {', '.join(r.documents)}"
    if r.success:
        return f"{_VERBS[r.direction]}: {pages} in {r.duration_s:.1f} s{where}"
    done = f" after {pages}" if r.pages else ""
    again = f"; next call at {clock(datetime.fromisoformat(r.retry_at))}" if r.retry_at else ""
    return f"failed{done}: {r.status_string}{where}{again}"


def remedy_of(result: FaxResult) -> str:
    """Remedy to print after a failure; empty where the failure says it, or the next call is planned already."""
    said = result.to_json()
    cause = classify(said)
    if cause is None or result.retry_at or (result.remedy and result.status_string.endswith(result.remedy)):
        return ""
    return f"; {result.remedy or remedy(cause, said)}"


def _nobody_reads(stream: IO[str]) -> None:
    """Discard further output: an active fax, or a station, goes on without its reader."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        pass  # a stream without a file


class _Console(Terminal):
    def on_broken_pipe(self) -> None:
        _nobody_reads(self.file)


@dataclass
class Reporter:
    """Takes the events of one fax or of many and shows them. `json_lines`: objects on standard output, text elsewhere.

    If the reader goes away, nothing more is shown.
    """

    json_lines: bool = False
    label: str = ""
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)

    def __post_init__(self) -> None:
        self.console = _Console(file=self.err if self.json_lines else self.out, soft_wrap=True)
        self._bars: Progress | None = None
        self._task: TaskID | None = None

    def text(self, line: str) -> None:
        """A line for people."""
        if self.console.is_terminal:
            self.console.print(line, markup=False)
        else:
            # A station with hundreds of calls would spend a tenth of its time on rendering lines for its journal.
            self._plain(paragraphs(line), self.console.file)

    def line(self, event: str, **fields: Any) -> None:
        """An object for programs."""
        if self.json_lines:
            self._object(json_line(event, **fields))

    def _object(self, line: str) -> None:
        self._plain(line, self.out)

    @staticmethod
    def _plain(line: str, stream: IO[str]) -> None:
        try:
            print(line, file=stream, flush=True)
        except BrokenPipeError:
            _nobody_reads(stream)

    def problem(self, line: str) -> None:
        """A line about what went wrong, always on standard error."""
        _Console(file=self.err, soft_wrap=True).print(f"softfax: {line}", markup=False)

    def event(self, event: Event) -> None:
        """Shows one event."""
        if self.json_lines:
            self._object(json_text(event.to_json()))
        if isinstance(event, FaxResult):
            self.close()
            if not event.success:
                self.problem(f"{self.label}{_describe_result(event)}{remedy_of(event)}")
                return
        line = describe(event)
        if line is not None and (not self.json_lines or self.console.is_terminal):
            self.text(f"{self.label}{line}")

    def progress(self, stats: SessionStats, page_bytes: tuple[int, ...], pages_total: int | None) -> None:
        """Moves the bar of the page under way; on a terminal only."""
        if not self.console.is_terminal or not stats.active or not stats.page:
            return
        if pages_total and stats.page > pages_total:
            return  # the last page is out, its confirmation is awaited
        if self._bars is None:
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(),
                TextColumn("{task.fields[rate]} bit/s"),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            )
            self._bars.start()
            self._task = self._bars.add_task("", total=None, rate=0)
        assert self._task is not None
        total = page_bytes[stats.page - 1] if stats.page <= len(page_bytes) else None
        of = f" of {pages_total}" if pages_total else ""
        if total is not None:
            total = max(total, stats.image_bytes)
        description = f"page {stats.page}{of}"
        if self._bars.tasks[0].description != description:
            self._bars.reset(self._task, total=total, description=description)
        self._bars.update(
            self._task, completed=stats.image_bytes, total=total, description=description, rate=stats.rate_bps
        )

    def close(self) -> None:
        """Takes the bar away."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
