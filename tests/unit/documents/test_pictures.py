# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures come out as a viewer shows them: of any depth, either sense of white, any orientation and shape."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from softfax.documents.begin import prepare
from softfax.documents.image import ImageDocument, ImageSheet
from softfax.documents.load import open_document
from softfax.documents.tiff import read_pages
from softfax.documents.types import DocumentLimits, RasterSettings, Source
from softfax.errors import DocumentUnsupportedError

SHAPE = (300, 200)


def black_of(path: Path, tmp_path: Path) -> np.ndarray:
    document = prepare([path], RasterSettings(), tmp_path)
    ((_, black),) = read_pages(document.tiff)
    return black


def drawn(path: Path) -> tuple[np.ndarray, str]:
    """The greys of a picture of SHAPE, and what is said of it."""
    document = ImageDocument(Source(path=path), DocumentLimits())
    sheet = next(iter(document))
    assert isinstance(sheet, ImageSheet)
    return np.asarray(sheet.render(*SHAPE[::-1])), document.warning


def tones(white: float, dtype: str) -> np.ndarray:
    """White with a black and a grey box."""
    values = np.full(SHAPE, white, dtype)
    values[30:90, 20:120] = 0
    values[150:200, 20:120] = np.dtype(dtype).type(white / 2)
    return values


def assert_tones(grey: np.ndarray) -> None:
    white, black, middle = (grey[box].mean() for box in (np.s_[5:25], np.s_[40:80, 30:110], np.s_[160:190, 30:110]))
    assert white > 250
    assert black < 5
    assert 90 < middle < 200


def test_a_blank_page_of_16_bits_is_blank_also_with_noise(tmp_path: Path) -> None:
    blank = np.full(SHAPE, 65535, np.uint16)
    noise = np.random.default_rng(1).integers(0, 300, SHAPE).astype(np.uint16)
    for name, values in (("blank.png", blank), ("noisy.png", blank - noise)):
        Image.fromarray(values).save(tmp_path / name)
        assert black_of(tmp_path / name, tmp_path).mean() < 0.005


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize(
    ("dtype", "white"),
    [("u1", 255), ("i1", 127), ("u2", 65535), ("i2", 32767), ("u4", 2**32 - 1), ("i4", 2**31 - 1), ("f2", 1), ("f4", 1),
     ("f4", 255), ("f8", 1)],
)  # fmt: skip
@pytest.mark.parametrize("packed", [False, True])
def test_greys_of_any_depth_keep_their_white(
    tmp_path: Path, dtype: str, white: float, photometric: str, order: str, packed: bool
) -> None:
    values = tones(white, dtype)
    if photometric == "miniswhite":
        values = (white - values).astype(dtype)
    options = {"compression": "deflate", "tile": (64, 64)} if packed else {}
    tifffile.imwrite(tmp_path / "deep.tif", values, photometric=photometric, byteorder=order, **options)
    assert_tones(drawn(tmp_path / "deep.tif")[0])


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("colours", ["rgb", "separated"])
def test_colours_of_any_depth_and_in_planes(tmp_path: Path, dtype: str, planes: str, colours: str) -> None:
    white = {"u1": 255, "u2": 65535, "f4": 1}[dtype]
    grey = tones(white, dtype)
    parts = [grey] * 3 if colours == "rgb" else [np.zeros_like(grey)] * 3 + [(white - grey).astype(dtype)]
    values = np.stack(parts, -1 if planes == "contig" else 0)
    tifffile.imwrite(tmp_path / "deep.tif", values, photometric=colours, planarconfig=planes, rowsperstrip=100)
    assert_tones(drawn(tmp_path / "deep.tif")[0])


