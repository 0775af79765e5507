# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures of a PDF page whose data end early, and those that PDFium reads otherwise than they are meant."""

from __future__ import annotations

import base64
import io
import re
import struct
import zlib
from collections.abc import Iterator, Sequence, Set
from typing import Any

from pikepdf import Array, Dictionary, Name, Stream, StreamDecodeLevel
from PIL import Image

from softfax.documents.fax_bits import is_whole_t6

__all__ = [
    "CUT",
    "DECODING",
    "GONE",
    "ODD",
    "mend_picture",
    "names_drawn",
    "page_forms",
    "page_pictures",
    "picture_fault",
    "samples_octets",
    "things_named",
]

#: What can be wrong with a picture: its data end early, it is not in the file, or it has to be written anew.
CUT, GONE, ODD = "cut", "gone", "odd"

#: Pictures and forms that contents name, and how a name has an octet by its number.
NAMED, NUMBERED = re.compile(rb"(/[!-$&'*-.0-;=?-Z\\^-z|~]+)\s+Do(?=\s|$)"), re.compile(rb"#([0-9A-Fa-f]{2})")
#: What is no part of any operator: words, in brackets that may lie within others, and comments.
WORDS, COMMENTS = re.compile(rb"\([^()\\]*+(?:\\.[^()\\]*+)*+\)", re.S), re.compile(rb"%[^\r\n]*+")
BRACKETS_DEEP = 4
PICTURES_MAX, FORMS_DEEP = 300, 3
CHUNK = 1 << 20
#: Samples of so large a picture are not counted; the renderer refuses it.
SAMPLES_MAX = 1 << 29
#: The least share of the samples that have to be there; some writers leave out the last row.
WHOLE_LEAST = 0.98
COMPONENTS = {
    "/DeviceGray": 1, "/G": 1, "/CalGray": 1, "/Indexed": 1, "/I": 1, "/Separation": 1, "/DeviceRGB": 3, "/RGB": 3, "/CalRGB": 3,
    "/Lab": 3, "/DeviceCMYK": 4, "/CMYK": 4,
}  # fmt: skip
SPACES = {1: Name.DeviceGray, 3: Name.DeviceRGB, 4: Name.DeviceCMYK}
#: Start of frame of a JPEG (ITU-T T.81 table B.1), and the markers among them that are none.
FRAMES, OTHERS = range(0xC0, 0xD0), (0xC4, 0xC8, 0xCC)
#: What Pillow raises on pictures that are not what they say.
DECODING = (OSError, MemoryError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError)
JPEG_END = b"\xff\xd9"
JBIG2_UNKNOWN = 0xFFFFFFFF


def page_pictures(*resources: Any) -> Iterator[Any]:
    """The pictures among a page's resources and those of the forms there, each once, with their masks. Raises one of PROBLEMS."""
    for thing, _ in _things(resources):
        if thing.get("/Subtype") == Name.Image:
            yield thing
            if isinstance(thing.get("/SMask"), Stream):
                yield thing.SMask


def page_forms(*resources: Any) -> Iterator[tuple[Any, Any]]:
    """The forms and tiles among a page's resources and those of the forms there, each once, and the resources that they have
    where they bring none. Raises one of PROBLEMS.
    """
    for thing, own in _things(resources):
        if thing.get("/Subtype") == Name.Form or "/PatternType" in thing:
            yield thing, own


