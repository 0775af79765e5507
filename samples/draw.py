#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws the samples: what people fax. Deterministic; `make samples` runs it and the results are kept beside it.

letter.pdf   a dense letter               invoice.pdf  a table, a logo, coloured type
form.pdf     small type, filled in by hand  photo.pdf    a photograph in grey with a caption
report.pdf   ten pages of text and charts       patterns.pdf  eight test patterns (patterns.py)
letter.tif, form.tif  the same as TIFF-F; invoice.png, photo.png, snapshot.png as pictures
"""

from __future__ import annotations

import math
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from reportlab.lib.colors import Color, HexColor, black, grey, white
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from softfax.documents.convert import convert
from softfax.documents.types import RasterSettings

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from patterns import draw as draw_patterns  # noqa: E402
from prose import LETTER, NOTES, REPORT  # noqa: E402

W, H = A4
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def paragraph(c: Canvas, text: str, x: float, y: float, width: float, size: float, lead: float) -> float:
    """Text set justified, its last line as it comes; returns the y below it."""
    c.setFont("Times-Roman", size)
    pool = text.split()
    while pool:
        line = [pool.pop(0)]
        while pool and c.stringWidth(" ".join([*line, pool[0]]), "Times-Roman", size) < width:
            line.append(pool.pop(0))
        gap = (width - c.stringWidth(" ".join(line), "Times-Roman", size)) / max(1, len(line) - 1) if pool else 0.0
        at = x
        for word in line:
            c.drawString(at, y, word)
            at += c.stringWidth(word + " ", "Times-Roman", size) + gap
        y -= lead
    return y


def letter(c: Canvas) -> None:
    """A dense letter."""
    rng = random.Random(1)
    c.setFont("Helvetica-Bold", 15)
    c.drawString(60, H - 60, "Northgate Practice for Internal Medicine")
    c.setFont("Helvetica", 9)
    c.drawString(60, H - 74, "14 Canal Street · Telephone +44 20 7946 0100 · Fax +44 20 7946 0199")
    c.line(60, H - 80, W - 60, H - 80)
    c.setFont("Times-Roman", 11)
    for i, line in enumerate(("St Brannock's Hospital", "Department of Cardiology", "Fax +44 117 496 0123")):
        c.drawString(60, H - 112 - 14 * i, line)
    c.drawRightString(W - 60, H - 112, "3 March 2026")
    c.setFont("Times-Bold", 12)
    c.drawString(60, H - 176, "Referral: Mr J. Doe, born 1 April 1958, reference 2026-0417")
    c.setFont("Times-Roman", 11)
    c.drawString(60, H - 200, "Dear colleague,")
    y = H - 222
    for text in LETTER:
        y = paragraph(c, text, 60, y, W - 120, 11, 13.2) - 8
    c.setFont("Times-Roman", 11)
    c.drawString(60, y - 6, "Yours sincerely,")
    scribble(c, rng, 64, y - 40, 130, 9)
    c.drawString(60, y - 66, "Dr A. Winter")
    c.showPage()


def scribble(c: Canvas, rng: random.Random, x: float, y: float, width: float, height: float) -> None:
    """Strokes like handwriting."""
    c.saveState()
    c.setLineWidth(1.1)
    path = c.beginPath()
    path.moveTo(x, y)
    at = x
    while at < x + width:
        step = rng.uniform(4, 9)
        path.curveTo(at + step * 0.2, y + rng.uniform(0.4, 1.5) * height, at + step * 0.9, y + rng.uniform(-0.7, 0.9) * height,
                     at + step, y + rng.uniform(-0.15, 0.3) * height)  # fmt: skip
        at += step
    c.drawPath(path)
    c.restoreState()


def invoice(c: Canvas) -> None:
    """A table, a logo, coloured and small type."""
    rng = random.Random(2)
    c.setFillColor(HexColor("#1b5e8a"))
    for i in range(6):
        c.circle(84 + 17 * math.cos(i * math.pi / 3), H - 76 + 17 * math.sin(i * math.pi / 3), 8, stroke=0, fill=1)
    c.setFillColor(white)
    c.circle(84, H - 76, 11, stroke=0, fill=1)
    c.setFillColor(HexColor("#1b5e8a"))
    c.setFont("Helvetica-Bold", 24)
    c.drawString(122, H - 84, "Helix Office Supplies")
    c.setFillColor(black)
    c.setFont("Helvetica-Bold", 16)
    c.drawString(60, H - 150, "Invoice 2026-10482")
    c.setFont("Helvetica", 10)
    for i, line in enumerate(
        ("Mercer & Lowe Solicitors", "7 Bridge Row", "Date: 12 February 2026", "Due: 14 March 2026")
    ):
        c.drawString(60, H - 172 - 13 * i, line)
    columns = (60, 100, 350, 410, 480, W - 60)
    y = H - 250
    c.setFillColor(HexColor("#d9e6ee"))
    c.rect(60, y - 5, W - 120, 18, stroke=0, fill=1)
    c.setFillColor(black)
    c.setFont("Helvetica-Bold", 9)
    for x, title in zip(columns, ("Pos", "Item", "Quantity", "Price", "Amount"), strict=False):
        c.drawString(x + 4, y, title)
    items = ("Paper A4, 80 g, 500 sheets", "Toner black HX-204", "Envelopes C5, window", "Folders, blue", "Labels 70 x 36 mm",
             "Staples 24/6", "Pens, black, box of 50", "Address stamp", "Archive boxes", "Marker set", "Receipt rolls", "Desk lamp")  # fmt: skip
    total = 0.0
    c.setFont("Helvetica", 9)
    for n, item in enumerate(items, 1):
        y -= 18
        quantity, price = rng.randint(1, 40), rng.randint(99, 8999) / 100
        total += quantity * price
        c.drawString(columns[0] + 4, y, str(n))
        c.drawString(columns[1] + 4, y, item)
        c.drawRightString(columns[3] - 8, y, str(quantity))
        c.drawRightString(columns[4] - 8, y, f"{price:.2f}")
        c.drawRightString(columns[5] - 6, y, f"{quantity * price:.2f}")
        c.setLineWidth(0.4)
        c.line(60, y - 5, W - 60, y - 5)
    for x in columns:
        c.line(x, H - 237, x, y - 5)
    c.setFont("Helvetica-Bold", 11)
    c.drawRightString(columns[5] - 6, y - 28, f"Total EUR {total:,.2f}")
    c.setFillColor(grey)
    c.setFont("Helvetica", 6.5)
    c.drawString(
        60,
        60,
        "Helix Office Supplies Ltd · IBAN GB29 NWBK 6016 1331 9268 19 · VAT GB 123 4567 89 · Goods remain ours until paid in full.",
    )
    c.setFillColor(HexColor("#b03030"))
    c.setFont("Helvetica-Oblique", 9)
    c.drawString(60, 76, "Two per cent discount for payment within ten days.")
    c.showPage()


def form(c: Canvas) -> None:
    """Boxes, small type, handwriting."""
    rng = random.Random(3)
    c.setFont("Helvetica-Bold", 14)
    c.drawString(50, H - 56, "Application for reimbursement of travel expenses")
    c.setFont("Helvetica", 6)
    c.drawString(
        50,
        H - 68,
        "Form TR-7 (rev. 4). Complete in block letters with a dark pen. Fields marked * are required. See notes overleaf.",
    )
    y = H - 100
    fields = ("Surname*", "Given names*", "Date of birth*", "Street and number", "Postcode and town", "Bank account (IBAN)*",
              "Purpose of the journey*", "Departure: place, date, time", "Return: place, date, time", "Means of transport")  # fmt: skip
    for name in fields:
        c.setLineWidth(0.6)
        c.rect(50, y - 24, W - 100, 30)
        c.setFont("Helvetica", 6.5)
        c.drawString(54, y - 2, name)
        if rng.random() < 0.85:
            scribble(c, rng, 150, y - 18, rng.uniform(90, 260), 7)
        y -= 36
    for n, label in enumerate(("Train, second class", "Private car", "Taxi, with reasons", "Aeroplane, with approval")):
        x = 54 + 125 * n
        c.rect(x, y - 6, 9, 9)
        c.setFont("Helvetica", 7)
        c.drawString(x + 13, y - 4, label)
        if n in (0, 2):
            c.setLineWidth(1.4)
            c.line(x, y - 6, x + 9, y + 3)
            c.line(x, y + 3, x + 9, y - 6)
    y -= 30
    c.setFont("Helvetica", 6)
    for n, note in enumerate(NOTES):
        c.drawString(50, y - 8 * n, f"{n + 1:2d}. {note}")
    scribble(c, rng, 340, 96, 150, 11)
    c.setLineWidth(0.5)
    c.line(330, 84, W - 50, 84)
    c.setFont("Helvetica", 7)
    c.drawString(330, 74, "Date and signature")
    c.showPage()


def scene(width: int, height: int) -> Image.Image:
    """A landscape in grey: sky, hills in haze, a lake with reflections, a tree; with the grain of film."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[0:height, 0:width].astype(float)
    x, y = x / width, y / height
    image = 235 - 90 * y + 18 * np.sin(7 * x + 3 * y) * np.exp(-3 * y)
    image += 26 * np.exp(-(((x - 0.72) ** 2 + (y - 0.2) ** 2) / 0.012))
    for depth, (base, tone) in enumerate(((0.45, 170), (0.55, 130), (0.62, 95))):
        ridge = base - sum(0.05 / k * np.sin(k * (5 + 2 * depth) * x + depth * 1.7 + k) for k in (1, 2, 3))
        image = np.where(y > ridge, tone - 45 * (y - ridge) + 12 * np.sin(90 * x + 40 * y), image)
    lake = y > 0.7
    mirrored = image[
        np.clip((2 * 0.7 - y) * height, 0, height - 1).astype(int), np.clip(x * width, 0, width - 1).astype(int)
    ]
    image = np.where(lake, 0.75 * mirrored + 22 + 14 * np.sin(260 * y + 6 * np.sin(14 * x)), image)
    trunk = (np.abs(x - 0.2 - 0.02 * np.sin(9 * y)) < 0.012) & (y > 0.35) & (y < 0.86)
    crown = sum(
        np.exp(-(((x - cx) / 0.07) ** 2 + ((y - cy) / 0.09) ** 2))
        for cx, cy in ((0.2, 0.28), (0.15, 0.36), (0.26, 0.34))
    )
    image = np.where(trunk, 38, image)
    image = np.where(crown > 0.55, 55 + 25 * np.sin(130 * x) * np.cos(150 * y), image)
    image += rng.normal(0, 4, image.shape)
    return Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))


