# SPDX-License-Identifier: GPL-2.0-or-later
"""PDFs by hand and by reportlab: what type, tones, pictures, layers and forms do on a page."""

from __future__ import annotations

import io
import math
from functools import partial
from pathlib import Path

import numpy as np
import pikepdf
from PIL import Image
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, A5, LETTER, landscape
from reportlab.pdfgen.canvas import Canvas

from tests.corpus import SENTENCES, document
from tests.corpus.pictures import colours, page
from tests.support.pdf_pages import pdf, stream, text

__all__: list[str] = []


def sentences(
    x: float = 50, y: float = 700, size: float = 11, step: float = 24, grey: float = 0.0, font: str = "F"
) -> str:
    return "".join(text(x, y - step * i, size, words, font, grey) for i, words in enumerate(SENTENCES))


ALL = " ".join(SENTENCES)


def by_reportlab(
    path: Path, size: tuple[float, float] = A4, points: float = 11, pages: int = 1, ink: object = colors.black
) -> None:
    canvas = Canvas(str(path), pagesize=size)
    for number in range(pages):
        canvas.setFont(("Helvetica", "Times-Roman", "Courier")[number % 3], points)
        canvas.setFillColor(ink)
        for line, words in enumerate(SENTENCES * 2):
            canvas.drawString(40, size[1] - 60 - 2 * points * line, words)
        canvas.showPage()
    canvas.save()


document("reportlab.pdf")(partial(by_reportlab, pages=3))
document("letter.pdf")(partial(by_reportlab, size=LETTER))
document("landscape.pdf", words=f"{ALL} {ALL}")(partial(by_reportlab, size=landscape(A5), points=10))
document("eight points.pdf")(partial(by_reportlab, points=8))
document("blue ink.pdf")(partial(by_reportlab, ink=colors.HexColor("#1030a0")))
document("pale ink.pdf")(partial(by_reportlab, ink=colors.HexColor("#9a9a9a")))
document("red ink.pdf")(partial(by_reportlab, ink=colors.red))


@document("table.pdf")
def table(path: Path) -> None:
    from reportlab.platypus import SimpleDocTemplate, Table

    rows = [["Test", "Value", "Unit", "Normal range"]] + [
        [f"Sodium {n}", f"{130 + n}", "mmol", f"{100 + n} to {150 + n}"] for n in range(20)
    ]
    style = [("GRID", (0, 0), (-1, -1), 0.4, colors.grey), ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#24408e")),
             ("TEXTCOLOR", (0, 0), (-1, 0), colors.white), ("ROWBACKGROUNDS", (0, 1), (-1, -1), [colors.white, colors.HexColor("#dfe6f5")])]  # fmt: skip
    SimpleDocTemplate(str(path), pagesize=A4).build([Table(rows, colWidths=110, style=style)])


@document("form.pdf")
def form(path: Path) -> None:
    canvas = Canvas(str(path), pagesize=A4)
    for line, words in enumerate(SENTENCES):
        canvas.drawString(50, 780 - 80 * line, f"Question {line + 1}")
        canvas.acroForm.textfield(
            name=f"f{line}", value=words, x=50, y=735 - 80 * line, width=480, height=26, fontSize=11
        )
    canvas.save()


@document("watermark.pdf")
def watermark(path: Path) -> None:
    pdf(
        path,
        text(90, 170, 88, "COPY ONLY", "B", 0.75, math.atan2(560, 420))
        + sentences()
        + sentences(y=500)
        + sentences(y=300),
    )


@document("on grey.pdf")
def on_grey(path: Path) -> None:
    plates = "0.82 g 40 560 520 170 re f 0.5 g 40 360 520 170 re f 0.15 g 40 160 520 170 re f\n"
    pdf(
        path,
        plates
        + sentences(size=12)
        + sentences(y=500, size=12, grey=1, font="B")
        + sentences(y=300, size=12, grey=1, font="B"),
    )


@document("boxes on grey.pdf")
def boxes(path: Path) -> None:
    content = "0.6 g 20 20 555 802 re f\n"
    for line, words in enumerate(SENTENCES):
        content += f"1 g 0 G 1 w 40 {740 - 100 * line} 500 50 re B\n" + text(55, 760 - 100 * line, 12, words)
    pdf(path, content)


@document("overlaid.pdf")
def overlaid(path: Path) -> None:
    marker = "q /M gs 1 0.95 0.2 rg 45 570 430 150 re f Q\n"
    pdf(path, sentences() + marker, resources="/ExtGState << /M << /BM /Multiply /ca 0.9 >> >>")


