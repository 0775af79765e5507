# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents that are made while they are sent, and made anew for what the far end takes: real pages over the in-memory line."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pypdfium2 as pdfium
import pytest

from softfax.documents.begin import start
from softfax.documents.tiff import read_pages
from softfax.documents.types import FarEnd, PageInfo, RasterSettings
from softfax.engine.abi import EventType, Lacks
from softfax.engine.core import Engine, EngineEvent, T30Settings
from softfax.engine.line import LineSettings, run_line
from softfax.errors import DocumentError
from softfax.fax.feed import DocumentFeed, far_end_of

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
A3_POINTS = (842, 1191)


class Sent:
    """Result of one fax."""

    def __init__(self) -> None:
        self.events: list[EngineEvent] = []
        self.pages: list[PageInfo] = []
        self.failed: DocumentError | None = None
        self.totals: list[tuple[int | None, bool]] = []
        self.pages_at_dial = 0

    @property
    def code(self) -> int:
        return next(e.code for e in self.events if e.type is EventType.COMPLETE)


NOTHING = Lacks(0)


async def fax(tmp_path: Path, file: Path, settings: RasterSettings, lacks: Lacks = NOTHING) -> Sent:
    """Sends `file` from the moment its first page is made."""
    loop = asyncio.get_running_loop()
    out, received = Sent(), tmp_path / "received.tif"
    with Engine(shards=1) as engine, start([file], settings, tmp_path) as job:
        await asyncio.to_thread(job.wait_first)
        out.pages_at_dial = len(job.pages)
        a = engine.session(T30Settings(caller=True, tx_file=job.tiff))
        b = engine.session(T30Settings(caller=False, rx_file=received, lacks=lacks))

        def failed(error: DocumentError) -> None:
            out.failed = error
            a.cancel()

        feed = DocumentFeed(job, a, lambda total, done, _: out.totals.append((total, done)), failed)

        def drain() -> None:
            for event in engine.events():
                if event.session == a.id:
                    out.events.append(event)
                    if event.type is EventType.DIS:
                        feed.engine_event(event)

        loop.add_reader(engine.fileno(), drain)
        # 3 s between two DIS are 150 ticks: 1.5 s of real time, enough for the page to be made anew beside other work.
        await asyncio.to_thread(run_line, a, b, LineSettings(pace_us=10000 if lacks else 2000))
        drain()
        loop.remove_reader(engine.fileno())
        feed.close()
        a.close()
        b.close()
    out.pages = [info for info, _ in read_pages(received)] if received.exists() else []
    return out


def test_a_fax_begins_before_its_last_page_is_made(tmp_path: Path) -> None:
    sent = asyncio.run(fax(tmp_path, SAMPLES / "report.pdf", RasterSettings(resolution="superfine")))

    assert sent.pages_at_dial < 10
    assert sent.code == 0
    assert len(sent.pages) == 10
    assert sent.totals[0] == (10, False)
    assert sent.totals[-1] == (10, True)


@pytest.mark.parametrize(
    ("lacks", "resolution", "width", "y_dpi"),
    [
        (Lacks.FINE | Lacks.SUPERFINE | Lacks.HIGH | Lacks.WIDE, "superfine", 1728, 98),
        (Lacks.SUPERFINE | Lacks.HIGH, "superfine", 2432, 196),
        (Lacks.HIGH, "400", 2432, 391),
        (Lacks.WIDE, "fine", 1728, 196),
        (Lacks(0), "fine", 2432, 196),
    ],
)
def test_pages_are_made_anew_for_what_the_far_end_takes(
    tmp_path: Path, lacks: Lacks, resolution: str, width: int, y_dpi: int
) -> None:
    document = pdfium.PdfDocument.new()
    document.new_page(*A3_POINTS)
    document.save(tmp_path / "a3.pdf")

    settings = RasterSettings(resolution=resolution)  # type: ignore[arg-type]
    sent = asyncio.run(fax(tmp_path, tmp_path / "a3.pdf", settings, lacks))

    assert sent.code == 0
    ((page),) = sent.pages
    assert (page.width, round(page.y_dpi)) == (width, y_dpi)


def test_a_page_longer_than_the_far_ends_paper_is_cut(tmp_path: Path) -> None:
    document = pdfium.PdfDocument.new()
    document.new_page(595, 1800)
    document.save(tmp_path / "long.pdf")

    sent = asyncio.run(fax(tmp_path, tmp_path / "long.pdf", RasterSettings(), Lacks.LONG))

    assert sent.code == 0
    assert len(sent.pages) == 3
    assert sum(page.rows for page in sent.pages) == pytest.approx(1800 / 72 * 25.4 * 7.7, abs=3)


