# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of an e-mail that are faxed, however it was put together."""

from __future__ import annotations

import contextlib
import struct
import time
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softfax.documents.letters.message import TEXT_MAX, MailError, MessageLimits, read_message
from softfax.documents.letters.tnef import TnefError, read_tnef


def mail(*lines: str) -> bytes:
    return "\r\n".join(lines).encode()


def test_text_and_attachments() -> None:
    message = EmailMessage()
    message["From"] = "=?utf-8?q?Anna_M=C3=BCller?= <Anna@clinic.example>"
    message["Subject"] = "=?utf-8?b?2YHaqdiz?= =?utf-8?q?_2?="
    message["Message-ID"] = "<1@x>"
    message.set_content("Hello\n")
    message.add_alternative("<p>Hello <b>there</b></p>", subtype="html")
    message.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="../../etc/päss wd.pdf")
    message.add_attachment(b"x" * 30_000, maintype="image", subtype="png", filename="photo.png")
    message.add_attachment(b"x", maintype="image", subtype="png", filename="logo.png", disposition="inline", cid="<1>")
    message.add_attachment(b"BEGIN", maintype="application", subtype="pgp-signature", filename="s.asc")
    letter = read_message(message.as_bytes())
    assert (letter.senders, letter.sender_name, letter.subject) == (("anna@clinic.example",), "Anna Müller", "فکس 2")
    assert (letter.text, letter.message_id, letter.automatic) == ("Hello", "<1@x>", "")
    assert [a.name for a in letter.attachments] == ["päss wd.pdf", "photo.png"]


def test_a_forwarded_email_is_a_text_and_its_documents() -> None:
    inner = EmailMessage()
    inner["From"], inner["To"], inner["Subject"] = "Bob <bob@lab.example>", "anna@clinic.example", "Blood / counts"
    inner["Message-ID"] = "<inner@x>"
    inner.set_content("See the table.")
    inner.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="table.pdf")
    message = EmailMessage()
    message["Message-ID"] = "<outer@x>"
    message.set_content("For your files")
    message.add_attachment(inner)
    letter = read_message(message.as_bytes())
    assert (letter.text, letter.message_id) == ("For your files", "<outer@x>")
    assert [a.name for a in letter.attachments] == ["counts.txt", "table.pdf"]
    assert letter.attachments[0].data.decode().splitlines() == [
        "From: Bob <bob@lab.example>",
        "To: anna@clinic.example",
        "Subject: Blood / counts",
        "",
        "See the table.",
    ]


def test_a_head_with_more_recipients_than_are_faxed_says_so() -> None:
    everybody = ", ".join(f"someone.{number}@clinic.example" for number in range(60))
    letter = read_message(mail(f"To: {everybody}", "Subject: Beds", "", "Hello"))
    assert letter.head[0].startswith("To: someone.0@clinic.example, ")
    assert letter.head[0].endswith(" …")
    assert letter.head[1] == "Subject: Beds"


@pytest.mark.parametrize(
    ("kind", "text", "html", "cut"),
    [
        ("plain", "12345678\n" * 50_000, False, True),
        ("plain", "1234567\n" * 49_999, False, False),
        ("html", "<p>1234567" * 60_000, False, True),
        ("html", "<p>1234567" * 60_000, True, False),
        ("html", "<b><p></b>" * 400_000 + "<p>end", True, True),
    ],
)
def test_text_beyond_what_is_faxed_is_said_to_be_left_out(kind: str, text: str, html: bool, cut: bool) -> None:
    message = EmailMessage()
    message["Message-ID"] = "<1@x>"
    message.set_content(text, subtype=kind, cte="8bit")
    letter = read_message(message.as_bytes(), MessageLimits(html=html))
    assert len(letter.text) <= TEXT_MAX
    assert letter.left_out == (("left out: the end of the text, which is too long",) if cut else ())


def test_what_outlook_packs_is_unpacked() -> None:
    logo = file("logo.png", b"x", (0x3712, 0x1E, b"cid@x\0"))
    packed = tnef(file("C:\\A long name – 7.pdf", b"%PDF-1.7"), logo, file("notes.txt", b"hello"))
    message = EmailMessage()
    message.set_content("Dear colleague")
    message.add_attachment(packed, maintype="application", subtype="ms-tnef", filename="winmail.dat")
    letter = read_message(message.as_bytes())
    assert letter.text == "Dear colleague"
    assert [(a.name, a.data) for a in letter.attachments] == [
        ("A long name _ 7.pdf", b"%PDF-1.7"),
        ("notes.txt", b"hello"),
    ]
    # An e-mail attached in Outlook, and a text that stands nowhere else.
    message = EmailMessage()
    message.add_attachment(
        tnef(file("x", packed), text=b"Hi\0"), maintype="application", subtype="octet-stream", filename="winmail.dat"
    )
    letter = read_message(message.as_bytes())
    assert (letter.text, len(letter.attachments)) == ("Hi", 2)


