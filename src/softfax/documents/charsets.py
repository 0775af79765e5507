# SPDX-License-Identifier: GPL-2.0-or-later
"""Octets into text, by what they are called and by what they are. Pure.

Names of character sets are read as mail programs, browsers and scanners write them (IANA, WHATWG and older ones), and are
believed only as far as the octets agree.
"""

from __future__ import annotations

import codecs
import functools
import re

__all__ = ["codec_for", "decode", "decode_text"]

#: Names that neither a rule of `_candidates` nor Python itself leads to Python's codecs.
_ALIASES = {
    "ansix341968": "ascii", "iso646us": "ascii", "iso646irv": "ascii", "unicode11utf8": "utf_8", "unicode20utf8": "utf_8",
    "xunicode20utf8": "utf_8", "utf8mb4": "utf_8", "utf8mac": "utf_8", "unicode11utf7": "utf_7", "unicode20utf7": "utf_7",
    "xunicode20utf7": "utf_7", "csunicode11utf7": "utf_7", "utf7imap": "utf_7", "unicode": "utf_16",
    "iso10646ucs2": "utf_16", "csunicode": "utf_16", "ucs2": "utf_16", "ucs2le": "utf_16_le", "ucs2be": "utf_16_be",
    "unicodefeff": "utf_16_le", "unicodefffe": "utf_16_be", "iso10646ucs4": "utf_32", "ucs4": "utf_32", "ansi": "cp1252",
    "winlatin1": "cp1252", "msansi": "cp1252", "windowslatin1": "cp1252", "xansi": "cp1252", "mseei": "cp1250",
    "mscyrl": "cp1251", "msgreek": "cp1253", "msturk": "cp1254", "mshebr": "cp1255", "msarab": "cp1256",
    "winbaltrim": "cp1257", "tis62025331": "cp874", "tis6202533": "cp874", "tis62025330": "cp874", "windows31j": "cp932",
    "cswindows31j": "cp932", "xsjis": "cp932", "sjiswin": "cp932", "xmscp932": "cp932", "cp943": "cp932", "ibm943": "cp932",
    "macjapanese": "cp932", "xmacjapanese": "cp932", "eucjpwin": "euc_jp", "eucjpms": "euc_jp",
    "cseucpkdfmtjapanese": "euc_jp", "extendedunixcodepackedformatforjapanese": "euc_jp", "jis": "iso2022_jp",
    "junet": "iso2022_jp", "cp50220": "iso2022_jp", "cp50221": "iso2022_jp", "cp50222": "iso2022_jp",
    "iso2022jpsio": "iso2022_jp", "iso2022jpms": "iso2022_jp", "gb231280": "gb18030", "csgb2312": "gb18030",
    "csgb231280": "gb18030", "isoir58": "gb18030", "csgbk": "gb18030", "gb180302000": "gb18030", "gb180302005": "gb18030",
    "gb": "gb18030", "cp1383": "gb18030", "macchinesesimp": "gb18030", "xmacchinesesimp": "gb18030", "xeuccn": "gb18030",
    "cngb": "gb18030", "cngbisoir165": "gb18030", "hzgb2312": "hz", "cp52936": "hz", "gb1988": "ascii", "iso646cn": "ascii",
    "bigfive": "cp950", "cnbig5": "cp950", "big5eten": "cp950", "xxbig5": "cp950", "macchinesetrad": "cp950",
    "xmacchinesetrad": "cp950", "big5hkscs2004": "big5hkscs", "ksc56011987": "cp949", "ksc56011989": "cp949",
    "ksc56011992": "cp949", "csksc56011987": "cp949", "isoir149": "cp949", "cseuckr": "cp949", "ks": "cp949",
    "kscs": "cp949", "5601": "cp949", "mackorean": "cp949", "xmackorean": "cp949", "cp51949": "cp949",
    "xwindows949": "cp949", "ksc56011992johab": "johab", "cp50225": "iso2022_kr", "iso2022jp1": "iso2022_jp_1",
    "mac": "mac_roman", "csmacintosh": "mac_roman", "macce": "mac_latin2", "maccentraleurroman": "mac_latin2",
    "macukrainian": "mac_cyrillic", "macicelandic": "mac_iceland", "koi": "koi8_r", "koi8": "koi8_r", "koi8ru": "koi8_u",
    "koi8unified": "koi8_u", "suneugreek": "iso8859_7", "elot928": "iso8859_7", "ecma118": "iso8859_7",
    "visual": "iso8859_8", "logical": "iso8859_8", "arabic": "cp1256", "asmo708": "iso8859_6", "ecma114": "iso8859_6",
    "latinhebrew": "iso8859_8", "pclatin1": "cp850", "pcmultilingual850+euro": "cp858", "pcmultilingual850": "cp850",
    "strk10482002": "kz1048", "hproman8": "hp_roman8", "latin0": "iso8859_15",
}  # fmt: skip
#: Numbers of code pages that Python has under other names.
_PAGES = {
    1200: "utf_16_le", 1201: "utf_16_be", 10000: "mac_roman", 20127: "ascii", 20866: "koi8_r", 20932: "euc_jp",
    21866: "koi8_u", 51932: "euc_jp", 54936: "gb18030", 65000: "utf_7",
}  # fmt: skip
#: What is read instead: the same letters and more, as browsers do. Programs call the larger set by the smaller one's name.
_LARGER = {
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874",
    "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "big5": "cp950",
    "iso2022_jp": "iso2022_jp_ext",
}  # fmt: skip
#: Codecs of text; others (punycode, idna, unicode_escape …) take time without end, or are no text at all.
_TEXT = re.compile(
    r"(?:ascii|utf[-_]?(?:7|8|8[-_]sig|16|16[-_][lb]e|32|32[-_][lb]e)|latin[-_]?1|iso8859[-_]\d+|cp\d+|koi8[-_][rtu]|kz1048|ptcp154"
    r"|mac[-_]\w+|gb2312|gbk|gb18030|hz|big5(?:hkscs)?|shift_jis(?:x0213|_2004)?|euc_(?:jp|jisx0213|jis_2004|kr)|johab"
    r"|iso2022_(?:jp(?:_1|_2|_3|_2004|_ext)?|kr)|tis[-_]620|hp[-_]roman8)"
)
_UTF_8_WORDS = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_JIS = re.compile(rb"\x1b\$[@B]|\x1b\(J")
_HALVES = re.compile("[\ud800-\udfff]")
_SAYS_ASCII = re.compile("(?:us)?ascii|ansix341968|iso646us|7bit")
_LATIN = frozenset({"cp1252", "cp1254", "iso8859-15"})
_OF_TWO_OCTETS = frozenset({"gb18030", "cp950", "cp949", "cp932", "euc_jp", "big5hkscs"})
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: Characters that show that octets are UTF-8, whatever they are called.
_CERTAIN = 4
_ARABIC_1256 = frozenset(range(0xC0, 0xE0)) - {0xD7}
_ARABIC_ONLY_1256 = frozenset((0x81, 0x8D, 0x8E, 0x90, 0x9D, 0xA1, 0xBF))


