# SPDX-License-Identifier: GPL-2.0-or-later
"""PDFs of kinds that people complain of, each of which shows a page or a picture that is known."""

from __future__ import annotations

import base64
import io
import re
import struct
import zlib
from functools import partial

import numpy as np
import pikepdf
from PIL import Image, ImageDraw

from softfax.documents.tiff import encode_t6
from tests.support.pdf_pages import assemble, lines, stream

__all__ = [
    "CUT_INLINE",
    "CUT_PICTURES",
    "FILES",
    "FORM",
    "NOISE_RAW",
    "PAGES",
    "PICTURES",
    "WORDS",
    "inline",
    "picture_pdf",
    "plain",
]

WORDS = lines(60, 760, 12)
HELVETICA = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
FORM = "/Type /XObject /Subtype /Form /BBox [0 0 595 842]"
NO_ALPHA = "/Resources << /Font << /F 5 0 R >> /ExtGState << /G << /ca (1.0) /CA (1) >> >> >>"
WIDTH, ROWS = 60, 40


def plain(contents: str | bytes | None = None, *, page: str = "", more: str = "", catalog: str = "", objects: tuple[str | bytes, ...] = ()) -> bytes:  # fmt: skip
    """A page of twelve lines, or of other contents: a stream object is taken as it is. `objects` are numbered from 7."""
    body = contents if isinstance(contents, bytes) else stream(WORDS if contents is None else contents)
    return assemble(
        [
            f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
            "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> {more} >> {page} >>",
            body,
            HELVETICA,
            "null",
            *objects,
        ]
    )


def packed(data: bytes, entries: str) -> bytes:
    """A stream object whose data are packed already."""
    return b"<< %b /Length %d >>\nstream\n%b\nendstream" % (entries.encode(), len(data), data)


def lzw(data: bytes, early: int = 1) -> bytes:
    """LZW (ISO 32000-1 §7.4.4), with codes that grow one code early or not."""
    table = {bytes([value]): value for value in range(256)}
    codes, following, width, word = [(256, 9)], 258, 9, b""
    for value in data:
        if (longer := word + bytes([value])) in table:
            word = longer
            continue
        codes.append((table[word], width))
        table[longer], following, word = following, following + 1, bytes([value])
        width = min(12, max(width, (following + early - 1).bit_length()))
    codes += [(table[word], width), (257, min(12, (following + early).bit_length()))]
    bits = "".join(f"{code:0{size}b}" for code, size in codes)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def lengths(data: bytes) -> bytes:
    """RunLengthDecode's packing, without runs."""
    return b"".join(bytes([len(part) - 1]) + part for part in (data[at : at + 100] for at in range(0, len(data), 100)))


def rows_up(data: bytes, row: int) -> bytes:
    """Rows with PNG's predictor 0 (none) before each."""
    return b"".join(b"\0" + data[at : at + row].ljust(row) for at in range(0, len(data), row))


WORDS_RAW = WORDS.encode()
DEFLATED = zlib.compress(WORDS_RAW)
A85 = base64.a85encode(WORDS_RAW) + b"~>"
HEX = WORDS_RAW.hex().encode()
filtered = lambda data, entries: plain(packed(data, entries))  # noqa: E731


def encrypted(**options: object) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(plain())) as file:
        file.save(out, encryption=pikepdf.Encryption(owner="o", user="", **options))  # type: ignore[arg-type]
    return out.getvalue()


