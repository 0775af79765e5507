# SPDX-License-Identifier: GPL-2.0-or-later
"""E-mails, Outlook's messages, web pages and locked office files as documents: what is in them is on the pages, nothing is fetched,
and what cannot be read is told."""

from __future__ import annotations

import base64
import http.server
import io
import os
import struct
import threading
import zipfile
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pypdfium2 as pdfium
import pytest
from PIL import Image

from softfax.documents import foreign
from softfax.documents.begin import start
from softfax.documents.foreign import Foreign, ForeignLimits, foreign_kind, open_foreign
from softfax.documents.letters.rtf import unpacked
from softfax.documents.sources import gather
from softfax.documents.types import DocumentLimits, RasterSettings
from softfax.errors import DocumentError, DocumentPasswordError, DocumentTooLargeError, DocumentUnsupportedError
from tests.support import office_files, outlook_files

LOCKED = Path(__file__).with_name("locked")
PASSWORD = "geheim"


def pdf() -> bytes:
    made = io.BytesIO()
    Image.new("L", (400, 400), 0).save(made, "PDF")
    return made.getvalue()


PDF = pdf()


def words(path: Path) -> str:
    document = pdfium.PdfDocument(path)
    try:
        return " ".join(" ".join(page.get_textpage().get_text_range().split()) for page in document)
    finally:
        document.close()


def gathered(path: Path, folder: Path, **options: object) -> tuple[list[tuple[str, str]], list[str]]:
    """The documents that a file becomes, by name and words, and the warnings."""
    warnings: list[str] = []
    sources = gather([path], folder, limits=DocumentLimits(), warnings=warnings, **options)  # type: ignore[arg-type]
    said = [
        words(s.path) if s.path.suffix == ".pdf" else s.path.read_text() if s.path.suffix == ".txt" else ""
        for s in sources
    ]
    return [(source.name, text) for source, text in zip(sources, said, strict=True)], warnings