@document("faded.pdf")
def faded(path: Path) -> None:
    mask = stream("q 595 0 0 842 0 0 cm /G sh Q", "/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Group << /S /Transparency /CS /DeviceGray >> "
                  "/Resources << /Shading << /G << /ShadingType 2 /ColorSpace /DeviceGray /Coords [0 0 1 0] /Extend [true true] /Function << /FunctionType 2 /Domain [0 1] /C0 [1] /C1 [0.5] /N 1 >> >> >> >>")  # fmt: skip
    pdf(
        path,
        "/S gs\n" + sentences(size=13, step=30),
        resources="/ExtGState << /S << /SMask << /S /Luminosity /G 7 0 R >> >> >>",
        objects=[mask],
    )


@document("pattern.pdf")
def pattern(path: Path) -> None:
    tile = stream(
        "0.9 g 0 0 8 8 re f 0.7 g 0 0 4 4 re f",
        "/PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 8 8] /XStep 8 /YStep 8 /Resources << >>",
    )
    pdf(
        path,
        "/Pattern cs /P scn 40 300 500 200 re f\n" + sentences(),
        resources="/Pattern << /P 7 0 R >>",
        objects=[tile],
    )


@document("drawn letters.pdf", words="Blood count")
def outlines(path: Path) -> None:
    """Large type as a clip of a shading, and as an outline."""
    shade = "/Shading << /G << /ShadingType 2 /ColorSpace /DeviceGray /Coords [50 0 500 0] /Extend [true true] /Function << /FunctionType 2 /Domain [0 1] /C0 [0] /C1 [0.4] /N 1 >> >> >>"
    pdf(
        path,
        "q BT /B 60 Tf 50 700 Td 7 Tr (Blood) Tj ET /G sh Q\nBT /B 60 Tf 50 600 Td 1 Tr 2 w (count) Tj ET",
        resources=shade,
    )


def turned(path: Path, angle: int) -> None:
    pdf(path, sentences(), page=f"/Rotate {angle}")


def upright(path: Path) -> None:
    """Words that stand upright once the page is turned."""
    words = "".join(text(100 + 24 * i, 60, 11, one, turned=math.pi / 2) for i, one in enumerate(SENTENCES))
    pdf(path, words, page="/Rotate 90")


document("rotated 90.pdf", words=ALL)(upright)


@document("layers.pdf", words=f"{ALL} Printed layer")
def layers(path: Path) -> None:
    content = (
        sentences()
        + "/OC /A BDC "
        + text(50, 400, 20, "Printed layer")
        + " EMC /OC /B BDC "
        + text(50, 300, 20, "Screen secret")
        + " EMC"
    )
    event = "/AS [<< /Event /Print /Category [/Print] /OCGs [7 0 R 8 0 R] >>]"
    pdf(path, content, resources="/Properties << /A 7 0 R /B 8 0 R >>", catalog=f"/OCProperties << /OCGs [7 0 R 8 0 R] /D << /OFF [7 0 R] {event} >> >>",
        objects=[f"<< /Type /OCG /Name ({n}) /Usage << /Print << /PrintState /{s} >> >> >>" for n, s in (("A", "ON"), ("B", "OFF"))])  # fmt: skip


@document("notes.pdf", words=f"{ALL} Approved signature")
def notes(path: Path) -> None:
    look = stream(
        text(2, 4, 14, "Approved signature"),
        "/Type /XObject /Subtype /Form /BBox [0 0 200 20] /Resources << /Font << /F 5 0 R >> >>",
    )
    pdf(
        path,
        sentences(),
        page="/Annots [8 0 R]",
        objects=[look, "<< /Type /Annot /Subtype /Widget /F 4 /Rect [50 400 250 420] /AP << /N 7 0 R >> >>"],
    )


@document("unit.pdf", words=ALL)
def unit(path: Path) -> None:
    pdf(path, sentences(25, 350, 5.5, 12), size=(297.5, 421), page="/UserUnit 2")


document("no size.pdf")(lambda path: pdf(path, sentences(), size=(0, 0)))
document("far away.pdf")(
    lambda path: pdf(
        path,
        "1 0 0 1 -30000 -30000 cm\n" + sentences(),
        size=(595, 842),
        page="/MediaBox [-30000 -30000 -29405 -29158]",
    )
)
document("giant.pdf", words=ALL)(lambda path: pdf(path, "100 0 0 100 0 0 cm\n" + sentences(), size=(59500, 84200)))
document("tiny units.pdf")(lambda path: pdf(path, "0.001 0 0 0.001 0 0 cm\n" + sentences(50000, 700000, 11000, 24000)))


