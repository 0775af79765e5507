# SPDX-License-Identifier: GPL-2.0-or-later
"""The trace of one fax: its SIP messages, its T.30 frames, and what was decided, in the order in which they happened.

Collected while the fax runs, within limits; written when it ends, if it is wanted. For people as text, for the page as JSON.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from softfax.asjson import rfc3339
from softfax.diskspace import make_private
from softfax.engine.abi import Signal
from softfax.fax import t30
from softfax.outside import clean, paragraphs

__all__ = [
    "Entry",
    "Leg",
    "Trace",
    "TraceSettings",
    "last_attempt",
    "load_trace",
    "pcap_path",
    "text_of",
    "trace_path",
    "write_whole",
]

ENTRIES_MAX = 5000
SIP_CHARACTERS_MAX = 8000
FILE_BYTES_MAX = 16 << 20

_SIGNALS = {
    Signal.CNG: "the caller is a fax: 1100 Hz",
    Signal.CED: "the answerer is a fax: 2100 Hz",
    Signal.TCF: "training check",
}

When = Literal["never", "failed", "always"]
Kind = Literal["sip", "t30", "signal", "media", "note"]
#: The leg of a gateway's call; empty for any other call.
Leg = Literal["", "caller", "callee"]


@dataclass(frozen=True)
class TraceSettings:
    """Folder of the traces, and the faxes that get one. `capture_bytes` limits the packets kept of each; 0 for none."""

    folder: Path
    when: When = "failed"
    capture_bytes: int = 0


@dataclass(frozen=True)
class Entry:
    """One thing that happened. `direction` is sent, received, or empty; of a gateway's call, by `leg`."""

    time: datetime
    kind: Kind
    direction: str
    title: str
    detail: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    leg: Leg = ""


class Trace:
    """Collects one call for a fax."""

    def __init__(self, fax_id: str, now: datetime | None = None, attempt: int = 1) -> None:
        self.fax_id, self.attempt = fax_id, attempt
        self.began = now or datetime.now(UTC)
        self.entries: list[Entry] = []
        self.left_out = 0
        self._page = 0
        self.statistics: dict[str, int] = {}

    def add(
        self,
        kind: Kind,
        title: str,
        *,
        direction: str = "",
        detail: str = "",
        fields: Mapping[str, str] | None = None,
        now: datetime | None = None,
        leg: Leg = "",
    ) -> None:
        """Notes something."""
        if len(self.entries) >= ENTRIES_MAX:
            self.left_out += 1
            return
        said = {key: clean(value) for key, value in (fields or {}).items()}
        when = now or datetime.now(UTC)
        self.entries.append(Entry(when, kind, direction, clean(title), paragraphs(detail), said, leg))

    def sort(self) -> None:
        """Puts in order what was noted later than it happened."""
        self.entries.sort(key=lambda entry: entry.time)
        if self.entries:
            self.began = min(self.began, self.entries[0].time)

    def sip(self, sent: bool, far: str, text: str, now: datetime | None = None, leg: Leg = "") -> None:
        """A SIP message, its secrets taken out."""
        first, _, rest = text.partition("\r\n")
        fields = {"with": far}
        cseq = re.search(r"^CSeq:\s*(\d+ \w+)", rest, re.I | re.M)
        if cseq:
            fields["CSeq"] = cseq[1]
        media = re.findall(r"^m=(\w+) (\d+) (\S+)", rest, re.M)
        if media:
            fields["media"] = ", ".join(f"{kind} {port} {profile}" for kind, port, profile in media[:4])
        title = re.sub(r"^SIP/2\.0 ", "", first)[:120]
        self.add("sip", title, direction=_way(sent), detail=text[:SIP_CHARACTERS_MAX], fields=fields, now=now, leg=leg)

    def frame(self, received: bool, data: bytes, leg: Leg = "") -> None:
        """A T.30 control frame."""
        frame = t30.decode(data)
        way = _way(not received)
        self.add("t30", frame.name, direction=way, detail=frame.meaning, fields=frame.fields, leg=leg)

    def signal(self, received: bool, signal: Signal, rate_bps: int, page: int, leg: Leg = "") -> None:
        """A signal of T.30 that is no frame; the image is one, each time it is sent."""
        way = _way(not received)
        if signal is Signal.IMAGE:
            again = ", again" if page == self._page else ""
            self._page = page
            self.add("media", f"page {page}{again}", direction=way, fields={"rate": str(rate_bps)}, leg=leg)
            return
        fields = {"rate": str(rate_bps)} if signal is Signal.TCF else {}
        self.add("signal", signal.name, direction=way, detail=_SIGNALS[signal], fields=fields, leg=leg)

    def to_json(self) -> dict[str, Any]:
        """JSON as written, and as the HTTP API returns it."""
        return {
            "fax_id": self.fax_id,
            "attempt": self.attempt,
            "began": rfc3339(self.began),
            "entries": [
                {
                    "time": rfc3339(e.time),
                    "t_s": round((e.time - self.began).total_seconds(), 3),
                    "kind": e.kind,
                    "direction": e.direction,
                    "leg": e.leg,
                    "title": e.title,
                    "detail": e.detail,
                    "fields": dict(e.fields),
                }
                for e in self.entries
            ],
            "left_out": self.left_out,
            "statistics": self.statistics,
        }

    def write(self, folder: Path) -> Path:
        """Writes it, whole or not at all; for its owner alone. Raises OSError."""
        path = trace_path(folder, self.fax_id, self.attempt)
        write_whole(path, gzip.compress(json.dumps(self.to_json(), ensure_ascii=False).encode()))
        return path


