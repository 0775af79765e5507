# SPDX-License-Identifier: GPL-2.0-or-later
"""Broken, hostile and huge documents, written when a test wants them: nothing of this is kept anywhere."""

from __future__ import annotations

import gzip
import io
import os
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from PIL import Image

from tests.support import office_files

__all__ = ["CASES", "Case"]

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
Writer = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """A document: what it is called, what writes it, and what has to become of it.

    `refused` is a pattern of the message, or empty if it has to be faxed, as so many `pages`. None for either.
    """

    name: str
    write: Writer
    refused: str | None = None
    pages: int | None = None
    ending: str = ".pdf"
    options: Sequence[str] = field(default=())

    def blames(self, message: str) -> bool:
        """Return True if a message says what is wrong."""
        return self.refused is None or re.search(self.refused, message) is not None


# ---- PDF --------------------------------------------------------------------------------------------------------


def pdf(objects: dict[int, bytes], *, root: int = 1, trailer: bytes = b"", header: bytes = b"%PDF-1.7\n") -> bytes:
    """A PDF of these objects, with a right cross-reference table."""
    out = bytearray(header)
    places = {}
    for number, body in objects.items():
        places[number] = len(out)
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(out)
    size = max(objects) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size
    for number in range(1, size):
        out += b"%010d 00000 n \n" % places[number] if number in places else b"0000000000 00000 f \n"
    return bytes(out + b"trailer\n<</Size %d/Root %d 0 R%b>>\nstartxref\n%d\n%%%%EOF\n" % (size, root, trailer, start))


def stream(data: bytes, extra: bytes = b"") -> bytes:
    """A stream object."""
    return b"<</Length %d%b>>\nstream\n%b\nendstream" % (len(data), extra, data)


TEXT = b"BT /F1 24 Tf 72 700 Td (Hello fax) Tj ET"
FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


def one_page(
    *,
    content: bytes = TEXT,
    box: bytes = b"[0 0 595 842]",
    page: bytes = b"",
    catalog: bytes = b"",
    extra: dict[int, bytes] | None = None,
    content_object: bytes | None = None,
    font: bytes = FONT,
) -> bytes:
    """A PDF of one page."""
    return pdf({
        1: b"<</Type/Catalog/Pages 2 0 R%b>>" % catalog,
        2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        3: b"<</Type/Page/Parent 2 0 R/MediaBox%b/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>/XObject<</I 6 0 R>>>>%b>>" % (box, page),
        4: content_object or stream(content),
        5: font,
        **(extra or {}),
    })  # fmt: skip


