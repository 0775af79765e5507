# SPDX-License-Identifier: GPL-2.0-or-later
"""Measures the corpus: `python -m tests.corpus [NAME ...]`; what it makes is kept in build/corpus."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from softfax.errors import DocumentError
from tests.corpus import DOCUMENTS, damaged, office, others, pdfs, pictures, printers
from tests.corpus.measure import Measured, measure

__all__: list[str] = []

KINDS = (damaged, office, others, pdfs, pictures, printers)
FOLDER = Path(__file__).resolve().parents[2] / ".build" / "corpus"
LEAST = 0.98
PAGES_LEAST = 60


def main(names: list[str]) -> int:
    """Prints a line a document; 1 where words are missing."""
    done: list[Measured] = []
    for item in DOCUMENTS:
        if names and not any(name in item.name for name in names):
            continue
        if item.needs and shutil.which(item.needs) is None:
            print(f"{item.name}: {item.needs} is missing", file=sys.stderr)
            return 1
        folder = FOLDER / item.name
        shutil.rmtree(folder, ignore_errors=True)
        try:
            one = measure(item, folder)
        except DocumentError as error:
            one = Measured(item.name, problem=str(error))
        done.append(one)
        share = one.found / one.words if one.words else 0.0
        said = one.problem or " ".join(one.lost[:12])
        print(f"{share:6.3f} {one.words:4} {one.pages:2} {one.name}  {said}  {'; '.join(one.warnings)}", flush=True)
    pages, words = sum(one.pages for one in done), sum(one.words for one in done)
    share = sum(one.found for one in done) / max(1, words)
    print(f"{share:6.3f} of {words} words on {pages} pages, at least {LEAST}")
    whole = bool(names) or pages >= PAGES_LEAST
    return 0 if share >= LEAST and whole and not any(one.problem for one in done) else 1


sys.exit(main(sys.argv[1:]))
