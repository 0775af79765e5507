# SPDX-License-Identifier: GPL-2.0-or-later
"""Facts about a picture of Photoshop's (PSD) that Pillow does not tell. Runs only inside the worker process."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

__all__ = ["is_multichannel", "is_transparent"]

HEAD = struct.Struct(">4sH6xHIIHH")
MULTICHANNEL = 7


def is_multichannel(path: Path) -> bool:
    """Return True if its channels are inks of any kind, all of which make the picture."""
    with path.open("rb") as file:
        return bool(HEAD.unpack(file.read(HEAD.size))[-1] == MULTICHANNEL)


def is_transparent(path: Path) -> bool:
    """Return True if the first channel after the colours is what shows of the picture; else it is a selection or an ink.

    That is where the number of layers is negative.
    """
    with path.open("rb") as file:
        file.seek(HEAD.size)
        for _ in ("colours by number", "resources"):
            file.seek(_long(file), 1)
        if not _long(file) or not _long(file):
            return False
        return int.from_bytes(file.read(2), "big", signed=True) < 0


def _long(file: BinaryIO) -> int:
    return int.from_bytes(file.read(4), "big")
