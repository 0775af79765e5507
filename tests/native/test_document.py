# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages that are made while earlier ones are sent, that the far end cannot take, that want another code."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from softfax.documents.tiff import TiffWriter, read_pages
from softfax.engine.abi import DisVerdict, EventType, Lacks
from softfax.engine.core import Engine, EngineEvent, EngineSession, PageFormat, T30Settings
from softfax.engine.line import LineSettings, run_line
from softfax.fax import t30

PACE_US = 150
NOTHING = Lacks(0)
DPM = {98: 3850, 196: 7700, 391: 15400, 300: 11811}
X_DPM = {204: 8031, 300: 11811, 408: 16063}
from tests.support.engine_testing import page_fits


def page(number: int, *, width: int = 1728, rows: int = 300) -> Image.Image:
    white = np.ones((rows, width), dtype=bool)
    white[20 + 7 * number :: 47, 100:1600] = False
    white[10:-10, 90 + number : 94 + number] = False
    return Image.fromarray(white)


def dither(rows: int = 500) -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).random((rows, 1728)) > 0.5)


def describe(image: Image.Image, x_dpi: int, y_dpi: int, sizes: tuple[int, int, int] = (0, 0, 0)) -> PageFormat:
    return PageFormat(image.width, image.height, X_DPM[x_dpi], DPM[y_dpi], sizes)


@dataclass
class Sent:
    completed: bool
    events: list[EngineEvent]
    received: list[EngineEvent]
    pages: list[np.ndarray] = field(default_factory=list)

    @property
    def code(self) -> int:
        return next(e.code for e in self.events if e.type is EventType.COMPLETE)

    def verdicts(self) -> list[DisVerdict]:
        return [DisVerdict(e.code) for e in self.events if e.type is EventType.DIS]

    def codes(self) -> list[int]:
        return [e.values[2] for e in self.events if e.type is EventType.NEGOTIATED]


def send(
    tmp_path: Path,
    first: Callable[[EngineSession], None],
    react: Callable[[EngineSession, EngineEvent], None] = lambda session, event: None,
    *,
    lacks: Lacks = NOTHING,
    mode: str = "T38",
    ecm: bool = True,
    pace_us: int = PACE_US,
) -> Sent:
    """Sends tmp_path/sent.tif; `react` gets each of the sender's events while the line runs."""
    received = tmp_path / "received.tif"
    events: list[EngineEvent] = []
    with Engine(shards=1) as engine:
        a = engine.session(T30Settings(caller=True, tx_file=tmp_path / "sent.tif", ecm=ecm))
        b = engine.session(T30Settings(caller=False, rx_file=received, lacks=lacks))
        first(a)
        done = threading.Event()

        def watch() -> None:
            while True:
                last = done.is_set()
                for event in engine.events():
                    events.append(event)
                    if event.session == a.id:
                        react(a, event)
                if last:
                    return
                time.sleep(0.0005)

        watcher = threading.Thread(target=watch)
        watcher.start()
        _, completed = run_line(a, b, LineSettings(mode=mode, pace_us=pace_us))
        done.set()
        watcher.join()
        ids = a.id, b.id
        a.close()
        b.close()
    pages = [dots for _, dots in read_pages(received)] if received.exists() else []
    return Sent(
        completed, [e for e in events if e.session == ids[0]], [e for e in events if e.session == ids[1]], pages
    )


def black(image: Image.Image) -> np.ndarray:
    return ~np.asarray(image)


