# SPDX-License-Identifier: GPL-2.0-or-later
"""Web pages (HTML) as PDF, by WeasyPrint. Nothing is fetched and no file is read: what a page needs has to be in it.

Runs only inside `softfax.documents.foreign_worker`, under its limits.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
from collections.abc import Mapping
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from softfax.documents.charsets import codec_for, decode, decode_text
from softfax.documents.fonts import FOLDER, boxes_warning
from softfax.documents.letters.headers import header, kind_of, parameter
from softfax.documents.letters.mime import MailError, Parts, octets_of
from softfax.errors import DocumentEmptyError, DocumentUnsupportedError, LocalError
from softfax.optional import install_remedy, is_installed

__all__ = ["archive_pdf", "web_pdf"]

PARTS_MAX = 500
#: A base for addresses within a page, which leads nowhere.
BASE = "softfax-page:///"
A4_PX = (793.7, 1122.5)
MARGIN_PX = 53.0
#: A page wider than this, in paper widths, is laid on its side.
TURN_FROM = 1.3
WIDEST = 4.0
HIDDEN_FROM_PX = -900.0
#: Before a page's own rules, so that it may say otherwise.
STYLE = """
@page {{ size: {width}px {height}px{important}; margin: {margin}px }}
body {{ font-family: "DejaVu Sans", sans-serif }}
tr, img, svg, input, select, button {{ break-inside: avoid }}
img, svg, video, canvas {{ max-width: 100%; height: auto }}
pre {{ white-space: pre-wrap }}
input, select, button {{ display: inline-block }}
input[type=checkbox], input[type=radio] {{ display: inline-block; vertical-align: middle }}
input[type=hidden], script, template, noscript {{ display: none }}
"""
_XHTML = re.compile(r"<\?xml|//DTD XHTML|http://www\.w3\.org/1999/xhtml", re.I)
#: Elements that HTML does not close in this way.
_CLOSED = re.compile(
    r"<(script|style|title|textarea|iframe|a|p|div|span|td|th|li|b|i|em|strong|object)(\s[^<>]{0,500}|)/>", re.I
)
_META = re.compile(rb"<meta[^>]{0,300}?charset\s*=\s*[\"']?\s*([\w:.-]{2,40})", re.I)
_XML = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w:.-]{2,40})", re.I)

_folder = tempfile.TemporaryDirectory(prefix="softfax-fonts-")


def web_pdf(data: bytes, name: str) -> tuple[bytes, str]:
    """The PDF of an HTML file, and a line for people about what is not on it (often empty). Raises DocumentError."""
    return _drawn(_decoded(data), name, BASE, {})


def archive_pdf(data: bytes, name: str) -> tuple[bytes, str]:
    """Text of a web page saved with all it needs (MHTML, RFC 2557)."""
    try:
        message = Parts(PARTS_MAX).parse(data)
        parts = [part for part in message.walk() if not part.is_multipart()]
        pages = [part for part in parts if kind_of(part) in ("text/html", "application/xhtml+xml")]
        if not pages:
            raise DocumentUnsupportedError(f"{name} holds no web page", "open it and save it as PDF")
        page = pages[0]
        found: dict[str, tuple[str, bytes, str]] = {}
        for part in parts:
            kind = kind_of(part)
            octets = octets_of(part, text=kind.startswith("text/"))
            for place in _places(part):
                found.setdefault(place, (kind, octets, parameter(part, "charset")))
        octets, charset = octets_of(page, text=True), parameter(page, "charset")
    except MailError as error:
        raise DocumentUnsupportedError(f"{name}: {error.problem}", error.remedy) from None
    base = header(page, "Content-Location") or header(message, "Snapshot-Content-Location") or BASE
    return _drawn(decode(octets, charset) if charset else _decoded(octets), name, base, found)


def _places(part: Message) -> list[str]:
    cid = header(part, "Content-ID").strip("<> ")
    location = header(part, "Content-Location")
    return [
        place for place in (f"cid:{cid}" if cid else "", location, urljoin(BASE, location) if location else "") if place
    ]


def _decoded(data: bytes) -> str:
    """Decode by byte order mark, by the page's declaration, or by its octets."""
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        return decode_text(data)
    said = _XML.match(data[:1024].lstrip()) or _META.search(data[:8192])
    charset = said[1].decode("ascii", "replace") if said else ""
    # What can be read up to here is no UTF-16.
    return decode(data, "utf-8" if codec_for(charset).startswith("utf") else charset)