def test_a_page_that_is_damaged_is_a_page_that_says_so(tmp_path: Path) -> None:
    """The third page of this TIFF has no data left: known only when it is drawn."""
    from PIL import Image

    path = tmp_path / "broken.tif"
    frames = [Image.effect_noise((1700, 2200), 60) for _ in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:], compression="tiff_lzw", dpi=(200, 200))
    with Image.open(path) as image:
        image.seek(2)
        offset = image.tag_v2[273][0]  # type: ignore[attr-defined]
    data = bytearray(path.read_bytes())
    data[offset : offset + 4000] = b"\xff" * 4000
    path.write_bytes(bytes(data))

    sent = asyncio.run(fax(tmp_path, path, RasterSettings()))

    assert (sent.failed, sent.code, len(sent.pages)) == (None, 0, 3)


def test_a_page_that_cannot_be_made_ends_the_fax_with_the_reason(tmp_path: Path) -> None:
    """The picture of the third page is too large: known only when it is drawn."""
    import pikepdf

    with pikepdf.new() as pdf:
        for side in (100, 100, 60_000):
            page = pdf.add_blank_page(page_size=(595, 842))
            kind = {"Type": pikepdf.Name.XObject, "Subtype": pikepdf.Name.Image, "ColorSpace": pikepdf.Name.DeviceGray}
            picture = pikepdf.Stream(pdf, b"U" * 1300, Width=side, Height=side, BitsPerComponent=1, **kind)
            page.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Im=picture))
            page.Contents = pikepdf.Stream(pdf, b"400 0 0 400 50 50 cm /Im Do")
        pdf.save(tmp_path / "large.pdf")

    sent = asyncio.run(fax(tmp_path, tmp_path / "large.pdf", RasterSettings()))

    assert sent.failed is not None
    assert "page 3 of large.pdf" in sent.failed.problem
    assert len(sent.pages) <= 2


def test_what_a_dis_says() -> None:
    head = bytes([0xFF, 0x13, 0x80])
    assert far_end_of(head) == FarEnd(fine=False, superfine=False, r300=False, r400=False, size=0, length_mm=297.0)
    bits = bytearray(16)
    for number in (15, 18, 20, 41, 42, 43):
        bits[(number - 1) // 8] |= 1 << (number - 1) % 8
    assert far_end_of(head + bits) == FarEnd()
    bits[2] = 1 << 0 | 1 << 2  # bits 17 and 19: B4, and no longer than that
    assert far_end_of(head + bits).size == 1
    assert far_end_of(head + bits).length_mm == 364.0


def test_another_fax_on_the_call_is_made_anew_where_the_far_end_cannot_take_it(tmp_path: Path) -> None:
    """Its pages stand behind those of the first, which were confirmed; the far end has all of both."""

    async def run() -> None:
        loop, received = asyncio.get_running_loop(), tmp_path / "received.tif"
        letter = tmp_path / "letter.txt"
        letter.write_text("One\fTwo")
        (tmp_path / "b").mkdir()
        first = start([letter], RasterSettings(resolution="standard"), tmp_path)
        second = start([letter], RasterSettings(resolution="superfine"), tmp_path / "b")
        with Engine(shards=1) as engine, first, second:
            for job in (first, second):
                await asyncio.to_thread(job.wait)
            a = engine.session(T30Settings(caller=True, tx_file=first.tiff))
            b = engine.session(T30Settings(caller=False, rx_file=received, lacks=Lacks.SUPERFINE | Lacks.HIGH))
            failed: list[DocumentError] = []
            feeds = [DocumentFeed(first, a, lambda *_: None, failed.append)]
            feeds[0].others_follow(True)
            completed = []

            def drain() -> None:
                for event in engine.events():
                    if event.session != a.id:
                        continue
                    if event.type is EventType.NEGOTIATED and len(feeds) == 1:
                        feeds.append(DocumentFeed(second, a, lambda *_: None, failed.append, before=feeds[0]))
                    elif event.type is EventType.DIS:
                        feeds[-1].engine_event(event)
                    elif event.type is EventType.COMPLETE:
                        completed.append(event.code)

            loop.add_reader(engine.fileno(), drain)
            await asyncio.to_thread(run_line, a, b, LineSettings(pace_us=6000))
            drain()
            loop.remove_reader(engine.fileno())
            for feed in feeds:
                feed.close()
            a.close()
            b.close()
        assert (completed, failed) == ([0], [])
        assert [round(info.y_dpi) for info, _ in read_pages(received)] == [98, 98, 196, 196]

    asyncio.run(run())
