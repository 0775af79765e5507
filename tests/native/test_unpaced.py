# SPDX-License-Identifier: GPL-2.0-or-later
"""T.38 between two that have no modem behind them goes as fast as the network: identical, also where packets are lost; with
any other far end it keeps its pace."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from softfax.documents.tiff import TiffWriter, read_pages
from softfax.engine.abi import EventType
from softfax.engine.core import Engine, T30Settings, UdptlSettings
from softfax.engine.line import LineSettings, run_line
from tests.native.pages import write_pages
from tests.native.test_collisions import PREAMBLE, SIGNAL_ENDS, ifps, turned
from tests.native.test_line import fax
from tests.support.media_sockets import media_sockets

DIRECT = UdptlSettings(no_pacing=True, max_datagram=1400)
#: Bit 123 of a DIS (T.30 table 2).
DIRECT_OCTET, DIRECT_BIT = 3 + 122 // 8, 1 << 122 % 8


@pytest.mark.parametrize("ecm", [True, False])
@pytest.mark.parametrize("loss", [0.0, 0.05, 0.2])
def test_three_pages_take_less_than_a_second(tmp_path: Path, ecm: bool, loss: float) -> None:
    line = LineSettings(loss=loss, delay_ms=20, seed=3, udptl=DIRECT)

    made = fax(tmp_path, line, pages=3, sender={"ecm": ecm}, receiver={"ecm": ecm})

    assert made.identical
    assert made.last(made.sender, EventType.COMPLETE).code == 0
    assert made.seconds < 1


def test_a_page_of_many_blocks_is_not_sent_at_once(tmp_path: Path) -> None:
    sent, received = tmp_path / "sent.tif", tmp_path / "received.tif"
    white = np.random.default_rng(7).random((1500, 1728)) > 0.2
    white[:, 700:] = True
    with TiffWriter(sent) as writer:
        writer.add(Image.fromarray(white), 204, 196)
    with Engine(shards=1) as engine:
        a = engine.session(T30Settings(caller=True, tx_file=sent))
        b = engine.session(T30Settings(caller=False, rx_file=received))
        seconds, _ = run_line(a, b, LineSettings(udptl=DIRECT))
        (page,) = [e for e in engine.events() if e.type is EventType.PAGE and e.session == a.id]

    ((_, dots),) = list(read_pages(received))
    assert np.array_equal(dots, white) or np.array_equal(dots, ~white)
    # 32 packets of at most 264 octets in 20 ms.
    assert page.values[1] / (32 * 264) * 0.02 < seconds < 3


def answers(tmp_path: Path, dis: bytes) -> list[bytes]:
    """IFP packets by which a sender that would not pace itself answers a DIS, up to its training check or for two seconds."""
    sent: list[bytes] = []
    write_pages(tmp_path / "sent.tif")
    with Engine(shards=1) as engine, media_sockets() as (ours, far):
        far.settimeout(2)
        session = engine.session(T30Settings(caller=True, tx_file=tmp_path / "sent.tif"))
        session.start_t38(ours.dup().detach(), far.getsockname(), DIRECT)
        for seq, ifp in enumerate([PREAMBLE, *ifps(turned(dis)), SIGNAL_ENDS]):
            far.sendto(struct.pack("!HB", seq, len(ifp)) + ifp + b"\0\0", ours.getsockname())
        with suppress(TimeoutError):
            while not sent or sent[-1][0] & 0xFE not in (0xC8, 0xD0):  # data of V.17 at 14400
                packet = far.recv(2048)
                sent.append(packet[3 : 3 + packet[2]])
        session.close()
    return sent


def test_only_a_far_end_whose_dis_says_so_too_gets_whole_frames(tmp_path: Path) -> None:
    made = fax(tmp_path, LineSettings(udptl=DIRECT))
    (dis,) = [e.data for e in made.sender if e.type is EventType.DIS]
    assert dis[DIRECT_OCTET] & DIRECT_BIT

    whole = answers(tmp_path, dis)
    assert max(map(len, whole)) > 10  # a DCS
    assert 0 < len(whole[-1]) < 8  # a training check of one octet

    without = bytes(octet & ~DIRECT_BIT if i == DIRECT_OCTET else octet for i, octet in enumerate(dis))
    paced = answers(tmp_path, without)
    assert len(paced) > 10
    assert max(map(len, paced[:-1])) < 8  # octet for octet
    assert len(paced[-1]) > 50


def test_with_a_pace_no_dis_says_so(tmp_path: Path) -> None:
    made = fax(tmp_path, LineSettings())

    (dis,) = [e.data for e in made.sender if e.type is EventType.DIS]
    assert not dis.ljust(DIRECT_OCTET + 1, b"\0")[DIRECT_OCTET] & DIRECT_BIT