@cache
def zeros_deflated(size: int) -> bytes:
    """So many zeros, or up to 1 MB more, as zlib packs them: one block again and again, so that it takes no time."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    count = -(-size >> 20)
    checksum = ((count << 20) % 65521) << 16 | 1
    return b"\x78\xda" + block * count + b"\x03\x00" + struct.pack(">I", checksum)


def image_bomb(width: int, height: int) -> bytes:
    """A page with an image of zeros."""
    packed = zeros_deflated(width * height)
    image = stream(
        packed,
        b"/Type/XObject/Subtype/Image/Width %d/Height %d/BitsPerComponent 8/ColorSpace/DeviceGray/Filter/FlateDecode"
        % (width, height),
    )
    return one_page(content=b"q 500 0 0 700 40 40 cm /I Do Q", extra={6: image})


def nested_bomb() -> bytes:
    """A content stream deflated twice."""
    packed = zlib.compress(zeros_deflated(1 << 30), 9)
    return one_page(content_object=stream(packed, b"/Filter[/FlateDecode/FlateDecode]"))


def object_stream_bomb() -> bytes:
    """The page tree is in an object stream that unpacks to 1 GB."""
    body = zeros_deflated(1 << 30)
    out = bytearray(b"%PDF-1.7\n")
    place = len(out)
    out += b"6 0 obj\n" + stream(body, b"/Type/ObjStm/N 1000000/First 20000000/Filter/FlateDecode") + b"\nendobj\n"
    start = len(out)
    rows = b"".join(
        bytes(row)
        for row in (
            (0, 0, 0, 0, 0, 0),
            (2, 0, 0, 0, 6, 0),
            (2, 0, 0, 0, 6, 1),
            (2, 0, 0, 0, 6, 2),
            (2, 0, 0, 0, 6, 3),
            (2, 0, 0, 0, 6, 4),
        )
    )
    rows += b"\x01" + struct.pack(">I", place) + b"\x00"
    rows += b"\x01" + struct.pack(">I", start) + b"\x00"
    out += (
        b"7 0 obj\n"
        + stream(rows, b"/Type/XRef/Size 8/W[1 4 1]/Root 1 0 R")
        + b"\nendobj\nstartxref\n%d\n%%%%EOF\n" % start
    )
    return bytes(out)


def many_curves(count: int) -> bytes:
    """A page of so many curves, each stroked."""
    rnd = random.Random(1)
    part = b" ".join(
        b"%d %d m %d %d %d %d %d %d c S" % tuple(rnd.randrange(800) for _ in range(8)) for _ in range(2000)
    )
    return one_page(content_object=stream(zlib.compress((part + b"\n") * (count // 2000)), b"/Filter/FlateDecode"))


def form_bomb() -> bytes:
    """Forms that draw ten forms that draw ten forms …, ten levels deep."""
    objects = {}
    for level in range(10):
        draw = b" ".join([b"/X Do"] * 10)
        objects[10 + level] = stream(
            draw, b"/Type/XObject/Subtype/Form/BBox[0 0 600 800]/Resources<</XObject<</X %d 0 R>>>>" % (11 + level)
        )
    objects[20] = stream(b"0 0 10 10 re f", b"/Type/XObject/Subtype/Form/BBox[0 0 600 800]")
    return one_page(content=b"/I Do", extra={**objects, 6: objects[10]})


def encrypted() -> bytes:
    import pikepdf

    out = io.BytesIO()
    with pikepdf.open(SAMPLES / "letter.pdf") as document:
        document.save(out, encryption=pikepdf.Encryption(owner="o7", user="u7"))
    return out.getvalue()


def script_actions() -> bytes:
    """Scripts and actions of every kind, on a page that reads well."""
    catalog = b"/OpenAction 7 0 R/AA<</WC 7 0 R/DP 7 0 R>>/Names<</JavaScript<</Names[(a) 7 0 R]>>>>/AcroForm<</Fields[11 0 R]/NeedAppearances true>>"
    page = b"/AA<</O 8 0 R/C 9 0 R>>/Annots[10 0 R 11 0 R]"
    return one_page(
        catalog=catalog,
        page=page,
        extra={
            7: b"<</S/JavaScript/JS(while(true){app.alert('x');this.exportDataObject({cName:'a'})})/Next 8 0 R>>",
            8: b"<</S/Launch/F(/bin/sh)/Win<</F(cmd.exe)/P(/c calc)>>/Next 9 0 R>>",
            9: b"<</S/URI/URI(http://127.0.0.1:9/)/Next 12 0 R>>",
            10: b"<</Type/Annot/Subtype/Link/Rect[0 0 100 100]/A 8 0 R>>",
            11: b"<</Type/Annot/Subtype/Widget/FT/Tx/T(field)/V(filled in)/Rect[72 600 300 620]/DA(/F1 12 Tf 0 g)/AA<</F 7 0 R/C 7 0 R/K 7 0 R>>>>",
            12: b"<</S/SubmitForm/F(http://127.0.0.1:9/submit)/Next 7 0 R>>",
        },
    )


def page_tree(kids: dict[int, bytes]) -> bytes:
    return pdf({1: b"<</Type/Catalog/Pages 2 0 R>>", **kids})


def embedded_font_broken() -> bytes:
    font = (
        b"<</Type/Font/Subtype/TrueType/BaseFont/ABCDEF+Nowhere/FirstChar 0/LastChar 255/Widths[%b]/FontDescriptor 7 0 R>>"
        % (b"600 " * 256)
    )
    return one_page(font=font, extra={
        7: b"<</Type/FontDescriptor/FontName/ABCDEF+Nowhere/Flags 4/FontBBox[0 0 1000 1000]/ItalicAngle 0/Ascent 800/Descent -200/CapHeight 700/StemV 80/FontFile2 8 0 R>>",
        8: stream(random.Random(3).randbytes(5000)),
    })  # fmt: skip


def font_missing(name: bytes) -> bytes:
    return one_page(font=b"<</Type/Font/Subtype/TrueType/BaseFont/%b/Encoding/WinAnsiEncoding>>" % name)


def many_pages(count: int) -> bytes:
    """Every page the same object."""
    return pdf({
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: b"<</Type/Pages/Kids[%b]/Count %d>>" % (b"3 0 R " * count, count),
        3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
    })  # fmt: skip


# ---- pictures ---------------------------------------------------------------------------------------------------


def png(width: int, height: int, data: bytes, *, depth: int = 8, colour: int = 0, extra: bytes = b"") -> bytes:
    """A PNG whose header may lie; `data` is its IDAT, packed."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def png_text_bomb() -> bytes:
    body = b"Comment\0\0" + zeros_deflated(256 << 20)
    text = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    return png(8, 8, zlib.compress(bytes(9 * 8)), extra=text)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)  # type: ignore[arg-type]
    return out.getvalue()


