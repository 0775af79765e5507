# SPDX-License-Identifier: GPL-2.0-or-later
"""Office files: told apart by content, turned into pages by LibreOffice, harmless."""

from __future__ import annotations

import http.server
import os
import shutil
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pypdfium2 as pdfium
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from softfax.documents import office
from softfax.documents.begin import prepare
from softfax.documents.kinds import OLE2
from softfax.documents.office import OfficeKind, OfficeLimits, convert_office, office_kind
from softfax.documents.types import RasterSettings
from softfax.errors import DocumentError, DocumentPasswordError, DocumentTooLargeError, DocumentUnsupportedError
from tests.support import office_files
from tests.support.absent import absent

needs_libreoffice = pytest.mark.usefixtures("libreoffice")


@pytest.fixture(scope="session")
def libreoffice() -> None:
    """Require LibreOffice: an error in CI where there is none."""
    if shutil.which("soffice") is None:
        absent("LibreOffice is not installed")


def text_of(pdf: Path) -> list[str]:
    document = pdfium.PdfDocument(pdf)
    try:
        return [" ".join(page.get_textpage().get_text_range().split()) for page in document]
    finally:
        document.close()


def black_dots(pdf: Path) -> int:
    document = pdfium.PdfDocument(pdf)
    try:
        return sum(document[0].render().to_pil().convert("L").histogram()[:64])
    finally:
        document.close()


# ---- what is an office file -------------------------------------------------------------------------------------


def test_told_apart_by_content(tmp_path: Path) -> None:
    disguised = tmp_path / "letter.pdf"
    assert office_kind(office_files.docx(disguised, ["x"])) is OfficeKind.TEXT
    assert office_kind(office_files.odt(disguised, "")) is OfficeKind.TEXT
    assert office_kind(office_files.rtf(disguised, "x")) is OfficeKind.TEXT
    assert office_kind(office_files.xlsx(disguised, [["x"]])) is OfficeKind.SHEET
    assert office_kind(office_files.ods(disguised, [["x"]])) is OfficeKind.SHEET
    assert office_kind(office_files.pptx_without_slides(disguised)) is OfficeKind.SLIDES


def test_old_office_files(tmp_path: Path) -> None:
    path = tmp_path / "old"
    for stream, kind in (
        ("WordDocument", OfficeKind.TEXT),
        ("Workbook", OfficeKind.SHEET),
        ("PowerPoint Document", OfficeKind.SLIDES),
    ):
        path.write_bytes(OLE2 + bytes(504) + (stream + "\0").encode("utf-16-le") + bytes(512))
        assert office_kind(path) is kind
    path.write_bytes(OLE2 + bytes(1024))
    assert office_kind(path) is None


def test_what_is_none(tmp_path: Path) -> None:
    path = tmp_path / "letter.docx"
    for content in (b"", b"plain text", b"%PDF-1.4", b"PK\x03\x04", b"PK\x03\x04" + os.urandom(3000), b"{ rtf"):
        path.write_bytes(content)
        assert office_kind(path) is None
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("a.txt", "word/")
    assert office_kind(path) is None
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for other in (
        tmp_path,
        tmp_path / "missing",
        tmp_path / "pipe",
        tmp_path / "loop",
        Path("/dev/zero"),
        tmp_path / "a\0b",
    ):
        assert office_kind(other) is None