@pytest.mark.parametrize("mode", ["T38", "PCMU"])
@pytest.mark.parametrize("ecm", [True, False])
def test_pages_are_appended_while_the_first_is_sent(tmp_path: Path, mode: str, ecm: bool) -> None:
    images = [page(n) for n in range(4)]
    formats = [describe(image, 204, 196) for image in images]
    writer = TiffWriter(tmp_path / "sent.tif")
    writer.add(images[0], 204, 196)

    def react(session: EngineSession, event: EngineEvent) -> None:
        if event.type is EventType.NEGOTIATED and len(writer.pages) == 1:
            for image in images[1:]:
                writer.add(image, 204, 196)
            session.document(formats, more=False)

    # A page takes two to three seconds: slow enough for the machine that appends the others meanwhile.
    sent = send(
        tmp_path, lambda session: session.document(formats[:1], more=True), react, mode=mode, ecm=ecm, pace_us=2500
    )

    assert sent.code == 0
    assert len(sent.codes()) == 1, "one DCS for all pages"
    assert [p.tolist() for p in sent.pages] == [black(i).tolist() for i in images]


@pytest.mark.parametrize("mode", ["T38", "PCMU"])
@pytest.mark.parametrize("withdrawn", [False, True])
def test_another_fax_on_the_same_call_has_a_dcs_of_its_own(tmp_path: Path, mode: str, withdrawn: bool) -> None:
    """Its pages are appended during the last page of the fax before, and may be taken back as long as that lasts."""
    images = [page(n) for n in range(3)]
    formats = [describe(image, 204, 196) for image in images]
    formats[0] = replace(formats[0], last=True)
    writer = TiffWriter(tmp_path / "sent.tif")
    writer.add(images[0], 204, 196)

    def react(session: EngineSession, event: EngineEvent) -> None:
        if event.type is EventType.NEGOTIATED and len(writer.pages) == 1:
            for image in images[1:]:
                writer.add(image, 204, 196)
            session.document(formats, more=False)
            if withdrawn:
                session.document(formats[:1], more=False)

    sent = send(tmp_path, lambda session: session.document(formats[:1], more=True), react, mode=mode, pace_us=2500)

    assert sent.code == 0
    assert len(sent.codes()) == (1 if withdrawn else 2)
    ends = [e.values[5] for e in sent.received if e.type is EventType.PAGE]
    assert ends == ([0x2E] if withdrawn else [0x8E, 0x4E, 0x2E]), "EOP alone, or EOM, MPS, EOP"
    assert [p.tolist() for p in sent.pages] == [black(i).tolist() for i in images[: len(ends)]]


def test_a_page_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    images = [page(n) for n in range(2)]
    formats = [describe(image, 204, 196) for image in images]
    writer = TiffWriter(tmp_path / "sent.tif")
    writer.add(images[0], 204, 196)
    waits = 0

    def react(session: EngineSession, event: EngineEvent) -> None:
        nonlocal waits
        if event.type is EventType.DIS and event.code == DisVerdict.WAITING:
            waits += 1
            if waits == 2:
                writer.add(images[1], 204, 196)
                session.document(formats, more=False)

    sent = send(tmp_path, lambda session: session.document(formats[:1], more=True), react)

    assert sent.code == 0
    assert waits >= 2
    assert [p.tolist() for p in sent.pages] == [black(i).tolist() for i in images]


@pytest.mark.parametrize("mode", ["T38", "PCMU"])
@pytest.mark.parametrize(
    ("lacks", "x_dpi", "y_dpi", "width"),
    [
        (Lacks.FINE | Lacks.SUPERFINE | Lacks.HIGH, 204, 196, 1728),
        (Lacks.SUPERFINE | Lacks.HIGH, 204, 391, 1728),
        (Lacks.HIGH, 300, 300, 2592),
        (Lacks.WIDE, 204, 196, 2432),
    ],
)
def test_a_page_the_far_end_cannot_take_is_replaced(
    tmp_path: Path, mode: str, lacks: Lacks, x_dpi: int, y_dpi: int, width: int
) -> None:
    image = page(1, width=width)
    with TiffWriter(tmp_path / "sent.tif") as writer:
        writer.add(image, x_dpi, y_dpi)
    plain = page(2)
    with TiffWriter(tmp_path / "plain.tif") as writer:
        writer.add(plain, 204, 98)

    def react(session: EngineSession, event: EngineEvent) -> None:
        if event.type is EventType.DIS and event.code == DisVerdict.UNFIT:
            assert not page_fits(describe(image, x_dpi, y_dpi), event.data)
            session.document([describe(plain, 204, 98)], more=False, path=tmp_path / "plain.tif")

    sent = send(
        tmp_path,
        lambda session: session.document([describe(image, x_dpi, y_dpi)], more=False),
        react,
        lacks=lacks,
        mode=mode,
    )

    assert sent.code == 0
    assert sent.verdicts()[0] is DisVerdict.UNFIT
    assert sent.verdicts()[-1] is DisVerdict.TAKEN
    assert [p.tolist() for p in sent.pages] == [black(plain).tolist()]


