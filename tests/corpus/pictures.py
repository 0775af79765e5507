# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages as pictures: of every format, depth, colour and orientation."""

from __future__ import annotations

import io
import struct
from functools import partial
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageDraw, ImageFont

from tests.corpus import DOCUMENTS, SENTENCES, Grey, Item

__all__ = ["page"]

FONTS = Path(__file__).resolve().parents[2] / "src" / "softfax" / "documents" / "fonts"
SIZE = (1200, 1300)


def page(paper: int = 255, ink: int = 0) -> Grey:
    """Most of a page of 200 dpi, upright, with words of 11 points."""
    image = Image.new("L", SIZE, paper)
    font = ImageFont.truetype(FONTS / "DejaVuSans.ttf", 31)
    draw = ImageDraw.Draw(image)
    for line, sentence in enumerate(SENTENCES * 2):
        draw.text((40, 60 + 95 * line), sentence, fill=ink, font=font)
    return np.asarray(image)


def colours(values: Grey) -> Image.Image:
    """Blue ink on yellowish paper."""
    share = values.astype(np.float64)[..., None] / 255
    mixed = share * np.array([255, 250, 225]) + (1 - share) * np.array([20, 30, 130])
    return Image.fromarray(mixed.astype(np.uint8))


def pillow(path: Path, mode: str = "RGB", **options: object) -> None:
    image = colours(page()) if mode in ("RGB", "P") else Image.fromarray(page())
    image.convert(mode).save(path, dpi=(200, 200), **options)


def inks(path: Path) -> None:
    none, black = np.zeros_like(page()), 255 - page()
    Image.merge("CMYK", [Image.fromarray(part) for part in (none, none, none, black)]).save(path)


def deep(
    path: Path, dtype: str = "u2", white: float = 65535, photometric: str = "minisblack", order: str = "<"
) -> None:
    values = page().astype(np.float64) / 255 * white
    if photometric == "miniswhite":
        values = white - values
    tifffile.imwrite(
        path, values.astype(dtype), photometric=photometric, byteorder=order, resolution=(200, 200), resolutionunit=2
    )


def lab(path: Path) -> None:
    none = np.zeros_like(page())
    tifffile.imwrite(
        path, np.stack([page(), none, none], -1), photometric="cielab", resolution=(200, 200), resolutionunit=2
    )


def turned(path: Path, orientation: int) -> None:
    upright = page()
    stored = {2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.T, 6: np.rot90(upright),
              7: upright[::-1, ::-1].T, 8: np.rot90(upright, 3)}[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)


def see_through(path: Path) -> None:
    ink = np.zeros((*page().shape, 4), np.uint8)
    ink[..., 3] = 255 - page()
    Image.fromarray(ink).save(path)


def scanned(path: Path) -> None:
    noise = np.random.default_rng(3).normal(0, 7, page().shape)
    Image.fromarray((page(paper=226, ink=70) + noise).clip(0, 255).astype(np.uint8)).save(path, dpi=(200, 200))


def heic(path: Path) -> None:
    import pillow_heif

    pillow_heif.from_pillow(colours(page())).save(path)


def psd(path: Path) -> None:
    """A picture of Photoshop's: greys in one layer, merged, as they are."""
    rows, width = page().shape
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 1, rows, width, 8, 1)
    path.write_bytes(head + struct.pack(">IIIH", 0, 0, 0, 0) + page().tobytes())


def icon(path: Path) -> None:
    image = Image.new("RGBA", (256, 256))
    font = ImageFont.truetype(FONTS / "DejaVuSans.ttf", 40)
    ImageDraw.Draw(image).multiline_text((10, 20), "Blood count\nnormal", fill="navy", font=font)
    image.save(path, sizes=[(256, 256)])


def scanner(path: Path, dpi: tuple[int, int] = (300, 300), **options: object) -> None:
    """Two pages of a scanner's or a fax server's."""
    size = (round(SIZE[0] * dpi[0] / 200), round(SIZE[1] * dpi[1] / 200))
    dots = Image.fromarray(page()).resize(size).convert("1", dither=Image.Dither.NONE)
    dots.save(path, dpi=dpi, save_all=True, append_images=[dots], **options)