@cache
def photo() -> bytes:
    noise = Image.frombytes("L", (600, 800), random.Random(2).randbytes(600 * 800))
    return saved(noise, "JPEG", quality=80)


def gif(frames: int) -> bytes:
    images = [Image.new("P", (64, 64), n % 7) for n in range(64)]
    whole = saved(images[0], "GIF", save_all=True, append_images=images[1:], duration=10, loop=0)
    # One frame again and again; between the head and the trailer.
    one = saved(images[0], "GIF")
    start = one.index(b"\x2c\0\0\0\0")
    return whole[:-1] + one[start:-1] * frames + b"\x3b"


def tiff(entries: dict[int, tuple[int, int, int]], data: bytes = b"", *, following: int = 0) -> bytes:
    """A TIFF of one directory, at 8: tag to (type, count, value); `data` comes after the directory."""
    body = struct.pack("<H", len(entries))
    for tag, (kind, count, value) in sorted(entries.items()):
        body += struct.pack("<HHII", tag, kind, count, value & 0xFFFFFFFF)
    return b"II*\0\x08\0\0\0" + body + struct.pack("<I", following) + data


def bilevel(
    width: int, rows: int, *, compression: int = 4, at: int = 0, size: int = 0, **more: tuple[int, int, int]
) -> dict[int, tuple[int, int, int]]:
    """The tags of a black and white page."""
    tags = {
        256: (4, 1, width),
        257: (4, 1, rows),
        258: (3, 1, 1),
        259: (3, 1, compression),
        262: (3, 1, 0),
        273: (4, 1, at),
        277: (3, 1, 1),
        278: (4, 1, rows),
        279: (4, 1, size),
    }
    return {**tags, **{int(key[1:]): value for key, value in more.items()}}


def data_at(tags: dict[int, tuple[int, int, int]]) -> int:
    return 8 + 2 + 12 * len(tags) + 4


def fax_tiff(width: int, rows: int, data: bytes, *, compression: int = 4, size: int | None = None) -> bytes:
    """A fax page of 204 x 196 dots an inch whose directory may lie about the data."""
    more = {"_282": (5, 1, 0), "_283": (5, 1, 0), "_296": (3, 1, 2)}
    place = data_at(bilevel(1, 1, **more))
    more = {"_282": (5, 1, place), "_283": (5, 1, place + 8), "_296": (3, 1, 2)}
    tags = bilevel(
        width, rows, compression=compression, at=place + 16, size=len(data) if size is None else size, **more
    )
    return tiff(tags, struct.pack("<IIII", 204, 1, 196, 1) + data)


def tiff_loop() -> bytes:
    tags = bilevel(1728, 8, at=0)
    place = data_at(tags)
    return tiff(bilevel(1728, 8, at=place, size=2), b"\x00\x10", following=8)