@document("owner locked.pdf", words=ALL)
def owner_locked(path: Path) -> None:
    pdf(path, sentences())
    with pikepdf.open(path, allow_overwriting_input=True) as file:
        file.save(path, encryption=pikepdf.Encryption(owner="owner", user="", R=6))


@document("locked.pdf", words=ALL, password="corpus")
def locked(path: Path) -> None:
    pdf(path, sentences())
    with pikepdf.open(path, allow_overwriting_input=True) as file:
        file.save(path, encryption=pikepdf.Encryption(owner="owner", user="corpus", R=6))


def with_picture(
    path: Path, filters: str, data: bytes, space: str = "/DeviceGray", bits: int = 8, more: str = ""
) -> None:
    rows, width = page().shape
    head = f"<< /Type /XObject /Subtype /Image /Width {width} /Height {rows} /ColorSpace {space} /BitsPerComponent {bits} /Filter {filters} /Length {len(data)} {more} >>"
    image = head.encode() + b"\nstream\n" + data + b"\nendstream"
    pdf(
        path,
        f"q {width * 0.36} 0 0 {rows * 0.36} 60 300 cm /I Do Q",
        resources="/XObject << /I 7 0 R >>",
        objects=[image],
    )


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


document("scan jpeg.pdf")(lambda path: with_picture(path, "/DCTDecode", saved(colours(page()), "JPEG"), "/DeviceRGB"))
document("scan jpeg 2000.pdf")(
    lambda path: with_picture(path, "/JPXDecode", saved(colours(page()), "JPEG2000"), "/DeviceRGB")
)
document("scan inks.pdf")(
    lambda path: with_picture(
        path, "/DCTDecode", saved(Image.fromarray(np.stack([np.zeros_like(page())] * 3 + [255 - page()], -1), "CMYK"), "JPEG"),
        "/DeviceCMYK", more="/Decode [1 0 1 0 1 0 1 0]",
    )
)  # fmt: skip


@document("scan group 4.pdf")
def group4(path: Path) -> None:
    rows, width = page().shape
    tiff = Image.open(
        io.BytesIO(saved(Image.fromarray(page()).convert("1"), "TIFF", compression="group4", strip_size=width * rows))
    )
    start, octets = tiff.tag_v2[273][0], tiff.tag_v2[279][0]  # type: ignore[attr-defined]
    data = saved(Image.fromarray(page()).convert("1"), "TIFF", compression="group4", strip_size=width * rows)[
        start : start + octets
    ]
    black = "true" if tiff.tag_v2[262] == 1 else "false"  # type: ignore[attr-defined]
    with_picture(
        path,
        "/CCITTFaxDecode",
        data,
        bits=1,
        more=f"/DecodeParms << /K -1 /Columns {width} /Rows {rows} /BlackIs1 {black} >>",
    )


@document("typed.pdf")
def type3(path: Path) -> None:
    """Type that is drawn glyph by glyph (Type 3), upside down in its font's units, beside ordinary type."""
    glyph = stream("800 0 0 0 700 700 d1 0 0 700 700 re f")
    font = "<< /Type /Font /Subtype /Type3 /FontBBox [0 0 800 800] /FontMatrix [0.001 0 0 0.001 0 0] /CharProcs << /a 8 0 R >> /Encoding << /Type /Encoding /Differences [97 /a] >> /FirstChar 97 /LastChar 97 /Widths [800] /Resources << >> >>"  # fmt: skip
    pdf(
        path,
        sentences() + "BT /T 12 Tf 50 500 Td (aaaaaa) Tj ET",
        resources="/Font << /F 5 0 R /B 6 0 R /T 7 0 R >>",
        objects=[font, glyph],
    )


@document("nested.pdf")
def nested(path: Path) -> None:
    """Forms within forms, the last of them drawing the first again."""
    inner = stream(
        sentences() + "/A Do",
        "/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << /Font << /F 5 0 R >> /XObject << /A 7 0 R >> >>",
    )
    outer = stream(
        "/B Do", "/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << /XObject << /B 8 0 R >> >>"
    )
    pdf(path, "/A Do", resources="/XObject << /A 7 0 R >>", objects=[outer, inner])
