# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax convert`: documents as a fax would carry them, and faxes as documents, without a call."""

from __future__ import annotations

import argparse
from pathlib import Path

from softfax.cli.documents import add_document_options, document_arguments, raster_settings
from softfax.cli.options import add_shared_options
from softfax.cli.report import Reporter
from softfax.documents.convert import convert as convert_documents
from softfax.documents.types import CALL_S, NOMINAL_BPS
from softfax.errors import ExitStatus, UsageError

__all__ = ["add_options", "run"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.usage = "%(prog)s [options] FILE [FILE ...] -o OUT"
    parser.description = "Writes documents as a fax TIFF (OUT.tif), or as a PDF of fax pages (OUT.pdf)."
    parser.add_argument("files", nargs="+", metavar="FILE", help="documents, or faxes in TIFF")
    parser.add_argument("-o", "--output", metavar="OUT", help="OUT.tif or OUT.pdf")
    parser.add_argument("--preview", metavar="DIR", help="write a PNG of each page into this folder")
    add_document_options(parser)
    add_shared_options(parser)


def run(options: argparse.Namespace) -> int:
    """Converts; raises DocumentError for what cannot be read."""
    if not options.output:
        raise UsageError("it is not said where to write", "add -o OUT.tif or -o OUT.pdf")
    reporter = Reporter(json_lines=options.json)
    pages = convert_documents(
        options.files,
        Path(options.output),
        raster_settings(options),
        preview=Path(options.preview) if options.preview else None,
        on_warning=reporter.problem,
        **document_arguments(options),
    )
    for number, page in enumerate(pages, 1):
        resolution = f"{page.x_dpi:g}x{page.y_dpi:g}"
        # The keys of a page in a call, and what is known of it here besides.
        reporter.line("page", direction="send", number=number, bytes=page.bytes, rows=page.rows, bad_rows=0,
                      seconds=page.seconds, quality="good", width=page.width, resolution=resolution)  # fmt: skip
        picture = f", {page.pictures:.0%} halftoned" if page.pictures > 0.005 else ""
        smallest = min((size for size in page.codes if size), default=page.bytes)
        code = f" ({smallest / 1000:.1f} kB by T.4)" if smallest < page.bytes else ""
        reporter.text(
            f"page {number}: {page.width}x{page.rows} dots, {resolution} dpi, "
            f"{page.bytes / 1000:.1f} kB{code}, {page.seconds:.0f} s at {NOMINAL_BPS} bit/s{picture}"
        )
    in_call = sum(page.seconds for page in pages) + CALL_S
    reporter.text(f"in a call: about {in_call:.0f} s at {NOMINAL_BPS} bit/s")
    reporter.line("result", success=True, status="SUCCESS", error="NO_ERROR", status_string="OK", result_code=0,
                  pages=len(pages), pages_total=len(pages), documents=list(options.files), output=options.output)  # fmt: skip
    return int(ExitStatus.OK)