def tiff_of_pages(count: int) -> bytes:
    """Directories one after another, of pages of one row."""
    tags = bilevel(64, 1, compression=1, at=8, size=8)
    length = 2 + 12 * len(tags) + 4
    out = bytearray(b"II*\0" + struct.pack("<I", 16) + bytes(8))
    body = struct.pack("<H", len(tags)) + b"".join(
        struct.pack("<HHII", tag, *entry) for tag, entry in sorted(tags.items())
    )
    for number in range(count):
        following = 16 + length * (number + 1) if number + 1 < count else 0
        out += body + struct.pack("<I", following)
    return bytes(out)


def webp(width: int, height: int) -> bytes:
    """An extended WebP of an absurd size."""
    whole = bytearray(saved(Image.new("RGBA", (16, 16), (1, 2, 3, 4)), "WEBP", lossless=True))
    body = (
        b"VP8X"
        + struct.pack("<I", 10)
        + b"\x10\0\0\0"
        + (width - 1).to_bytes(3, "little")
        + (height - 1).to_bytes(3, "little")
        + bytes(whole[12:])
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def bmp(width: int, height: int, *, compression: int = 0, bits: int = 24) -> bytes:
    return (
        b"BM"
        + struct.pack("<IHHI", 54 + 1000, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 2835, 2835, 0, 0)
        + bytes(1000)
    )


# ---- files that are none ----------------------------------------------------------------------------------------


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        package.write(SAMPLES / "letter.pdf", "letter.pdf")


def sparse(size: int) -> Writer:
    def write(path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(size)

    return write


def unreadable(path: Path) -> None:
    path.write_bytes(b"secret")
    path.chmod(0)


def _bytes(make: Callable[[], bytes]) -> Writer:
    return lambda path: (path.write_bytes(make()), None)[1]


def _cut(name: str, share: float) -> Writer:
    def write(path: Path) -> None:
        whole = (SAMPLES / name).read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])

    return write


def broken_docx(path: Path) -> None:
    office_files.docx(path, ["text"])
    path.write_bytes(path.read_bytes().replace(b"word/document.xml", b"word/another_.xml"))


DAMAGED = r"damaged|cannot be read|not a PDF|not a document"
TOO_LARGE = r"too (many|much|large|long)|larger than|takes too"

