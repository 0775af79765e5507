# SPDX-License-Identifier: GPL-2.0-or-later
"""PDFs by cairo and LaTeX, and the scans of office copiers in JBIG2."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import numpy as np
import pikepdf
from PIL import Image

from softfax.documents.tiff import encode_t6
from tests.corpus import SENTENCES, document
from tests.corpus.pictures import page

__all__: list[str] = []

BARS = (31, 58, 44, 73, 65, 89)


def chart() -> str:
    """Sentences beside a chart with shades, a translucent curve and a clipped plate, as programs that draw with cairo make them."""
    lines = "".join(
        f'<text x="40" y="{60 + 30 * n}" font-size="14">{words}</text>' for n, words in enumerate(SENTENCES)
    )
    bars = "".join(
        f'<rect x="{70 + 75 * n}" y="{600 - 3 * height}" width="50" height="{3 * height}" fill="url(#shade)"/>'
        f'<text x="{80 + 75 * n}" y="{590 - 3 * height}" font-size="16">{height}</text>'
        for n, height in enumerate(BARS)
    )
    curve = " ".join(f"{70 + 5 * n},{520 - 60 * np.sin(n / 9):.1f}" for n in range(90))
    plate = "".join(
        f'<text x="70" y="{680 + 26 * n}" font-size="15" fill="white" font-weight="bold">{words}</text>'
        for n, words in enumerate(SENTENCES[:4])
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="595" height="842" font-family="Liberation Sans">'
        '<defs><linearGradient id="shade" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="#d04020"/>'
        '<stop offset="1" stop-color="#f8d8c8"/></linearGradient>'
        '<clipPath id="round"><rect x="50" y="650" width="500" height="130" rx="20"/></clipPath></defs>'
        f'{lines}{bars}<polyline points="{curve}" fill="none" stroke="#2040c0" stroke-width="6" opacity="0.5"/>'
        f'<g clip-path="url(#round)"><rect x="0" y="600" width="595" height="242" fill="#204080"/>{plate}</g></svg>'
    )


@document("cairo.pdf", needs="rsvg-convert")
def cairo(path: Path) -> None:
    subprocess.run(
        ["rsvg-convert", "--format", "pdf", "--dpi-x", "72", "--dpi-y", "72", "--output", str(path)],
        input=chart().encode(),
        check=True,
    )


LATEX = r"""\documentclass[a4paper]{article}
\usepackage[T1]{fontenc}\usepackage{lmodern}\pagestyle{empty}
\begin{document}
\section*{Report}
%s

\begin{tabular}{|l|r|r|}\hline Test & Before & After \\ \hline Sodium & 138 & 141 \\ Chloride & 101 & 104 \\ Glucose & 92 & 88 \\ \hline\end{tabular}

\[ \int_0^\infty e^{-x^2}\,dx = \frac{\sqrt{\pi}}{2} \]
{\footnotesize %s}

\begin{picture}(200,90)\multiput(0,0)(20,0){10}{\line(1,2){40}}\put(20,40){\circle{30}}\put(100,40){\circle*{12}}\end{picture}
\end{document}
"""


@document("latex.pdf", needs="pdflatex")
def latex(path: Path) -> None:
    source = path.with_suffix(".tex")
    said = "\n\n".join(SENTENCES)
    source.write_text(LATEX % (said, said))
    subprocess.run(
        ["pdflatex", "-interaction=batchmode", "-no-shell-escape", f"-output-directory={path.parent}", str(source)],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def segment(number: int, kind: int, on_page: int, data: bytes) -> bytes:
    """A segment of JBIG2 (ITU-T T.88 §7.2)."""
    return struct.pack(">LBBBL", number, kind, 0, on_page, len(data)) + data


@document("copier.pdf")
def copier(path: Path) -> None:
    black = page() < 128
    rows, width = black.shape
    whole = struct.pack(">LLLLBH", width, rows, 7874, 7874, 0, 0)
    # A region of the whole page, coded as T.6.
    region = struct.pack(">LLLLBB", width, rows, 0, 0, 0, 1) + encode_t6(Image.fromarray(~black))
    document = pikepdf.new()
    image = pikepdf.Stream(document, segment(0, 48, 1, whole) + segment(1, 38, 1, region))
    image.stream_dict = pikepdf.Dictionary(
        Type=pikepdf.Name.XObject, Subtype=pikepdf.Name.Image, Width=width, Height=rows, BitsPerComponent=1,
        ColorSpace=pikepdf.Name.DeviceGray, Filter=pikepdf.Name.JBIG2Decode,
    )  # fmt: skip
    size = [width * 72 / 200, rows * 72 / 200]
    document.add_blank_page(page_size=(size[0], size[1]))
    document.pages[0].Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(I=image))
    document.pages[0].Contents = pikepdf.Stream(document, f"{size[0]} 0 0 {size[1]} 0 0 cm /I Do".encode())
    document.save(path)