def page(body: str, head: str = "") -> str:
    return f"<!DOCTYPE html><html><head><meta charset=utf-8>{head}</head><body>{body}</body></html>"


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """An address, and what was asked for there."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


# ---- kinds --------------------------------------------------------------------------------------------------------------


def test_kinds_are_told_by_name_and_content(tmp_path: Path) -> None:
    mail = b"Received: x\r\nFrom: a@x\r\nTo: b@x\r\nSubject: s\r\nMessage-ID: <1@x>\r\n\r\nx"
    snapshot = b"From: <Saved by Blink>\r\nSnapshot-Content-Location: http://x/\r\nSubject: s\r\nDate: x\r\nMIME-Version: 1.0\r\n\r\n"
    for name, content, kind in (
        ("a.eml", b"Subject: x\r\n\r\nx", Foreign.MAIL),
        ("a", mail, Foreign.MAIL),
        ("a.txt", b"From: Anna\nTo: Bob\nSubject: memo\nDate: today\n\nx", None),
        ("a.mht", mail, Foreign.ARCHIVE),
        ("a", snapshot, Foreign.ARCHIVE),
        ("a.html", b"plain words", Foreign.WEB),
        ("a", b"\xef\xbb\xbf  <!DOCTYPE HTML><p>x", Foreign.WEB),
        ("a.xml", b'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml">', Foreign.WEB),
        ("a", "<html>".encode("utf-16"), Foreign.WEB),
        ("a.txt", b"<html>source to be read</html>", None),
        ("a.md", b"<html>source to be read</html>", None),
        ("a.pdf", b"<html>error 404</html>", None),
        ("a.html", b"%PDF-1.7", None),
        ("winmail.dat", b"\x78\x9f\x3e\x22", Foreign.TNEF),
        ("a", b"words", None),
    ):
        path = tmp_path / "file"
        path.write_bytes(content)
        assert foreign_kind(path, name) is kind, (name, content)
    assert foreign_kind(outlook_files.msg(tmp_path / "m", {"x0037": "x"})) is Foreign.OUTLOOK
    os.mkfifo(tmp_path / "pipe")
    for other in (tmp_path, tmp_path / "missing", tmp_path / "pipe", Path("/dev/zero")):
        assert foreign_kind(other) is None


# ---- e-mails ------------------------------------------------------------------------------------------------------------


def test_an_email_is_its_text_and_its_attachments(tmp_path: Path) -> None:
    inner = EmailMessage()
    inner["Subject"], inner["From"] = "Inner", "Bob <bob@x.example>"
    inner.set_content("Inner text")
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Anna <anna@x.example>", "b@x.example", "Grüße"
    message.set_content("Hello there")
    message.add_attachment(PDF, maintype="application", subtype="pdf", filename="a.pdf")
    message.add_attachment(inner)
    message.add_attachment(page("<p>A page").encode(), maintype="text", subtype="html", filename="p.html")
    message.add_attachment(b"PK\3\4zzzz", maintype="application", subtype="zip", filename="z.zip")
    path = tmp_path / "letter.eml"
    path.write_bytes(message.as_bytes())
    found, _ = gathered(path, tmp_path / "work")
    assert [name for name, _ in found] == ["letter.txt", "a.pdf", "Inner.txt", "p.html", "z.zip"]
    assert found[0][1] == "From: Anna <anna@x.example>\nTo: b@x.example\nSubject: Grüße\n\nHello there"
    assert found[2][1].endswith("Inner text")
    assert found[3][1] == "A page"
    # What is no document shows when the pages are made; the rest is made.
    with start([path], RasterSettings(), tmp_path) as job:
        assert len(job.prepared().pages) == 4
        assert job.warnings == ["left out: z.zip is not a document that can be faxed"]
        assert "z.zip" not in [source.name for source in job.sources]


def test_an_email_in_html_is_a_page_with_its_pictures(tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("L", (300, 100), 0).save(picture, "PNG")
    message = EmailMessage()
    message["Subject"] = "Values"
    message.set_content(page("<table><tr><td>Na<td>140</table><img src='cid:p'>"), subtype="html")
    message.add_related(picture.getvalue(), "image", "png", cid="<p>")
    path = tmp_path / "letter.eml"
    path.write_bytes(message.as_bytes())
    ((name, text),), warnings = gathered(path, tmp_path / "work")
    assert (name, text, warnings) == ("letter.html", "Subject: Values Na 140", [])
    with start([path], RasterSettings(), tmp_path) as job:
        (info,) = job.prepared().pages
    image = Image.open(job.tiff).convert("L").resize((info.width // 16, info.rows // 16))
    assert sum(image.histogram()[:32]) > 100


def test_a_message_of_outlooks(tmp_path: Path) -> None:
    inner = outlook_files.message(
        {"x0037": "Inner", "x1000": "Inner text", "x0C1A": "Bob"}, outlook_files.attachment("in.pdf", PDF), inner=True
    )
    path = outlook_files.msg(
        tmp_path / "letter.msg",
        {"x0037": "Grüße", "x1000": "Hello", "x0C1A": "Anna", "x5D01": "anna@x.example", "x0E04": "Klinik",
         "x1013": "<p>Werte für</p><table><tr><td>Na<td>140</table>".encode("cp1252")},
        outlook_files.attachment("a.pdf", PDF * 5),
        outlook_files.attachment("bad.pdf", b"no"),
        outlook_files.forwarded(inner),
        fixed={0x3FDE: 1252, 0x0039: 134_000_000_000_000_000},
    )  # fmt: skip
    found, warnings = gathered(path, tmp_path / "work")
    assert [name for name, _ in found] == ["letter.html", "a.pdf", "Inner.txt", "in.pdf"]
    head = "From: Anna <anna@x.example> To: Klinik Date: 2025-08-18 14:13 UTC Subject: Grüße"
    assert found[0][1] == f"{head} Werte für Na 140"
    assert found[2][1] == "From: Bob\nSubject: Inner\n\nInner text"
    assert warnings == ["left out: bad.pdf is not a PDF"]


def test_attachments_of_outlooks_are_all_faxed_or_none(tmp_path: Path) -> None:
    files = [outlook_files.attachment(f"{number}.txt", b"x") for number in range(201)]
    found, _ = gathered(outlook_files.msg(tmp_path / "a.msg", {"x1000": "Hello"}, *files[:200]), tmp_path / "work")
    assert len(found) == 201
    with pytest.raises(DocumentError, match="more than 200 parts"):
        gathered(outlook_files.msg(tmp_path / "b.msg", {"x1000": "Hello"}, *files), tmp_path / "more")


def test_compressed_text_of_outlooks_that_is_cut_off_is_told() -> None:
    head = struct.pack("<IIII", 0, 20, 0x75465A4C, 0)
    body = b"\0" + b"{\\rtf1 a" + b"\0" + b"bcdefghi" + b"\0" + b"jk}."
    assert unpacked(head + body) == (b"{\\rtf1 abcdefghijk}.", True)
    assert unpacked(head + body[:-4]) == (b"{\\rtf1 abcdefghi", False)


def test_damaged_messages_of_outlooks_are_one_clear_line(tmp_path: Path) -> None:
    whole = outlook_files.msg(tmp_path / "a.msg", {"x0037": "x", "x1000": "text " * 1000}).read_bytes()
    for cut in (100, 520, 2000, len(whole) - 3000):
        path = tmp_path / "cut.msg"
        path.write_bytes(whole[:cut])
        with pytest.raises(DocumentError, match=r"cut\.msg"):
            gather([path], tmp_path / f"work-{cut}", limits=DocumentLimits())


def test_a_single_bad_document_is_still_an_error(tmp_path: Path) -> None:
    path = tmp_path / "letter.eml"
    path.write_bytes(b"Subject: x\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\ngarbage")
    with pytest.raises(DocumentUnsupportedError, match=r"a\.pdf is not a PDF"):
        gather([path], tmp_path / "work", limits=DocumentLimits())
    two = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Type: application/pdf\r\n\r\n"
    )
    path.write_bytes(two + PDF + b"\r\n--b--\r\n")
    with pytest.raises(DocumentUnsupportedError, match="pages can be chosen of one alone"):
        gather([f"{path}#pages=2"], tmp_path / "more", limits=DocumentLimits())


def test_optional_documents_are_left_out_with_a_word(tmp_path: Path) -> None:
    good, bad, cut = tmp_path / "good.pdf", tmp_path / "bad.docx", tmp_path / "cut.webp"
    good.write_bytes(PDF)
    bad.write_bytes(b"\0\1\2garbage")
    Image.effect_noise((900, 900), 80).save(cut, quality=95)
    cut.write_bytes(cut.read_bytes()[:20_000])
    files = [str(bad), str(good), str(cut)]
    with start(files, RasterSettings(), tmp_path, optional=files) as job:
        assert len(job.prepared().pages) == 1
        assert [line.split()[2] for line in job.warnings] == ["bad.docx", "cut.webp"]
        assert [source.name for source in job.sources] == ["good.pdf"]
    with start([str(bad)], RasterSettings(), tmp_path, optional=files) as job, pytest.raises(DocumentUnsupportedError):
        job.prepared()


# ---- web pages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (page("<h1>Grüße</h1><p>سلام").encode(), "Grüße"),
        (b"<meta charset=windows-1252><p>Gr\xfc\xdfe", "Grüße"),
        (b'<meta http-equiv=Content-Type content="text/html; charset=x-sjis"><p>\x83\x65', "テ"),
        ("<p>Grüße".encode("utf-16"), "Grüße"),
        (b"<p>Gr\xfc\xdfe", "Grüße"),
        (b'<?xml version="1.0" encoding="iso-8859-1"?><html xmlns="http://www.w3.org/1999/xhtml"><head><script src="x"/></head>'
         b"<body><p>Gr\xfc\xdfe</p></body></html>", "Grüße"),
    ],
)  # fmt: skip
def test_a_web_page_is_a_page(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(data)
    ((name, text),), _ = gathered(path, tmp_path / "work")
    assert name == "page.html"
    assert said in text
    assert "<" not in text


def test_nothing_is_fetched_and_no_file_is_read(tmp_path: Path, elsewhere: tuple[str, list[str]]) -> None:
    url, asked = elsewhere
    secret = tmp_path / "secret.png"
    Image.new("L", (500, 500), 0).save(secret)
    (tmp_path / "secret.css").write_text("body::before { content: 'from the file' }")
    body = "".join(
        f'<img src="{where}"><object data="{where}"></object><iframe src="{where}"></iframe><embed src="{where}">'
        f'<link rel=attachment href="{where}"><p style="background: url({where})">x</p><svg><image href="{where}"/></svg>'
        for where in (f"{url}/a.png", secret.as_uri(), str(secret), "secret.png", f"ftp://{url[7:]}/x")
    )
    svg = base64.b64encode(
        f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}/svg.png"/></svg>'.encode()
    ).decode()
    head = (
        f'<base href="{tmp_path.as_uri()}/"><link rel=stylesheet href="{url}/a.css"><link rel=stylesheet href="secret.css">'
        f"<style>@import url({url}/b.css); @import url(secret.css); @font-face {{ font-family: x; src: url({url}/f.woff) }}</style>"
        f"<meta http-equiv=refresh content='0; url={url}/r'><script>fetch('{url}/js')</script>"
    )
    path = tmp_path / "page.html"
    path.write_text(page(f"{body}<img src='data:image/svg+xml;base64,{svg}'>", head))
    sources, warnings = gathered(path, tmp_path / "work")
    assert "from the file" not in sources[0][1]
    assert asked == []
    assert len(warnings) == 1
    assert "which are not fetched" in warnings[0]
    rendered = (
        pdfium.PdfDocument(gather([path], tmp_path / "again", limits=DocumentLimits())[0].path)[0]
        .render()
        .to_pil()
        .convert("L")
    )
    assert sum(rendered.histogram()[:64]) < 5000


def test_what_is_wider_than_paper_is_made_smaller_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "wide.html"
    cells = "".join(f"<td>value-number-{n}" for n in range(12))
    path.write_text(page(f"<table border=1><tr>{cells}</table><pre>{'x' * 300}</pre>"))
    sources = gather([path], tmp_path / "work", limits=DocumentLimits())
    document = pdfium.PdfDocument(sources[0].path)
    (width, height), text = document[0].get_size(), document[0].get_textpage()
    assert {round(width), round(height)} == {595, 842}
    right = max(text.get_charbox(index)[2] for index in range(text.count_chars()))
    assert right < width
    assert "value-number-11" in text.get_text_range()


def test_a_saved_web_page_has_its_pictures_and_styles(tmp_path: Path, elsewhere: tuple[str, list[str]]) -> None:
    picture = io.BytesIO()
    Image.new("L", (200, 200), 0).save(picture, "PNG")
    path = tmp_path / "saved.mht"
    path.write_bytes(
        b"From: <Saved by Blink>\r\nSnapshot-Content-Location: https://x.example/a/page\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/related; type=text/html; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\nContent-Location: https://x.example/a/page\r\n\r\n"
        b'<meta charset=3Dutf-8><link rel=3Dstylesheet href=3D"s.css"><p>Gr=C3=BC=C3=9Fe<p class=3Dno>hidden</p><img src=3D"../p.png">\r\n'
        b"--b\r\nContent-Type: text/css\r\nContent-Location: https://x.example/a/s.css\r\n\r\n.no { display: none }\r\n"
        b"--b\r\nContent-Type: image/png\r\nContent-Location: https://x.example/p.png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(picture.getvalue()) + b"\r\n--b--\r\n"
    )  # fmt: skip
    sources = gather([path], tmp_path / "work", limits=DocumentLimits())
    assert words(sources[0].path) == "Grüße"
    rendered = pdfium.PdfDocument(sources[0].path)[0].render().to_pil().convert("L")
    assert sum(rendered.histogram()[:32]) > 10_000


@pytest.mark.parametrize(
    "body",
    [
        "<table>" * 3000,
        "<div>" * 50_000 + "x",
        "<div style='width:1e30px;height:1e30px;columns:100000'>x",
        "<img src='data:image/svg+xml," + "%3Cg%3E" * 50_000 + "'>x",
    ],
    ids=["tables", "deep", "huge", "svg"],
)
def test_a_hostile_page_ends_in_time_and_memory(tmp_path: Path, body: str) -> None:
    path = tmp_path / "page.html"
    path.write_text(page(body))
    limits = ForeignLimits(cpu_s=4, wall_s=60.0)
    try:
        open_foreign(Foreign.WEB, path, tmp_path / "out", name="page.html", limits=limits)
    except DocumentError as error:
        assert "page.html" in str(error)  # noqa: PT017


def test_what_takes_too_long_or_too_much_is_told(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page("<p>x" * 100_000))
    with pytest.raises(DocumentTooLargeError, match=r"page\.html takes too long"):
        open_foreign(Foreign.WEB, path, tmp_path / "a", name="page.html", limits=ForeignLimits(cpu_s=1))
    with pytest.raises(DocumentTooLargeError, match="larger than"):
        open_foreign(Foreign.WEB, path, tmp_path / "b", name="page.html", limits=ForeignLimits(file_bytes=1000))


def test_a_missing_library_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.util as u\nfound = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name in ('weasyprint', 'olefile', 'msoffcrypto') else found(name, *a)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(hidden))
    path = tmp_path / "page.html"
    path.write_text(page("x"))
    with pytest.raises(
        DocumentUnsupportedError, match=r"WeasyPrint, which draws it, is not installed.*pip install weasyprint"
    ):
        gather([path], tmp_path / "a", limits=DocumentLimits())
    with pytest.raises(DocumentUnsupportedError, match="pip install olefile"):
        gather([outlook_files.msg(tmp_path / "a.msg", {"x0037": "x"})], tmp_path / "b", limits=DocumentLimits())
    with pytest.raises(DocumentPasswordError, match="pip install msoffcrypto-tool"):
        gather([LOCKED / "locked.odt"], tmp_path / "c", limits=DocumentLimits(), password=PASSWORD)
    # The words of an e-mail in HTML need nothing more.
    path = tmp_path / "letter.eml"
    path.write_bytes(b"Subject: x\r\nContent-Type: text/html\r\n\r\n<table><tr><td>a<td>b</table>")
    assert gathered(path, tmp_path / "d")[0] == [("letter.txt", "Subject: x\n\na  b")]


# ---- locked office files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["locked.odt", "locked.doc", "locked.xls"])
def test_locked_files_open_with_their_password_alone(tmp_path: Path, name: str) -> None:
    """Made by LibreOffice 7.4 with the password `geheim`."""
    made, _ = open_foreign(Foreign.LOCKED, LOCKED / name, tmp_path / "a", name=name, password=PASSWORD)
    content = made[0].path.read_bytes()
    if name.endswith(".odt"):
        with zipfile.ZipFile(made[0].path) as package:
            assert package.namelist()[0] == "mimetype"
            assert b"encryption-data" not in package.read("META-INF/manifest.xml")
            content = package.read("content.xml")
    said = "locked by LibreOffice"
    assert said.encode() in content or said.encode("utf-16-le") in content
    with pytest.raises(DocumentPasswordError, match=f"{name} is encrypted.*--document-password"):
        open_foreign(Foreign.LOCKED, LOCKED / name, tmp_path / "b", name=name)
    with pytest.raises(DocumentPasswordError, match=f"the password does not open {name}"):
        open_foreign(Foreign.LOCKED, LOCKED / name, tmp_path / "c", name=name, password="wrong")


def test_locked_files_of_microsofts(tmp_path: Path) -> None:
    from msoffcrypto.format.ooxml import OOXMLFile

    path, locked = office_files.docx(tmp_path / "a.docx", ["Hello"]), tmp_path / "locked.docx"
    with zipfile.ZipFile(path, "a") as package:
        package.writestr("word/media/noise.bin", os.urandom(9000))
    with path.open("rb") as file, locked.open("wb") as out:
        OOXMLFile(file).encrypt(PASSWORD, out)
    made, _ = open_foreign(Foreign.LOCKED, locked, tmp_path / "out", name="locked.docx", password=PASSWORD)
    assert made[0].path.read_bytes() == path.read_bytes()
    for password, problem in (("", "is encrypted"), ("wrong", "the password does not open")):
        with pytest.raises(DocumentPasswordError, match=problem):
            gather([locked], tmp_path / f"work-{password}", limits=DocumentLimits(), password=password)


def test_a_damaged_lock_is_one_clear_line(tmp_path: Path) -> None:
    whole = (LOCKED / "locked.odt").read_bytes()
    at = whole.index(b"mimetype")
    for cut in (at + 100, len(whole) // 2):
        path = tmp_path / "cut.odt"
        path.write_bytes(whole[:cut] + whole[cut + 40 :])
        with pytest.raises(DocumentError, match=r"cut\.odt"):
            open_foreign(Foreign.LOCKED, path, tmp_path / str(cut), name="cut.odt", password=PASSWORD)


def test_passwords_stand_in_no_process_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    popen = foreign.subprocess.Popen

    def watched(command: list[str], **options: object) -> object:
        seen.extend([*command, *dict(options.get("env") or {}).values()])  # type: ignore[call-overload]
        return popen(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(foreign.subprocess, "Popen", watched)
    open_foreign(Foreign.LOCKED, LOCKED / "locked.doc", tmp_path / "a", name="a.doc", password=PASSWORD)
    assert seen
    assert PASSWORD not in seen