def object_streams() -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(plain())) as file:
        file.save(out, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return out.getvalue()


def update(base: bytes, before: int | None = None) -> bytes:
    """A new version of the contents, appended; `before` is a wrong place of the table before."""
    (start,) = re.findall(rb"startxref\n(\d+)", base)
    new = b"4 0 obj\n%b\nendobj\n" % stream(WORDS)
    table = b"xref\n4 1\n%010d 00000 n \ntrailer << /Size 8 /Root 1 0 R /Prev %d >>" % (len(base), before or int(start))
    return base + new + table + b"\nstartxref\n%d\n%%%%EOF\n" % (len(base) + len(new))


GOOD = plain()
SPLIT = WORDS.index("(", len(WORDS) // 2)
#: Files that show twelve lines of type, however they are written.
PAGES: dict[str, bytes] = {
    "no end": GOOD[: GOOD.rindex(b"%%EOF")],
    "entries of 19 octets": re.sub(rb"(\d{10} \d{5} [nf]) \n", rb"\1\n", GOOD),
    "table from 1": GOOD.replace(b"xref\n0 7\n", b"xref\n1 7\n"),
    "comment in the table": GOOD.replace(b"xref\n0 7\n", b"xref\n\n%comment\n0 7\n"),
    "no version": GOOD.replace(b"%PDF-1.7", b"%!PS-Adobe"),
    "size too small": GOOD.replace(b"/Size 7", b"/Size 3"),
    "comment in an object": GOOD.replace(b"4 0 obj\n", b"4 %c\n0 obj\n%x\n"),
    "after an HTTP header": b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n\r\n" + GOOD,
    "object streams": object_streams(),
    "updated": update(plain("0 0 9 9 re f")),
    "updated, table before not found": update(plain("0 0 9 9 re f"), before=3),
    "RC4, 40 bits": encrypted(R=2, aes=False, metadata=False),
    "RC4, 128 bits": encrypted(R=3, aes=False, metadata=False),
    "RC4, no offsets": re.sub(rb"\d{10} 00000 n", b"0000000000 00000 n", encrypted(R=3, aes=False, metadata=False)),
    "AES, 128 bits": encrypted(R=4, aes=True),
    "AES, 256 bits": encrypted(R=6),
    "AES, no end": (sealed := encrypted(R=4, aes=True))[: sealed.rindex(b"startxref")],
    "contents in parts": plain().replace(b"/Contents 4 0 R", b"/Contents [4 0 R]"),
    "contents split within a word": plain(WORDS[:SPLIT], objects=(stream(WORDS[SPLIT:]),)).replace(b"/Contents 4 0 R", b"/Contents [4 0 R 7 0 R]"),
    "ASCII85": filtered(A85, "/Filter /ASCII85Decode"),
    "ASCII85 without its end": filtered(A85[:-2], "/Filter /A85"),
    "hexadecimal": filtered(HEX, "/Filter /ASCIIHexDecode"),
    "run lengths": filtered(lengths(WORDS_RAW), "/Filter /RunLengthDecode"),
    "alpha in a string": plain(f"/G gs {WORDS}", more="/ExtGState << /G << /ca (1.0) /CA /Much >> >>"),
    "alpha in a string, in a form": plain("/X Do", more="/XObject << /X 7 0 R >>", objects=(stream(f"/G gs {WORDS}", FORM + " " + NO_ALPHA),)),
    "alpha in a string, in a stamp": plain(
        "", page="/Annots [<< /Type /Annot /Subtype /Stamp /F 4 /Rect [0 0 595 842] /AP << /N 7 0 R >> >>]",
        objects=(stream(f"/G gs {WORDS}", FORM + " " + NO_ALPHA),),
    ),
    "LZW": filtered(lzw(WORDS_RAW), "/Filter /LZWDecode"),
    "LZW, not early": filtered(lzw(WORDS_RAW, 0), "/Filter /LZWDecode /DecodeParms << /EarlyChange 0 >>"),
    "deflated twice": filtered(zlib.compress(DEFLATED), "/Filter [/FlateDecode /FlateDecode]"),
    "deflated without its sum": filtered(DEFLATED[:-4], "/Filter /Fl"),
    "deflated, junk after it": filtered(DEFLATED + b"junk" * 9, "/Filter /FlateDecode"),
    "deflated, rows predicted": filtered(zlib.compress(rows_up(WORDS_RAW, 64)), "/Filter /FlateDecode /DecodeParms << /Predictor 15 /Columns 64 >>"),
    "no encryption by a filter": filtered(DEFLATED, "/Filter [/Crypt /FlateDecode] /DecodeParms [<< /Name /Identity >> null]"),
    "no filter": filtered(WORDS_RAW, "/Filter null"),
    "unbalanced": plain("Q Q q q " + WORDS),
    "unknown operators": plain("foo 1 2 bar (x) baz << /A [1 2 >> ] " + WORDS),
    "in a form": plain("/X Do", more="/XObject << /X 7 0 R >>", objects=(stream(WORDS, FORM + " /Resources << /Font << /F 5 0 R >> >>"),)),
    "in a form with a form of the page's resources": plain(
        "/X Do", more="/XObject << /X 7 0 R /W#20 8 0 R >>",
        objects=(stream("/W#20 Do", FORM + " /Resources << /ProcSet [/PDF] >>"), stream(WORDS, FORM)),
    ),
    "in a form of the page's resources": plain("/X Do", more="/XObject << /X 7 0 R >>", objects=(stream(WORDS, FORM),)),
    "kid that is no reference": GOOD.replace(b"/Kids [3 0 R]", b"/Kids 3 0 R"),
    "tree that is a page": GOOD.replace(b"/Pages 2 0 R", b"/Pages 3 0 R"),
    "loose ends": plain(page="/Annots [null 99 0 R (x) 3 0 R]", catalog="/Metadata 99 0 R /Outlines 99 0 R /OpenAction 99 0 R /Lang 5"),
}  # fmt: skip


def drawn() -> np.ndarray:
    """The picture: a black oval with a grey plate in it."""
    image = Image.new("L", (WIDTH, ROWS), 255)
    draw = ImageDraw.Draw(image)
    draw.ellipse((5, 5, 50, 35), fill=0)
    draw.rectangle((20, 10, 30, 30), fill=128)
    return np.asarray(image)


GREYS = drawn()
IMAGE, BLACK = Image.fromarray(GREYS), bytes(WIDTH * ROWS)
G8 = "/ColorSpace /DeviceGray /BitsPerComponent 8"
#: Four greys, as a palette and as numbers in it; the plate is 170 of 255 with them.
PALETTE = "".join(f"{85 * value:02x}" * 3 for value in range(4))


def picture_pdf(data: bytes, entries: str = G8, filters: str = "", mask: bytes = b"") -> bytes:
    """A page with the picture from (60, 400), 400 by 266 points; `mask` is object 8."""
    given = f"/Filter {filters}" if filters else ""
    head = f"/Type /XObject /Subtype /Image /Width {WIDTH} /Height {ROWS} {entries} {given}"
    return plain(
        "q 400 0 0 266 60 400 cm /I Do Q", more="/XObject << /I 7 0 R >>", objects=(packed(data, head), mask or "null")
    )


def bits(values: np.ndarray, depth: int) -> bytes:
    """Samples of a few bits, rows from a whole octet on."""
    spread = (values[..., None] >> np.arange(depth - 1, -1, -1)) & 1
    return np.packbits(spread.astype(np.uint8).reshape(len(values), -1), axis=1).tobytes()


def saved(kind: str, image: Image.Image = IMAGE, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def soft(values: np.ndarray, entries: str = "") -> bytes:
    rows, width = values.shape
    head = f"/Type /XObject /Subtype /Image /Width {width} /Height {rows} {G8} {entries}"
    return packed(values.tobytes(), head)


def differences(values: np.ndarray, depth: int) -> np.ndarray:
    """TIFF's predictor: what each sample is more than the one before it."""
    return np.diff(values.astype(int), axis=1, prepend=0) % (1 << depth)


RGB = np.stack([GREYS] * 3, -1).tobytes()
INKS = np.stack([np.zeros_like(GREYS)] * 3 + [255 - GREYS], -1)
JPEG, INVERTED = saved("JPEG", quality=95), "/Decode [1 0 1 0 1 0 1 0]"
INDEXED = f"/ColorSpace [/Indexed /DeviceRGB 3 <{PALETTE}>]"
TINT = "<< /FunctionType 2 /Domain [0 1] /C0 [1] /C1 [0] /N 1 >>"
SIXTEEN = "/ColorSpace /DeviceGray /BitsPerComponent 16"
#: Files that show the picture: exactly, or nearly where it is squeezed.
PICTURES: dict[str, bytes] = {
    "inverted": picture_pdf((255 - GREYS).tobytes(), G8 + " /Decode [1 0]"),
    "16 bits": picture_pdf((GREYS.astype(">u2") * 257).tobytes(), SIXTEEN),
    "4 bits": picture_pdf(bits(GREYS >> 4, 4), "/ColorSpace /DeviceGray /BitsPerComponent 4"),
    "RGB": picture_pdf(RGB, "/ColorSpace /DeviceRGB /BitsPerComponent 8"),
    "CMYK": picture_pdf(INKS.tobytes(), "/ColorSpace /DeviceCMYK /BitsPerComponent 8"),
    "CMYK, inverted": picture_pdf((255 - INKS).tobytes(), "/ColorSpace /DeviceCMYK /BitsPerComponent 8 " + INVERTED),
    "CMYK JPEG of Adobe's": picture_pdf(saved("JPEG", Image.fromarray(INKS, "CMYK"), quality=95), "/ColorSpace /DeviceCMYK /BitsPerComponent 8 " + INVERTED, "/DCTDecode"),
    "an ink of its own": picture_pdf((255 - GREYS).tobytes(), f"/ColorSpace [/Separation /All /DeviceGray {TINT}] /BitsPerComponent 8"),
    "damaged profile": picture_pdf(GREYS.tobytes(), "/ColorSpace [/ICCBased 8 0 R] /BitsPerComponent 8", mask=packed(b"none", "/N 1")),
    "soft mask": picture_pdf(BLACK, G8 + " /SMask 8 0 R", mask=soft(255 - GREYS)),
    "soft mask, inverted": picture_pdf(BLACK, G8 + " /SMask 8 0 R", mask=soft(GREYS, "/Decode [1 0]")),
    "soft mask, larger": picture_pdf(BLACK, G8 + " /SMask 8 0 R", mask=soft(np.kron(255 - GREYS, np.ones((4, 4), np.uint8)))),
    "soft mask with a matte": picture_pdf(BLACK, G8 + " /SMask 8 0 R", mask=soft(255 - GREYS, "/Matte [0]")),
    "colours by number, soft mask": picture_pdf(bits(GREYS * 0, 2), INDEXED + " /BitsPerComponent 2 /SMask 8 0 R", mask=soft(255 - GREYS)),
    "PNG's predictor": picture_pdf(zlib.compress(rows_up(GREYS.tobytes(), WIDTH)), G8 + f" /DecodeParms << /Predictor 15 /Columns {WIDTH} >>", "/FlateDecode"),
    "TIFF's predictor": picture_pdf(zlib.compress(differences(GREYS, 8).astype(np.uint8).tobytes()), G8 + f" /DecodeParms << /Predictor 2 /Columns {WIDTH} >>", "/FlateDecode"),
    "TIFF's predictor, 4 bits": picture_pdf(zlib.compress(bits(differences(GREYS >> 4, 4), 4)), f"/ColorSpace /DeviceGray /BitsPerComponent 4 /DecodeParms << /Predictor 2 /Columns {WIDTH} /BitsPerComponent 4 >>", "/FlateDecode"),
    "LZW": picture_pdf(lzw(GREYS.tobytes()), filters="/LZWDecode"),
    "run lengths": picture_pdf(lengths(GREYS.tobytes()) + b"\x80", filters="/RunLengthDecode"),
    "JPEG": picture_pdf(JPEG, filters="/DCTDecode"),
    "JPEG, progressive": picture_pdf(saved("JPEG", quality=95, progressive=True), filters="/DCTDecode"),
    "JPEG, deflated": picture_pdf(zlib.compress(JPEG), filters="[/FlateDecode /DCTDecode]"),
    "JPEG after line ends": picture_pdf(b"\n\n" + JPEG, filters="/DCTDecode"),
    "JPEG of greys that is said to be RGB": picture_pdf(JPEG, "/ColorSpace /DeviceRGB /BitsPerComponent 8", "/DCTDecode"),
    "JPEG of RGB that is said to be grey": picture_pdf(saved("JPEG", IMAGE.convert("RGB"), quality=95), filters="/DCTDecode"),
    "JPEG 2000": picture_pdf(saved("JPEG2000"), "", "/JPXDecode"),
    "JPEG 2000, a bare codestream": picture_pdf(saved("JPEG2000", no_jp2=True), "/ColorSpace /DeviceGray", "/JPXDecode"),
    "JPEG 2000, inverted": picture_pdf(saved("JPEG2000", Image.fromarray(255 - GREYS)), "/ColorSpace /DeviceGray /Decode [1 0]", "/JPXDecode"),
}  # fmt: skip

NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 255, (ROWS, WIDTH), np.uint8))
TWO = IMAGE.point([0] * 200 + [255] * 56).convert("1")
T6 = encode_t6(TWO)
ONE_BIT = "/ColorSpace /DeviceGray /BitsPerComponent 1"
FAX = f"{ONE_BIT} /DecodeParms << /K -1 /Columns {WIDTH} /Rows {ROWS} >>"


def jbig2() -> bytes:
    """The picture as segments of JBIG2: a page, and a region of it as T.6 (ITU-T T.88 §7.4)."""
    page, region = struct.pack(">LLLLBH", WIDTH, ROWS, 0, 0, 0, 0), struct.pack(">LLLLBB", WIDTH, ROWS, 0, 0, 0, 1) + T6
    parts = ((0, 48, page), (1, 38, region))
    return b"".join(struct.pack(">LBBBL", number, kind, 0, 1, len(data)) + data for number, kind, data in parts)


halved = lambda data: data[: len(data) // 2]  # noqa: E731
whole = partial(picture_pdf, mask=b"")
#: A file with a whole picture, and the same with half of its data.
CUT_PICTURES: dict[str, tuple[bytes, bytes]] = {
    name: (whole(data, entries, filters), whole(halved(data), entries, filters))
    for name, data, entries, filters in (
        ("as it is", GREYS.tobytes(), G8, ""),
        ("deflated", zlib.compress(NOISE.tobytes()), G8, "/FlateDecode"),
        ("LZW", lzw(NOISE.tobytes()), G8, "/LZWDecode"),
        ("run lengths", lengths(NOISE.tobytes()), G8, "/RunLengthDecode"),
        ("JPEG", saved("JPEG", NOISE), G8, "/DCTDecode"),
        ("JPEG 2000", saved("JPEG2000", NOISE), "/ColorSpace /DeviceGray", "/JPXDecode"),
        ("fax", T6, FAX, "/CCITTFaxDecode"),
        ("JBIG2", jbig2(), ONE_BIT, "/JBIG2Decode"),
    )
}


def inline(data: bytes, filters: str = "", *, end: bytes = b"\nEI") -> str:
    """The picture within the contents of a page, where `picture_pdf` has it, between a line of words and another."""
    first, last = (f"BT /F 20 Tf 60 {y} Td ({word} words) Tj ET\n" for y, word in ((760, "First"), (60, "Last")))
    head = f"{first}q 400 0 0 266 60 400 cm BI /W {WIDTH} /H {ROWS} /BPC 8 /CS /G {filters} ID "
    return head + (data + end).decode("latin-1") + (f" Q\n{last}" if end else "")


NOISE_RAW = NOISE.tobytes()
#: Pictures within the contents, whole and cut.
CUT_INLINE: dict[str, tuple[str, str]] = {
    name: (inline(data, filters), inline(cut, filters))
    for name, data, cut, filters in (
        ("as it is", NOISE_RAW, NOISE_RAW[: len(NOISE_RAW) // 2], ""),
        ("as it is, without its last octets", NOISE_RAW, NOISE_RAW[:-3], ""),
        ("as it is, without any", NOISE_RAW, b"", ""),
        ("deflated", zlib.compress(NOISE_RAW), zlib.compress(NOISE_RAW)[:900], "/F /Fl"),
        (
            "deflated, by its whole name",
            zlib.compress(NOISE_RAW),
            zlib.compress(NOISE_RAW)[:900],
            "/Filter [/FlateDecode]",
        ),
        ("hexadecimal", NOISE_RAW.hex().encode() + b">", NOISE_RAW[:900].hex().encode() + b">", "/F /AHx"),
        ("hexadecimal, without an end", NOISE_RAW.hex().encode(), NOISE_RAW[:900].hex().encode(), "/F /AHx"),
        ("85", base64.a85encode(NOISE_RAW) + b"~>", base64.a85encode(NOISE_RAW[:900]) + b"~>", "/F /A85"),
        ("85, without an end", base64.a85encode(NOISE_RAW), base64.a85encode(NOISE_RAW[:900]), "/F /A85"),
        ("run lengths", lengths(NOISE_RAW) + b"\x80", lengths(NOISE_RAW[:900]) + b"\x80", "/F /RL"),
        ("run lengths, without an end", lengths(NOISE_RAW), lengths(NOISE_RAW[:900]), "/F /RL"),
    )
}
CUT_PICTURE = packed(
    zlib.compress(NOISE_RAW)[:900],
    f"/Type /XObject /Subtype /Image /Width {WIDTH} /Height {ROWS} {G8} /Filter /FlateDecode",
)
TILE = "/PatternType 1 /PaintType 1 /TilingType 1 /XStep 400 /YStep 266 /BBox [0 0 400 266]"
#: Files of which something is missing for good, and what is said.
FILES: dict[str, tuple[bytes, str]] = {
    "contents not in the file": (GOOD.replace(b"/Contents 4 0 R", b"/Contents 9 0 R"), "page 1 of .* cannot be shown"),
    "contents of another kind": (plain(b"<< /A 1 >>"), "page 1 of .* cannot be shown"),
    "contents packed as nobody knows": (filtered(DEFLATED, "/Filter /Foo"), "page 1 of .* cannot be shown"),
    "one of two contents not in the file": (GOOD.replace(b"/Contents 4 0 R", b"/Contents [9 0 R 4 0 R]"), "page 1 of .* parts of it"),
    "contents cut off": (filtered(DEFLATED[: len(DEFLATED) * 2 // 3], "/Filter /FlateDecode"), "page 1 of .* parts of it"),
    "picture that is not there": (plain(WORDS + "/I Do"), "page 1 of .* names a picture that is not in the file"),
    "form that is not in the file": (plain(WORDS + "/X Do", more="/XObject << /X 9 0 R >>"), "page 1 of .* names a picture"),
    "picture of a form that is not in the file": (
        plain("/X Do", more="/XObject << /X 7 0 R >>", objects=(stream(WORDS + "/I Do", FORM),)), "page 1 of .* names a picture",
    ),
    "picture in two codes": (
        picture_pdf(base64.a85encode(zlib.compress(NOISE_RAW)[:900]) + b"~>", G8, "[/ASCII85Decode /FlateDecode]"), "page 1 of .* data end early",
    ),
    "picture of a stamp": (
        plain(
            page="/Annots [<< /Type /Annot /Subtype /Stamp /F 4 /Rect [60 400 460 666] /AP << /N 7 0 R >> >>]",
            objects=(stream("400 0 0 266 0 0 cm /I Do", FORM + " /Resources << /XObject << /I 8 0 R >> >>"), CUT_PICTURE),
        ),
        "page 1 of .* data end early",
    ),
    "picture of a tile": (
        plain(
            WORDS + "/Pattern cs /P scn 60 400 400 266 re f", more="/Pattern << /P 7 0 R >>",
            objects=(stream("400 0 0 266 0 0 cm /I Do", TILE + " /Resources << /XObject << /I 8 0 R >> >>"), CUT_PICTURE),
        ),
        "page 1 of .* data end early",
    ),
    "file cut off within its contents": (GOOD[: GOOD.index(b"endstream") - 40], "is damaged and was mended"),
}  # fmt: skip
