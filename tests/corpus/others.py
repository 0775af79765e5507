# SPDX-License-Identifier: GPL-2.0-or-later
"""Web pages, e-mails, tables kept as text, and pages as scanners see them."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import numpy as np
from PIL import Image

from softfax.documents.text import text_sheets
from tests.corpus import SENTENCES, document
from tests.corpus.office import ALL, html
from tests.corpus.pdfs import saved
from tests.corpus.pictures import page
from tests.support import outlook_files

__all__: list[str] = []

ON_PAGE = f"Report of the month {SENTENCES[0]} Number What {' '.join(f'{n} {words}' for n, words in enumerate(SENTENCES, 11))}"


@document("page.html", words=ON_PAGE)
def web_page(path: Path) -> None:
    path.write_text(html())


@document("saved.mht", words=ON_PAGE)
def saved_page(path: Path) -> None:
    message = EmailMessage()
    message["Snapshot-Content-Location"] = "https://clinic.example/report"
    message.set_content(html(), subtype="html")
    path.write_bytes(message.as_bytes())


@document("letter.eml", words=f"From anna clinic example Subject Findings {ALL}")
def letter(path: Path) -> None:
    message = EmailMessage()
    message["From"], message["Subject"] = "anna@clinic.example", "Findings"
    message.set_content("\n\n".join(SENTENCES), charset="iso-8859-1")
    path.write_bytes(message.as_bytes())


@document("table.eml", words=f"From anna clinic example {ON_PAGE}")
def html_letter(path: Path) -> None:
    message = EmailMessage()
    message["From"] = "anna@clinic.example"
    message.set_content(html(), subtype="html")
    path.write_bytes(message.as_bytes())


@document("outlook.msg", words=f"From Anna Findings {ALL}")
def outlook(path: Path) -> None:
    outlook_files.msg(path, {"x0037": "Findings", "x0C1A": "Anna", "x1000": "\r\n\r\n".join(SENTENCES)})


@document("forwarded.eml", words=f"Subject Forwarded Findings {ALL} {ALL} {' '.join(SENTENCES * 2)}")
def forwarded(path: Path) -> None:
    """An e-mail with an e-mail within it, a text and a picture."""
    inner = EmailMessage()
    inner["From"], inner["Subject"] = "anna@clinic.example", "Findings"
    inner.set_content("\n\n".join(SENTENCES), charset="windows-1252")
    message = EmailMessage()
    message["Subject"] = "Forwarded"
    message.set_content("See below.")
    message.add_attachment(inner)
    message.add_attachment("\n\n".join(SENTENCES), filename="note.txt")
    message.add_attachment(saved(Image.fromarray(page()), "PNG"), maintype="image", subtype="png", filename="page.png")
    path.write_bytes(message.as_bytes())


@document("table.csv", words=f"Number What {ALL}")
def table(path: Path) -> None:
    rows = "".join(f'{number};"{words}"\r\n' for number, words in enumerate(SENTENCES))
    path.write_bytes(f"Number;What\r\n{rows}".encode("cp1252"))


def scan(path: Path, angle: float, paper: int, border: int) -> None:
    width, rows = 1654, 2339
    page = text_sheets("\n\n".join(SENTENCES * 3))[0].render(width - 2 * border, rows - 2 * border)
    around = Image.new("L", (width, rows), 20)
    around.paste(page.point([round(v * paper / 255) for v in range(256)]), (border, border))
    turned = around.rotate(angle, Image.Resampling.BICUBIC, fillcolor=20 if border else paper)
    grey = np.asarray(turned, float) + np.random.default_rng(1).normal(0, 3, (rows, width))
    Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(path, dpi=(200, 200), quality=85)


@document("askew.jpg", words=" ".join(SENTENCES * 3))
def askew(path: Path) -> None:
    scan(path, 2.5, 250, 0)


@document("dark-edges.jpg", words=" ".join(SENTENCES * 3))
def dark_edges(path: Path) -> None:
    scan(path, -1.2, 225, 50)


@document("yellowed.jpg", words=" ".join(SENTENCES * 3))
def yellowed(path: Path) -> None:
    scan(path, 0.0, 200, 0)
