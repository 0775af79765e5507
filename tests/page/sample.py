# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes, calls and figures for the page to show, the same in every run."""

from __future__ import annotations

import io
import random
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from PIL import Image

from softfax.documents.convert import convert
from softfax.documents.types import RasterSettings

SAMPLES = Path(__file__).parents[2] / "samples"
DOCUMENTS = ("letter", "invoice", "form", "photo")
NUMBERS = (
    "+49301234567",
    "+49897654321",
    "+442079460123",
    "0301112223",
    "sip:fax@pbx.example",
    "+982188776655",
    "+33142685300",
)
NAMES = ("Praxis am See", "Dr. Elif Müller", "Kanzlei Brandt & Co", "Stadtwerke", "دفتر مرکزی")
CAUSES = (
    ("busy", "the line is busy (486 Busy Here)", "try again later"),
    ("no-answer", "nobody answered within 60 s", "check the number"),
    ("not-fax", "the far end answered, but sent no fax signals", "check that the number is a fax's"),
    ("broken", "the far end hung up during page 2", "send the rest"),
)


_ONE_AT_A_TIME = Lock()
#: The time of day as the samples have it; a picture that is compared has a fixed one.
fixed: datetime | None = None


def now() -> datetime:
    return fixed or datetime.now(UTC)


def raster(document: str) -> tuple[Image.Image, ...]:
    """The pages of a sample as a fax carries them; made once, though a browser asks for six at a time."""
    with _ONE_AT_A_TIME:
        return _raster(document)


@cache
def _raster(document: str) -> tuple[Image.Image, ...]:
    with TemporaryDirectory() as folder:
        out = Path(folder) / "fax.tif"
        convert([SAMPLES / f"{document}.pdf"], out, RasterSettings())
        with Image.open(out) as tiff:
            pages = []
            for n in range(getattr(tiff, "n_frames", 1)):
                tiff.seek(n)
                pages.append(tiff.convert("1"))
    return tuple(pages)


@cache
def picture(document: str, number: int, width: int = 0, rows: int = 0) -> bytes:
    """A page as PNG: every dot, or `width` wide; only its first `rows` if given."""
    pages = raster(document)
    page: Image.Image = pages[(number - 1) % len(pages)]
    if rows:
        page = page.crop((0, 0, page.width, min(rows, page.height)))
    if width:
        page = page.convert("L").resize((width, max(1, round(page.height * width / page.width * 204 / 196))))
    out = io.BytesIO()
    page.save(out, "PNG")
    return out.getvalue()


def stamp(when: datetime) -> str:
    return when.isoformat(timespec="microseconds").replace("+00:00", "Z")


