# SPDX-License-Identifier: GPL-2.0-or-later
"""The e-mail that tells what became of a fax: for people, for mail programs (RFC 3464), and the first page to look at."""

from __future__ import annotations

import io
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, formatdate
from itertools import islice
from pathlib import Path

from PIL import Image

from softfax.documents.tiff import TiffWriter, read_pages
from softfax.errors import DocumentError
from softfax.model import Cause, Fax, FaxState
from softfax.outside import clean

__all__ = ["ReportFacts", "first_page_pdf", "first_page_png", "report"]

LOCAL = "%Y-%m-%d %H:%M %Z"
WIDTH = 864
_SAID = {
    FaxState.DELIVERED: ("delivered", "2.0.0", "Your fax was delivered."),
    FaxState.CANCELLED: ("failed", "5.0.0", "Your fax was cancelled."),
    FaxState.EXPIRED: ("failed", "4.4.7", "Your fax was not delivered: its time ran out."),
    FaxState.UNCERTAIN: ("delayed", "4.0.0", "It is not known whether your fax arrived; ask the recipient."),
}
_FAILED = ("failed", "5.0.0", "Your fax was not delivered.")
#: What happened and what the sender of an e-mail can do, who sees neither station nor line.
_WHY = {
    Cause.BUSY: "The number was busy whenever it was called. Send the fax again later, or ask whether the line is free.",
    Cause.NO_ANSWER: "Nobody answered. Check the number, and ask whether the fax machine there is switched on.",
    Cause.REFUSED: "The number does not exist, or takes no faxes. Check the number.",
    Cause.UNREACHABLE: "The telephone network could not be reached. Please inform the administrator of the fax station.",
    Cause.NOT_FAX: "The call was answered, but not by a fax machine: a person, an announcement or silence. Check the number.",
    Cause.TRAINING: "The two fax machines could not agree: the line is poor. Send the fax again later.",
    Cause.BROKEN: "The connection broke off. Send the pages again that did not arrive.",
    Cause.DOCUMENT: "The document could not be drawn as fax pages. Save it as PDF and send it again.",
    Cause.OURS: "The fax station failed. Please inform its administrator.",
    Cause.CRASH: "The fax station stopped during the call. Ask the recipient what arrived before you send it again.",
    Cause.CANCELLED: "",
    Cause.FORBIDDEN: "The fax station may not call this number. Please inform its administrator.",
    Cause.NOT_REACHED: "The call ended before it was the turn of this fax. Send it again.",
}


@dataclass(frozen=True, kw_only=True)
class ReportFacts:
    """A fax with what is known of the e-mail it came by."""

    fax: Fax
    recipient: str = ""
    subject: str = ""
    message_id: str = ""
    hostname: str = "softfax"


def report(facts: ReportFacts, to: str, sender: str, tiff: Path | None, page: str) -> EmailMessage:
    """A report. `tiff` is the fax without header lines; `page` says as what its first page goes along: png, pdf or none."""
    fax = facts.fax
    message = EmailMessage()
    message["From"], message["To"] = sender, to
    word = {FaxState.DELIVERED: "Fax delivered", FaxState.UNCERTAIN: "Fax uncertain"}.get(fax.state, "Fax failed")
    message["Subject"] = f"{word}: {fax.to}" + (f" ({_line(facts.subject)[:120]})" if facts.subject else "")
    # The same for one that is sent once more because its acceptance was not heard: mail servers may drop it.
    message["Message-ID"] = f"<{fax.id}.{len(fax.attempts)}@{sender.rpartition('@')[2]}>"
    message["Date"] = formatdate()
    message["Auto-Submitted"] = "auto-replied"
    message["X-Softfax-Fax-Id"] = fax.id
    if _is_id(facts.message_id):
        message["In-Reply-To"] = message["References"] = facts.message_id
    message["MIME-Version"] = "1.0"
    message.make_mixed()
    message.attach(_told(facts))
    attachment = _picture(tiff, page) if tiff is not None else None
    if attachment is not None:
        message.attach(attachment)
    return message


def _is_id(text: str) -> bool:
    plain = text.isascii() and text.isprintable() and " " not in text
    return plain and text.startswith("<") and text.endswith(">") and len(text) < 400


def _told(facts: ReportFacts) -> EmailMessage:
    """A multipart/report within the e-mail (RFC 6522 §3 allows it there)."""
    part = EmailMessage()
    part["Content-Type"] = "multipart/report; report-type=delivery-status"
    text = EmailMessage()
    text.set_content(_text(facts), cte="quoted-printable")
    status = EmailMessage()
    # Its fields are header blocks, which the body of a message/delivery-status holds as messages.
    status["Content-Type"] = "message/delivery-status"
    status.set_payload([_fields(_message_fields(facts)), _fields(_recipient_fields(facts))])
    part.set_payload([text, status])
    return part