def photo(c: Canvas) -> None:
    """A photograph with a caption."""
    c.setFont("Helvetica-Bold", 16)
    c.drawString(70, H - 80, "Site visit, lake shore, survey point 12")
    c.drawImage(ImageReader(scene(900, 600)), 70, H - 400, 440, 293)
    c.setFont("Helvetica", 10)
    c.drawString(
        70,
        H - 418,
        "Picture 1: view to the north-east at 16:40. Water level 312.4 m. Small type beside a picture stays readable.",
    )
    c.setFillColor(Color(0.35, 0.35, 0.35))
    c.setFont("Helvetica", 7)
    c.drawString(70, H - 432, "Grey caption in seven points: taken with a hand-held camera, not retouched.")
    c.showPage()


def report(c: Canvas) -> None:
    """Ten pages: text, a chart, text."""
    rng = random.Random(5)
    for number in range(1, 11):
        subject = list(REPORT)[(number - 1) % len(REPORT)]
        quarter = (number - 1) // len(REPORT) + 1
        before, after = REPORT[subject]
        c.setFont("Helvetica-Bold", 13)
        c.drawString(60, H - 60, f"{number}. {subject.capitalize()}, quarter {quarter} of 2025")
        y = paragraph(c, before, 60, H - 86, W - 120, 11, 13.5) - 14
        chart(c, rng, y)
        y = paragraph(c, after, 60, y - 190, W - 120, 11, 13.5) - 14
        figures(c, rng, y)
        c.setFont("Helvetica", 8)
        c.drawCentredString(W / 2, 40, f"page {number} of 10")
        c.showPage()


