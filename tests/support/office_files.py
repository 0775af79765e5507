# SPDX-License-Identifier: GPL-2.0-or-later
"""Small office files, written part by part: ECMA-376 and OpenDocument."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

__all__ = ["docx", "ods", "odt", "pptx_without_slides", "rtf", "xlsx"]

_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "application/vnd.openxmlformats-officedocument"
_ODF = "urn:oasis:names:tc:opendocument:xmlns"


def _ooxml(
    path: Path, main: str, kind: str, parts: Mapping[str, str | bytes], rels: Mapping[str, str] | None = None
) -> Path:
    types = (
        f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/{main}" ContentType="{_MAIN}.{kind}.main+xml"/></Types>'
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", types)
        package.writestr("_rels/.rels", _relations({"r1": ("officeDocument", main)}))
        for name, content in parts.items():
            package.writestr(name, content)
    return path


def _relations(targets: Mapping[str, tuple[str, str]]) -> str:
    each = "".join(
        f'<Relationship Id="{key}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for key, (kind, target) in targets.items()
    )
    return f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">{each}</Relationships>'


def docx(path: Path, paragraphs: Sequence[str], *, page_breaks: bool = False) -> Path:
    """A Word document; each paragraph on a page of its own if wished."""
    before = "<w:pPr><w:pageBreakBefore/></w:pPr>" if page_breaks else ""
    body = "".join(f"<w:p>{before}<w:r><w:t>{escape(text)}</w:t></w:r></w:p>" for text in paragraphs)
    document = f'{_HEAD}<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>{body}</w:body></w:document>'
    return _ooxml(path, "word/document.xml", "wordprocessingml.document", {"word/document.xml": document})


def xlsx(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    """An Excel workbook of one sheet."""
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    cells = "".join(
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{escape(cell)}</t></is></c>' for cell in row) + "</row>"
        for row in rows
    )
    return _ooxml(
        path,
        "xl/workbook.xml",
        "spreadsheetml.sheet",
        {
            "xl/workbook.xml": f'{_HEAD}<workbook xmlns="{space}" xmlns:r="{_OFFICE}"><sheets><sheet name="One" sheetId="1" r:id="r1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": _relations({"r1": ("worksheet", "worksheets/sheet1.xml")}),
            "xl/worksheets/sheet1.xml": f'{_HEAD}<worksheet xmlns="{space}"><sheetData>{cells}</sheetData></worksheet>',
        },
    )


def pptx_without_slides(path: Path) -> Path:
    """A PowerPoint file that has nothing in it."""
    return _ooxml(path, "ppt/presentation.xml", "presentationml.presentation", {"ppt/presentation.xml": "<nothing/>"})


def _opendocument(path: Path, kind: str, body: str, extra: Mapping[str, str], scripts: str, encrypted: bool) -> Path:
    mime = f"application/vnd.oasis.opendocument.{kind}"
    spaces = " ".join(
        f'xmlns:{name}="{_ODF}:{uri}:1.0"'
        for name, uri in {
            "office": "office",
            "text": "text",
            "draw": "drawing",
            "svg": "svg-compatible",
            "script": "script",
            "table": "table",
        }.items()
    )
    content = (
        f'{_HEAD}<office:document-content {spaces} xmlns:xlink="http://www.w3.org/1999/xlink" office:version="1.3">'
        f"<office:scripts>{scripts}</office:scripts><office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    )
    secret = '<manifest:encryption-data manifest:checksum="x"/>' if encrypted else ""
    entries = "".join(
        f'<manifest:file-entry manifest:full-path="{name}" manifest:media-type="{media}">{secret}</manifest:file-entry>'
        for name, media in [("/", mime), ("content.xml", "text/xml"), *((name, "text/xml") for name in extra)]
    )
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("mimetype", mime)
        package.writestr("content.xml", content, zipfile.ZIP_DEFLATED)
        for name, part in extra.items():
            package.writestr(name, part)
        package.writestr(
            "META-INF/manifest.xml",
            f'{_HEAD}<manifest:manifest xmlns:manifest="{_ODF}:manifest:1.0">{entries}</manifest:manifest>',
        )
    return path


def odt(
    path: Path, body: str, *, extra: Mapping[str, str] | None = None, scripts: str = "", encrypted: bool = False
) -> Path:
    """An OpenDocument text whose `body` is XML."""
    return _opendocument(path, "text", body, extra or {}, scripts, encrypted)


def ods(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    """An OpenDocument spreadsheet of one sheet."""
    cells = "".join(
        "<table:table-row>"
        + "".join(
            f'<table:table-cell office:value-type="string"><text:p>{escape(c)}</text:p></table:table-cell>' for c in row
        )
        + "</table:table-row>"
        for row in rows
    )
    return _opendocument(path, "spreadsheet", f'<table:table table:name="One">{cells}</table:table>', {}, "", False)


def rtf(path: Path, text: str) -> Path:
    """Rich text."""
    path.write_text(r"{\rtf1\ansi " + text + r"\par}", encoding="ascii")
    return path
