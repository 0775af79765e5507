# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages of a TIFF whose samples Pillow does not know: of 10 to 64 bits, signed, of floating point, in planes, L*a*b* of the ICC.

The library's codecs unpack them: it is given the same data as if they were octets of grey, and they are put together here.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from softfax.documents.colour import eight_bits, lightness, white_of
from softfax.documents.strips import open_regular, read_directories

__all__ = ["DeepPage", "deep_pages", "with_directory"]

WIDTH, ROWS, BITS, COMPRESSION, PHOTOMETRIC, OFFSETS, SAMPLES = 256, 257, 258, 259, 262, 273, 277
STRIP_ROWS, COUNTS, X_RESOLUTION, Y_RESOLUTION, PLANAR, UNIT, PREDICTOR = 278, 279, 282, 283, 284, 296, 317
TILE_WIDTH, TILE_ROWS, TILE_OFFSETS, TILE_COUNTS, EXTRA, SAMPLE_FORMAT, ORIENTATION = 322, 323, 324, 325, 338, 339, 274
CENTIMETRE, SEPARATE = 3, 2
SIGNED, FLOATING = 2, 3
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK, LAB, ICC_LAB = 0, 1, 2, 5, 8, 9
#: None, LZW, Deflate (both numbers), PackBits, LZMA, Zstandard: what packs octets of whatever meaning.
CODECS = frozenset({1, 5, 8, 32946, 32773, 34925, 50000})
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, CMYK: 4, LAB: 3, ICC_LAB: 3}
MODES = {1: ("L", "LA"), 3: ("RGB", "RGBA"), 4: ("CMYK", "CMYK")}
#: Lightness of L*a*b* of 16 bits ends here (TIFF technical note on ICC L*a*b*).
LAB_WHITE = 65_280


