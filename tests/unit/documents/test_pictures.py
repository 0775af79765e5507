# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures come out as a viewer shows them: of any depth, either sense of white, any orientation and shape."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from softfax.documents import RasterSettings, prepare, read_pages

SHAPE = (1100, 800)


def black_of(path: Path, tmp_path: Path) -> np.ndarray:
    document = prepare([path], RasterSettings(), tmp_path)
    ((_, black),) = read_pages(document.tiff)
    return black


def tiff(
    path: Path, values: np.ndarray, *, photometric: int = 1, order: str = "<", sample_format: int = 1, extra: tuple = ()
) -> Path:
    """A TIFF of one strip, for what Pillow does not write."""
    bits = values.dtype.itemsize * 8
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    entries = [(256, 4, values.shape[1]), (257, 4, values.shape[0]), (258, 3, bits), (259, 3, 1), (262, 3, photometric),
               (273, 4, 8), (277, 3, 1), (278, 4, values.shape[0]), (279, 4, len(data)), (339, 3, sample_format), *extra]  # fmt: skip
    out = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(data)) + data
    out += struct.pack(order + "H", len(entries))
    for tag, kind, value in sorted(entries):
        packed = struct.pack(order + "HH", value, 0) if kind == 3 else struct.pack(order + "I", value)
        out += struct.pack(order + "HHI", tag, kind, 1) + packed
    path.write_bytes(out + struct.pack(order + "I", 0))
    return path


def test_a_blank_page_of_16_bits_is_blank_also_with_noise(tmp_path: Path) -> None:
    blank = np.full(SHAPE, 65535, np.uint16)
    noise = np.random.default_rng(1).integers(0, 300, SHAPE).astype(np.uint16)
    for name, values in (("blank.png", blank), ("noisy.png", blank - noise)):
        Image.fromarray(values).save(tmp_path / name)
        assert black_of(tmp_path / name, tmp_path).mean() < 0.005


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize(
    ("dtype", "white", "sample_format"), [("u2", 65535, 1), ("u1", 255, 1), ("f4", 1.0, 3), ("f4", 255.0, 3)]
)
def test_greys_of_any_depth_keep_their_white(
    tmp_path: Path, dtype: str, white: float, sample_format: int, photometric: int, order: str
) -> None:
    if (dtype, photometric, order) == ("u2", 0, ">"):
        return  # Pillow does not open these
    values = np.full(SHAPE, white if photometric else 0, dtype)
    values[100:400, 100:500] = 0 if photometric else white
    path = tiff(tmp_path / "deep.tif", values, photometric=photometric, order=order, sample_format=sample_format)
    black = black_of(path, tmp_path)
    assert 0.08 < black.mean() < 0.2
    assert not black[:60].any()


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
def test_a_fax_page_that_is_turned_or_mirrored_comes_upright(tmp_path: Path, orientation: int) -> None:
    upright = np.ones((2287, 1728), bool)
    upright[200:400, 150:500] = False
    stored = {1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1]}[orientation]
    Image.fromarray(stored).save(
        tmp_path / "page.tif", compression="group4", dpi=(204, 196), tiffinfo={274: orientation}
    )
    assert (black_of(tmp_path / "page.tif", tmp_path) == ~upright).all()


@pytest.mark.parametrize("size", [(256, 10), (798, 20), (2000, 100), (10, 256), (20, 798)])
def test_a_strip_is_a_page_and_a_wide_one_is_not_turned(tmp_path: Path, size: tuple[int, int]) -> None:
    image = Image.new("L", size, 255)
    image.paste(0, (size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2))
    image.save(tmp_path / "strip.png")
    rows, columns = np.nonzero(black_of(tmp_path / "strip.png", tmp_path))
    wide = np.ptp(columns) > np.ptp(rows)
    assert wide == (size[0] > size[1])


@pytest.mark.parametrize(
    "name", ["p.avif", "p.jp2", "p.tga", "p.pcx", "p.ico", "p.sgi", "p.qoi", "p.webp", "p.gif", "p.bmp"]
)
def test_what_pillow_opens_is_taken(tmp_path: Path, name: str) -> None:
    if name == "p.avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    image = Image.new("RGB", (256, 256), "white")
    image.paste((0, 0, 0), (64, 64, 128, 128))
    image.save(tmp_path / name)
    assert 0.01 < black_of(tmp_path / name, tmp_path).mean() < 0.1


def test_lab_is_read_by_its_lightness(tmp_path: Path) -> None:
    Image.new("LAB", (400, 600), (255, 128, 128)).save(tmp_path / "white.tif")
    assert black_of(tmp_path / "white.tif", tmp_path).mean() == 0
