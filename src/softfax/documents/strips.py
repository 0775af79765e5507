# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages of a fax TIFF as they stand in the file: sizes, and where their bits are. Nothing is decoded, whatever its size."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from softfax.errors import DocumentUnsupportedError

__all__ = ["CHUNK", "Strip", "copy_bits", "open_regular", "read_directories", "read_strips"]

CHUNK = 1 << 20
PAGES_MAX = 10_000
VALUES_MAX = 100_000
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
#: TIFF 6.0 §2: forms of the values that are of use here.
_FORMS = {1: "B", 3: "H", 4: "I", 5: "II"}
_WIDTH, _ROWS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _OFFSETS = 256, 257, 259, 262, 266, 273
_COUNTS, _X_RESOLUTION, _Y_RESOLUTION, _UNIT = 279, 282, 283, 296
_T6, _CENTIMETRE = 4, 3
#: Each octet with its bits in the other order.
_REVERSED = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))


@dataclass(frozen=True)
class Strip:
    """One page: dots, rows, dots per inch, and its bits where they are T.6 in one strip (`octets` is 0 otherwise).

    `last_bit_first` and `black_is_0` are TIFF's FillOrder 2 and PhotometricInterpretation 1.
    """

    width: int
    rows: int
    x_dpi: float
    y_dpi: float
    offset: int
    octets: int
    last_bit_first: bool
    black_is_0: bool


def open_regular(path: Path, mode: int = os.O_RDONLY) -> BinaryIO:
    """Opens a file that is one: a pipe or a device of that name would be waited for forever. Raises OSError."""
    descriptor = os.open(path, mode | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "not a regular file", str(path))
    return os.fdopen(descriptor, "r+b" if mode & os.O_RDWR else "rb")


def read_strips(path: Path) -> list[Strip]:
    """The pages of a TIFF. Raises DocumentUnsupportedError for what is none, or is damaged; OSError."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            return [_strip(values, size) for values in read_directories(file)[1]]
        except (ValueError, struct.error, IndexError) as error:
            raise DocumentUnsupportedError(
                f"{path.name} is not a fax that can be read ({error})", "take another copy of it"
            ) from None


def read_directories(file: BinaryIO) -> tuple[str, Iterator[dict[int, list[float]]]]:
    """The order of a TIFF's octets (`<`, `>`) and the numbers of each page's directory, by tag. Raises ValueError, struct.error,
    IndexError, at once or while they are read.
    """
    order = _ORDERS.get(file.read(4), "")
    if not order:
        raise ValueError("no TIFF")
    return order, _directories(file, order)


def copy_bits(file: BinaryIO, strip: Strip) -> Iterator[bytes]:
    """The T.6 bits of a page, first bit highest, in pieces."""
    file.seek(strip.offset)
    left = strip.octets
    while left and (data := file.read(min(left, CHUNK))):
        left -= len(data)
        yield data.translate(_REVERSED) if strip.last_bit_first else data


def _directories(file: BinaryIO, order: str) -> Iterator[dict[int, list[float]]]:
    at, seen = _numbers(file, order + "I", 4)[0], set[int]()
    while at:
        if at in seen or len(seen) >= PAGES_MAX:
            raise ValueError("its pages go in a circle")
        seen.add(at)
        (count,) = _numbers(file, order + "H", at)
        entries = _numbers(file, order + "HHI4s" * count, at + 2)
        values = {}
        for tag, kind, number, inline in zip(*(entries[i::4] for i in range(4)), strict=True):
            form = _FORMS.get(kind)
            if form is not None and number <= VALUES_MAX:
                values[tag] = _values(file, order, form, number, inline)
        yield values
        (at,) = _numbers(file, order + "I", at + 2 + 12 * count)


def _values(file: BinaryIO, order: str, form: str, number: int, inline: bytes) -> list[float]:
    whole = order + form * number
    if struct.calcsize(whole) <= 4:
        found = struct.unpack_from(whole, inline)
    else:
        found = _numbers(file, whole, struct.unpack(order + "I", inline)[0])
    if form != "II":
        return [float(value) for value in found]
    return [above / below if below else 0.0 for above, below in zip(found[::2], found[1::2], strict=True)]


def _numbers(file: BinaryIO, form: str, at: int) -> tuple[int, ...]:
    file.seek(at)
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _strip(values: dict[int, list[float]], size: int) -> Strip:
    def first(tag: int, default: float) -> float:
        return (values.get(tag) or [default])[0]

    width, rows = int(first(_WIDTH, 0)), int(first(_ROWS, 0))
    if not width or not rows:
        raise ValueError("a page without a size")
    inch = 2.54 if first(_UNIT, 2) == _CENTIMETRE else 1.0
    alone = first(_COMPRESSION, 1) == _T6 and len(values.get(_OFFSETS, ())) == len(values.get(_COUNTS, ())) == 1
    offset, octets = (int(first(_OFFSETS, 0)), int(first(_COUNTS, 0))) if alone else (0, 0)
    if offset + octets > size:
        raise ValueError("a page that is not there whole")
    return Strip(
        width=width,
        rows=rows,
        x_dpi=first(_X_RESOLUTION, 0) * inch or 204.0,
        y_dpi=first(_Y_RESOLUTION, 0) * inch or 196.0,
        offset=offset,
        octets=octets,
        last_bit_first=first(_FILL_ORDER, 1) == 2,
        black_is_0=first(_PHOTOMETRIC, 0) == 1,
    )
