# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws first inputs of the fuzz targets from real exchanges: `python -m tests.fuzz.seeds`."""

from __future__ import annotations

import struct
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw

from softfax.engine.abi import EventType
from softfax.engine.core import Engine, T30Settings
from softfax.engine.line import LineSettings, run_line
from tests.fuzz.targets import CORPUS
from tests.native.pages import write_pages
from tests.native.test_capture import fax
from tests.support.pcap import packets_of


def piece(data: bytes) -> bytes:
    """An input's piece: its length, then its octets."""
    return struct.pack("!H", len(data)) + data


def keep(target: str, name: str, data: bytes) -> None:
    """Writes an input."""
    (CORPUS / target).mkdir(parents=True, exist_ok=True)
    (CORPUS / target / name).write_bytes(data)


def exchanges() -> None:
    """A fax over T.38 from both sides, for UDPTL and the whole session; RTP and SRTP."""
    with tempfile.TemporaryDirectory() as folder:
        fax(Path(folder))
        packets = packets_of((Path(folder) / "b.pcap").read_bytes())
    receiver = packets[0].source if packets[0].destination == packets[-1].source else packets[0].destination
    for side, chosen in ((0, lambda p: p.destination == receiver), (1, lambda p: p.source == receiver)):
        datagrams = [p.payload for p in packets if chosen(p)]
        keep("t38", f"seed-{side}", bytes([side]) + b"".join(piece(d) for d in datagrams)[:2000])
        keep("udptl", f"seed-{side}", b"".join(b"\4" + piece(d) for d in datagrams[:12]))
    rtp = [struct.pack("!BBHII", 0x80, 0, n, n * 160, 7) + bytes(range(160)) for n in (1, 2, 4, 3, 9, 500, 501, 502)]
    keep("rtp", "seed", b"\0" + b"".join(bytes([n]) + piece(p) for n, p in enumerate(rtp)))
    head = struct.pack("!IIB", 1 << 31 | 320 << 10 | 160, 1 << 31 | 160 << 10 | 160, 0)
    keep("red", "seed", b"".join(bytes([step]) + piece(head + bytes(range(160)) * 3) for step in (0, 1, 2, 5, 0)))
    keep("srtp", "seed", b"\0" + b"".join(b"\1" + piece(p[:40]) for p in rtp))


def frames() -> None:
    """Frames that a sender and a receiver hear, with the signals between them."""
    with tempfile.TemporaryDirectory() as folder, Engine(shards=1) as engine:
        path = Path(folder) / "sent.tif"
        write_pages(path, 2, rows=60)
        a = engine.session(T30Settings(caller=True, tx_file=path, ident="1", trace=True))
        b = engine.session(T30Settings(caller=False, rx_file=Path(folder) / "r.tif", ident="2", trace=True))
        run_line(a, b, LineSettings(mode="T38"))
        events = [e for e in engine.events() if e.type is EventType.FRAME and e.code]
        for side, session in ((1, a), (0, b)):
            heard = [e.data for e in events if e.session == session.id]
            steps = b"".join(b"\2\x0e\0" + piece(frame) + b"\x08\x05\x05" for frame in heard)
            keep("frames", f"seed-{side}", bytes([side]) + steps)
        a.close()
        b.close()
    dcs = bytes.fromhex("ffc8c1004678") + b"\0"
    page = b"\4" + b"\x0a" + b"\3" + piece(bytes(600)) + b"\4" + b"\5" + b"\3" + piece(b"\x00\x10\x01" * 60) + b"\4"
    keep("frames", "seed-page", b"\0" + b"\2\0" + piece(bytes.fromhex("ff13") + bytes(b for b in dcs[2:])) + page)


def pages() -> None:
    """A small page in each coding scheme."""
    image = Image.new("1", (1728, 24), 1)
    draw = ImageDraw.Draw(image)
    for n in range(12):
        draw.line((n * 130, 0, n * 150 + 40, 23), fill=0)
    for how, compression in enumerate(("group3", "group3", "group4")):
        with tempfile.NamedTemporaryFile(suffix=".tif") as file:
            image.save(file.name, compression=compression, tiffinfo={292: how} if how < 2 else {})
            with Image.open(file.name) as made:
                offset, size = made.tag_v2[273][0], made.tag_v2[279][0]
            bits = Path(file.name).read_bytes()[offset : offset + size]
        keep(
            "page", f"seed-{how}", bytes([how, 0]) + bits.translate(bytes(int(f"{b:08b}"[::-1], 2) for b in range(256)))
        )


if __name__ == "__main__":
    exchanges()
    frames()
    pages()
    sys.exit(0)
