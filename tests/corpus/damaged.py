# SPDX-License-Identifier: GPL-2.0-or-later
"""PDFs that are damaged, each with three pages all the same."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.corpus import DOCUMENTS, Item
from tests.support.damaged_pdfs import damaged

__all__: list[str] = []

#: The rest is held against the undamaged file in tests/unit/documents/test_pdf_damaged.py.
READ = (
    "nothing after the objects",
    "no page tree",
    "kid that is a number",
    "head of a stream wrong",
    "object streams, no end",
)
WORDS = " ".join(f"Page {n} " + " ".join(f"Line {line} of page {n}." for line in range(10)) for n in (1, 2, 3))


def write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


DOCUMENTS += [
    Item(f"damaged {name}.pdf", partial(write, data=data), words=WORDS) for name, data in damaged() if name in READ
]