class DeepPage:
    """One such page: its size, and what it says of its resolution and orientation."""

    def __init__(self, path: Path, order: str, tags: Mapping[int, Sequence[float]]) -> None:
        self._path, self._order, self._tags = path, order, tags
        self.size = (self._tag(WIDTH, 0), self._tag(ROWS, 0))
        inch = 2.54 if self._tag(UNIT, 2) == CENTIMETRE else 1.0
        x_dpi, y_dpi = ((tags.get(tag) or [0.0])[0] * inch for tag in (X_RESOLUTION, Y_RESOLUTION))
        self.dpi = (x_dpi, y_dpi)
        self.orientation = self._tag(ORIENTATION, 1)
        self._bits, self._samples = self._tag(BITS, 1), self._tag(SAMPLES, 1)
        self._format = self._tag(SAMPLE_FORMAT, 1)

    def _tag(self, tag: int, default: int) -> int:
        values = self._tags.get(tag)
        return int(values[0]) if values else default

    @property
    def is_deep(self) -> bool:
        """True if Pillow reads it wrongly, or not at all, and it can be read here."""
        photometric, bits = self._tag(PHOTOMETRIC, -1), self._tags.get(BITS, [1])
        alike = len(set(bits)) == 1 and self._samples >= COLOURS.get(photometric, 99)
        whole = self._bits % 8 == 0 or (self._bits > 8 and TILE_OFFSETS not in self._tags)
        known = self._tag(COMPRESSION, 1) in CODECS and photometric in COLOURS and whole and 8 <= self._bits <= 64
        other = self._bits != 8 or self._format not in (1, 4) or photometric == ICC_LAB
        return known and alike and other

    def image(self) -> Image.Image:
        """The page in 8 bits, as `L`, `RGB` or `CMYK`, or with what lies behind it. Raises OSError, ValueError."""
        photometric = self._tag(PHOTOMETRIC, BLACK_IS_ZERO)
        values = self._values()
        colours = COLOURS[photometric]
        eight = self._scaled(values[:, :, :colours], photometric)
        if photometric in (LAB, ICC_LAB):
            return lightness(Image.fromarray(eight[:, :, 0]))
        if photometric == WHITE_IS_ZERO:
            eight = 255 - eight
        behind = len(self._tags.get(EXTRA, ())) and self._tags[EXTRA][0] in (1, 2) and values.shape[2] > colours
        if behind and colours < 4:
            eight = np.concatenate([eight, self._scaled(values[:, :, colours : colours + 1], BLACK_IS_ZERO)], axis=2)
        mode = MODES[colours][bool(behind)]
        rows, width = eight.shape[:2]
        return Image.frombytes(mode, (width, rows), np.ascontiguousarray(eight).tobytes())

    def _scaled(self, values: npt.NDArray[Any], photometric: int) -> npt.NDArray[np.uint8]:
        if photometric in (LAB, ICC_LAB) and self._bits == 16:
            white = float(LAB_WHITE)
        else:
            white = white_of(values, self._bits, signed=self._format == SIGNED, floating=self._format == FLOATING)
        return eight_bits(values, white)

    def _values(self) -> npt.NDArray[Any]:
        """All samples: rows, dots, samples of a dot."""
        if self._tag(PLANAR, 1) != SEPARATE or self._samples == 1:
            return self._plane(self._samples, 0, 1)
        planes = [self._plane(1, number, self._samples) for number in range(self._samples)]
        return np.concatenate(planes, axis=2)

    def _plane(self, samples: int, number: int, planes: int) -> npt.NDArray[Any]:
        width, rows = self.size
        row_octets = -(-width * samples * self._bits // 8)
        octets = np.asarray(self._octets(row_octets, samples, number, planes))
        step = self._tag(TILE_WIDTH, width) if TILE_OFFSETS in self._tags else width
        predictor = self._tag(PREDICTOR, 1)
        if self._bits % 8:
            bits = np.unpackbits(octets, axis=1)[:, : width * samples * self._bits]
            weights = 1 << np.arange(self._bits - 1, -1, -1)
            return np.asarray(bits.reshape(rows, width, samples, self._bits) @ weights)
        size = self._bits // 8
        kind = np.dtype(f"{self._order}{ {1: 'u', 2: 'i', 3: 'f'}.get(self._format, 'u') }{size}")
        if predictor == 3:
            parts = [
                self._unpredicted(octets, left, min(step, width - left), samples, size)
                for left in range(0, width, step)
            ]
            return np.concatenate(parts, axis=1).view(kind.newbyteorder(">")).reshape(rows, width, samples)
        values = np.ascontiguousarray(octets).view(kind).reshape(rows, width, samples)
        if predictor == 2:
            whole = values.view(np.dtype(f"{self._order}u{size}"))
            parts = [
                np.cumsum(whole[:, left : left + step], axis=1, dtype=f"u{size}") for left in range(0, width, step)
            ]
            values = np.concatenate(parts, axis=1).view(kind.newbyteorder("="))
        return values

    @staticmethod
    def _unpredicted(
        octets: npt.NDArray[np.uint8], left: int, width: int, samples: int, size: int
    ) -> npt.NDArray[np.uint8]:
        """Octets of floating-point numbers, highest first: each row holds all highest octets, then all next (Technote 3)."""
        part = octets[:, left * samples * size : (left + width) * samples * size]
        rows = len(part)
        summed = np.cumsum(part.reshape(rows, -1, samples), axis=1, dtype=np.uint8).reshape(rows, size, width * samples)
        return np.ascontiguousarray(summed.transpose(0, 2, 1)).reshape(rows, -1)

    def _octets(self, row_octets: int, samples: int, number: int, planes: int) -> Image.Image:
        """A plane unpacked, as a picture of octets."""
        tags: dict[int, list[int]] = {
            WIDTH: [row_octets], ROWS: [self.size[1]], BITS: [8], COMPRESSION: [self._tag(COMPRESSION, 1)],
            PHOTOMETRIC: [BLACK_IS_ZERO], SAMPLES: [1],
        }  # fmt: skip
        tiled = TILE_OFFSETS in self._tags
        if tiled:
            tags[TILE_WIDTH] = [self._tag(TILE_WIDTH, 0) * samples * self._bits // 8]
            tags[TILE_ROWS] = [self._tag(TILE_ROWS, 0)]
        else:
            tags[STRIP_ROWS] = [min(self._tag(STRIP_ROWS, self.size[1]), self.size[1])]
        for tag in (TILE_OFFSETS, TILE_COUNTS) if tiled else (OFFSETS, COUNTS):
            values = [int(value) for value in self._tags.get(tag, ())]
            each = len(values) // planes
            tags[tag] = values[number * each : (number + 1) * each]
        with open_regular(self._path) as file:
            data = file.read()
        image = Image.open(io.BytesIO(with_directory(data, self._order, tags)), formats=("TIFF",))
        image.load()
        return image


def deep_pages(path: Path) -> tuple[int, dict[int, DeepPage]]:
    """Number of pages of a TIFF, and those that are to be read here, by their numbers from 0."""
    try:
        with open_regular(path) as file:
            order, directories = read_directories(file)
            pages = [DeepPage(path, order, tags) for tags in directories]
    except (OSError, ValueError, struct.error, IndexError):
        return 0, {}
    return len(pages), {number: page for number, page in enumerate(pages) if page.is_deep}


def with_directory(data: bytes, order: str, tags: Mapping[int, Sequence[int]]) -> bytes:
    """The file with another directory, at its end."""
    end = len(data) + len(data) % 2
    body, entries = bytearray(), bytearray()
    place = end + 2 + 12 * len(tags) + 4
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(values)}I", *values)
        where = packed
        if len(packed) != 4:
            where = struct.pack(order + "I", place + len(body))
            body += packed
        entries += struct.pack(order + "HHI", tag, 4, len(values)) + where
    directory = struct.pack(order + "H", len(tags)) + entries + struct.pack(order + "I", 0)
    return data[:4] + struct.pack(order + "I", end) + data[8:] + bytes(end - len(data)) + directory + bytes(body)