def _things(all_resources: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    seen: set[tuple[int, int]] = set()
    for own in all_resources:
        waiting, left = [(own, 0)], PICTURES_MAX
        while waiting:
            resources, deep = waiting.pop()
            for kind in ("/XObject", "/Pattern"):
                things = resources.get(kind) if isinstance(resources, Dictionary) else None
                # Many forms may share one dictionary.
                if not isinstance(things, Dictionary) or (any(things.objgen) and things.objgen in seen):
                    continue
                seen.add(things.objgen)
                for thing in dict(things).values():
                    if not isinstance(thing, Stream) or thing.objgen in seen or not left:
                        continue
                    seen.add(thing.objgen)
                    left -= 1
                    yield thing, own
                    if thing.get("/Subtype") != Name.Image and deep < FORMS_DEEP:
                        waiting.append((thing.get("/Resources"), deep + 1))


def names_drawn(contents: bytes, *, sure: bool) -> Set[str]:
    """Names of the pictures and forms that contents draw; unless it has to be `sure`, also those that stand in words."""
    for _ in range(BRACKETS_DEEP if sure else 0):
        contents = WORDS.sub(b"<>", contents)
    if sure:
        contents = COMMENTS.sub(b"", contents)
    names = (NUMBERED.sub(lambda found: bytes((int(found[1], 16),)), name) for name in NAMED.findall(contents))
    return {name.decode("utf-8", "surrogateescape") for name in names}


def things_named(resources: Any) -> Set[str]:
    """Names of the pictures and forms among resources."""
    things = resources.get("/XObject") if isinstance(resources, Dictionary) else None
    if not isinstance(things, Dictionary):
        return set()
    return {str(name) for name, thing in things.items() if isinstance(thing, Stream)}


def picture_fault(picture: Any) -> str:
    """Return what is wrong with a picture, CUT or ODD, or an empty string. Raises one of PROBLEMS."""
    (kind, parameters), *more = _filters(picture) or [("", Dictionary())]
    data = picture.read_raw_bytes()
    if not more:
        return _fault(picture, kind, parameters, data)
    while more and kind in TEXT_CODES:
        data = TEXT_CODES[kind](data)
        (kind, parameters), *more = more
    # One that is odd is not mended within another code.
    return CUT if not more and _fault(picture, kind, parameters, data) == CUT else ""


def _fault(picture: Any, kind: str, parameters: Any, data: bytes) -> str:
    if kind == "/DCTDecode":
        return _jpeg_fault(picture, data)
    if kind == "/JPXDecode":
        odd = _is_indexed(picture) or ("/Decode" in picture and "/ImageMask" not in picture)
        return ODD if odd else "" if JPEG_END in data[-64:] else CUT
    if kind == "/JBIG2Decode":
        return "" if _is_whole_jbig2(data) else CUT
    if kind == "/CCITTFaxDecode":
        return "" if int(parameters.get("/K", 0)) >= 0 or _is_whole_fax(picture, parameters, data) else CUT
    bits = 1 if picture.get("/ImageMask") is True else int(picture.get("/BitsPerComponent", 8))
    predictor = int(parameters.get("/Predictor", 1))
    if predictor == 2 and bits not in (8, 16):
        return ODD
    return "" if _has_all_samples(picture, kind, parameters, data) else CUT


def _of_hexadecimal(data: bytes) -> bytes:
    digits = b"".join(data.split()).partition(b">")[0]
    return bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode("ascii"))


def _of_85(data: bytes) -> bytes:
    return base64.a85decode(b"".join(data.split()).removeprefix(b"<~").partition(b"~")[0])


#: Codes of octets as text, which others lie within.
TEXT_CODES = {"/ASCIIHexDecode": _of_hexadecimal, "/AHx": _of_hexadecimal, "/ASCII85Decode": _of_85, "/A85": _of_85}


def mend_picture(picture: Any) -> None:
    """Writes an odd picture anew so that PDFium reads it as it is meant. Raises one of PROBLEMS or DECODING."""
    ((kind, _),) = _filters(picture)
    if kind == "/DCTDecode":
        picture.ColorSpace = SPACES[_jpeg_components(picture.read_raw_bytes())]
        if "/Decode" in picture:
            del picture.Decode
        return
    if kind != "/JPXDecode":
        # The data without their predictor.
        picture.write(picture.read_bytes())
        return
    data = picture.read_raw_bytes()
    opened = Image.open(io.BytesIO(data), formats=("JPEG2000",))
    image = opened if opened.mode in ("L", "RGB", "CMYK") else opened.convert("RGB")
    samples = image.tobytes()
    if _is_indexed(picture):
        # Pillow moves samples of few bits up to eight (Ssiz: ISO 15444-1 §A.5.1).
        bits = (data[data.index(b"\xff\x51") + 40] & 0x7F) + 1
        samples = bytes(value >> max(0, 8 - bits) for value in samples)
    elif "/ColorSpace" not in picture:
        picture.ColorSpace = SPACES[len(image.getbands())]
    picture.BitsPerComponent = 8
    picture.Width, picture.Height = image.size
    picture.write(samples)


def _filters(picture: Any) -> list[tuple[str, Any]]:
    """Names of the filters with their parameters."""
    names, parameters = picture.get("/Filter", Array()), picture.get("/DecodeParms", Array())
    names = [str(name) for name in names] if isinstance(names, Array) else [str(names)]
    parameters = list(parameters) if isinstance(parameters, Array) else [parameters]
    parameters += [None] * (len(names) - len(parameters))
    return [
        (name, given if isinstance(given, Dictionary) else Dictionary())
        for name, given in zip(names, parameters, strict=False)
    ]