def chart(c: Canvas, rng: random.Random, y: float) -> None:
    """Two years by month, side by side."""
    c.setLineWidth(0.8)
    c.line(60, y - 145, W - 60, y - 145)
    c.setFont("Helvetica", 8)
    for i, month in enumerate(MONTHS):
        x, value = 68 + i * 39, rng.uniform(40, 110)
        for step, fill in enumerate((white, HexColor("#404040"))):
            c.setFillColor(fill)
            c.rect(x + 15 * step, y - 145, 13, value + rng.uniform(-14, 18), fill=1)
        c.setFillColor(black)
        c.drawCentredString(x + 14, y - 157, month)
    for x, fill, year in ((W - 150, white, "2024"), (W - 100, HexColor("#404040"), "2025")):
        c.setFillColor(fill)
        c.rect(x, y - 8, 8, 8, fill=1)
        c.setFillColor(black)
        c.drawString(x + 12, y - 7, year)


def figures(c: Canvas, rng: random.Random, y: float) -> None:
    """A small table."""
    c.setFont("Helvetica-Bold", 8)
    for column, title in enumerate(("", "January", "February", "March", "Total", "Year before")):
        c.drawRightString(120 + 80 * column, y, title)
    c.setFont("Helvetica", 8)
    for row, name in enumerate(("North", "Coast", "Hills", "Town", "Abroad")):
        y -= 14
        c.setLineWidth(0.4)
        c.line(60, y + 10, W - 60, y + 10)
        months = [rng.randint(120, 2400) for _ in range(3)]
        c.drawString(60, y, name)
        for column, value in enumerate((*months, sum(months), round(sum(months) * rng.uniform(0.85, 1.1)))):
            c.drawRightString(200 + 80 * column, y, f"{value:,}")
        if row == 4:
            c.line(60, y - 4, W - 60, y - 4)


