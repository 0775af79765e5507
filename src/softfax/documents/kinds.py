# SPDX-License-Identifier: GPL-2.0-or-later
"""The kind of a document by its first bytes, and whether its name says another. Pure."""

from __future__ import annotations

import codecs
import re
from pathlib import PurePath

from softfax.errors import DocumentUnsupportedError

__all__ = ["HEAD", "OLE2", "PICTURES", "check_name", "looks_like_text"]

#: So many bytes tell the kind.
HEAD = 4096
#: How files of Microsoft's older programs begin ([MS-CFB] §2.2).
OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
PICTURES = frozenset({".tif", ".tiff", ".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp"})
#: A comment ends with its line, and nowhere else: what could be split in many ways takes time without end.
_PNM = re.compile(rb"P[1-6]\s+(?:#[^\r\n]*[\r\n]\s*)*\d+\s+\d+\s")
_BINARY = re.compile(b"[\x00-\x07\x0e-\x1a\x1c-\x1f\x7f]")
_HTML = re.compile(rb"\s*<(!doctype html|html|head|body)\b", re.I)


def looks_like_text(head: bytes) -> bool:
    """Return True if a file that begins so is text: no control bytes that text has not, or UTF-16 that says so."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return True
    return not _BINARY.search(head) and not _PNM.match(head)


def check_name(head: bytes, name: str) -> None:
    """Refuse text that its name calls a PDF or picture. Raises DocumentUnsupportedError.

    Such text is an error page that was saved under the document's name more often than anything to be faxed.
    """
    suffix = PurePath(name).suffix.lower()
    if b"%PDF-" in head[:1024] or not looks_like_text(head) or not (suffix == ".pdf" or suffix in PICTURES):
        return
    raise DocumentUnsupportedError(
        f"{name} holds {'a web page (HTML)' if _HTML.match(head) else 'plain text'}, not what its name says",
        "open it and look; to fax the text as it is, give it a name that ends in .txt",
    )