def strips(path: Path) -> None:
    """Tiles of 16 bits, predicted and deflated."""
    tifffile.imwrite(
        path, page().astype("u2") * 257, photometric="minisblack", resolution=(200, 200), resolutionunit=2, tile=(256, 256),
        compression="zlib", predictor=True,
    )  # fmt: skip


def twice(path: Path) -> None:
    """A picture that moves, of which the first is faxed."""
    image = colours(page())
    image.save(path, save_all=True, append_images=[image.transpose(Image.Transpose.ROTATE_180)], duration=500)


def inverted_inks(path: Path) -> None:
    """CMYK as Adobe's programs write JPEGs, with a profile that is damaged."""
    none, black = np.zeros_like(page()), 255 - page()
    merged = Image.merge("CMYK", [Image.fromarray(part) for part in (none, none, none, black)])
    merged.save(path, quality=90, icc_profile=b"none" * 40)


def cut_off(path: Path) -> None:
    """Half of a page and a half: all of the first page's words are there."""
    data = io.BytesIO()
    twice_as_long = np.concatenate([page(), np.full_like(page(), 255)])
    Image.fromarray(twice_as_long).save(data, "JPEG", dpi=(200, 200))
    path.write_bytes(data.getvalue()[:-300])


WRITERS = {
    "colour.png": pillow, "grey.png": partial(pillow, mode="L"), "dots.png": partial(pillow, mode="1"),
    "numbered.png": partial(pillow, mode="P"), "colour.jpg": partial(pillow, quality=85), "progressive.jpg": partial(pillow, progressive=True),
    "colour.gif": partial(pillow, mode="P"), "colour.bmp": pillow, "colour.webp": pillow, "colour.avif": pillow, "colour.jp2": pillow,
    "colour.tga": pillow, "colour.pcx": pillow, "colour.sgi": pillow, "colour.qoi": pillow, "colour.ppm": pillow,
    "lzw.tif": partial(pillow, compression="tiff_lzw"), "jpeg.tif": partial(pillow, compression="jpeg"),
    "group4.tif": partial(pillow, mode="1", compression="group4"), "inks.jpg": inks, "inks.tif": inks, "lab.tif": lab,
    "deep.tif": deep, "deep-big-endian.tif": partial(deep, order=">"), "deep-white-is-zero.tif": partial(deep, photometric="miniswhite", order=">"),
    "floating.tif": partial(deep, dtype="f4", white=1.0), "signed.tif": partial(deep, dtype="i2", white=32767),
    "see-through.png": see_through, "scanned.png": scanned, "photo.heic": heic,
    "picture.psd": psd, "faxed-1d.tif": partial(scanner, dpi=(204, 196), compression="group3"), "office.tif": partial(scanner, compression="group4"),
    "standard.tif": partial(scanner, dpi=(204, 98), compression="group4"), "packbits.tif": partial(scanner, compression="packbits"),
    "tiles.tif": strips, "moving.png": twice, "moving.gif": twice, "moving.webp": twice, "adobe.jpg": inverted_inks,
    "cut-off.jpg": cut_off,
    **{f"turned-{n}.jpg": partial(turned, orientation=n) for n in (3, 5, 6, 8)},
    **{f"turned-{n}.tif": partial(turned, orientation=n) for n in (2, 4, 6, 7)},
}  # fmt: skip


def drawn(path: Path) -> list[Grey]:
    """Page that all of them show."""
    return [page()]


def drawn_twice(_: Path) -> list[Grey]:
    """Pages of those that have two."""
    return [page()] * 2


TWO_PAGES = ("faxed-1d.tif", "office.tif", "standard.tif", "packbits.tif")
DOCUMENTS += [Item(name, writer, drawn_twice if name in TWO_PAGES else drawn) for name, writer in WRITERS.items()]
DOCUMENTS.append(Item("icon.ico", icon, words="Blood count normal"))