@given(st.binary(max_size=400), st.sampled_from([b"", OLE2, office.ZIP, b"{\\rtf", office.ZIP + b"PK\x05\x06"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_is_told_without_falling(tmp_path: Path, content: bytes, start: bytes) -> None:
    path = tmp_path / "any"
    path.write_bytes(start + content)
    assert office_kind(path) in (None, *OfficeKind)


def test_a_directory_of_millions_of_parts_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "parts.docx"
    end = b"PK\x05\x06" + bytes(8) + (3 << 30).to_bytes(4, "little") + bytes(4 + 2)
    path.write_bytes(b"PK\x03\x04" + b"[Content_Types].xml word/" + end)
    assert office_kind(path) is None


# ---- without LibreOffice ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("there", [False, True])
def test_where_libreoffice_is_missing_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    """Or its part for such files."""
    (tmp_path / "libswlo.so").touch()
    monkeypatch.setattr(office, "_program", lambda: str(tmp_path / "soffice") if there else None)
    path = office_files.xlsx(tmp_path / "prices.xlsx", [["x"]])

    with pytest.raises(
        DocumentUnsupportedError,
        match=r"prices\.xlsx is a spreadsheet, and LibreOffice.*not installed; install it \(apt install libreoffice-calc-nogui\) or save the document as PDF",
    ):
        convert_office(path, tmp_path / "work")


def test_encrypted_files_are_named_so(tmp_path: Path) -> None:
    encrypted = office_files.odt(tmp_path / "secret.odt", "", encrypted=True)
    with pytest.raises(DocumentPasswordError, match=r"secret\.odt is encrypted"):
        convert_office(encrypted, tmp_path / "work")
    encrypted.write_bytes(OLE2 + bytes(504) + "EncryptedPackage\0".encode("utf-16-le"))
    with pytest.raises(DocumentPasswordError):
        convert_office(encrypted, tmp_path / "work")


def test_too_large(tmp_path: Path) -> None:
    path = office_files.docx(tmp_path / "a.docx", ["x"])
    with pytest.raises(DocumentTooLargeError):
        convert_office(path, tmp_path / "work", OfficeLimits(file_bytes=100))


# ---- with it ----------------------------------------------------------------------------------------------------


@needs_libreoffice
def test_office_files_become_pages(tmp_path: Path) -> None:
    work = tmp_path / "work"
    word = convert_office(
        office_files.docx(tmp_path / "-letter; 'x'\n.docx", ["Dear <you>", "Grüße"], page_breaks=True), work
    )
    assert [text for text in text_of(word) if text] == ["Dear <you>", "Grüße"]
    assert text_of(convert_office(office_files.odt(tmp_path / "a.pdf", "<text:p>An open letter</text:p>"), work)) == [
        "An open letter"
    ]
    assert text_of(convert_office(office_files.rtf(tmp_path / "b", "A rich letter"), work)) == ["A rich letter"]
    assert text_of(convert_office(office_files.xlsx(tmp_path / "c.xlsx", [["Price", "12.50"]]), work)) == [
        "Price 12.50"
    ]
    (sheet,) = text_of(convert_office(office_files.ods(tmp_path / "d.ods", [["Sum", "7"]]), work))
    assert sheet.endswith("Sum 7")
    assert [path.name for path in work.iterdir()] == ["document.pdf"]


@needs_libreoffice
def test_an_old_word_file(tmp_path: Path) -> None:
    source = office_files.docx(tmp_path / "letter.docx", ["From long ago"])
    profile = (tmp_path / "profile").as_uri()
    subprocess.run(
        ["soffice", f"-env:UserInstallation={profile}", "--headless", "--convert-to", "doc", "--outdir", tmp_path, source],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert office_kind(tmp_path / "letter.doc") is OfficeKind.TEXT
    assert text_of(convert_office(tmp_path / "letter.doc", tmp_path / "work")) == ["From long ago"]


@needs_libreoffice
def test_an_office_file_is_faxed(tmp_path: Path) -> None:
    letter = office_files.docx(tmp_path / "letter.docx", ["Page one", "Page two"], page_breaks=True)

    pages = prepare([letter], RasterSettings(), tmp_path, pages="last").pages

    assert [page.width for page in pages] == [1728]


@needs_libreoffice
def test_several_at_once_do_not_clash(tmp_path: Path) -> None:
    letters = [office_files.docx(tmp_path / f"{n}.docx", [f"Letter {n}"]) for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda letter: convert_office(letter, tmp_path / f"work-{letter.stem}"), letters))
    assert [text_of(pdf) for pdf in made] == [[f"Letter {n}"] for n in range(4)]


@pytest.fixture
def requests() -> Iterator[tuple[str, list[str]]]:
    """A web server of this machine, and the paths it is asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_OPTIONS = do_PROPFIND = do_GET

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def _linked_image(url: str) -> str:
    frame = '<draw:frame text:anchor-type="as-char" svg:width="8cm" svg:height="8cm">'
    link = f'<draw:image xlink:href="{url}" xlink:type="simple" xlink:show="embed" xlink:actuate="onLoad"/>'
    return f"<text:p>Hello{frame}{link}</draw:frame></text:p>"


@needs_libreoffice
@pytest.mark.parametrize("isolated", [True, False])
def test_nothing_is_fetched_and_no_file_of_this_machine_shown(
    tmp_path: Path, requests: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch, isolated: bool
) -> None:
    """Also where the network cannot be taken away."""
    if not isolated:
        monkeypatch.setattr(office, "without_network", tuple)
    site, asked = requests
    secret = tmp_path / "secret.png"
    Image.new("L", (200, 200), 0).save(secret)
    (tmp_path / "secret.txt").write_text("very secret")
    section = f'<text:section text:name="S"><text:section-source xlink:href="{(tmp_path / "secret.txt").as_uri()}" xlink:type="simple"/><text:p>.</text:p></text:section>'
    body = _linked_image(secret.as_uri()) + _linked_image(f"{site}/image.png") + section

    pdf = convert_office(office_files.odt(tmp_path / "a.odt", body), tmp_path / "work")

    assert asked == []
    assert black_dots(pdf) < 2000  # 8 cm by 8 cm would be more than 50,000
    assert "secret" not in " ".join(text_of(pdf))


@needs_libreoffice
def test_macros_do_not_run(tmp_path: Path) -> None:
    written = tmp_path / "written"
    code = f'Sub Main\nOpen "{written}" For Output As #1\nPrint #1, "x"\nClose #1\nEnd Sub'
    library = "http://openoffice.org/2000/library"
    extra = {
        "Basic/script-lc.xml": f'<library:libraries xmlns:library="{library}"><library:library library:name="Standard" library:link="false"/></library:libraries>',
        "Basic/Standard/script-lb.xml": f'<library:library xmlns:library="{library}" library:name="Standard" library:readonly="false" library:passwordprotected="false"><library:element library:name="Module1"/></library:library>',
        "Basic/Standard/Module1.xml": f'<script:module xmlns:script="http://openoffice.org/2000/script" script:name="Module1" script:language="StarBasic">{code}</script:module>',
    }
    event = 'script:language="ooo:script" script:event-name="dom:load" xlink:href="vnd.sun.star.script:Standard.Module1.Main?language=Basic&amp;location=document" xlink:type="simple"'
    scripts = f'<office:event-listeners xmlns:dom="http://www.w3.org/2001/xml-events"><script:event-listener {event}/></office:event-listeners>'

    pdf = convert_office(
        office_files.odt(tmp_path / "macro.odt", "<text:p>Hello</text:p>", extra=extra, scripts=scripts),
        tmp_path / "work",
    )

    assert text_of(pdf) == ["Hello"]
    assert not written.exists()


@needs_libreoffice
def test_a_broken_one_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    whole = office_files.docx(tmp_path / "a.docx", ["x" * 5000])
    whole.write_bytes(whole.read_bytes().replace(b"word/document.xml", b"word/another_.xml"))
    with pytest.raises(DocumentUnsupportedError, match=r"a\.docx cannot be opened by LibreOffice"):
        convert_office(whole, tmp_path / "work")
    assert list((tmp_path / "work").iterdir()) == []


def _left_pipes() -> set[Path]:
    """LibreOffice's sockets that nobody listens at any more; others may be at work meanwhile."""
    found = set(Path("/tmp").glob("OSL_PIPE*"))
    listening = Path("/proc/net/unix").read_text()
    return {path for path in found if str(path) not in listening}


@needs_libreoffice
def test_what_takes_too_long_is_ended_with_all_its_processes(tmp_path: Path) -> None:
    """A bomb: 60 MB of text in 250 kB."""
    before = _left_pipes()
    path = office_files.docx(tmp_path / "bomb.docx", ["word " * 200] * 60_000)
    with pytest.raises(DocumentError, match=r"bomb\.docx (takes too long|is too large|cannot be opened)"):
        convert_office(path, tmp_path / "work", OfficeLimits(wall_s=3))
    assert list((tmp_path / "work").iterdir()) == []
    assert _left_pipes() <= before
    # What is killed is gone a moment later.
    end = time.monotonic() + 30
    while subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, check=False).stdout:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    program = tmp_path / "soffice"
    program.write_text("#!/bin/sh\nsleep 60 & sleep 60\n")
    program.chmod(0o755)
    with pytest.raises(DocumentTooLargeError, match=r"a\.docx takes too long"):
        convert_office(
            office_files.docx(tmp_path / "a.docx", ["x"]),
            tmp_path / "work",
            OfficeLimits(wall_s=0.5),
            program=str(program),
        )
