# SPDX-License-Identifier: GPL-2.0-or-later
"""Small documents of every kind that is faxed, and how much of their words a reader finds on the fax.

`make corpus` writes them, faxes them, and has tesseract read both the source, drawn by another program at 200 dpi in greys, and
the fax. To add a kind, write a function that writes it to a path and put `@document("name.ending")` before it; `words=` where no
other program draws it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = ["DOCUMENTS", "SENTENCES", "Grey", "Item", "document"]

Grey = npt.NDArray[np.uint8]

SENTENCES = (
    "Blood count within the normal range, potassium 4.1 mmol, creatinine 78.",
    "The patient was discharged on Tuesday and takes two tablets a day.",
    "Please send the signed contract back before the end of the month.",
    "Invoice 20417: twelve chairs, four tables, delivery to the rear entrance.",
    "No fracture; follow up with a radiograph after three weeks if pain persists.",
    "Amount due 1,284.50 within thirty days, account number as agreed before.",
)


@dataclass(frozen=True)
class Item:
    """A document. `draw` returns its pages as a viewer shows them at 200 dpi; None: by its ending. `words` are those on it."""

    name: str
    write: Callable[[Path], None]
    draw: Callable[[Path], list[Grey]] | None = None
    words: str = ""
    needs: str = ""
    """A program that writes it."""
    password: str = ""


DOCUMENTS: list[Item] = []


def document(
    name: str,
    *,
    draw: Callable[[Path], list[Grey]] | None = None,
    words: str = "",
    needs: str = "",
    password: str = "",
) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    """Adds what a function writes."""

    def add(write: Callable[[Path], None]) -> Callable[[Path], None]:
        DOCUMENTS.append(Item(name, write, draw, words, needs, password))
        return write

    return add
