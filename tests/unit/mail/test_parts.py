# SPDX-License-Identifier: GPL-2.0-or-later
"""E-mails as they really come: e-mails within them in any encoding, odd character sets, octets that are not what they are said to
be, and attachments that cannot be read beside others that can."""

from __future__ import annotations

import base64
import binascii
import quopri

import pytest

from softfax.documents.letters.message import MailError, MessageLimits, read_message

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 4
INNER = (
    b"From: Bob <bob@lab.example>\r\nTo: anna@clinic.example\r\nSubject: Blood counts\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="IN"\r\n\r\n--IN\r\nContent-Type: text/plain\r\n\r\nSee the table.\r\n'
    b'--IN\r\nContent-Type: application/pdf; name="in.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    + base64.encodebytes(PDF).replace(b"\n", b"\r\n")
    + b"--IN--\r\n"
)
SHOWN = "From: Bob <bob@lab.example>\nTo: anna@clinic.example\nSubject: Blood counts\n\nSee the table."


def mixed(*parts: tuple[str, bytes], kind: str = "multipart/mixed", head: str = "") -> bytes:
    """An e-mail of parts, each with its headers, separated by |."""
    mark = f"B{sum(len(body) for _, body in parts)}"
    out = f"From: a@x.example\r\n{head}MIME-Version: 1.0\r\nContent-Type: {kind}; boundary={mark}\r\n\r\n".encode()
    for fields, body in parts:
        out += (
            f"--{mark}\r\n".encode()
            + fields.replace("|", "\r\n").encode("utf-8", "surrogateescape")
            + b"\r\n\r\n"
            + body
            + b"\r\n"
        )
    return out + f"--{mark}--\r\n".encode()


def in_base64(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def in_uu(data: bytes) -> bytes:
    lines = (binascii.b2a_uu(data[at : at + 45]) for at in range(0, len(data), 45))
    return b"begin 644 a.pdf\n" + b"".join(lines) + b"`\nend\n"


TEXT = ("Content-Type: text/plain", b"Hello")


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ("Content-Type: message/rfc822", INNER),
        ("Content-Type: message/rfc822; name=a.eml|Content-Transfer-Encoding: 8bit", INNER),
        ("Content-Type: message/rfc822|Content-Transfer-Encoding: base64", in_base64(INNER)),
        ("Content-Type: message/rfc822|Content-Transfer-Encoding: BASE64", in_base64(INNER)),
        ("Content-Type: message/rfc822|Content-Transfer-Encoding: quoted-printable", quopri.encodestring(INNER)),
        ("Content-Type: message/global|Content-Transfer-Encoding: base64", in_base64(INNER)),
        ('Content-Type: application/octet-stream; name="a.eml"|Content-Transfer-Encoding: base64', in_base64(INNER)),
        ('Content-Type: application/octet-stream|Content-Disposition: attachment; filename="a.EML"', INNER),
        ("Content-Type: text/plain; name=a.eml|Content-Transfer-Encoding: base64", in_base64(INNER)),
        ("Content-Type: application/octet-stream|Content-Transfer-Encoding: base64", in_base64(b"Received: x\r\n" + INNER)),
        ("Content-Type: application/eml; name=a|Content-Transfer-Encoding: base64", in_base64(b"From x Sat Nov 28\r\n" + INNER)),
    ],
)  # fmt: skip
def test_an_email_within_is_opened_however_it_is_encoded(fields: str, body: bytes) -> None:
    letter = read_message(mixed(TEXT, (fields, body)))
    assert (letter.text, letter.left_out) == ("Hello", ())
    text, document = letter.attachments
    assert text.data.decode().replace("\r", "") == SHOWN
    assert text.name.endswith(".txt")
    assert (document.name, document.data) == ("in.pdf", PDF)


def test_emails_in_emails_in_a_digest() -> None:
    forward = mixed(
        TEXT,
        ("Content-Type: message/rfc822|Content-Transfer-Encoding: base64", in_base64(INNER)),
        head="Subject: Fwd\r\n",
    )
    digest = mixed(("X-Part: 1", INNER), ("Content-Type: message/rfc822", forward), kind="multipart/digest")
    names = [a.name for a in read_message(digest).attachments]
    assert names == ["Blood counts.txt", "in.pdf", "Fwd.txt", "Blood counts.txt", "in.pdf"]
    for _ in range(20):
        forward = mixed(("Content-Type: message/rfc822|Content-Transfer-Encoding: base64", in_base64(forward)))
    with pytest.raises(MailError, match="nested too deep"):
        read_message(forward)
    many = mixed(*[("Content-Type: message/rfc822|Content-Transfer-Encoding: base64", in_base64(INNER))] * 30)
    assert any("more than 60 parts" in line for line in read_message(many).left_out)


