# SPDX-License-Identifier: GPL-2.0-or-later
"""A received page is on disk before it is confirmed: processes killed in the middle, disks that are full or slow."""

from __future__ import annotations

import os
import random
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from softfax.documents.tiff import read_pages
from softfax.engine.abi import EventType
from softfax.engine.core import Engine, EngineEvent, T30Settings, UdptlSettings, completion_text
from softfax.engine.line import LineSettings, run_line
from softfax.station.receiving import page_count
from tests.native.pages import write_pages
from tests.support.engine_testing import Fault, misbehave

CHILD = """
import os, sys, threading, time
from pathlib import Path
from softfax.engine.abi import EventType
from softfax.engine.core import Engine, T30Settings
from softfax.engine.line import LineSettings, run_line
mode, ecm, sent, received = sys.argv[1:]

def watch(engine, sender):
    while True:
        for event in engine.events():
            if event.session == sender and event.type is EventType.PAGE and event.values[7]:
                os.write(1, b"confirmed\\n")
        time.sleep(0.0002)

with Engine(shards=1) as engine:
    a = engine.session(T30Settings(caller=True, tx_file=Path(sent), ecm=ecm == "ecm"))
    b = engine.session(T30Settings(caller=False, rx_file=Path(received)))
    threading.Thread(target=watch, args=(engine, a.id), daemon=True).start()
    os.write(1, b"begun\\n")
    run_line(a, b, LineSettings(mode=mode, pace_us=300))
"""


