# SPDX-License-Identifier: GPL-2.0-or-later
"""Searchable text behind the pages of a received fax, by OCRmyPDF where that is installed. The dots are left as they came."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from softfax.documents.atomic import write_atomically
from softfax.errors import LocalError, UsageError

__all__ = ["add_text", "check_ocr"]

log = logging.getLogger("softfax.documents")

LANGUAGES = re.compile(r"[a-z]{3}(_[a-zA-Z]+)?(\+[a-z]{3}(_[a-zA-Z]+)?){0,5}\Z")
SECONDS_A_PAGE = 60
SECONDS_LEAST = 120


def check_ocr(languages: str) -> None:
    """Raises UsageError for what is no list of languages (`eng`, `deu+eng`), LocalError where OCRmyPDF is missing."""
    if not LANGUAGES.match(languages):
        raise UsageError(f"no languages: {languages!r}", "write eng, or deu+eng")
    if shutil.which("ocrmypdf") is None:
        raise LocalError("OCRmyPDF is not installed", "apt install ocrmypdf tesseract-ocr-LANGUAGE, or leave out --ocr")


def add_text(pdf: Path, languages: str, pages: int) -> bool:
    """Puts recognised text behind the pages of a PDF we delivered. A PDF whose page images would change, or that takes too long,
    stays as it is: then False. Raises OSError.
    """
    with tempfile.TemporaryDirectory(prefix="softfax-ocr-") as folder:
        out = Path(folder) / "out.pdf"
        command = ["ocrmypdf", "--quiet", "--output-type", "pdf", "--optimize", "0", "--jobs", "1", "-l", languages]
        try:
            done = subprocess.run(
                [*command, "--", str(pdf), str(out)],
                capture_output=True,
                timeout=max(SECONDS_LEAST, SECONDS_A_PAGE * pages),
                check=False,
            )
        except (subprocess.TimeoutExpired, FileNotFoundError) as error:
            log.warning("no text was recognised in %s: %s", pdf.name, type(error).__name__)
            return False
        if done.returncode or not out.exists():
            last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
            log.warning("no text was recognised in %s: %s", pdf.name, last[0] if last else done.returncode)
            return False
        if _page_images(out) != _page_images(pdf):
            log.warning("text recognition would change the pages of %s: left as they are", pdf.name)
            return False
        write_atomically(pdf, out.read_bytes())
    return True


def _page_images(pdf: Path) -> list[bytes]:
    """The compressed image of each page."""
    import pypdfium2 as pdfium
    import pypdfium2.raw as raw

    document = pdfium.PdfDocument(pdf)
    try:
        return [
            bytes(image.get_data(decode_simple=False))
            for page in document
            for image in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE])
        ]
    finally:
        document.close()
