# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax convert`: documents as a fax would carry them, and faxes as documents, without a call."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from softfax.cli.report import Reporter
from softfax.documents import RasterSettings
from softfax.documents import convert as convert_documents
from softfax.errors import ExitStatus

__all__ = ["DEFAULTS", "add_parser", "run"]

DEFAULTS: dict[str, Any] = {"resolution": "fine", "json": False}


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Adds the verb."""
    parser = verbs.add_parser(
        "convert",
        help="a document as a fax would carry it, or a fax as a document",
        description="Writes documents as a fax TIFF (OUT.tif), or as a PDF of fax pages (OUT.pdf).",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="documents, or faxes in TIFF")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="OUT.tif or OUT.pdf")
    parser.add_argument(
        "--resolution", choices=["standard", "fine", "superfine"], help="204x98, 204x196 or 204x391 dpi (fine)"
    )
    parser.add_argument("--json", action="store_true", default=None, help="nothing for people on standard output")
    parser.add_argument("--config", metavar="FILE", help="configuration file (TOML)")
    return parser


def run(options: argparse.Namespace) -> int:
    """Converts; raises DocumentError for what cannot be read."""
    pages = convert_documents(options.files, Path(options.output), RasterSettings(resolution=options.resolution))
    reporter = Reporter(json_lines=options.json)
    for number, page in enumerate(pages, 1):
        reporter.text(f"page {number}: {page.width}x{page.rows} dots, {page.bytes / 1000:.1f} kB")
    return int(ExitStatus.OK)