def _is_indexed(picture: Any) -> bool:
    space = picture.get("/ColorSpace")
    return isinstance(space, Array) and len(space) > 0 and str(space[0]) in ("/Indexed", "/I")


def _components(space: Any) -> int:
    """Number of components of a colour space; 0 where it is not known."""
    if isinstance(space, Name):
        return COMPONENTS.get(str(space), 0)
    if not isinstance(space, Array) or not len(space):
        return 0
    kind = str(space[0])
    if kind == "/ICCBased":
        return int(space[1].get("/N", 0))
    return len(space[1]) if kind == "/DeviceN" else COMPONENTS.get(kind, 0)


def _jpeg_components(data: bytes) -> int:
    """Number of components of a JPEG by its frame; 0 where there is none."""
    at = data.find(b"\xff\xd8") + 2
    while 2 <= at < len(data) - 10 and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in FRAMES and marker not in OTHERS:
            return data[at + 9]
        at += 1 if marker == 0xFF else 2 + length
    return 0


def _jpeg_fault(picture: Any, data: bytes) -> str:
    there, said = _jpeg_components(data), _components(picture.get("/ColorSpace"))
    if there in SPACES and said and there != said:
        return ODD
    if JPEG_END in data[-1024:]:
        return ""
    # Some end without a word and are whole all the same.
    try:
        image = Image.open(io.BytesIO(data), formats=("JPEG",))
        image.draft("L", (64, 64))
        image.load()
    except DECODING:
        return CUT
    return ""


def _is_whole_jbig2(data: bytes) -> bool:
    """Return True unless a segment says more data than there are (ITU-T T.88 §7.2)."""
    at = 0
    while at + 11 <= len(data):
        number, flags, count = struct.unpack_from(">LBB", data, at)
        many = count >> 5 == 7
        referred = (int.from_bytes(data[at + 5 : at + 9], "big") & 0x1FFFFFFF) if many else count >> 5
        at += 5 + (4 + (referred + 8) // 8 if many else 1)
        at += referred * (1 if number <= 256 else 2 if number <= 65536 else 4) + (4 if flags & 0x40 else 1)
        length = int.from_bytes(data[at : at + 4], "big")
        at += 4
        if length == JBIG2_UNKNOWN:
            return True
        at += length
    return at <= len(data)


def _is_whole_fax(picture: Any, parameters: Any, data: bytes) -> bool:
    width, rows = int(parameters.get("/Columns", 1728)), int(picture.Height)
    aligned = parameters.get("/EncodedByteAlign") is True
    return aligned or is_whole_t6(data, width, rows)


def samples_octets(picture: Any) -> int:
    """Number of octets that the samples of a picture take; 0 where it is not known, or more than any that is drawn."""
    mask = picture.get("/ImageMask") is True
    components = 1 if mask else _components(picture.get("/ColorSpace"))
    bits = 1 if mask else int(picture.get("/BitsPerComponent", 8))
    octets = -(-int(picture.Width) * components * bits // 8) * int(picture.Height)
    return octets if 0 < octets <= SAMPLES_MAX else 0


def _has_all_samples(picture: Any, kind: str, parameters: Any, data: bytes) -> bool:
    """Return True unless there are fewer samples than the picture's size needs, or its kind of packing is not known."""
    needed, rows = samples_octets(picture), int(picture.Height)
    if not needed:
        return True
    row = needed // rows
    if kind == "/FlateDecode":
        if int(parameters.get("/Predictor", 1)) >= 10:
            # With an octet before each row that names its filter.
            needed += rows
        there = _inflated_octets(data, needed)
    elif kind in ("/LZWDecode", "/RunLengthDecode", "/ASCIIHexDecode", "/ASCII85Decode"):
        there = len(picture.read_bytes(StreamDecodeLevel.specialized))
    elif kind:
        return True
    else:
        there = len(data)
    return there >= min(needed * WHOLE_LEAST, needed - row)


def _inflated_octets(packed: bytes, needed: int) -> int:
    """Number of octets that can be unpacked, as far as they are needed."""
    unpacker, count = zlib.decompressobj(), 0
    try:
        while count < needed and packed and not unpacker.eof:
            count += len(unpacker.decompress(packed, CHUNK))
            packed = unpacker.unconsumed_tail
    except zlib.error as error:
        # The data are there; the number at their end, by which they are checked, is not right.
        return needed if "data check" in str(error) else count
    return count
