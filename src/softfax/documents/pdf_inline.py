# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures within the contents of a PDF page (ISO 32000-1 §8.9.7) whose data end early.

PDFium leaves out such a picture, and where nothing in the data says that they end, takes what comes after them on the page for
their rest.
"""

from __future__ import annotations

import contextlib
import re
import zlib
from dataclasses import dataclass
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, Stream, StreamDecodeLevel

from softfax.documents.pdf_pictures import CUT, ODD, picture_fault, samples_octets

__all__ = ["UNPACKED_MAX", "inflated", "made_whole"]

BEGINS, DATA = re.compile(rb"(?<![^\s\]>)])BI(?=[\s/])"), re.compile(rb"[\s\]>)]ID(?=\s|$)")
ENDS = re.compile(rb"[\s>]EI(?=\s|$)")
DICTIONARY_MAX, PICTURES_MAX, ENDS_MAX = 4000, 500, 4
UNPACKED_MAX = 64 << 20
#: So many octets of samples are looked at in all, of pictures that may say of themselves to be of any size.
SAMPLES_MAX = 128 << 20
CHUNK = 64
#: What a picture's dictionary says of how its data are packed.
PACKED = re.compile(rb"/(?:F|Filter)\s*(?:\[[^\]]*\]|/\w+)")
#: What packed data end with; without it PDFium takes what comes after them for their rest.
END_OF_DATA = {"/ASCIIHexDecode": b">", "/ASCII85Decode": b"~>", "/RunLengthDecode": b"\x80"}
MALFORMED = (pikepdf.PdfError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError)
#: Where an end of data that are as long as they should be is looked for.
AFTER = 16
KEYS = {
    "/BPC": "/BitsPerComponent", "/CS": "/ColorSpace", "/D": "/Decode", "/DP": "/DecodeParms", "/F": "/Filter", "/H": "/Height",
    "/IM": "/ImageMask", "/I": "/Interpolate", "/W": "/Width",
}  # fmt: skip
FILTERS = {
    "/AHx": "/ASCIIHexDecode", "/A85": "/ASCII85Decode", "/LZW": "/LZWDecode", "/Fl": "/FlateDecode", "/RL": "/RunLengthDecode",
    "/CCF": "/CCITTFaxDecode", "/DCT": "/DCTDecode",
}  # fmt: skip
SPACES = {"/G": "/DeviceGray", "/RGB": "/DeviceRGB", "/CMYK": "/DeviceCMYK"}


@dataclass(frozen=True)
class _Data:
    """Data of a picture in contents: where they end, and where the contents go on. `whole` are all of them, not packed, where
    PDFium gets them wrong and they can be known.
    """

    end: int
    after: int
    cut: bool = False
    whole: bytes | None = None


def made_whole(pdf: pikepdf.Pdf, contents: bytes, resources: Any) -> tuple[bytes, str]:
    """Contents in which each picture has all its data, the missing ones white, where it is known how they are packed; and what
    was wrong: CUT, ODD, or an empty string.
    """
    parts: list[bytes] = []
    at, fault, left = 0, "", SAMPLES_MAX
    for _ in range(PICTURES_MAX):
        if (begins := BEGINS.search(contents, at)) is None:
            break
        # Words on the page have them, too.
        found = _Data(begins.end(), begins.end())
        if (said := DATA.search(contents, begins.end(), begins.end() + DICTIONARY_MAX)) is not None:
            head = contents[begins.end() : said.end() - 2]
            with contextlib.suppress(*MALFORMED):  # PDFium does as it can
                picture = _picture(pdf, head, resources)
                left -= samples_octets(picture)
                if left < 0:
                    break
                found = _data(picture, contents, said.end() + 1)
        fault = CUT if found.cut else fault or ODD * (found.whole is not None)
        if found.whole is None:
            parts.append(contents[at : found.after])
        else:
            parts += [contents[at : begins.end()], PACKED.sub(b" ", head), b" ID ", found.whole, b"\nEI"]
        at = found.after
    return b"".join((*parts, contents[at:])), fault


def _picture(pdf: pikepdf.Pdf, head: bytes, resources: Any) -> Any:
    """A stream with a picture's entries by their whole names, and no data yet."""
    picture = Stream(pdf, b"")
    for key, value in pikepdf.Object.parse(b"<<" + head + b">>").items():
        picture[KEYS.get(key, key)] = value
    space, filters = picture.get("/ColorSpace"), picture.get("/Filter")
    if isinstance(space, Name):
        named = resources.get("/ColorSpace") if isinstance(resources, Dictionary) else None
        own = named.get(str(space)) if isinstance(named, Dictionary) else None
        picture.ColorSpace = Name(SPACES.get(str(space), str(space))) if own is None else own
    if filters is not None:
        names = list(filters) if isinstance(filters, Array) else [filters]
        whole = [Name(FILTERS.get(str(one), str(one))) for one in names]
        picture.Filter = whole[0] if len(whole) == 1 else Array(whole)
    return picture