def fax(number: int, direction: str = "receive", state: str = "", **values: Any) -> dict[str, Any]:
    """A fax as the API gives it. `number` 0 is the newest."""
    rng = random.Random(number * 7 + (direction == "send"))
    created = now() - timedelta(minutes=7 + number * rng.choice((23, 47, 95)))
    sent = direction == "send"
    state = (
        state
        or (
            ("delivered", "delivered", "delivered", "failed", "cancelled") if sent else ("received",) * 9 + ("failed",)
        )[number % (5 if sent else 10)]
    )
    total = 1 + number % 4
    broken = state == "failed"
    cause, reason, remedy = (
        CAUSES[number // 5 % len(CAUSES)] if sent else ("broken", "the call was lost during page 2", "")
    )
    name = DOCUMENTS[number % len(DOCUMENTS)]
    result = {
        "mode": "T38" if number % 3 else "audio", "bitrate": 14400, "ecm": True, "duration_s": 31.4 + number % 60, "success": not broken,
        "resolution": "204x196",
    }  # fmt: skip
    start = created + timedelta(seconds=2)
    attempt = {
        "number": 1, "started": stamp(start), "ended": stamp(start + timedelta(seconds=45)), "account": "office", "destination": "", "unique_id": "",
        "first_page": 1, "pages": total, "cause": cause if broken else None, "resent": False, "result": result,
    }  # fmt: skip
    out: dict[str, Any] = {
        "id": f"{number + (0x500000 if sent else 0x100000):024x}", "direction": direction, "state": state, "created": stamp(created),
        "updated": stamp(created + timedelta(minutes=1)), "to": NUMBERS[number % len(NUMBERS)] if sent else "0309998887",
        "caller": "" if sent else NUMBERS[(number + 2) % len(NUMBERS)], "caller_name": "" if sent else NAMES[number % len(NAMES)],
        "account": "office", "mailbox": "" if sent else ("reception", "accounts")[number % 2],
        "documents": [f"{name}.pdf"] if sent else [f"fax-{number}.pdf"], "priority": 5, "not_before": None, "deadline": None, "next_attempt": None,
        "ended": stamp(created + timedelta(minutes=1)), "pages": (total if sent or total < 2 else total - 1) if not broken else max(0, total - 2),
        "pages_total": total if sent else None, "bad_pages": [], "warnings": [], "reason": reason if broken else "", "remedy": remedy if broken else "",
        "cause": cause if broken else None, "resolution": "fine", "header": "", "ident": "", "remote_station_id": "+49 89 7654321",
        "broadcast_id": "", "tags": {"client": "brandt"} if number % 6 == 1 else {}, "unread": not sent and number < 3, "attempts": [attempt],
        "result": result, "links": {},
    }  # fmt: skip
    if state in ("queued", "preparing", "sending", "waiting", "receiving"):
        out |= {"ended": None, "pages": 0, "result": None, "reason": "", "cause": None}
    return out | values


TRACE_STEPS: tuple[tuple[float, str, str, str, str, dict[str, Any]], ...] = (
    (0.0, "sip", "sent", "INVITE", "sip:+49897654321@pbx.example", {"call_id": "94588a3a", "cseq": "4711 INVITE", "offer": "audio PCMA/8000, PCMU/8000", "sdp": "v=0\no=- 1 1 IN IP4 192.0.2.7\ns=softfax\nc=IN IP4 192.0.2.7\nm=audio 4000 RTP/AVP 8 0"}),
    (0.021, "sip", "received", "100 Trying", "", {"cseq": "4711 INVITE"}),
    (0.31, "sip", "received", "180 Ringing", "", {"cseq": "4711 INVITE"}),
    (3.22, "sip", "received", "200 OK", "audio PCMA/8000", {"cseq": "4711 INVITE", "answer": "audio PCMA/8000"}),
    (3.224, "sip", "sent", "ACK", "", {"cseq": "4711 ACK"}),
    (3.3, "signal", "sent", "CNG", "1100 Hz, 0.5 s", {"frequency_hz": 1100, "duration_ms": 500}),
    (3.9, "signal", "received", "CED", "2100 Hz, 2.6 s", {"frequency_hz": 2100, "duration_ms": 2600}),
    (4.8, "sip", "received", "re-INVITE", "image udptl t38", {"version": 0, "max_bit_rate": 14400, "rate_management": "transferredTCF", "error_correction": "t38UDPRedundancy", "max_datagram": 400}),
    (4.83, "sip", "sent", "200 OK", "image udptl t38", {"max_bit_rate": 14400, "error_correction": "t38UDPRedundancy"}),
    (4.86, "sip", "received", "ACK", "", {}),
    (7.5, "t30", "received", "CSI", "+49 89 7654321", {"identity": "+49 89 7654321"}),
    (7.9, "t30", "received", "DIS", "V.17 14400, ECM, T.6, fine", {"modulations": "V.27ter, V.29, V.17", "error_correction": True, "encodings": ["T.4 1D", "T.4 2D", "T.6"], "resolutions": ["204x98", "204x196"], "widths_mm": [215, 255], "length": "unlimited", "minimum_scan_line_ms": 0, "octets": "00 ce f4 80 80 01"}),
    (8.8, "t30", "sent", "TSI", "+49 30 1234567", {"identity": "+49 30 1234567"}),
    (9.1, "t30", "sent", "DCS", "V.17 14400, ECM, T.6, fine", {"modulation": "V.17 14400", "error_correction": True, "encoding": "T.6", "resolution": "204x196", "frame_size": 256}),
    (9.8, "t30", "sent", "TCF", "1.5 s of zeros", {"duration_ms": 1500, "ones": 0}),
    (11.6, "t30", "received", "CFR", "confirmation to receive", {}),
    (12.2, "media", "sent", "page 1, 34.0 kB at 14400 bit/s", "", {"bytes": 34012, "frames": 133, "rows": 2287, "seconds": 19.3}),
    (31.6, "t30", "sent", "PPS-EOP", "page 1, block 1, 133 frames", {"page": 1, "block": 1, "frames": 133}),
    (32.4, "t30", "received", "PPR", "2 frames again", {"frames": [17, 18]}),
    (33.0, "media", "sent", "2 frames again", "", {"frames": [17, 18]}),
    (33.6, "t30", "sent", "PPS-EOP", "page 1, block 1, 2 frames", {"page": 1, "block": 1, "frames": 2}),
    (34.4, "t30", "received", "MCF", "page confirmed", {}),
    (34.9, "t30", "sent", "DCN", "disconnect", {}),
    (35.9, "sip", "sent", "BYE", "", {"cseq": "4712 BYE", "reason": "Q.850;cause=16"}),
    (35.93, "sip", "received", "200 OK", "", {"cseq": "4712 BYE"}),
)  # fmt: skip


#: The same call seen by a gateway that passes it on, by leg.
PASSED_STEPS: tuple[tuple[float, str, str, str, str, str], ...] = (
    (0.0, "sip", "received", "caller", "INVITE sip:200@gateway SIP/2.0", ""),
    (0.01, "sip", "sent", "callee", "INVITE sip:200@pbx.example SIP/2.0", ""),
    (1.2, "sip", "received", "callee", "200 OK", ""),
    (1.21, "sip", "sent", "caller", "200 OK", ""),
    (4.1, "t30", "received", "callee", "DIS", "V.17 14400, ECM, T.6, fine"),
    (5.2, "t30", "received", "caller", "DCS", "V.17 14400, ECM, T.6, fine"),
    (30.2, "note", "", "", "page 1 good", ""),
    (31.0, "t30", "received", "caller", "DCN", "disconnect"),
)  # fmt: skip


def passed_trace() -> dict[str, Any]:
    start = now()
    entries = [
        {"time": stamp(start + timedelta(seconds=t)), "t_s": t, "kind": kind, "direction": way, "leg": leg, "title": title,
         "detail": detail, "fields": {}}
        for t, kind, way, leg, title, detail in PASSED_STEPS
    ]  # fmt: skip
    return {"entries": entries, "statistics": {}}


def trace() -> dict[str, Any]:
    start = now() - timedelta(minutes=3)
    return {
        "entries": [
            {
                "time": stamp(start + timedelta(seconds=t)),
                "t_s": t,
                "kind": kind,
                "direction": way,
                "leg": "",
                "title": title,
                "detail": detail,
                "fields": fields,
            }
            for t, kind, way, title, detail, fields in TRACE_STEPS
        ],
        "statistics": {
            "rtp_rx_packets": 219,
            "rtp_tx_packets": 221,
            "udptl_rx_packets": 388,
            "udptl_rx_recovered": 3,
            "udptl_tx_packets": 1204,
        },
    }


def status() -> dict[str, Any]:
    today = now()
    rng = random.Random(4)
    days = []
    for back in range(13, -1, -1):
        date = (today - timedelta(days=back)).date()
        weekend = date.weekday() > 4
        sent, received = (
            (rng.randint(0, 4), rng.randint(0, 6)) if weekend else (rng.randint(18, 46), rng.randint(24, 60))
        )
        days.append(
            {
                "date": date.isoformat(),
                "sent": sent,
                "received": received,
                "failed": rng.randint(0, 4),
                "pages": (sent + received) * 2,
            }
        )
    return {
        "version": "0.9.0", "uptime_s": 264031,
        "registrations": [
            {"account": "office", "server": "sip:pbx.example", "state": "registered", "since": stamp(today - timedelta(hours=9)), "next_try": None, "problem": "", "expires_s": 300},
            {"account": "trunk", "server": "sip:trunk.example", "state": "failed", "since": stamp(today - timedelta(minutes=4)), "next_try": stamp(today + timedelta(minutes=1)), "problem": "403 Forbidden: the password is wrong", "expires_s": 0},
        ],
        "lines": {"used": 3, "max": 8},
        "load": {"busy": 0.12, "late_ms": 0.4, "latest_ms": 3.0, "loop_late_ms": 1.0, "calls": 3, "room": 5, "capacity": 8,
                 "refused": {"overload": 0, "slots": 1, "unknown_calls": 12, "unknown_connections": 0, "connections_ended": 0}},
        "queue": {"by_state": {"queued": 4, "waiting": 2}, "due": 3, "oldest_s": 74.2},
        "workers": [{"number": 1, "pid": 811, "state": "running", "since": stamp(today), "calls": 3, "restarts": 0, "last_end": "", "address": ["", 0]}],
        "set_aside": [],
        "disk": {"free_bytes": 381e9, "total_bytes": 512e9, "used_bytes": 131e9},
        "success": {"day": {"delivered": 41, "failed": 2, "total": 43, "rate": 41 / 43}, "week": {"delivered": 212, "failed": 19, "total": 231, "rate": 212 / 231}},
        "daily": days,
    }  # fmt: skip


DEFAULTS = {
    "mode": "auto", "resolution": "fine", "ecm": True, "ident": "+49 30 9998887", "header": "Praxis am See", "priority": 5, "attempts": 8,
    "on_uncertain": "report", "give_up_s": 172800.0,
}  # fmt: skip
CONTACTS = (
    ("Praxis am See", "+49301234567", "Dr. Elif Müller", "praxis@example.org", "Open until 17:00"),
    ("Kanzlei Brandt & Co", "+49897654321", "Brandt & Co", "", ""),
    ("Stadtwerke, Anschlüsse", "0301112223", "Stadtwerke", "", "Contract number in the subject"),
    ("دفتر مرکزی", "+982188776655", "شرکت نمونه", "", ""),
    ("Office of the Registrar", "+442079460123", "City of London", "registrar@example.com", ""),
)


def known_number() -> dict[str, Any]:
    """The memory of a number."""
    return {
        "number": "+49301234567", "updated": "2026-03-02T10:00:00Z", "calls": 12, "delivered": 11, "last_cause": "",
        "transport": "T38", "rate_bps": 14400, "ecm": True, "resolution": "204x196", "account": "pbx",
        "remote_station_id": "+49 30 1234567", "seconds_per_page": 24.5, "t38_failures": 0, "t38_failed": None,
        "training_failed": None, "joined_failed": None, "mode": None, "max_rate": 9600, "joined": "on",
    }  # fmt: skip


def polled() -> dict[str, Any]:
    """A document that is put out for polling."""
    return {
    "id": "a" * 24, "name": "prices", "numbers": ["+49301112"], "callers": [], "documents": ["prices.pdf"], "pages_total": 2,
    "poll_document": "17", "has_password": True, "created": "2026-01-01T00:00:00Z", "until": None, "out": True, "fetched": 3,
    "last_fetched": "2026-01-02T10:00:00Z",
}  # fmt: skip


def contacts() -> list[dict[str, Any]]:
    keys = ("name", "number", "company", "email", "notes")
    return [{"id": f"c{n}", **dict(zip(keys, row, strict=True))} for n, row in enumerate(CONTACTS)]
