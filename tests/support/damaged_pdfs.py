# SPDX-License-Identifier: GPL-2.0-or-later
"""A PDF of three pages, and the same damaged as files are that people complain of."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import pikepdf

from tests.support.pdf_pages import assemble, stream, text

__all__ = ["damaged", "whole"]

FONT = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def parts(
    *, catalog: str = "/Pages 2 0 R", kids: str = "4 0 R 6 0 R 8 0 R", count: str = "/Count 3", box: str = "[0 0 595 842]",
    page: str = "", kind: str = "/Type /Page", tree: str = "/Type /Pages",
) -> list[str | bytes]:  # fmt: skip
    """The objects: catalog, page tree, font, and a page and its contents three times."""
    objects: list[str | bytes] = [f"<< /Type /Catalog {catalog} >>", f"<< {tree} /Kids [{kids}] {count} >>", FONT]
    for number in range(1, 4):
        own = f"/MediaBox {box} /Contents {3 + 2 * number} 0 R /Resources << /Font << /F 3 0 R >> >>"
        objects.append(f"<< {kind} /Parent 2 0 R {own} {page} >>")
        words = "".join(text(60, 600 - 20 * line, 12, f"Line {line} of page {number}.") for line in range(10))
        objects.append(stream(text(60, 700, 40, f"Page {number}") + words))
    return objects


def whole() -> bytes:
    """The file without damage."""
    return assemble(parts())


def damaged() -> Iterator[tuple[str, bytes]]:
    """Names and files; each of them has the three pages all the same."""
    good = whole()
    yield "nothing after the objects", good[: good.rindex(b"xref\n0")]
    yield "no trailer", good[: good.rindex(b"trailer")]
    yield "no startxref", good[: good.rindex(b"startxref")]
    yield "all offsets 0", re.sub(rb"\d{10} 00000 n", b"0000000000 00000 n", good)
    yield "offsets off by seven", re.sub(rb"(\d{10}) 00000 n", lambda m: b"%010d 00000 n" % (int(m[1]) + 7), good)
    yield "previous table is the same", good.replace(b"trailer << ", b"trailer << /Prev %d " % good.rindex(b"xref\n0"))
    yield "5 kB before it", b"junk " * 1000 + good
    yield "5 kB after it", good + bytes(5000)
    yield "no head", good[9:]
    yield "no endobj", good.replace(b"endobj\n", b"")
    yield "no endstream", good.replace(b"\nendstream", b"")
    for name, length in (("0", b"0"), ("huge", b"99999999"), ("of nothing", b"99 0 R")):
        yield f"length {name}", re.sub(rb"/Length \d+", b"/Length " + length, good)
    yield "length too small", re.sub(rb"/Length (\d+)", lambda m: b"/Length %d" % (int(m[1]) // 2), good)
    yield "no length", re.sub(rb"/Length \d+", b"", good)
    for count in ("1", "0", "-3", "9", "2147483647"):
        yield f"count {count}", assemble(parts(count=f"/Count {count}"))
    yield "no count", assemble(parts(count=""))
    for name, entry in (
        ("no page tree", ""),
        ("page tree null", "/Pages null"),
        ("page tree missing", "/Pages 77 0 R"),
    ):
        yield name, assemble(parts(catalog=entry))
    yield "tree of itself", assemble(parts(kids="2 0 R"))
    yield "tree within itself", assemble(parts(kids="4 0 R 6 0 R 2 0 R 8 0 R"))
    yield "kids of nothing", assemble(parts(kids="4 0 R null 6 0 R 99 0 R 8 0 R", count="/Count 5"))
    yield "kid that is a number", assemble(parts(kids="4 0 R 5 6 0 R 8 0 R"))
    yield "pages without type", assemble(parts(kind=""))
    yield "pages of another type", assemble(parts(kind="/Type /Pagee"))
    yield "tree without type", assemble(parts(tree=""))
    for name, root in (("no root", ""), ("root is contents", "/Root 5 0 R"), ("root is the tree", "/Root 2 0 R")):
        yield name, assemble(parts(), trailer=root)
    yield "crop box outside", assemble(parts(page="/CropBox [1000 1000 2000 2000]"))
    yield "crop box empty", assemble(parts(page="/CropBox [0 0 0 0]"))
    yield "box upside down", assemble(parts(box="[595 842 0 0]"))
    torn = bytearray(good)
    torn[good.index(b"stream\n") + 7] ^= 0xFF
    yield "head of a stream wrong", bytes(torn)
    packed = _saved(good, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    yield "object streams, no end", packed[: packed.rindex(b"startxref") - 40]
    yield "linear, cut off", (linear := _saved(good, linearize=True))[: len(linear) - 200]


def _saved(data: bytes, **options: object) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(data)) as pdf:
        pdf.save(out, **options)  # type: ignore[arg-type]
    return out.getvalue()