def make(name: str, draw: Callable[[Canvas], None]) -> None:
    """Writes one PDF."""
    canvas = Canvas(str(HERE / name), pagesize=A4, invariant=True, pageCompression=1)
    canvas.setTitle(name.removesuffix(".pdf"))
    draw(canvas)
    canvas.save()


def main() -> None:
    """Draws them all."""
    for draw in (letter, invoice, form, photo, report):
        make(f"{draw.__name__}.pdf", draw)
    draw_patterns(HERE / "patterns.pdf", scene)
    for name in ("letter", "form"):
        convert([HERE / f"{name}.pdf"], HERE / f"{name}.tif", RasterSettings())
    with tempfile.TemporaryDirectory() as folder:
        import pypdfium2 as pdfium

        page = pdfium.PdfDocument(HERE / "invoice.pdf")[0]
        picture = page.render(scale=150 / 72).to_pil().convert("P", palette=Image.Palette.ADAPTIVE, colors=32)
        picture.save(HERE / "invoice.png", dpi=(150, 150), optimize=True)
        scene(900, 600).save(Path(folder) / "photo.png")
        scene(900, 600).save(HERE / "photo.png", optimize=True, dpi=(150, 150))
        small = scene(900, 600).resize((360, 240), Image.Resampling.LANCZOS)
        small.save(HERE / "snapshot.png", optimize=True, dpi=(150, 150))


if __name__ == "__main__":
    main()