def receive_and_kill(tmp_path: Path, mode: str, ecm: str, *, confirmed: int = 0, after_s: float = 0.0) -> int:
    """Kills sender and receiver after so many confirmed pages, or seconds; how many were confirmed by then."""
    command = [sys.executable, "-c", CHILD, mode, ecm, str(tmp_path / "sent.tif"), str(tmp_path / "received.tif")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"begun\n"
        seen = 0
        while seen < confirmed and child.stdout.readline():
            seen += 1
        time.sleep(after_s)
        child.send_signal(signal.SIGKILL)
        return seen + child.stdout.read().count(b"confirmed")


def assert_pages_are_there(tmp_path: Path, confirmed: int) -> None:
    received = tmp_path / "received.tif"
    count = page_count(received)
    assert count >= confirmed
    got = [dots for _, dots in read_pages(received)] if count else []
    want = [dots for _, dots in read_pages(tmp_path / "sent.tif")]
    assert len(got) == count
    assert all(np.array_equal(x, y) for x, y in zip(got, want, strict=False))


@pytest.mark.parametrize(("mode", "ecm"), [("T38", "ecm"), ("PCMU", "plain")])
@pytest.mark.parametrize("confirmed", [1, 2, 3])
def test_a_process_killed_after_a_confirmation_has_the_page(
    tmp_path: Path, mode: str, ecm: str, confirmed: int
) -> None:
    write_pages(tmp_path / "sent.tif", 3)

    seen = receive_and_kill(tmp_path, mode, ecm, confirmed=confirmed)

    assert seen >= confirmed
    assert_pages_are_there(tmp_path, seen)


def test_killed_at_any_moment_what_was_confirmed_can_be_read(tmp_path: Path) -> None:
    write_pages(tmp_path / "sent.tif", 3)
    rng = random.Random(5)

    for _ in range(6):
        seen = receive_and_kill(tmp_path, "T38", "plain", after_s=rng.random() * 0.9)
        assert_pages_are_there(tmp_path, seen)


LIMITED = """
import resource, signal, sys
from pathlib import Path
from softfax.engine.core import Engine, T30Settings
from softfax.engine.line import LineSettings, run_line
sent, received, size = sys.argv[1:]
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), int(size)))
with Engine(shards=1) as engine:
    a = engine.session(T30Settings(caller=True, tx_file=Path(sent)))
    b = engine.session(T30Settings(caller=False, rx_file=Path(received)))
    run_line(a, b, LineSettings())
"""


def directories(tiff: Path) -> list[int]:
    """Return the places of the directories in a TIFF."""
    data, link, found = tiff.read_bytes(), 4, []
    while at := int(struct.unpack_from("=I", data, link)[0]):
        found.append(at)
        link = at + 2 + 12 * int(struct.unpack_from("=H", data, at)[0])
    return found


def test_killed_between_the_link_to_a_page_and_the_page(tmp_path: Path) -> None:
    """libtiff links a directory, writes what belongs to it, then the directory itself."""
    sender, _ = fax(tmp_path, "T38", True, Fault.NONE)
    assert sender[-1].code == 0
    whole = tmp_path / "received.tif"
    _, second = directories(whole)
    size = whole.stat().st_size

    for limit, pages in ((second - 100, 1), (second + 10, 1), (size - 30, 1), (size, 2)):
        received = tmp_path / f"{limit}.tif"
        command = [sys.executable, "-c", LIMITED, str(tmp_path / "sent.tif"), str(received), str(limit)]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        status = subprocess.run(command, env=env, timeout=60, check=False).returncode
        assert status == (0 if limit == size else -signal.SIGXFSZ)
        assert page_count(received) == pages
        assert len(list(read_pages(received))) == pages


def fax(tmp_path: Path, mode: str, ecm: bool, fault: Fault) -> tuple[list[EngineEvent], list[EngineEvent]]:
    write_pages(tmp_path / "sent.tif", 2)
    with Engine(shards=1) as engine:
        a = engine.session(T30Settings(caller=True, tx_file=tmp_path / "sent.tif", ecm=ecm, trace=True))
        b = engine.session(T30Settings(caller=False, rx_file=tmp_path / "received.tif"))
        misbehave(b, fault)
        run_line(a, b, LineSettings(mode=mode))
        events = list(engine.events())
        ids = a.id, b.id
        a.close()
        b.close()
    sender, receiver = ([e for e in events if e.session == i] for i in ids)
    return sender, receiver


@pytest.mark.parametrize("mode", ["T38", "PCMU"])
@pytest.mark.parametrize("ecm", [True, False])
def test_a_page_that_cannot_be_stored_is_not_confirmed(tmp_path: Path, mode: str, ecm: bool) -> None:
    sender, receiver = fax(tmp_path, mode, ecm, Fault.DISK_FULL)

    heard = [e.data[2] & 0xFE for e in sender if e.type is EventType.FRAME and e.code == 1]
    assert 0x8C not in heard, "no MCF"
    assert heard[-1] == 0xFA, "DCN"
    assert not any(e.values[7] for e in sender + receiver if e.type is EventType.PAGE)
    assert [os.strerror(e.code) for e in receiver if e.type is EventType.DISK] == ["No space left on device"]
    complete = receiver[-1]
    assert complete.type is EventType.COMPLETE
    assert complete.values[0] == 0
    assert "file" in completion_text(complete.code)


@pytest.mark.sip
def test_a_slow_disk_holds_up_the_confirmation_and_nothing_else(tmp_path: Path) -> None:
    """The page takes a second and a half to be stored, in real time, on the engine's own threads."""
    write_pages(tmp_path / "sent.tif", 1, rows=100)
    with Engine(shards=1) as engine:
        a = engine.session(T30Settings(caller=True, tx_file=tmp_path / "sent.tif", trace=True))
        b = engine.session(T30Settings(caller=False, rx_file=tmp_path / "received.tif"))
        misbehave(b, Fault.SLOW_DISK)
        socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for sock in socks:
            sock.bind(("127.0.0.1", 0))
        addresses = [("127.0.0.1", int(sock.getsockname()[1])) for sock in socks]
        udptl = UdptlSettings(no_pacing=True)
        a.start_t38(socks[0].detach(), addresses[1], udptl)
        b.start_t38(socks[1].detach(), addresses[0], udptl)
        events: list[EngineEvent] = []
        end = time.monotonic() + 20
        while sum(e.type is EventType.COMPLETE for e in events) < 2 and time.monotonic() < end:
            events += engine.events()
            time.sleep(0.02)
        ids = a.id, b.id
        a.close()
        b.close()

    assert [e.code for e in events if e.type is EventType.COMPLETE] == [0, 0]
    frames = {e.data[2] & 0xFE: e.time_s for e in events if e.session == ids[0] and e.type is EventType.FRAME}
    pps, mcf = frames[0xBE], frames[0x8C]
    assert mcf - pps > 1.4
    (stored,) = [e for e in events if e.session == ids[1] and e.type is EventType.PAGE]
    assert stored.values[7] == 1