def _fields(values: dict[str, str]) -> EmailMessage:
    block = EmailMessage()
    for name, value in values.items():
        block[name] = value
    return block


def _message_fields(facts: ReportFacts) -> dict[str, str]:
    return {"Reporting-MTA": f"dns; {facts.hostname}", "Arrival-Date": format_datetime(facts.fax.created)}


def _recipient_fields(facts: ReportFacts) -> dict[str, str]:
    fax = facts.fax
    action, code, _ = _SAID.get(fax.state, _FAILED)
    fields = {}
    if facts.recipient.isascii() and facts.recipient:
        fields["Original-Recipient"] = f"rfc822; {_ascii(facts.recipient)}"
    fields |= {"Final-Recipient": f"fax; {_ascii(fax.to)}", "Action": action, "Status": code}
    if fax.reason:
        fields["Diagnostic-Code"] = f"x-softfax; {_ascii(fax.reason)}"
    if fax.ended is not None:
        fields["Last-Attempt-Date"] = format_datetime(fax.ended)
    return fields


def _line(text: str) -> str:
    """Text in one line, from any source."""
    return " ".join(clean(text, instead=" ").split())


def _ascii(text: str) -> str:
    return _line(text).encode("ascii", "replace").decode()[:300]


def _text(facts: ReportFacts) -> str:
    fax = facts.fax
    _, _, said = _SAID.get(fax.state, _FAILED)
    pages = f"{fax.pages} of {fax.pages_total}" if fax.pages_total is not None else str(fax.pages)
    rows = [
        ("To", fax.to),
        ("Subject", facts.subject),
        ("Station", fax.remote_station_id),
        ("Pages", pages),
        ("Sent", f"{fax.created.astimezone():{LOCAL}}"),
        ("Ended", f"{fax.ended.astimezone():{LOCAL}}" if fax.ended is not None else ""),
        ("Calls", str(len(fax.attempts)) if fax.attempts else ""),
        ("Reason", fax.reason if fax.state is not FaxState.DELIVERED else ""),
        *(("Note", one) for one in fax.warnings),
        ("Fax", fax.id),
    ]
    lines = [f"{name + ':':9}{_line(value)}" for name, value in rows if value]
    return "\n".join([said, *_why(fax), "", *lines, ""])


def _why(fax: Fax) -> list[str]:
    """Explanation in plain words; empty where there is none."""
    if fax.state in (FaxState.DELIVERED, FaxState.CANCELLED):
        return []
    why = _WHY[fax.cause] if fax.cause is not None else ""
    if fax.state is FaxState.EXPIRED and not why:
        why = "Send it again."
    return [why] if why else []


def _picture(tiff: Path, page: str) -> EmailMessage | None:
    """The first page; None where there is none that can be shown."""
    try:
        kind, data = ("png", first_page_png(tiff)) if page == "png" else ("pdf", first_page_pdf(tiff))
    except (DocumentError, OSError, ValueError):
        return None
    if data is None:
        return None
    part = EmailMessage()
    maintype = "image" if kind == "png" else "application"
    part.set_content(data, maintype=maintype, subtype=kind, filename=f"page-1.{kind}", disposition="inline")
    return part


def first_page_png(tiff: Path) -> bytes | None:
    """The first page of a fax TIFF, small and in greys; None where it has none. Raises DocumentError."""
    for info, black in islice(read_pages(tiff), 1):
        rows, dots = black.shape
        height = max(1, min(round(rows * (WIDTH / dots) * info.x_dpi / info.y_dpi), 4 * WIDTH))
        small = Image.fromarray(~black).convert("L").resize((WIDTH, height), Image.Resampling.BOX)
        out = io.BytesIO()
        small.quantize(16).save(out, "PNG", optimize=True)
        return out.getvalue()
    return None


def first_page_pdf(tiff: Path) -> bytes | None:
    """The first page of a fax TIFF as PDF, every dot of it; None where it has none. Raises DocumentError."""
    import tempfile

    from softfax.documents.deliver import deliver_pdf

    for info, black in islice(read_pages(tiff), 1):
        with tempfile.TemporaryDirectory() as folder:
            first = Path(folder) / "page.tif"
            with TiffWriter(first) as writer:
                writer.add(Image.fromarray(~black), info.x_dpi, info.y_dpi)
            deliver_pdf(first, first.with_suffix(".pdf"))
            return first.with_suffix(".pdf").read_bytes()
    return None