def write_whole(path: Path, data: bytes) -> None:
    """A file of the owner's alone, whole or not at all; its folder is made. Raises OSError."""
    make_private(path.parent)
    new = path.with_name(f"{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    new.rename(path)


def _way(sent: bool) -> str:
    return "sent" if sent else "received"


def trace_path(folder: Path, fax_id: str, attempt: int = 1) -> Path:
    """Path of the trace of one call for a fax. Raises ValueError for a malformed fax id."""
    if not re.fullmatch(r"[0-9a-f]{24}", fax_id):
        raise ValueError("no fax id")
    return folder / f"{fax_id}-{attempt}.json.gz"


def pcap_path(folder: Path, fax_id: str, attempt: int = 1) -> Path:
    """Path of its packets. Raises ValueError for a malformed fax id."""
    return trace_path(folder, fax_id).with_name(f"{fax_id}-{attempt}.pcap")


def last_attempt(folder: Path, fax_id: str) -> int:
    """The last call for a fax that has a trace; 0 where none has. Raises ValueError for what is no fax id."""
    pattern = trace_path(folder, fax_id).name.replace("-1.", "-*.")
    numbers = [path.name[25:].partition(".")[0] for path in folder.glob(pattern)]
    return max((int(number) for number in numbers if number.isdigit()), default=0)


def load_trace(folder: Path, fax_id: str, attempt: int | None = None) -> dict[str, Any] | None:
    """A trace that was written, of the last call where none is named; None where there is none that can be read."""
    try:
        with gzip.open(trace_path(folder, fax_id, attempt or last_attempt(folder, fax_id))) as file:
            found = json.loads(file.read(FILE_BYTES_MAX))
        return found if isinstance(found, dict) else None
    except (OSError, ValueError, EOFError):
        return None


def text_of(trace: Mapping[str, Any]) -> str:
    """A trace as people read it: a line for each thing, SIP messages whole at the end."""
    lines = [f"fax {trace['fax_id']}, {trace['began']}", ""]
    entries: Sequence[Mapping[str, Any]] = trace["entries"]
    joined = any(entry.get("leg") for entry in entries)
    if joined:
        lines[1:] = ["                  caller, softfax, callee", ""]
    for entry in entries:
        arrow = _arrow(entry, joined)
        said = "; ".join(f"{key} {value}" for key, value in entry["fields"].items())
        detail = entry["detail"] if entry["kind"] != "sip" else ""
        more = ": ".join(filter(None, (detail, said)))
        lines.append(f"{entry['t_s']:9.3f}  {entry['kind']:<6} {arrow} {entry['title']}{f'  ({more})' if more else ''}")
    if trace.get("left_out"):
        lines.append(f"           {trace['left_out']} more were left out")
    if trace.get("statistics"):
        lines += ["", *(f"{key:<24} {value}" for key, value in trace["statistics"].items())]
    for entry in entries:
        if entry["kind"] == "sip":
            arrow = _arrow(entry, joined)
            lines += ["", f"{entry['t_s']:.3f} {arrow} {entry['fields'].get('with', '')}", entry["detail"].rstrip()]
    return "\n".join(lines) + "\n"


def _arrow(entry: Mapping[str, Any], joined: bool) -> str:
    """Arrow from who says it to whom; of three in a gateway's call, where T.30 goes through."""
    sent, leg = entry["direction"] == "sent", entry.get("leg")
    if not joined:
        return {"sent": "-->", "received": "<--"}.get(str(entry["direction"]), "   ")
    if not leg:
        return "|   |   |"
    if entry["kind"] != "sip":
        return "|-->|-->|" if leg == "caller" else "|<--|<--|"
    if leg == "caller":
        return "|<--|   |" if sent else "|-->|   |"
    return "|   |-->|" if sent else "|   |<--|"