@pytest.mark.parametrize(
    ("photometric", "dtype", "white"), [("cielab", "u1", 255), ("cielab", "u2", 65280), ("icclab", "u1", 255)]
)
def test_lab_is_read_by_its_lightness(tmp_path: Path, photometric: str, dtype: str, white: int) -> None:
    lightness = tones(white, dtype)
    neutral = np.full_like(lightness, 128 if photometric == "icclab" else 0)
    tifffile.imwrite(tmp_path / "lab.tif", np.stack([lightness, neutral, neutral], -1), photometric=photometric)
    assert_tones(drawn(tmp_path / "lab.tif")[0])


def test_what_lies_behind_a_deep_picture_is_white(tmp_path: Path) -> None:
    values = np.zeros((*SHAPE, 4), np.uint16)
    values[30:90, 20:120, 3], values[150:200, 20:120, 3] = 65535, 32768
    tifffile.imwrite(tmp_path / "behind.tif", values, photometric="rgb", extrasamples=["unassalpha"])
    assert_tones(drawn(tmp_path / "behind.tif")[0])


def test_a_light_picture_is_no_text(tmp_path: Path) -> None:
    Image.new("RGB", SHAPE[::-1], (255, 250, 225)).save(tmp_path / "light.ppm")
    document = open_document(Source(path=tmp_path / "light.ppm"), DocumentLimits())
    assert isinstance(document, ImageDocument)


def test_a_dark_page_of_16_bits_stays_dark(tmp_path: Path) -> None:
    rows, width = SHAPE
    dark = np.full(SHAPE, 100, ">u2").tobytes()
    (tmp_path / "dark.pgm").write_bytes(b"P5 %d %d 65535\n" % (width, rows) + dark)
    assert drawn(tmp_path / "dark.pgm")[0].max() < 5


@pytest.mark.parametrize("strip", [0, 1728 * 2287])
@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
def test_a_fax_page_that_is_turned_or_mirrored_comes_upright(tmp_path: Path, orientation: int, strip: int) -> None:
    upright = np.ones((2287, 1728), bool)
    upright[200:400, 150:500] = False
    stored = {1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1]}[orientation]
    Image.fromarray(stored).save(
        tmp_path / "page.tif",
        compression="group4",
        dpi=(204, 196),
        tiffinfo={274: orientation},
        **({"strip_size": strip} if strip else {}),
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
    image = Image.new("RGB", (256, 256), "white")
    image.paste((0, 0, 0), (64, 64, 128, 128))
    image.save(tmp_path / name)
    assert 0.01 < black_of(tmp_path / name, tmp_path).mean() < 0.1


@pytest.mark.parametrize("name", ["p.gif", "p.png", "p.webp"])
def test_of_several_pictures_the_first_is_faxed_and_said(tmp_path: Path, name: str) -> None:
    first = Image.fromarray(tones(255, "u1")).convert("RGB")
    first.save(tmp_path / name, save_all=True, append_images=[first.rotate(180)])
    grey, said = drawn(tmp_path / name)
    assert_tones(grey)
    assert f"{name} has several pictures, of which the first is faxed" in said


def test_pages_of_a_dcx_and_a_tiff_are_pages(tmp_path: Path) -> None:
    page = Image.fromarray(tones(255, "u1"))
    page.save(tmp_path / "two.tif", save_all=True, append_images=[page])
    assert len(ImageDocument(Source(path=tmp_path / "two.tif"), DocumentLimits())) == 2
    page.save(tmp_path / "page.pcx")
    pcx = (tmp_path / "page.pcx").read_bytes()
    head = struct.pack("<4I", 0x3ADE68B1, 16, 16 + len(pcx), 0)
    (tmp_path / "two.dcx").write_bytes(head + pcx + pcx)
    document = ImageDocument(Source(path=tmp_path / "two.dcx"), DocumentLimits())
    assert len(document) == 2
    for sheet in document:
        assert isinstance(sheet, ImageSheet)
        assert_tones(np.asarray(sheet.render(*SHAPE[::-1])))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["p.jpg", "p.png", "p.webp", "p.tif", "deep.tif"])