def file(name: str, data: bytes, *more: tuple[int, int, bytes]) -> bytes:
    """The attributes of a file in TNEF: its 8.3 name and data as attributes, the long name as a property in UTF-16."""
    values = [(0x3707, 0x1F, name.encode("utf-16-le") + b"\0\0"), (0x3705, 3, struct.pack("<I", 1)), *more]
    named = struct.pack("<HH16sII", 0x0003, 0x8001, bytes(16), 0, 7) + bytes(4)
    properties = struct.pack("<I", len(values) + 1) + named
    for key, kind, value in values:
        size = b"" if kind == 3 else struct.pack("<II", 1, len(value))
        properties += struct.pack("<HH", kind, key) + size + value + bytes(-len(value) % 4)
    return b"".join(
        attribute(2, key, value)
        for key, value in (
            (0x00069002, bytes(14)),
            (0x00018010, b"A~1.XXX\0"),
            (0x0006800F, data),
            (0x00069005, properties),
        )
    )


def tnef(*files: bytes, text: bytes = b"") -> bytes:
    body = attribute(1, 0x0002800C, text) if text else b""
    return b"\x78\x9f\x3e\x22\x01\x00" + attribute(1, 0x00089006, b"\0\0\1\0") + body + b"".join(files) + b"\0"


def attribute(level: int, key: int, value: bytes) -> bytes:
    return struct.pack("<BII", level, key, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 400))
def test_damaged_tnef_is_read_or_refused(noise: bytes, begin: int, end: int) -> None:
    packed = tnef(file("a.txt", b"hello"), file("b.txt", b"x" * 50), text=b"Hi")
    for data in (packed[:begin] + noise + packed[end:], b"\x78\x9f\x3e\x22\x01\x00" + noise):
        with contextlib.suppress(TnefError):
            read_tnef(data)


def test_headers_and_names_that_are_not_encoded() -> None:
    head = ["From: آنا <anna@clinic.example>", "Subject: نامه", "Content-Type: application/pdf"]
    letter = read_message(mail(*head, 'Content-Disposition: attachment; filename="گزارش.pdf"', "", "%PDF-1.7"))
    assert (letter.sender_name, letter.subject, letter.senders) == ("آنا", "نامه", ("anna@clinic.example",))
    assert [a.name for a in letter.attachments] == ["گزارش.pdf"]
    assert read_message("Subject: Befund für Büro\r\n\r\nx".encode("cp1252")).subject == "Befund für Büro"


def test_lines_broken_for_the_way_are_whole_again() -> None:
    head = "Content-Type: text/plain; charset=utf-8; format=flowed"
    body = ["One long ", "line.", " >not quoted", "> quoted ", "> too", "", "End ", "-- ", "Anna"]
    assert read_message(mail(head, "", *body)).text.split("\n") == [
        "One long line.", ">not quoted", "> quoted", "> too", "", "End", "--", "Anna",
    ]  # fmt: skip
    assert read_message(mail(f"{head}; delsp=yes", "", "日本 ", "語")).text == "日本語"


def test_html_alone_is_read_as_people_see_it() -> None:
    text = (
        "<html><head><title>x</title><style>p {}</style></head><body>İ<script>evil()</script>"
        "<p>One &amp; two</p><table><tr><td>a</td><td>b</td></tr></table><!-- no --><br>1 < 2</body>"
    )
    letter = read_message(mail("Content-Type: text/html; charset=utf-8", "", text))
    assert [line for line in letter.text.split("\n") if line] == ["İ", "One & two", "a  b", "1 < 2"]


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: no\r\nAuto-Submitted: auto-generated (x)",
        "Precedence: bulk",
        "Precedence: first-class\r\nPRECEDENCE: List",
        "List-Id: <x.example>",
        "Return-Path: <>",
        "X-Autoreply: yes",
        "Content-Type: multipart/report; report-type=delivery-status; boundary=x",
        "Content-Type: message/disposition-notification",
    ],
)
def test_automatic_emails_are_known(header: str) -> None:
    assert read_message(mail("Subject: x", header, "", "text")).automatic