@pytest.mark.parametrize(
    ("header", "subject"),
    [
        ("=?iso-8859-8-i?B?+ezl7Q==?=", "שלום"),
        ("=?x-sjis?b?k/o=?=", "日"),
        ("=?unicode-1-1-utf-7?Q?Gr+APw-n?=", "Grün"),
        ("=?ks_c_5601-1987?B?xtG9ug==?= 2", "팩스 2"),
        ("=?utf-8*de?q?B=C3=BCro?=", "Büro"),
        ("=?unknown-8bit?q?B=FCro?=", "Büro"),
        ('"=?windows-874?q?=A1=A2?="', '"กข"'),
        # Cut within a character, without padding, with blanks, next to plain words.
        ("=?utf-8?q?B=C3?=\r\n =?utf-8?q?=BCro?=", "Büro"),
        ("=?utf-8?b?QsO8cm8?=", "Büro"),
        ("=?utf-8?q?Ihr Befund_?=Nr. 5", "Ihr Befund Nr. 5"),
        ("Re:=?utf-8?q?_B=C3=BCro?= =?cp-850?q?=84?=", "Re: Büroä"),
        ("=?us-ascii?q?B=C3=BCro?=", "Büro"),
        ("=?x?x?x?= =?=?", "=?x?x?x?= =?=?"),
    ],
)
def test_subjects_and_names_in_any_character_set(header: str, subject: str) -> None:
    content = f'Subject: {header}\r\nContent-Type: application/pdf; name="{header.strip(chr(34))}.pdf"\r\n\r\n%PDF-1.7'
    letter = read_message(content.encode())
    assert letter.subject == subject
    if "?=" not in subject:
        (attachment,) = letter.attachments
        assert attachment.name.startswith(subject.strip('"')[:2])


@pytest.mark.parametrize(
    "fields",
    [
        "Content-Disposition: attachment; filename*=iso-8859-8-i''%F9%EC%E5%ED.pdf",
        "Content-Disposition: attachment; filename*0*=utf-8''%D7%A9%D7%9C; filename*1*=%D7%95%D7%9D.pdf",
        "Content-Disposition: attachment; filename*1*=%D7%95%D7%9D.pdf; filename*0*=utf-8''%D7%A9%D7%9C",
        "Content-Disposition: attachment; filename=\"utf-8''%D7%A9%D7%9C%D7%95%D7%9D.pdf\"",
        'Content-Disposition: attachment; filename="=?windows-1255?B?+ezl7S5wZGY=?="',
        'Content-Disposition: attachment|Content-Type: application/pdf; name="שלום.pdf"',
    ],
)
def test_names_of_files_in_any_character_set(fields: str) -> None:
    (attachment,) = read_message(mixed((fields, PDF))).attachments
    assert attachment.name.split(".")[0] == "שלום"


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ("Content-Transfer-Encoding: base64", in_base64(PDF)),
        ("Content-Transfer-Encoding: Base-64;", in_base64(PDF)),
        ("Content-Transfer-Encoding: 7bit", in_base64(PDF)),
        ("X-No: encoding", in_base64(PDF)),
        ("Content-Transfer-Encoding: base64", in_base64(PDF) + b"____________\r\nlist footer text\r\n"),
        ("Content-Transfer-Encoding: base64", base64.b64encode(PDF).rstrip(b"=")),
        ("Content-Transfer-Encoding: base64", b"".join(in_base64(PDF[i : i + 100]) for i in range(0, len(PDF), 100))),
        ("Content-Transfer-Encoding: quoted-printable", quopri.encodestring(PDF)),
        ("Content-Transfer-Encoding: x-uuencode", in_uu(PDF)),
    ],
)
def test_octets_as_they_were_meant(fields: str, body: bytes) -> None:
    (attachment,) = read_message(mixed(TEXT, (f"Content-Type: application/pdf|{fields}", body))).attachments
    assert attachment.data == PDF


def test_raw_octets_that_are_said_to_be_base64() -> None:
    fields = "Content-Type: application/pdf|Content-Transfer-Encoding: base64"
    (attachment,) = read_message(mixed(TEXT, (fields, b"%PDF-1.7 hello"))).attachments
    assert attachment.data == b"%PDF-1.7 hello"
    text = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nHello there, this is plain."
    assert read_message(text).text == "Hello there, this is plain."
    text = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + in_base64("Grüße aus der Klinik. ".encode() * 9)
    assert read_message(text).text.startswith("Grüße aus der Klinik.")
    text = b"Subject: x\r\n\r\nGr=C3=BC=C3=9Fe aus=\r\n der=20=\r\nKlinik"
    assert read_message(text).text == "Grüße aus der Klinik"