def test_pictures_come_upright(tmp_path: Path, name: str, orientation: int) -> None:
    upright = tones(255, "u1")
    stored = {1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.T,
              6: np.rot90(upright), 7: upright[::-1, ::-1].T, 8: np.rot90(upright, 3)}[orientation]  # fmt: skip
    if name == "deep.tif":
        deep = np.ascontiguousarray(stored).astype("u2") * 257
        tifffile.imwrite(tmp_path / name, deep, photometric="minisblack", extratags=[(274, 3, 1, orientation, True)])
    else:
        exif = Image.Exif()
        exif[274] = orientation
        Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / name, exif=exif)
    grey, _ = drawn(tmp_path / name)
    assert_tones(grey)


def profile(space: bytes, colorants: dict[bytes, tuple[float, float, float]], gamma: float) -> bytes:
    """An ICC profile of version 2 (ICC.1:2001-04 §6): curves of one gamma, and what its colours are."""

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(v * 65536)) for v in values)

    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    name = b"desc" + bytes(4) + struct.pack(">I", 5) + b"Test\0" + bytes(78)
    tags = {b"desc": name, b"wtpt": b"XYZ " + bytes(4) + fixed(0.9642, 1, 0.8249)}
    tags |= {key: b"XYZ " + bytes(4) + fixed(*value) for key, value in colorants.items()}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC") if space == b"RGB " else (b"kTRC",), curve)
    table, data = struct.pack(">I", len(tags)), b""
    for key, value in tags.items():
        table += key + struct.pack(">II", 132 + 12 * len(tags) + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    size = 132 + 12 * len(tags) + len(data)
    head = struct.pack(">I4sI", size, b"lcms", 0x02200000) + b"mntr" + space + b"XYZ " + bytes(12) + b"acsp" + bytes(28)
    head += fixed(0.9642, 1, 0.8249)
    return head + bytes(128 - len(head)) + table + data


#: Red, green and blue of sRGB, seen from D50; in a profile whose red is blue, a red picture is a blue one.
RED, GREEN, BLUE = (0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)
SWAPPED = profile(b"RGB ", {b"rXYZ": BLUE, b"gXYZ": RED, b"bXYZ": GREEN}, 2.2)


@pytest.mark.parametrize("name", ["p.jpg", "p.png", "p.tif", "p.webp"])
def test_colours_are_those_of_the_pictures_profile(tmp_path: Path, name: str) -> None:
    for colour, expected in (((255, 0, 0), 29), ((0, 255, 0), 76), ((0, 0, 255), 150), ((255, 255, 255), 255)):
        Image.new("RGB", SHAPE[::-1], colour).save(tmp_path / name, icc_profile=SWAPPED)
        assert abs(drawn(tmp_path / name)[0].mean() - expected) < 6


def test_a_profile_of_greys_and_a_damaged_one(tmp_path: Path) -> None:
    page = Image.new("L", SHAPE[::-1], 128)
    page.save(tmp_path / "p.png", icc_profile=profile(b"GRAY", {}, 1.0))
    assert abs(drawn(tmp_path / "p.png")[0].mean() - 188) < 4
    for broken in (SWAPPED[:200], b"x" * 500, SWAPPED[:36] + b"nope" + SWAPPED[40:]):
        page.save(tmp_path / "p.png", icc_profile=broken)
        assert abs(drawn(tmp_path / "p.png")[0].mean() - 128) < 2


@pytest.mark.parametrize("name", ["p.jpg", "p.tif"])
def test_inks_come_out_as_greys(tmp_path: Path, name: str) -> None:
    none = np.zeros(SHAPE, np.uint8)
    black = 255 - tones(255, "u1")
    Image.merge("CMYK", [Image.fromarray(part) for part in (none, none, none, black)]).save(tmp_path / name)
    assert_tones(drawn(tmp_path / name)[0])


def test_avif_that_names_a_general_brand_first_is_avif(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "photo.avif"
    Image.fromarray(tones(255, "u1")).convert("RGB").save(path)
    data = path.read_bytes()
    assert data[8:12] == b"avif"
    path.write_bytes(data[:8] + b"mif1" + data[12:])
    assert_tones(drawn(path)[0])


def test_a_heic_picture_is_taken_where_what_reads_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(Image.fromarray(tones(255, "u1")).convert("RGB")).save(tmp_path / "photo.heic")
    assert_tones(drawn(tmp_path / "photo.heic")[0])
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(DocumentUnsupportedError, match="needs the package pillow-heif"):
        drawn(tmp_path / "photo.heic")


def psd(mode: int, planes: list[np.ndarray], layers: int = 0) -> bytes:
    """A picture of Photoshop's: 1 grey, 3 RGB, 4 CMYK, 7 inks, 9 L*a*b*; not packed. Of layers there is only their number."""
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 1, len(planes), *SHAPE, 8 * planes[0].dtype.itemsize, mode)
    told = struct.pack(">IIh", 6, 2, layers) if layers else struct.pack(">I", 0)
    resource = b"8BIM" + struct.pack(">HHI", 1005, 0, 3) + b"abc\0"
    body = struct.pack(">II", 0, len(resource)) + resource + told + struct.pack(">H", 0)
    return head + body + b"".join(plane.tobytes() for plane in planes)


TONES = tones(255, "u1")
NEUTRAL = np.full(SHAPE, 128, "u1")


@pytest.mark.parametrize(
    ("mode", "planes"),
    # Inks are stored from 255, which is none.
    [(1, [TONES]), (3, [TONES] * 3), (4, [NEUTRAL * 0 + 255] * 3 + [TONES]), (9, [TONES, NEUTRAL, NEUTRAL])],
)
def test_pictures_of_photoshop_are_drawn(tmp_path: Path, mode: int, planes: list[np.ndarray]) -> None:
    path = tmp_path / "picture.psd"
    path.write_bytes(psd(mode, planes))
    assert_tones(drawn(path)[0])


@pytest.mark.parametrize(
    ("layers", "shown"), [(0, True), (1, True), (-1, False)], ids=["no layers", "a layer", "transparent"]
)
def test_a_selection_saved_with_a_picture_hides_nothing_of_it(tmp_path: Path, layers: int, shown: bool) -> None:
    """The fourth channel is transparency only where Photoshop says so."""
    path = tmp_path / "picture.psd"
    path.write_bytes(psd(3, [TONES, TONES, TONES, NEUTRAL * 0], layers))
    if shown:
        assert_tones(drawn(path)[0])
    else:
        assert (drawn(path)[0] == 255).all()


@pytest.mark.parametrize(
    ("data", "remedy"),
    [
        (psd(7, [NEUTRAL * 0 + 255, TONES]), "colours of its own .Multichannel.; save it in RGB"),
        (psd(3, [TONES.astype(">u2") * 257] * 3), "PSD of 8 bits"),
    ],
    ids=["inks", "16 bits"],
)
def test_a_picture_of_photoshops_that_is_not_read_whole_is_refused(tmp_path: Path, data: bytes, remedy: str) -> None:
    (tmp_path / "picture.psd").write_bytes(data)
    with pytest.raises(DocumentUnsupportedError, match=remedy):
        drawn(tmp_path / "picture.psd")


@pytest.mark.parametrize("ending", ["dib", "im.sgi", "pcx", "dcx", "qoi", "sun"])
def test_formats_of_old_are_drawn(tmp_path: Path, ending: str) -> None:
    path, picture = tmp_path / f"picture.{ending}", Image.fromarray(TONES).convert("RGB")
    if ending == "dcx":
        page = tmp_path / "page.pcx"
        picture.save(page)
        path.write_bytes(struct.pack("<III", 0x3ADE68B1, 12, 0) + page.read_bytes())
    elif ending == "sun":
        head = struct.pack(">8I", 0x59A66A95, *SHAPE[::-1], 8, TONES.size, 1, 0, 0)
        path.write_bytes(head + TONES.tobytes())
    else:
        picture.save(path)
    assert_tones(drawn(path)[0])