def test_what_somebody_wrote_is_not_automatic() -> None:
    assert not read_message(mail("Auto-Submitted: No", "Precedence: first-class", "", "x")).automatic


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["Content-Type: multipart/encrypted; boundary=x", "", "--x", "", "a", "--x--"], "encrypted"),
        (["Content-Type: application/pkcs7-mime", "", "x"], "encrypted"),
        (["Content-Type: application/pdf", "", "garbage"], "attachment-1.pdf is not a PDF"),
        (["Content-Type: message/partial; id=1", "", "x"], "message/partial"),
        (["Content-Type: application/ms-tnef; name=winmail.dat", "", "x"], "winmail.dat cannot be read"),
        (["Content-Type: application/pkcs7-mime; smime-type=signed-data", "", "x"], "signed so that only"),
        (["X: " + "y" * 20_000, "", "x"], "too long headers"),
        ([*(f"X-{n}: y" for n in range(600)), "", "x"], "too long headers"),
        (["Content-Type: multipart/mixed; boundary=x", "", *["--x", "", "a"] * 70, "--x--"], "more than 60 parts"),
        (
            [
                line
                for n in range(20)
                for line in (f"Content-Type: multipart/mixed; boundary=b{n}", "", f"--b{n}")
            ],
            "nested too deep",
        ),
    ],
)  # fmt: skip
def test_what_is_not_faxed(lines: list[str], problem: str) -> None:
    with pytest.raises(MailError, match=problem):
        read_message(mail(*lines))


@pytest.mark.parametrize(
    "content",
    [
        # Parameters, comments and tags without end; parts within parts; lines without end.
        b"Content-Type: text/plain" + b";" * 16_000 + b"\r\n\r\nx",
        b'Content-Disposition: attachment; filename="' + b'";"' * 5_000 + b"\r\n\r\nx",
        b"From: " + b"(" * 16_000 + b"\r\n\r\nx",
        b"Subject: " + b"=?utf-8?q?x?= " * 1_000 + b"\r\n\r\nx",
        b"Content-Type: text/html\r\n\r\n" + b"<script>" * 200_000,
        b"Content-Type: text/html\r\n\r\n" + b"<" * 2_000_000,
        b"Content-Type: text/html\r\n\r\n" + b"&" * 2_000_000,
        b"Content-Type: text/plain; charset=punycode\r\n\r\n" + b"a-" * 500_000,
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(9))
        + b"\r\n" + b"--b\r\n" * 400_000,
        b"\r\n" * 690_000,
        # Base64 in as many pieces as lines, and one paragraph of as many.
        b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"JVBERi0xLjAKJVBERi0xLjAK=\r\n" * 400_000,
        b"Content-Type: text/plain; format=flowed\r\n\r\n" + b"a \r\n" * 690_000,
    ],
)  # fmt: skip
def test_no_email_takes_long(content: bytes) -> None:
    began = time.process_time()
    try:
        read_message(content)
    except MailError:
        pass
    # What takes time with the square of its length takes minutes.
    assert time.process_time() - began < 20


def test_names_of_attachments_are_names_of_files() -> None:
    for name in (
        "a/b\\c.pdf",
        "\x00\n.pdf",
        "..",
        "",
        "𠜎" * 200 + ".pdf",
        "x." + "y" * 200,
        "-rf *;$(x).pdf",
        "a#pages=1.pdf",
    ):
        message = EmailMessage()
        message.set_content("x")
        message.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="name.pdf")
        content = message.as_bytes().replace(b'filename="name.pdf"', b"filename*=utf-8''" + _percent(name))
        (attachment,) = read_message(content).attachments
        assert attachment.name
        assert attachment.name not in (".", "..")
        assert not set(attachment.name) & set("/\\\0\n#*;$")
        assert len(attachment.name.encode()) <= 200


def _percent(name: str) -> bytes:
    return "".join(f"%{byte:02X}" for byte in name.encode()).encode()


_NAMES = st.sampled_from(
    ["From", "Subject", "Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "Message-ID", "Precedence"]
)
_VALUES = st.one_of(
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace").replace(b"\n", b" ")),
    st.binary(max_size=60).map(lambda data: data.replace(b"\n", b" ")),
    st.sampled_from(
        [b"multipart/mixed; boundary=b", b"multipart/alternative; boundary*0=b", b"message/rfc822", b"text/html; charset=idna",
         b"base64", b"x-uuencode", b"quoted-printable", b"attachment; filename*=utf-7''%00", b"=?utf-8?b?//8=?=", b"=?x?q?=ff?="]
    ),
)  # fmt: skip
_BLOCK = st.lists(st.tuples(_NAMES, _VALUES), max_size=5).map(
    lambda fields: b"".join(name.encode() + b": " + value + b"\r\n" for name, value in fields) + b"\r\n"
)
_PART = st.tuples(_BLOCK, st.binary(max_size=80)).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(_BLOCK, st.lists(_PART, max_size=5))
def test_anything_is_read_or_refused(head: bytes, parts: list[bytes]) -> None:
    content = head + b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
    try:
        letter = read_message(content, MessageLimits(parts=8))
    except MailError:
        return
    for value in (letter.subject, letter.sender_name, letter.message_id, letter.date, *letter.senders):
        assert "\n" not in value
        assert "\r" not in value
        value.encode()
    letter.text.encode()
    assert len({a.name for a in letter.attachments} & {"", ".", ".."}) == 0
