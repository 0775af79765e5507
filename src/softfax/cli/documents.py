# SPDX-License-Identifier: GPL-2.0-or-later
"""Options of every verb that turns documents into fax pages."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from softfax.documents.types import RESOLUTIONS, RasterSettings
from softfax.errors import UsageError

__all__ = ["add_document_options", "document_arguments", "raster_settings"]

COVER_FIELDS = {
    "to": "whom the fax is for",
    "to_company": "their company",
    "to_number": "their fax number",
    "sender": "who sends it (the header's text)",
    "sender_company": "the sender's company",
    "sender_number": "the sender's fax number",
    "subject": "what it is about",
    "note": "a note on the cover page",
}
A4_LENGTH_MM = 297.0


def add_document_options(parser: argparse.ArgumentParser) -> None:
    """Adds them."""
    group = parser.add_argument_group("pages")
    group.add_argument(
        "--resolution",
        choices=list(RESOLUTIONS),
        default="fine",
        help="204x98, 204x196, 204x391, 300x300 or 408x391 dots an inch, as far as the far end takes them (fine)",
    )
    group.add_argument(
        "--pages",
        metavar="RANGES",
        default="",
        help="which pages, like 1-3,5,8-; for one document alone FILE#pages=1-3",
    )
    group.add_argument(
        "--paper",
        choices=["auto", "a4", "b4", "a3"],
        default="auto",
        help="width of the fax page (auto: the document's)",
    )
    group.add_argument(
        "--halftone",
        choices=["dots", "fine-dots", "diffusion", "none"],
        default="dots",
        help="how pictures are made black and white (dots)",
    )
    group.add_argument(
        "--scan",
        choices=["auto", "on", "off"],
        default="auto",
        help="straighten scans, remove dark edges and holes, make the paper white (auto: where it is certain)",
    )
    group.add_argument("--cut", action="store_true", help="cut what is longer than A4 into pages")
    group.add_argument(
        "--no-fit",
        action="store_true",
        help="leave what stands outside the area that machines print where it is",
    )
    group.add_argument(
        "--document-password", metavar="SECRET", default="", help="opens encrypted PDFs; better in the environment"
    )
    group.add_argument(
        "--header", metavar="TEXT", default="", help="header line on each page: date, TEXT, identity, page n of m"
    )
    group.add_argument(
        "--header-by", choices=["softfax", "spandsp"], default="softfax", help="who draws the header line (softfax)"
    )
    group.add_argument(
        "--time-zone", metavar="NAME", default="", help="of the header line, like Europe/Berlin (this machine's)"
    )
    group.add_argument("--allow-private", action="store_true", help="fetch documents from private addresses too")
    cover = parser.add_argument_group("cover page")
    cover.add_argument("--cover", action="store_true", help="begin with a cover page")
    cover.add_argument(
        "--cover-template",
        metavar="FILE",
        default="",
        help="default, persian, plain, or an SVG or text with {to} {from} …",
    )
    for name, meaning in COVER_FIELDS.items():
        flag = "--cover-" + name.replace("sender", "from").replace("_", "-")
        cover.add_argument(flag, dest=f"cover_{name}", metavar="TEXT", default="", help=meaning)


def raster_settings(options: argparse.Namespace) -> RasterSettings:
    """Settings for rendering pages."""
    return RasterSettings(
        resolution=options.resolution,
        paper=options.paper,
        halftone=options.halftone,
        scan=options.scan,
        fit=not options.no_fit,
        cut_mm=A4_LENGTH_MM if options.cut else None,
        password=options.document_password,
    )


def document_arguments(options: argparse.Namespace) -> dict[str, Any]:
    """Arguments of `softfax.documents.start`, `prepare` and `convert` besides files and settings. Raises UsageError."""
    return {
        "pages": options.pages,
        "cover": _cover(options),
        "header": _header(options),
        "allow_private": options.allow_private,
    }


def _cover(options: argparse.Namespace) -> dict[str, Any] | None:
    from softfax.documents.cover import cover_templates

    _check_time_zone(options.time_zone)
    fields = {name: value for name in COVER_FIELDS if (value := getattr(options, f"cover_{name}"))}
    template = options.cover_template
    if not (options.cover or fields or template):
        return None
    if template and template not in cover_templates() and not Path(template).is_file():
        names = ", ".join(cover_templates())
        raise UsageError(f"there is no cover template {template}", f"name an SVG or text file, or one of {names}")
    fields.setdefault("sender", options.header or getattr(options, "ident", ""))
    zone = ZoneInfo(options.time_zone) if options.time_zone else None
    fields["date"] = datetime.now(UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M")
    return {**fields, "template": template or None}


def _header(options: argparse.Namespace) -> dict[str, Any] | None:
    if not options.header or options.header_by != "softfax":
        return None
    _check_time_zone(options.time_zone)
    return {
        "station": options.header,
        "number": getattr(options, "ident", ""),
        "time_zone": options.time_zone,
        "when": datetime.now(UTC).isoformat(),
    }


def _check_time_zone(name: str) -> None:
    try:
        ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"not a time zone: {name!r}", "write it like Europe/Berlin") from None
