# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents of office programs, browsers and printers' drivers."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from tests.corpus import SENTENCES, document

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