@pytest.mark.parametrize(
    ("x_dpi", "y_dpi", "width"),
    [
        *((204, y_dpi, width) for y_dpi in (98, 196, 391) for width in (1728, 2048, 2432)),
        *((300, 300, width) for width in (2592, 3072, 3648)),
        *((408, 391, width) for width in (3456, 4096, 4864)),
    ],
)
def test_every_class_of_page_arrives_where_it_is_taken(tmp_path: Path, x_dpi: int, y_dpi: int, width: int) -> None:
    """All that our DIS says: A4, B4 and A3 at each resolution, and longer than either."""
    image = page(1, width=width, rows=1800 if y_dpi == 98 else 300)
    with TiffWriter(tmp_path / "sent.tif") as writer:
        writer.add(image, x_dpi, y_dpi)

    sent = send(tmp_path, lambda session: session.document([describe(image, x_dpi, y_dpi)], more=False))

    assert sent.code == 0
    assert sent.verdicts() == [DisVerdict.TAKEN]
    assert [p.tolist() for p in sent.pages] == [black(image).tolist()]
    (dis,) = [t30.decode(event.data).fields for event in sent.events if event.type is EventType.DIS]
    assert dis["resolutions"] == "204x98, 204x196, 204x391, 300x300, 408x391"
    assert (dis["widths"], dis["lengths"], dis["codes"]) == ("A4, B4, A3", "any", "MH, MR, MMR")
    assert (dis["modems"], dis["also takes"]) == ("V.27ter, V.29, V.17", "SUB, SID or PWD")


def test_without_a_replacement_the_fax_fails_with_the_reason(tmp_path: Path) -> None:
    image = page(1)
    with TiffWriter(tmp_path / "sent.tif") as writer:
        writer.add(image, 204, 391)

    sent = send(
        tmp_path,
        lambda session: session.document([describe(image, 204, 391)], more=False),
        lacks=Lacks.SUPERFINE | Lacks.HIGH,
    )

    assert sent.completed
    assert sent.code != 0
    assert not sent.pages


def test_a_dithered_page_between_texts_gets_its_own_code(tmp_path: Path) -> None:
    images = [page(0), dither(), page(2)]
    with TiffWriter(tmp_path / "sent.tif") as writer:
        for image in images:
            writer.add(image, 204, 196)
    sizes = [(60000, 45000, 36000), (95000, 130000, 150000), (60000, 45000, 36000)]
    formats = [describe(image, 204, 196, size) for image, size in zip(images, sizes, strict=True)]

    sent = send(tmp_path, lambda session: session.document(formats, more=False))

    assert sent.code == 0
    assert sent.codes() == [3, 1, 3], "T.6, T.4 1-D, T.6"
    assert [p.tolist() for p in sent.pages] == [black(i).tolist() for i in images]


def test_small_savings_are_not_worth_a_new_training(tmp_path: Path) -> None:
    images = [page(n) for n in range(3)]
    with TiffWriter(tmp_path / "sent.tif") as writer:
        for image in images:
            writer.add(image, 204, 196)
    sizes = [(9000, 7000, 5000), (4000, 4500, 5000), (9000, 7000, 5000)]
    formats = [describe(image, 204, 196, size) for image, size in zip(images, sizes, strict=True)]

    sent = send(tmp_path, lambda session: session.document(formats, more=False))

    assert sent.code == 0
    assert sent.codes() == [3]
