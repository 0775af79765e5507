# SPDX-License-Identifier: GPL-2.0-or-later
"""A picture that was cut off or damaged is faxed as far as it goes, and what is missing is said."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from softfax.documents.load import open_document
from softfax.documents.tiff import TiffWriter
from softfax.documents.types import DocumentLimits, FaxImage, Source
from softfax.errors import DocumentUnsupportedError

#: Three bars, one below the other, on white.
BARS = np.full((300, 200), 255, np.uint8)
for top in (30, 130, 230):
    BARS[top : top + 40, 20:180] = np.random.default_rng(top).integers(0, 120, (40, 160))


def opened(path: Path, data: bytes) -> list[tuple[np.ndarray, str, bytes | None]]:
    """The pages with what is said of them, and their T.6 bits."""
    path.write_bytes(data)
    pages = []
    for sheet in open_document(Source(path=path), DocumentLimits()):
        if isinstance(sheet, FaxImage):
            pages.append((np.asarray(sheet.image), sheet.warning, sheet.t6))
        else:
            pages.append((np.asarray(sheet.render(200, 300)), getattr(sheet, "warning", ""), None))
    return pages


def saved(kind: str, mode: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(BARS).convert(mode).save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("ending", "kind", "mode"),
    [("jpg", "JPEG", "L"), ("jpg", "JPEG", "RGB"), ("jpg", "JPEG", "CMYK"), ("png", "PNG", "L"), ("png", "PNG", "RGBA"),
     ("gif", "GIF", "P"), ("bmp", "BMP", "RGB"), ("tga", "TGA", "RGB"), ("ppm", "PPM", "RGB"), ("pcx", "PCX", "L"),
     ("tif", "TIFF", "L"), ("tif", "TIFF", "RGB")],
)  # fmt: skip
def test_what_is_missing_of_a_picture_is_white_and_said(tmp_path: Path, ending: str, kind: str, mode: str) -> None:
    whole = saved(kind, mode, **({"interlace": 0} if kind == "GIF" else {}))
    ((page, said, _),) = opened(tmp_path / f"whole.{ending}", whole)
    assert not said
    assert all((page[top : top + 40, 20:180] < 160).mean() > 0.9 for top in (30, 130, 230))
    ((page, said, _),) = opened(tmp_path / f"cut.{ending}", whole[: int(len(whole) * 0.55)])
    assert f"cut.{ending} is cut off" in said
    there, missing = (250, 50) if ending in ("bmp", "tga") else (50, 250)
    assert (page[there - 10 : there + 10, 30:170] < 160).mean() > 0.9
    assert (page[missing - 10 : missing + 10] > 240).all()


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_picture_of_which_nothing_is_there_is_refused(tmp_path: Path, ending: str) -> None:
    whole = saved({"jpg": "JPEG", "png": "PNG"}[ending], "L")
    with pytest.raises(DocumentUnsupportedError, match="is damaged"):
        opened(tmp_path / f"cut.{ending}", whole[: whole.index(b"IDAT") + 6 if ending == "png" else 200])


def fax(path: Path, pages: int) -> bytes:
    page = Image.fromarray(np.kron(BARS, np.ones((6, 8), np.uint8))).convert("1").resize((1728, 1800))
    with TiffWriter(path) as writer:
        for _ in range(pages):
            writer.add(page, 204, 196)
    return path.read_bytes()


def test_damaged_fax_bits_are_said_and_not_passed_on(tmp_path: Path) -> None:
    """Its library decodes on and returns no error; the far end would get what it cannot read."""
    data = bytearray(fax(tmp_path / "whole.tif", 3))
    with Image.open(io.BytesIO(data)) as image:
        image.seek(1)
        start, octets = image.tag_v2[273][0], image.tag_v2[279][0]  # type: ignore[attr-defined]
    data[start + octets // 2] ^= 0x55
    first, second, third = opened(tmp_path / "fax.tif", bytes(data))
    assert first[1] == third[1] == ""
    assert first[2] is not None
    assert "page 2 of fax.tif is damaged" in second[1]
    assert second[2] is None


def test_fax_bits_that_end_early_are_said(tmp_path: Path) -> None:
    data = fax(tmp_path / "whole.tif", 1)
    with Image.open(io.BytesIO(data)) as image:
        offsets, octets = image.tag_v2[273][0], image.tag_v2[279][0]  # type: ignore[attr-defined]
    half = octets // 2
    torn = data[: offsets + half] + bytes(octets - half) + data[offsets + octets :]
    ((_, said, bits),) = opened(tmp_path / "fax.tif", torn)
    assert "missing" in said
    assert bits is None


def test_a_page_that_cannot_be_read_is_one_that_says_so(tmp_path: Path) -> None:
    out, page = io.BytesIO(), Image.fromarray(BARS)
    page.save(out, "TIFF", compression="tiff_lzw", save_all=True, append_images=[page, page])
    data = bytearray(out.getvalue())
    with Image.open(io.BytesIO(data)) as image:
        image.seek(1)
        start = image.tag_v2[273][0]  # type: ignore[attr-defined]
    data[start : start + 200] = bytes(200)
    pages = opened(tmp_path / "pages.tif", bytes(data))
    assert [bool(said) for _, said, _ in pages] == [False, True, False]
    assert "page 2 of pages.tif is damaged: a page that says so is in its place" in pages[1][1]