@functools.lru_cache(256)
def codec_for(name: str) -> str:
    """Return the name of Python's codec for a character set; empty for a name that says nothing."""
    for candidate in _candidates(name[:80]):
        try:
            found = codecs.lookup(candidate).name
        except (LookupError, ValueError):
            continue
        if _TEXT.fullmatch(found):
            return _LARGER.get(found, found)
    return ""


def _candidates(name: str) -> list[str]:
    # A language may follow (RFC 2231 §5), and quotes, and the word itself once more.
    name = (
        re.sub(r"[\"'\s<>;,]", "", name.lower())
        .removeprefix("charset=")
        .partition("*")[0]
        .partition("$")[0]
        .strip("_=:.")
    )
    # Of ISO 8859-6 and -8 there are an implicit and an explicit order (RFC 1556): the letters are the same.
    name = re.sub(r"^(.*8859[-_]?\d+)[-_:]?[ie]$", r"\1", re.sub(r":\d{4}$", "", name))
    plain = re.sub(r"[-_ :.()/]", "", name)
    short = re.sub(r"^(?:x|cs|ms)(?=[a-z]{2})", "", plain)
    found = [_ALIASES[key] for key in (plain, short) if key in _ALIASES]
    if page := re.fullmatch(r"(?:windows|win|cp|ibm|dos|oem|codepage|ms|ccsid)?0*(\d{3,5})", short):
        number = int(page[1])
        found += [_PAGES[number]] if number in _PAGES else []
        found += [f"iso8859_{number - 28590}"] if 28591 <= number <= 28605 else []
        found.append(f"cp{number}")
        # As in windows-1251-1.
        found += [f"cp{page[1][:4]}"] if len(page[1]) == 5 else []
    if part := re.fullmatch(r"(?:iso|isoir)?8859(\d{1,2})(?:1?9\d\d)?", short):
        found.append(f"iso8859_{part[1]}")
    found += [f"mac_{short[3:]}"] if short.startswith("mac") else []
    found += [f"koi8_{short[4:]}"] if short.startswith("koi8") else []
    found += [f"latin_{short.removeprefix('iso')[5:]}"] if short.startswith(("isolatin", "latin")) else []
    return [one for one in (*found, name.replace("-", "_"), name, short) if one]


