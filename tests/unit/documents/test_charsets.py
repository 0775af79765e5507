# SPDX-License-Identifier: GPL-2.0-or-later
"""Text in the character sets that mail programs name, and in others than they name."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.documents.charsets import codec_for, decode


@pytest.mark.parametrize(
    ("name", "octets", "text"),
    [
        ("iso-8859-8-i", b"\xf9\xec\xe5\xed", "שלום"),
        ("ISO-8859-8-E", b"\xf9\xec\xe5\xed", "שלום"),
        ("iso-8859-6-i", b"\xe1\xe7\xea", "فهي"),
        ("windows-874", b"\xa1\xa2", "กข"),
        ("tis-620", b"\xa1\xa2", "กข"),
        ("iso-8859-11", b"\x80\xa1", "€ก"),
        ("x-sjis", b"\x93\xfa", "日"),
        ("shift_jis", b"\x87\x40", "①"),
        ("ISO-2022-JP", b"\x1b$BF|\x1b(B", "日"),
        ("x-euc-jp", b"\xc6\xfc", "日"),
        ("unicode-1-1-utf-7", b"Gr+APw-n", "Grün"),
        ("x-mac-roman", b"\x8a", "ä"),
        ("x-mac-ce", b"\x9f", "ü"),
        ("cp-850", b"\x84", "ä"),
        ("IBM00858", b"\xd5", "€"),
        ("gb_2312-80", b"\xb4\xab\xd5\xe6", "传真"),
        ("x-gbk", b"\xb4\xab\xd5\xe6", "传真"),
        ("GB2312", b"\x94\x40", "擛"),
        ("hz-gb-2312", b"~{4+Uf~}", "传真"),
        ("x-x-big5", b"\xb6\xc7\xaf\x75", "傳真"),
        ("ks_c_5601-1987", b"\xc6\xd1\xbd\xba", "팩스"),
        ("x-windows-949", b"\x8c\x63", "똠"),
        ("x-koi8-r", b"\xc6\xc1\xcb\xd3", "факс"),
        ("win-1251", b"\xf4\xe0\xea\xf1", "факс"),
        ("windows-1251-1", b"\xf4\xe0\xea\xf1", "факс"),
        ("Windows-28605", b"\xa4", "€"),
        ("iso-8859-1", b"\x80 5", "€ 5"),
        ("iso-ir-100", b"\xe4", "ä"),
        ("iso_8859-1:1987", b"\xe4", "ä"),
        ("latin1", b"\xe4", "ä"),
        ("65001", "ü".encode(), "ü"),
        ("utf8mb4", "ü".encode(), "ü"),
        ("\"utf-8\"", "ü".encode(), "ü"),
        ("'UTF-8'", "ü".encode(), "ü"),
        ("utf-8*de", "ü".encode(), "ü"),
        ("charset=utf-8", "ü".encode(), "ü"),
        ("unicodeFFFE", "ü".encode("utf-16-be"), "ü"),
        ("unknown-8bit", b"B\xfcro", "Büro"),
        ("x-user-defined", "Büro".encode(), "Büro"),
        ("ansi_x3.110-1983", b"abc", "abc"),
        ("", "Büro".encode("utf-16"), "Büro"),
    ],
)  # fmt: skip
def test_names_as_programs_write_them(name: str, octets: bytes, text: str) -> None:
    assert decode(octets, name) == text


@pytest.mark.parametrize(
    ("name", "octets", "text"),
    [
        ("us-ascii", "Größe".encode(), "Größe"),
        ("us-ascii", "Größe".encode("cp1252"), "Größe"),
        ("iso-8859-1", "Größe – 5 €".encode(), "Größe – 5 €"),
        ("utf-8", "Größe".encode("cp1252"), "Größe"),
        ("utf-8", "سلام دنیا".encode("cp1256", "replace"), "سلام دن?ا"),
        # One damaged octet makes no other language of it.
        ("utf-8", "Größe, Übung, Maß, Öl".encode() + b"\xff", "Größe, Übung, Maß, Öl\N{REPLACEMENT CHARACTER}"),
        ("windows-1251", "Факс получен".encode(), "Факс получен"),
        ("us-ascii", b"\x1b$BF|\x1b(B", "日"),
        # Chinese that is valid UTF-8 too.
        ("gb2312", "联通".encode("gbk"), "联通"),
        ("windows-1252", "ÄÖ ß".encode("cp1252"), "ÄÖ ß"),
    ],
)
def test_names_are_believed_as_far_as_the_octets_agree(name: str, octets: bytes, text: str) -> None:
    assert decode(octets, name) == text


@pytest.mark.parametrize(
    "name", ["punycode", "idna", "unicode_escape", "rot13", "base64", "hex", "zlib", "undefined", "mbcs", "oem"]
)
def test_what_is_no_character_set_is_none(name: str) -> None:
    assert codec_for(name) == ""


@given(
    st.binary(max_size=200),
    st.one_of(st.text(max_size=40), st.sampled_from(["utf-7", "hz", "iso-2022-kr", "gbk", "utf-16"])),
)
def test_anything_is_text(octets: bytes, name: str) -> None:
    decode(octets, name).encode()
    decode(b"+2AA-" + octets, "utf-7").encode()


def test_no_name_and_no_text_takes_long() -> None:
    began = time.process_time()
    codec_for("iso" * 100_000)
    for name in ("utf-7", "hz", "iso-2022-jp", "utf-8", "gb18030", "us-ascii"):
        decode(b"+" * 1_000_000, name)
        decode(b"\xe4\xc3" * 500_000, name)
        decode(b"\x1b$B" * 300_000, name)
    assert time.process_time() - began < 20