def test_an_email_without_mime_headers() -> None:
    letter = read_message("From: a@x.example\r\nSubject: Größe\r\n\r\nGrüße\r\n".encode("cp1252"))
    assert (letter.subject, letter.text) == ("Größe", "Grüße")
    assert read_message(b"Just words, no headers at all.\r\n").text == "Just words, no headers at all."


def test_text_attachments_are_in_utf_8() -> None:
    fields = "Content-Type: text/csv; charset=cp-850; name=a.csv"
    (attachment,) = read_message(mixed(TEXT, (fields, b"B\x81ro;1\r\n"))).attachments
    assert attachment.data.decode().split(";")[0] == "Büro"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (("Content-Type: application/pdf; name=broken.pdf", b"garbage"), "broken.pdf is not a PDF"),
        (("Content-Type: application/ms-tnef; name=winmail.dat", b"x"), "winmail.dat cannot be read"),
        (("Content-Type: message/partial; id=1", b"x"), "message/partial"),
        (("Content-Type: application/pkcs7-mime; name=smime.p7m", b"x"), "smime.p7m: the e-mail is encrypted"),
        (("Content-Type: message/rfc822", mixed(("Content-Type: application/pdf; name=in.pdf", b"no"))), "in.pdf is not a PDF"),
    ],
)  # fmt: skip
def test_an_attachment_that_cannot_be_read_is_told_and_the_rest_goes(bad: tuple[str, bytes], said: str) -> None:
    good = ("Content-Type: application/pdf; name=good.pdf", PDF)
    for parts in ((TEXT, bad, good), (TEXT, good, bad)):
        letter = read_message(mixed(*parts))
        assert "good.pdf" in [a.name for a in letter.attachments]
        (line,) = letter.left_out
        assert said in line
    # The text alone is not what was to be faxed.
    with pytest.raises(MailError):
        read_message(mixed(TEXT, bad))


def test_html_is_a_page_where_words_would_lose_something() -> None:
    table = b"<p>Values</p><table><tr><td>Na</td><td>140</td></tr></table>"
    limits = MessageLimits(html=True)
    both = [TEXT, ("Content-Type: text/html; charset=iso-8859-1", "<p>Größe".encode("latin-1"))]
    assert read_message(mixed(*both, kind="multipart/alternative"), limits).html == ""
    both[1] = ("Content-Type: text/html", table)
    letter = read_message(mixed(*both, kind="multipart/alternative"), limits)
    assert (letter.text, "<td>140</td>" in letter.html) == ("Hello", True)
    assert read_message(mixed(*both, kind="multipart/alternative")).html == ""
    alone = read_message(mixed(both[1]), limits)
    assert "140" in alone.text
    assert "<td>140</td>" in alone.html


def test_pictures_within_the_html_stand_where_they_belong() -> None:
    html = ("Content-Type: text/html", b"<p>See <img src='cid:Photo@x'><img src=\"cid:logo\"></p>")
    photo = ("Content-Type: image/png|Content-ID: <photo@x>|Content-Disposition: inline; filename=p.png", b"x" * 30_000)
    logo = ("Content-Type: image/png|Content-ID: <logo>|Content-Disposition: inline; filename=l.png", b"y")
    letter = read_message(mixed(TEXT, html, photo, logo), MessageLimits(html=True))
    assert letter.attachments == ()
    assert letter.html.count("data:image/png;base64,") == 2
    # Without a page of HTML the picture is one of its own.
    assert [a.name for a in read_message(mixed(TEXT, html, photo, logo)).attachments] == ["p.png"]
    assert [a.name for a in read_message(mixed(TEXT, photo, logo), MessageLimits(html=True)).attachments] == ["p.png"]


def test_a_picture_shown_again_and_again_fills_no_memory() -> None:
    photo = ("Content-Type: image/png|Content-ID: <photo>", b"x" * 1_000_000)
    logo = ("Content-Type: image/png|Content-ID: <logo>", b"y" * 3_000)
    shown = b"<img src='cid:logo'>" * 50 + b"<img src='cid:photo'>\n" * 10_000
    letter = read_message(mixed(TEXT, ("Content-Type: text/html", shown), photo, logo), MessageLimits(html=True))
    # Each has its place, and the small one wherever it stands; ten thousand large ones would be 13 GB.
    assert letter.html.count(base64.b64encode(logo[1]).decode()) == 50
    assert letter.html.count(base64.b64encode(photo[1]).decode()) >= 1
    assert len(letter.html) < 10_000_000