def decode(data: bytes, charset: str = "") -> str:
    """Text of octets that are said to be in `charset`. Never fails: octets that are nothing become U+FFFD."""
    codec = codec_for(charset) if charset else ""
    said_ascii = _SAYS_ASCII.fullmatch(re.sub(r"[^a-z0-9]", "", charset.lower())) is not None
    if codec in ("", "utf-8") or said_ascii or data.startswith(_MARKS):
        return decode_text(data)
    if not codec.startswith("utf") and _is_utf_8(data, codec):
        return data.decode("utf-8")
    if not codec.startswith(("iso2022", "utf")) and _is_jis(data):
        return decode_text(data)
    # UTF-7 lets halves of characters through.
    text = _HALVES.sub("\N{REPLACEMENT CHARACTER}", data.decode(codec, errors="replace"))
    # A name that fits so badly is not its own.
    return text if text.count("\N{REPLACEMENT CHARACTER}") * 10 <= len(text) else decode_text(data)


def _is_utf_8(data: bytes, codec: str) -> bool:
    """Return True if octets are UTF-8 although they are labelled otherwise."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    least = 1 if codec in _LATIN else _CERTAIN
    if len(_UTF_8_WORDS.findall(data[: 1 << 16])) < least:
        return False
    # Short words of Chinese in GBK are UTF-8 too.
    return codec not in _OF_TWO_OCTETS or "\N{REPLACEMENT CHARACTER}" in data.decode(codec, errors="replace")


def _is_jis(data: bytes) -> bool:
    return bool(_JIS.search(data)) and data.isascii()


def decode_text(data: bytes) -> str:
    """UTF-8, UTF-16 with a byte order mark, ISO-2022-JP by its escapes, else Windows-1256 or Windows-1252, whichever the octets
    look like.

    Never fails: octets that are nothing become U+FFFD.
    """
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace")
    if _is_jis(data):
        return data.decode("iso2022_jp_ext", errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        # A file cut off within its last character is still UTF-8.
        cut_off = error.reason == "unexpected end of data" and error.start > len(data) - 4
        if (cut_off and not data[: error.start].isascii()) or _mostly_utf_8(data):
            return data.decode("utf-8", errors="replace")
    return data.decode("cp1256" if _is_arabic(data) else "cp1252", errors="replace")


def _mostly_utf_8(data: bytes) -> bool:
    """Return True if all but a few damaged characters beyond ASCII are UTF-8."""
    head = data[: 1 << 16]
    whole = sum(map(len, _UTF_8_WORDS.findall(head)))
    return whole > 0.8 * sum(byte >= 0x80 for byte in head)


def _is_arabic(data: bytes) -> bool:
    """Return True if bytes above 127 come as words of Windows-1256, not as single accents among Latin letters."""
    words = re.findall(rb"[\x80-\xff]+", data[: 1 << 16])
    high = sum(map(len, words))
    letters = sum(byte in _ARABIC_1256 or byte in _ARABIC_ONLY_1256 or byte >= 0xE0 for word in words for byte in word)
    return high > 0 and letters > 0.6 * high and high / len(words) > 2