def _drawn(text: str, name: str, base: str, parts: Mapping[str, tuple[str, bytes, str]]) -> tuple[bytes, str]:
    weasyprint = _weasyprint(name)
    missing = _MissingGlyphs()
    logger = logging.getLogger("weasyprint")
    logger.handlers, logger.propagate = [missing], False
    fetcher = _fetcher(parts)
    if _XHTML.search(text[:2000]):
        text = _CLOSED.sub(r"<\1\2></\1>", text)
    width = A4_PX[0]
    document = None
    for _ in range(3):
        wide = width > TURN_FROM * A4_PX[0]
        across, down = (A4_PX[1], A4_PX[0]) if wide else A4_PX
        scale = max(1.0, width / across)
        size = {"width": across * scale, "height": down * scale, "margin": MARGIN_PX * scale}
        # Once more than its own paper was found to be needed, the page's own rules do not count.
        style = STYLE.format(**size, important="" if width == A4_PX[0] else " !important")
        html = weasyprint.HTML(string=text, base_url=base, url_fetcher=fetcher)
        sheet = weasyprint.CSS(string=style, url_fetcher=fetcher)
        document = html.render(stylesheets=[sheet], presentational_hints=True)
        beyond, seen = _beyond(document)
        if beyond <= 1 or width >= WIDEST * A4_PX[0]:
            break
        # What stands beyond the paper's edge would be lost: the paper is made wider, and drawn smaller.
        paper = max(page.width for page in document.pages)
        width = min((paper + beyond) * (1 + MARGIN_PX / A4_PX[0]), WIDEST * A4_PX[0])
    assert document is not None
    if not seen:
        raise DocumentEmptyError(f"{name} has nothing to be seen", "open it and look")
    pdf: bytes = document.write_pdf(zoom=1 / scale)
    lines = [boxes_warning(missing.characters)] if missing.characters else []
    if fetcher.missed:
        lines.append(f"{name} refers to {len(fetcher.missed)} pictures or styles elsewhere, which are not fetched")
    if beyond > 1:
        lines.append(f"{name} is wider than a page can be; its right edge is cut off")
    return pdf, "; ".join(lines)


class _MissingGlyphs(logging.Handler):
    """Takes from WeasyPrint's log which characters no font has."""

    def __init__(self) -> None:
        super().__init__()
        self.characters: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """One line of the log."""
        if str(record.msg).startswith(".notdef") and isinstance(record.args, tuple) and len(record.args) == 2:
            char = str(record.args[0])
            if char not in self.characters and len(self.characters) < 100:
                self.characters.append(char)


def _beyond(document: Any) -> tuple[float, bool]:
    """Width of the contents beyond the paper, and whether there are any."""
    most, seen = 0.0, False
    for page in document.pages:
        left, right = 0.0, page.width
        for box in page._page_box.descendants():
            kind = type(box).__name__
            text, picture = kind == "TextBox" and bool(box.text.strip()), kind.endswith("ReplacedBox")
            # Far out to the left stands what only reading programs are to find.
            if (text or picture or kind == "TableCellBox") and box.position_x > HIDDEN_FROM_PX:
                left, right = min(left, box.position_x), max(right, box.position_x + box.width)
                seen = seen or text or picture
        most = max(most, right - page.width - left)
    return most, seen


def _weasyprint(name: str) -> Any:
    problem = f"{name} is a web page (HTML), and WeasyPrint, which draws it, is not installed"
    if not is_installed("weasyprint"):
        raise DocumentUnsupportedError(problem, f"{install_remedy('weasyprint')}; or save the page as PDF")
    os.environ["FONTCONFIG_FILE"] = _fontconfig()
    try:
        import weasyprint
    except (OSError, ImportError):
        raise LocalError(
            "WeasyPrint finds no Pango, which sets its type",
            "install it (apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0)",
        ) from None
    return weasyprint


def _fontconfig() -> str:
    """The fonts of this machine and our own, so that a machine without fonts draws letters and no boxes."""
    path = Path(_folder.name) / "fonts.conf"
    path.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        f'<include ignore_missing="yes">/etc/fonts/fonts.conf</include><dir>{FOLDER}</dir>'
        f"<cachedir>{_folder.name}</cachedir></fontconfig>"
    )
    return str(path)


def _fetcher(parts: Mapping[str, tuple[str, bytes, str]]) -> Any:
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class PartsFetcher(URLFetcher):  # type: ignore[misc]
        """Gives what is in the page itself or was saved with it."""

        def __init__(self) -> None:
            super().__init__(allowed_protocols={"data"}, allow_redirects=False)
            self.missed: set[str] = set()

        def fetch(self, url: str, headers: Any = None) -> Any:
            """One resource. Raises ValueError for what is elsewhere."""
            if url[:5].lower() == "data:":
                return super().fetch(url, headers)
            found = parts.get(url) or parts.get(url.removeprefix(BASE))
            if found is None:
                if len(self.missed) < 1000:
                    self.missed.add(url[:500])
                raise ValueError("not fetched")
            kind, octets, charset = found
            return URLFetcherResponse(url, octets, {"Content-Type": f"{kind}; charset={charset}" if charset else kind})

    return PartsFetcher()
