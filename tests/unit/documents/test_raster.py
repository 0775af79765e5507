# SPDX-License-Identifier: GPL-2.0-or-later
"""A sheet's place on the fax page, which class of page it gets, what is kept dot for dot, what comes out beside it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from softfax.documents.begin import prepare
from softfax.documents.convert import convert, write_previews
from softfax.documents.received import is_sent_again
from softfax.documents.tiff import TiffWriter, encode_t4, encode_t6, read_pages
from softfax.documents.types import FarEnd, PageInfo, RasterSettings
from softfax.errors import DocumentPasswordError

FINE = RasterSettings()
MM = 72 / 25.4


def pdf(path: Path, *sizes_mm: tuple[float, float], boxes: tuple[tuple[float, float, float, float], ...] = ()) -> Path:
    """A PDF of pages of these sizes with black boxes (left, top, width, height in millimetres) on each."""
    from reportlab.pdfgen.canvas import Canvas

    c = Canvas(str(path), invariant=1)
    for width, height in sizes_mm:
        c.setPageSize((width * MM, height * MM))
        for x, y, w, h in boxes:
            c.rect(x * MM, (height - y - h) * MM, w * MM, h * MM, stroke=0, fill=1)
        c.showPage()
    c.save()
    return path


def made(tmp_path: Path, file: Path, how: RasterSettings = FINE) -> list[tuple[PageInfo, np.ndarray]]:
    document = prepare([file], how, tmp_path)
    return [(info, dots) for info, (_, dots) in zip(document.pages, read_pages(document.tiff), strict=True)]


def box_of(dots: np.ndarray) -> tuple[int, int, int, int]:
    ys, xs = np.flatnonzero(dots.any(axis=1)), np.flatnonzero(dots.any(axis=0))
    return int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1


@pytest.mark.parametrize(
    ("resolution", "width", "dots_per_mm", "rows_per_mm"),
    [
        ("standard", 1728, 8.037, 3.85),
        ("fine", 1728, 8.037, 7.7),
        ("superfine", 1728, 8.037, 15.4),
        ("300", 2592, 12.056, 11.811),
        ("400", 3456, 16.074, 15.4),
    ],
)
def test_a_sheet_keeps_its_true_size(
    tmp_path: Path, resolution: str, width: int, dots_per_mm: float, rows_per_mm: float
) -> None:
    file = pdf(tmp_path / "a4.pdf", (210, 297), boxes=((50, 100, 100, 80),))
    ((info, dots),) = made(tmp_path, file, RasterSettings(resolution=resolution))  # type: ignore[arg-type]

    assert info.width == width
    assert info.rows == pytest.approx(297 * rows_per_mm, abs=1)
    left, top, right, bottom = box_of(dots)
    assert (right - left) / dots_per_mm == pytest.approx(100, abs=0.2)
    assert (bottom - top) / rows_per_mm == pytest.approx(80, abs=0.3)
    assert left / dots_per_mm == pytest.approx(50 + 2.5, abs=0.2)
    assert top / rows_per_mm == pytest.approx(100, abs=0.3)


@pytest.mark.parametrize(
    ("size_mm", "paper", "far", "width"),
    [
        ((210, 297), "auto", FarEnd(), 1728),
        ((216, 279), "auto", FarEnd(), 1728),
        ((279, 216), "auto", FarEnd(), 1728),  # Letter, landscape: turned
        ((257, 364), "auto", FarEnd(), 2048),
        ((297, 420), "auto", FarEnd(), 2432),
        ((420, 297), "auto", FarEnd(), 2432),
        ((297, 420), "auto", FarEnd(size=1), 2048),
        ((297, 420), "auto", FarEnd(size=0), 1728),
        ((297, 420), "a4", FarEnd(), 1728),
        ((210, 297), "a3", FarEnd(), 2432),
        ((600, 900), "auto", FarEnd(), 1728),  # a poster
        ((105, 148), "auto", FarEnd(), 1728),
    ],
)
def test_paper(tmp_path: Path, size_mm: tuple[float, float], paper: str, far: FarEnd, width: int) -> None:
    file = pdf(tmp_path / "page.pdf", size_mm, boxes=((40, 40, 30, 20),))
    settings = RasterSettings(paper=paper, far_end=far)  # type: ignore[arg-type]
    ((info, dots),) = made(tmp_path, file, settings)

    assert info.width == width
    narrow, long = sorted(size_mm)
    scale = min(1, {1728: 215, 2048: 255, 2432: 303}[width] / narrow)
    assert info.rows == pytest.approx(long * scale * 7.7, abs=2)
    left, top, right, bottom = box_of(dots)
    turned = size_mm[0] > size_mm[1]
    assert (right - left) / 8.03 == pytest.approx((20 if turned else 30) * scale, abs=0.4)
    assert (bottom - top) / 7.7 == pytest.approx((30 if turned else 20) * scale, abs=0.4)


def test_what_stands_at_the_side_is_moved_before_anything_is_shrunk(tmp_path: Path) -> None:
    file = pdf(tmp_path / "side.pdf", (210, 297), boxes=((2, 100, 60, 40),))
    ((_, dots),) = made(tmp_path, file)

    left, _, right, _ = box_of(dots)
    assert left >= 73
    assert (right - left) / 8.037 == pytest.approx(60, abs=0.3)


@pytest.mark.parametrize(("cut_mm", "pages"), [(None, 1), (297.0, 4)])
def test_long_pages(tmp_path: Path, cut_mm: float | None, pages: int) -> None:
    stripes = tuple((30.0, 20.0 + 20 * i, 100.0, 8.0) for i in range(48))
    file = pdf(tmp_path / "long.pdf", (210, 1000), boxes=stripes)
    out = made(tmp_path, file, RasterSettings(cut_mm=cut_mm))

    assert len(out) == pages
    assert sum(info.rows for info, _ in out) == pytest.approx(7700, abs=2)
    if cut_mm:
        assert all(info.rows <= 297 * 7.7 + 1 for info, _ in out)
        for _, dots in out[:-1]:
            assert not dots[-1].any(), "cut between two stripes"


def test_t6_in_one_strip_is_copied_bit_for_bit(tmp_path: Path) -> None:
    dots = np.random.default_rng(2).random((700, 1728)) > 0.02
    fax = tmp_path / "fax.tif"
    with TiffWriter(fax) as writer:
        writer.add(Image.fromarray(dots), 204, 196)
    document = prepare([fax], FINE, tmp_path)

    assert encode_t6(Image.fromarray(dots)) in document.tiff.read_bytes()


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_lzw", "packbits", "tiff_deflate", "raw"])
@pytest.mark.parametrize(
    ("width", "dpi"), [(1728, (204, 98)), (1728, (204, 391)), (2048, (204, 196)), (2592, (300, 300))]
)
def test_faxes_of_every_compression_and_width_keep_their_dots(
    tmp_path: Path, compression: str, width: int, dpi: tuple[int, int]
) -> None:
    dots = np.random.default_rng(3).random((300, width)) > 0.1
    Image.fromarray(dots).save(tmp_path / "fax.tif", compression=compression, dpi=dpi)
    ((info, black),) = made(tmp_path, tmp_path / "fax.tif")

    assert np.array_equal(black, ~dots)
    assert (info.width, info.x_dpi, info.y_dpi) == (width, *dpi)


@pytest.mark.parametrize("upright", [False, True])
def test_a_rule_is_as_thick_beside_type_as_elsewhere(tmp_path: Path, upright: bool) -> None:
    from reportlab.pdfgen.canvas import Canvas

    c = Canvas(str(tmp_path / "table.pdf"), pagesize=(595, 842))
    if upright:
        c.translate(595, 0)
        c.rotate(90)
    c.setFont("Helvetica", 8)
    c.setLineWidth(0.4)
    rules = [500 - 16.07 * n for n in range(20)]  # each at another place between two rows of dots
    for y in rules:
        c.line(60, y, 500, y)
        c.drawString(100, y + 3.2, "Northgate")
        c.drawString(300, y + 3.2, "1,234")
    c.save()

    ((_, black),) = made(tmp_path, tmp_path / "table.pdf")

    if upright:
        black = black.T[:, ::-1]
    across, down = (black.shape[1] / (842 if upright else 612), black.shape[0] / (612 if upright else 842))
    for y in rules:
        at = round((595 + 8.5 - y if upright else 842 - y) * down)
        left = 8.5 * (not upright)
        rule = black[at - 3 : at + 4, round((left + 62) * across) : round((left + 498) * across)]
        assert set(rule.sum(axis=0)) in ({1}, {2}), f"the rule at {y:.2f} pt"


def test_a_fax_too_fine_for_the_far_end_keeps_its_lines(tmp_path: Path) -> None:
    image = Image.new("1", (1728, 4574), 1)
    draw = ImageDraw.Draw(image)
    for y in range(200, 4400, 40):
        draw.line((200, y, 1500, y), fill=0, width=2)
    with TiffWriter(tmp_path / "fax.tif") as writer:
        writer.add(image, 204, 391)
    far = FarEnd(fine=False, superfine=False, r300=False, r400=False)
    ((info, dots),) = made(tmp_path, tmp_path / "fax.tif", RasterSettings(far_end=far))

    assert (info.y_dpi, info.rows) == (98, pytest.approx(4574 / 4, abs=1))
    inked = dots[:, 800]
    assert int((inked & ~np.roll(inked, 1)).sum()) == 105


@pytest.mark.parametrize(
    "name", ["photo.jpg", "turned.jpg", "alpha.png", "grey16.png", "palette.gif", "small.bmp", "x.webp"]
)
def test_pictures_of_every_kind(tmp_path: Path, name: str) -> None:
    """A black square on white in the upper left corner, however the file says it."""
    image = Image.new("RGB", (600, 800), "white")
    ImageDraw.Draw(image).rectangle((50, 50, 250, 250), fill="black")
    options: dict[str, object] = {}
    if name == "turned.jpg":
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned clockwise
        image = image.transpose(Image.Transpose.ROTATE_90)
        options["exif"] = exif
    elif name == "alpha.png":
        image = Image.new("RGBA", (600, 800), (0, 0, 0, 0))
        ImageDraw.Draw(image).rectangle((50, 50, 250, 250), fill=(0, 0, 0, 255))
    elif name == "grey16.png":
        grey = np.full((800, 600), 65535, np.uint16)
        grey[50:251, 50:251] = 0
        image = Image.fromarray(grey)
    elif name.endswith(".gif"):
        image = image.convert("P")
    image.save(tmp_path / name, **options)
    ((info, dots),) = made(tmp_path, tmp_path / name)

    left, top, right, bottom = box_of(dots)
    scale = (right - left) / 201
    assert (bottom - top) / 201 * 8.037 / 7.7 == pytest.approx(scale, rel=0.03)
    assert left < info.width / 3
    assert top < info.rows / 4
    assert scale * 600 == pytest.approx(196.6 * 8.037, rel=0.02), "as large as machines print"


def test_a_scan_says_its_size(tmp_path: Path) -> None:
    image = Image.new("L", (1240, 1754), 255)  # A4 at 150 dpi
    ImageDraw.Draw(image).rectangle((590, 590, 590 + 295, 590 + 295), fill=0)  # 50 mm
    image.save(tmp_path / "scan.png", dpi=(150, 150))
    ((info, dots),) = made(tmp_path, tmp_path / "scan.png")

    assert info.rows == pytest.approx(297 * 7.7, abs=2)
    left, _, right, _ = box_of(dots)
    assert (right - left) / 8.037 == pytest.approx(50, abs=0.4)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_code_gives_the_dots_back(data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 40))
    width = data.draw(st.sampled_from([1728, 2048, 2432, 2592, 3456]))
    kind = data.draw(st.sampled_from(["noise", "runs", "white", "black", "stripes"]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    white = np.ones((rows, width), bool)
    if kind == "noise":
        white = rng.random((rows, width)) > rng.random()
    elif kind == "runs":
        white = np.repeat(rng.random((rows, width // 16 + 1)) > 0.5, 16, axis=1)[:, :width]
    elif kind == "black":
        white[:] = False
    elif kind == "stripes":
        white[::2] = False
    page = Image.fromarray(np.ascontiguousarray(white))
    for code, bits in (
        ("group3", encode_t4(page, two_dimensional=False)),
        ("group3", encode_t4(page, two_dimensional=True)),
        ("group4", encode_t6(page)),
    ):
        two = int(bits == encode_t4(page, two_dimensional=True)) if code == "group3" else 0
        assert np.array_equal(decode(bits, rows, width, code, two), white)


def decode(bits: bytes, rows: int, width: int, code: str, two_dimensional: int) -> np.ndarray:
    """The page of T.4 or T.6 bits, by wrapping them in a TIFF of one strip."""
    import struct

    compression = 4 if code == "group4" else 3
    entries = [
        (256, 4, width), (257, 4, rows), (258, 3, 1), (259, 3, compression), (262, 3, 0), (266, 3, 1), (273, 4, 8),
        (277, 3, 1), (278, 4, rows), (279, 4, len(bits)), *([(292, 4, two_dimensional)] if compression == 3 else []),
    ]  # fmt: skip
    body = bits + b"\0" * (len(bits) & 1)
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in entries)
    tiff = b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory + b"\0\0\0\0"
    return np.asarray(Image.open(io.BytesIO(tiff)).convert("1"))


def test_passwords(tmp_path: Path) -> None:
    from reportlab.lib.pdfencrypt import StandardEncryption
    from reportlab.pdfgen.canvas import Canvas

    c = Canvas(str(tmp_path / "secret.pdf"), encrypt=StandardEncryption("open sesame", strength=128))
    c.drawString(100, 500, "secret")
    c.showPage()
    c.save()
    with pytest.raises(DocumentPasswordError, match="encrypted"):
        prepare([tmp_path / "secret.pdf"], FINE, tmp_path)
    with pytest.raises(DocumentPasswordError, match="does not open"):
        prepare([tmp_path / "secret.pdf"], RasterSettings(password="abracadabra"), tmp_path)
    ((_, dots),) = made(tmp_path, tmp_path / "secret.pdf", RasterSettings(password="open sesame"))
    assert dots.any()


def test_previews_are_upright_in_square_dots_and_thumbnails_small(tmp_path: Path) -> None:
    file = pdf(tmp_path / "two.pdf", (210, 297), (210, 297), boxes=((50, 100, 80, 80),))
    convert([file], tmp_path / "out.pdf", RasterSettings(resolution="standard"), preview=tmp_path / "pages")
    first, second = sorted((tmp_path / "pages").iterdir())
    assert (first.name, second.name) == ("page-001.png", "page-002.png")
    with Image.open(first) as image:
        assert image.width / image.height == pytest.approx(215 / 297, rel=0.01)
        left, top, right, bottom = box_of(np.asarray(image.convert("L")) < 128)
        assert right - left == pytest.approx(bottom - top, rel=0.02)

    (small, _) = write_previews(tmp_path / "out.pdf", tmp_path / "small", width=200)
    with Image.open(small) as image:
        assert image.width == 200
    assert small.stat().st_size < 20_000


def test_a_page_sent_again_is_known_and_another_is_not() -> None:
    rng = np.random.default_rng(5)
    page = rng.random((500, 1728)) > 0.9
    damaged = page.copy()
    damaged[100:300] = rng.random((200, 1728)) > 0.5
    assert is_sent_again(damaged, page)
    assert not is_sent_again(damaged, rng.random((500, 1728)) > 0.9)
    assert not is_sent_again(np.zeros_like(page), page)