def _data(picture: Any, contents: bytes, begin: int) -> _Data:
    """The data of a picture, which begin at a place in contents."""
    needed, packed = samples_octets(picture), "/Filter" in picture
    if not packed and (not needed or ENDS.search(contents, begin + needed - 1, begin + needed + AFTER)):
        return _Data(begin + needed, begin + needed)
    ends = ENDS.search(contents, begin - 1)
    end, after = (ends.start(), ends.end()) if ends is not None else (len(contents), len(contents))
    end = max(begin, end)
    if not packed:
        cut = end - begin < needed
        return _Data(end, after, cut, _filled(picture, contents[begin:end], needed) if cut else None)
    first = end, after
    for number in range(ENDS_MAX):
        data = contents[begin : end + 1]
        picture.write(data, filter=picture.Filter, decode_parms=picture.get("/DecodeParms"))
        # Data that end early and are not compressed go on with whatever comes after them.
        if picture_fault(picture) != CUT and (not number or _is_checked(picture, data)):
            mark = END_OF_DATA.get(str(picture.Filter), b"")
            return _Data(end, after, whole=None if mark in data[-3:] else _unpacked(picture, data, needed))
        if (ends := ENDS.search(contents, after)) is None:
            break
        end, after = ends.start(), ends.end()
    end, after = first
    data = contents[begin : end + 1]
    picture.write(data, filter=picture.Filter, decode_parms=picture.get("/DecodeParms"))
    return _Data(end, after, cut=True, whole=_unpacked(picture, data, needed))


def _unpacked(picture: Any, data: bytes, needed: int) -> bytes | None:
    """The samples of a picture, as far as its data go; None where they are packed in a way that is left to PDFium."""
    if "/DecodeParms" in picture or not needed:
        return None
    if picture.Filter == Name.FlateDecode:
        return _filled(picture, inflated(data, zlib.decompressobj()), needed)
    if str(picture.Filter) in END_OF_DATA:
        return _filled(picture, picture.read_bytes(StreamDecodeLevel.specialized), needed)
    return None


def _is_checked(picture: Any, data: bytes) -> bool:
    """Return True unless the number by which deflated data are checked is not right."""
    if picture.Filter != Name.FlateDecode:
        return True
    inflated(data, unpacker := zlib.decompressobj())
    return bool(unpacker.eof)


def inflated(packed: bytes, unpacker: Any) -> bytes:
    """Unpack what comes before the damage."""
    out = bytearray()
    try:
        for start in range(0, len(packed), CHUNK):
            out += unpacker.decompress(packed[start : start + CHUNK], UNPACKED_MAX)
            if len(out) > UNPACKED_MAX:
                break
    except zlib.error:
        pass
    return bytes(out)


def _filled(picture: Any, data: bytes, needed: int) -> bytes | None:
    """Data of a picture with white for those that are missing; a mask paints nothing there. None where they are too many."""
    if needed > UNPACKED_MAX:
        return None
    decode = list(picture.get("/Decode", Array()))
    turned = bool(decode) and float(decode[0]) > 0
    white = b"\0" if turned != (picture.get("/ColorSpace") == Name.DeviceCMYK) else b"\xff"
    return data[:needed] + white * (needed - len(data))
