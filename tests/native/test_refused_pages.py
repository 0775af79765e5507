# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages that arrive too badly: refused (RTN), sent again, and kept where they never come better (T.30 §5.3.6.1.7)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from softfax.documents.received import drop_superseded
from softfax.documents.tiff import TiffWriter, read_pages
from softfax.engine.abi import ErrorCorrection, EventType
from softfax.engine.core import Engine, EngineEvent, T30Settings, UdptlSettings
from softfax.engine.line import LineSettings, run_line

#: Without error correction of any kind.
NAKED = UdptlSettings(error_correction=ErrorCorrection.NONE, redundancy=0)


def send(tmp_path: Path, *, pages: int) -> tuple[list[EngineEvent], list[EngineEvent]]:
    """Faxes pages of noise over a line that loses much of the first one."""
    rng = np.random.default_rng(9)
    sent = tmp_path / "sent.tif"
    with TiffWriter(sent) as writer:
        for _ in range(pages):
            writer.add(Image.fromarray(rng.random((260, 1728)) > 0.15), 204, 196)
    line = LineSettings(mode="T38", loss=0.25, seed=4, loss_from_s=14, loss_until_s=28, udptl=NAKED)
    with Engine(shards=1) as engine:
        a = engine.session(T30Settings(caller=True, tx_file=sent, ecm=False))
        b = engine.session(T30Settings(caller=False, rx_file=tmp_path / "received.tif"))
        run_line(a, b, line)
        events = list(engine.events())
        ids = a.id, b.id
        a.close()
        b.close()
    sender, receiver = ([e for e in events if e.session == i] for i in ids)
    return sender, receiver


def marks(events: list[EngineEvent]) -> list[bool]:
    """Return for each page whether it was confirmed."""
    return [bool(e.values[7]) for e in events if e.type is EventType.PAGE]


@pytest.mark.parametrize("pages", [1, 2])
def test_a_refused_page_is_sent_again(tmp_path: Path, pages: int) -> None:
    sender, receiver = send(tmp_path, pages=pages)

    assert marks(sender) == [False] + [True] * pages
    assert marks(receiver) == [False] + [True] * pages
    assert next(e.code for e in sender if e.type is EventType.COMPLETE) == 0
    received = tmp_path / "received.tif"
    assert len(list(read_pages(received))) == pages + 1, "the refused page is in the file"
    assert drop_superseded(received, [not confirmed for confirmed in marks(receiver)]) == list(range(1, pages + 1))
    want = [dots for _, dots in read_pages(tmp_path / "sent.tif")]
    got = [dots for _, dots in read_pages(received)]
    assert all(np.array_equal(a, b) for a, b in zip(want, got, strict=True))


def test_a_refused_page_that_never_came_again_is_kept(tmp_path: Path) -> None:
    send(tmp_path, pages=2)
    (_, refused), _, (_, second) = read_pages(tmp_path / "received.tif")
    left = tmp_path / "left.tif"
    with TiffWriter(left) as writer:
        for dots in (refused, second):
            writer.add(Image.fromarray(~dots), 204, 196)

    assert drop_superseded(left, [True, False]) == [0, 1]
    assert len(list(read_pages(left))) == 2
