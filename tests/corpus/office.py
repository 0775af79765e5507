# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents of office programs, browsers and printers' drivers."""

from __future__ import annotations

import subprocess
import tempfile
from functools import partial
from pathlib import Path

from tests.corpus import SENTENCES, document
from tests.support import office_files

__all__: list[str] = []

ALL = " ".join(SENTENCES)
PAGE = """<!doctype html><meta charset="utf-8"><style>body { font: 11pt sans-serif; margin: 2cm } th { background: #24408e; color: white }
tr:nth-child(even) td { background: #e4e9f4 } aside { background: #ffe9a8; border-left: 4px solid #d08000; padding: 8px }</style>
<h1>Report of the month</h1><aside>%s</aside><table><tr><th>Number<th>What</tr>%s</table>"""


def html() -> str:
    return PAGE % (SENTENCES[0], "".join(f"<tr><td>{n}<td>{words}</tr>" for n, words in enumerate(SENTENCES, 11)))


@document("text.txt", words=ALL)
def plain(path: Path) -> None:
    path.write_text("\n\n".join(SENTENCES))


@document("notes.md", words=f"Heading {ALL}")
def markdown(path: Path) -> None:
    path.write_text("# Heading\n\n" + "".join(f"- {words}\n" for words in SENTENCES) + "\n**Bold** and `code`.\n")


@document("chromium.pdf", needs="chromium")
def chromium(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "page.html"
        source.write_text(html())
        subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile", "--no-pdf-header-footer",
             f"--print-to-pdf={path}", source.as_uri()],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip


@document("libreoffice.pdf", needs="soffice")
def libreoffice(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "libreoffice.html"
        source.write_text(html())
        subprocess.run(
            ["soffice", f"-env:UserInstallation=file://{folder}/profile", "--headless", "--convert-to", "pdf:writer_web_pdf_Export",
             "--outdir", str(path.parent), str(source)],
            check=True, capture_output=True, timeout=180,
        )  # fmt: skip


@document("ghostscript.pdf", needs="gs")
def ghostscript(path: Path) -> None:
    lines = "".join(f"50 {760 - 24 * n} moveto ({words}) show\n" for n, words in enumerate(SENTENCES))
    program = f"%!PS\n/Times-Roman findfont 12 scalefont setfont\n{lines}0.8 setgray 50 400 300 100 rectfill showpage\n"
    subprocess.run(
        ["gs", "-q", "-dBATCH", "-dNOPAUSE", "-dSAFER", "-sDEVICE=pdfwrite", f"-o{path}", "-"],
        input=program.encode(),
        check=True,
    )


def by_libreoffice(path: Path, kind: str = "") -> None:
    """A text of LibreOffice's, or the like of other programs that it writes."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / f"{path.stem}.html"
        source.write_text("".join(f"<p>{words}</p>" for words in ("<b>Findings</b>", *SENTENCES)))
        subprocess.run(
            ["soffice", f"-env:UserInstallation=file://{folder}/profile", "--headless", "--infilter=HTML (StarWriter)", "--convert-to",
             f"{path.suffix[1:]}{kind}", "--outdir", str(path.parent), str(source)],
            check=True, capture_output=True, timeout=180,
        )  # fmt: skip


for name, kind in (
    ("letter.odt", ""),
    ("letter.docx", ":MS Word 2007 XML"),
    ("letter.doc", ":MS Word 97"),
    ("letter.rtf", ":Rich Text Format"),
):
    document(name, words=f"Findings {ALL}", needs="soffice")(partial(by_libreoffice, kind=kind))


@document("sheet.xlsx", words=f"Number What {ALL}", needs="soffice")
def sheet(path: Path) -> None:
    office_files.xlsx(path, [["Number", "What"], *([str(n), words] for n, words in enumerate(SENTENCES))])


@document("sheet.ods", words=f"Number What {ALL}", needs="soffice")
def open_sheet(path: Path) -> None:
    office_files.ods(path, [["Number", "What"], *([str(n), words] for n, words in enumerate(SENTENCES))])


@document("locked.docx", words=f"Findings {ALL}", needs="soffice", password="corpus")
def locked(path: Path) -> None:
    from msoffcrypto.format.ooxml import OOXMLFile

    # Small ones it encrypts so that nothing opens them.
    plain_file = path.with_name("open.docx")
    by_libreoffice(plain_file, ":MS Word 2007 XML")
    with plain_file.open("rb") as opened, path.open("wb") as out:
        OOXMLFile(opened).encrypt("corpus", out)