#: What is wrong and how it has to end. Where a page can be made of it, that is fine; where none can, one line says why.
CASES: list[Case] = [
    # PDF
    *(Case(f"pdf-cut-{int(share * 100)}", _cut("report.pdf", share)) for share in (0.001, 0.1, 0.5, 0.9, 0.99)),
    Case("pdf-head-only", _bytes(lambda: b"%PDF-1.7\n"), DAMAGED),
    Case("pdf-noise", _bytes(lambda: b"%PDF-1.7\n" + random.Random(1).randbytes(200_000)), DAMAGED),
    Case("pdf-no-pages", _bytes(lambda: page_tree({2: b"<</Type/Pages/Kids[]/Count 0>>"})), "no pages"),
    Case("pdf-count-lies", _bytes(lambda: page_tree({2: b"<</Type/Pages/Kids[3 0 R]/Count 2000000000>>", 3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>"}))),
    Case("pdf-count-negative", _bytes(lambda: page_tree({2: b"<</Type/Pages/Kids[3 0 R]/Count -5>>", 3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>"}))),
    Case("pdf-tree-cycle", _bytes(lambda: page_tree({2: b"<</Type/Pages/Kids[2 0 R 3 0 R]/Count 3>>", 3: b"<</Type/Pages/Parent 2 0 R/Kids[2 0 R]/Count 2>>"}))),
    Case("pdf-tree-deep", _bytes(lambda: page_tree({n: b"<</Type/Pages/Kids[%d 0 R]/Count 1>>" % (n + 1) for n in range(2, 20_000)} | {20_000: b"<</Type/Page/MediaBox[0 0 595 842]>>"}))),
    Case("pdf-nested-arrays", _bytes(lambda: one_page(catalog=b"/X " + b"[" * 200_000 + b"]" * 200_000))),
    Case("pdf-1001-pages", _bytes(lambda: many_pages(1001)), "1001 pages"),
    Case("pdf-million-pages", _bytes(lambda: many_pages(1_000_000)), "1000000 pages"),
    Case("pdf-encrypted", _bytes(encrypted), "letter|encrypted"),
    Case("pdf-encrypted-wrong-password", _bytes(encrypted), "password", options=("--document-password", "wr0ng")),
    Case("pdf-scripts", _bytes(script_actions), "", 1),
    Case("pdf-font-missing", _bytes(lambda: font_missing(b"NoSuchFont-Bold")), "", 1),
    Case("pdf-font-broken", _bytes(embedded_font_broken), "", 1),
    Case("pdf-content-bomb", _bytes(lambda: one_page(content_object=stream(zeros_deflated(1 << 30), b"/Filter/FlateDecode")))),
    Case("pdf-content-bomb-twice", _bytes(nested_bomb)),
    Case("pdf-image-bomb", _bytes(lambda: image_bomb(32768, 32768))),
    Case("pdf-image-lies", _bytes(lambda: one_page(content=b"/I Do", extra={6: stream(b"x", b"/Type/XObject/Subtype/Image/Width 2000000000/Height 2000000000/BitsPerComponent 8/ColorSpace/DeviceRGB")}))),
    Case("pdf-object-stream-bomb", _bytes(object_stream_bomb), DAMAGED + "|" + TOO_LARGE),
    Case("pdf-form-bomb", _bytes(form_bomb)),
    Case("pdf-many-curves", _bytes(lambda: many_curves(2_000))),
    Case("pdf-200-inches", _bytes(lambda: one_page(box=b"[0 0 14400 14400]")), "", 1),
    Case("pdf-200-inches-long", _bytes(lambda: one_page(box=b"[0 0 595 14400]"))),
    Case("pdf-long-and-thin", _bytes(lambda: one_page(box=b"[0 0 1 14400]"))),
    Case("pdf-wide-and-flat", _bytes(lambda: one_page(box=b"[0 0 14400 1]"))),
    Case("pdf-tiny-page", _bytes(lambda: one_page(box=b"[0 0 0.001 0.001]"))),
    Case("pdf-huge-page", _bytes(lambda: one_page(box=b"[0 0 1000000000 1000000000]"))),
    Case("pdf-nan-page", _bytes(lambda: one_page(box=b"[0 0 NaN inf]"))),
    Case("pdf-huge-numbers", _bytes(lambda: one_page(box=b"[-1e38 -1e38 %b %b]" % (b"9" * 400, b"9" * 400)))),
    Case("pdf-user-unit", _bytes(lambda: one_page(page=b"/UserUnit 100000"))),
    Case("pdf-no-size", _bytes(lambda: one_page(box=b"[0 0 0 0]"))),
    Case("pdf-turned-by-nonsense", _bytes(lambda: one_page(page=b"/Rotate 2147483647"))),
    # Pictures
    Case("png-30000-pixels", _bytes(lambda: png(30_000, 30_000, zeros_deflated(30_000 * 30_001))), TOO_LARGE, ending=".png"),
    Case("png-200-megapixels", _bytes(lambda: png(14_000, 14_000, zeros_deflated(14_000 * 14_001))), ending=".png"),
    Case("png-colour-200-megapixels", _bytes(lambda: png(14_000, 14_000, zeros_deflated(14_000 * 56_001), colour=6)), ending=".png"),
    Case("png-lies", _bytes(lambda: png(5000, 5000, zlib.compress(bytes(100)))), ending=".png"),
    Case("png-zero", _bytes(lambda: png(0, 0, zlib.compress(b""))), DAMAGED, ending=".png"),
    Case("png-2-giga", _bytes(lambda: png(2**31 - 1, 2**31 - 1, zlib.compress(bytes(100)))), TOO_LARGE + "|" + DAMAGED, ending=".png"),
    Case("png-long-and-thin", _bytes(lambda: png(1, 1_000_000, zlib.compress(bytes(2_000_000)))), ending=".png"),
    Case("png-wide-and-flat", _bytes(lambda: png(1_000_000, 1, zlib.compress(bytes(1_000_001)))), ending=".png"),
    Case("png-text-bomb", _bytes(png_text_bomb), ending=".png"),
    Case("png-cut", _cut("photo.png", 0.5), ending=".png"),
    Case("jpeg-cut", _bytes(lambda: photo()[: len(photo()) // 2]), ending=".jpg"),
    Case("jpeg-head-only", _bytes(lambda: photo()[:300]), DAMAGED, ending=".jpg"),
    Case("jpeg-lies", _bytes(lambda: photo().replace(struct.pack(">HH", 800, 600), b"\xff\xff\xff\xff", 1)), TOO_LARGE + "|" + DAMAGED, ending=".jpg"),
    Case("gif-5000-frames", _bytes(lambda: gif(5000)), "", 1, ending=".gif"),
    Case("gif-absurd", _bytes(lambda: b"GIF89a\xff\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x08" + bytes(100)), ending=".gif"),
    Case("webp-absurd", _bytes(lambda: webp(1 << 24, 1 << 24)), ending=".webp"),
    Case("webp-cut", _bytes(lambda: saved(Image.effect_noise((400, 400), 50), "WEBP")[:3000]), DAMAGED, ending=".webp"),
    Case("bmp-absurd", _bytes(lambda: bmp(2**31 - 1, 2**31 - 1)), TOO_LARGE + "|" + DAMAGED, ending=".bmp"),
    Case("bmp-negative", _bytes(lambda: bmp(-100, -(2**31))), TOO_LARGE + "|" + DAMAGED, ending=".bmp"),
    Case("bmp-rle-lies", _bytes(lambda: bmp(10_000, 10_000, compression=1, bits=8)), ending=".bmp"),
    # TIFF
    Case("tiff-cut", _cut("letter.tif", 0.5), ending=".tif"),
    Case("tiff-head-only", _bytes(lambda: b"II*\0\x08\0\0\0"), DAMAGED, ending=".tif"),
    Case("tiff-directory-loop", _bytes(tiff_loop), ending=".tif"),
    Case("tiff-65535-tags", _bytes(lambda: b"II*\0\x08\0\0\0\xff\xff" + b"".join(struct.pack("<HHII", tag, 4, 0xFFFFFFFF, 8) for tag in range(20_000))), DAMAGED + "|" + TOO_LARGE, ending=".tif"),
    Case("tiff-huge-strip-count", _bytes(lambda: tiff({**bilevel(1728, 100), 273: (4, 0x3FFFFFFF, 8), 279: (4, 0x3FFFFFFF, 8)})), DAMAGED + "|" + TOO_LARGE, ending=".tif"),
    Case("tiff-strip-outside", _bytes(lambda: fax_tiff(1728, 100, b"", size=0x7FFFFFFF)), DAMAGED + "|" + TOO_LARGE, ending=".tif"),
    Case("tiff-lying-rows", _bytes(lambda: fax_tiff(1728, 30_000, b"\x00\x10\x01" * 10)), ending=".tif"),
    Case("tiff-absurd-rows", _bytes(lambda: fax_tiff(1728, 0x7FFFFFFF, b"\x00\x10\x01")), TOO_LARGE + "|" + DAMAGED, ending=".tif"),
    Case("tiff-absurd-width", _bytes(lambda: fax_tiff(0x7FFFFFFF, 2, b"\x00\x10\x01")), TOO_LARGE + "|" + DAMAGED, ending=".tif"),
    Case("tiff-noise-in-g4", _bytes(lambda: fax_tiff(1728, 2000, random.Random(5).randbytes(20_000))), ending=".tif"),
    Case("tiff-noise-in-g3", _bytes(lambda: fax_tiff(1728, 2000, random.Random(6).randbytes(20_000), compression=3)), ending=".tif"),
    Case("tiff-lzw-noise", _bytes(lambda: fax_tiff(1728, 2000, random.Random(7).randbytes(20_000), compression=5)), ending=".tif"),
    Case("tiff-deflate-bomb", _bytes(lambda: fax_tiff(30_000, 30_000, zeros_deflated(1 << 27), compression=8)), ending=".tif"),
    Case("tiff-1001-pages", _bytes(lambda: tiff_of_pages(1001)), "1001 pages|too many", ending=".tif"),
    Case("tiff-100000-pages", _bytes(lambda: tiff_of_pages(100_000)), TOO_LARGE + "|pages", ending=".tif"),
    Case("tiff-zero-width", _bytes(lambda: fax_tiff(0, 100, b"\x00")), DAMAGED, ending=".tif"),
    Case("tiff-no-resolution", _bytes(lambda: tiff(bilevel(1728, 100, compression=1, at=200, size=21_600), bytes(30_000))), "", 1, ending=".tif"),
    # Text
    Case("text-one-line-of-100-mb", lambda path: (path.write_bytes(b"endless " * (100 << 17)), None)[1], TOO_LARGE + "|pages", ending=".txt"),
    Case("text-one-word-of-6-mb", lambda path: (path.write_bytes(b"x" * (6 << 20)), None)[1], TOO_LARGE + "|pages", ending=".txt"),
    Case("text-million-lines", lambda path: (path.write_bytes(b"\n" * 1_000_000 + b"x"), None)[1], ending=".txt"),
    Case("text-form-feeds", lambda path: (path.write_bytes(b"x\f" * 100_000), None)[1], TOO_LARGE + "|pages", ending=".txt"),
    Case("text-controls", _bytes(lambda: bytes(range(1, 32)) * 100), "not a document|empty|nothing", ending=".txt"),
    Case("text-blank", _bytes(lambda: b" \n\t\r\n" * 100), ending=".txt"),
    Case("text-escapes", _bytes(lambda: b"\x1b[2J\x1b[31mred\x1b[0m\r\n" * 20), "", 1, ending=".txt"),
    Case("text-marks", _bytes(lambda: ("a" + "\u0301" * 100_000 + "\n").encode()), ending=".txt"),
    Case("text-directions", _bytes(lambda: ("\u202e\u2066" * 50_000 + "abc\n").encode()), ending=".txt"),
    Case("text-nulls", _bytes(lambda: bytes(100_000)), "not a document|empty", ending=".txt"),
    Case("markdown-nested", _bytes(lambda: b">" * 20_000 + b" x\n" + b"- " * 5000 + b"\n" + b"[" * 20_000 + b"*_" * 20_000), ending=".md"),
    # What is no document
    Case("noise", _bytes(lambda: random.Random(4).randbytes(300_000)), "not a document", ending=".bin"),
    Case("empty", _bytes(bytes), "empty"),
    Case("zip", zipped, "not a document", ending=".zip"),
    Case("gzip", _bytes(lambda: gzip.compress((SAMPLES / "letter.pdf").read_bytes())), "not a document", ending=".pdf.gz"),
    Case("elf", lambda path: (path.write_bytes(Path("/bin/sh").read_bytes()), None)[1], "not a document", ending=""),
    Case("svg-with-entities", _bytes(lambda: b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a "aaaaaaaaaa">' + b"".join(b'<!ENTITY %c "%b">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)) + b']><svg xmlns="http://www.w3.org/2000/svg"><text>&j;</text></svg>'), ending=".svg"),
    Case("html", _bytes(lambda: b"<!DOCTYPE html><html><script>while(1){}</script><img src='http://127.0.0.1:9/'><iframe src='file:///etc/passwd'>"), ending=".html"),
    Case("directory", lambda path: path.mkdir(), "is a folder"),
    Case("fifo", lambda path: os.mkfifo(path), "is not a file"),
    Case("device", lambda path: path.symlink_to("/dev/zero"), "is not a file"),
    Case("missing", lambda path: None, "cannot be read"),
    Case("link-loop", lambda path: path.symlink_to(path.name), "cannot be read"),
    Case("link-nowhere", lambda path: path.symlink_to("nowhere"), "cannot be read"),
    Case("unreadable", unreadable, None if os.geteuid() == 0 else "cannot be read"),
    Case("too-large", sparse(1 << 40), "larger than"),
    Case("office-broken", broken_docx, "LibreOffice", ending=".docx"),
]  # fmt: skip
