# SPDX-License-Identifier: GPL-2.0-or-later
"""A hostile far end: frames that crash the T.30 stack, and garbage. Without the guard the process dies; with it the call ends."""

from __future__ import annotations

import os
import random
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softfax.engine.abi import library
from tests.native.pages import write_pages
from tests.support.engine_testing import feed_udptl

CHILD = """
import sys
from pathlib import Path
from softfax.engine.abi import EventType
from softfax.engine.core import Engine, T30Settings
from softfax.engine.line import LineSettings, run_line
from tests.support.engine_testing import Fault, misbehave
mode, fault, guard, sent, received = sys.argv[1:]
with Engine(shards=1) as engine:
    a = engine.session(T30Settings(caller=True, tx_file=Path(sent)))
    misbehave(a, Fault[fault])
    b = engine.session(T30Settings(caller=False, rx_file=Path(received)))
    misbehave(b, Fault.NONE if guard == "guarded" else Fault.UNGUARDED)
    run_line(a, b, LineSettings(mode=mode))
    for e in engine.events():
        if e.session == b.id and e.type in (EventType.HOSTILE, EventType.COMPLETE):
            print(e.type.name, e.code)
    a.close()
    b.close()
"""


def attack(tmp_path: Path, mode: str, fault: str, guard: str, **page: Any) -> subprocess.CompletedProcess[str]:
    """A fax to a receiver in a process of its own, whose sender misbehaves."""
    sent = tmp_path / "sent.tif"
    write_pages(sent, **page)
    return subprocess.run(
        [sys.executable, "-c", CHILD, mode, fault, guard, str(sent), str(tmp_path / "received.tif")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


@pytest.mark.parametrize("mode", ["T38", "PCMU"])
@pytest.mark.parametrize(("fault", "kind"), [("SHORT_FCD", 1), ("DCS_WIDTH", 2)])
def test_the_guard_ends_the_call_and_the_process_lives(tmp_path: Path, mode: str, fault: str, kind: int) -> None:
    result = attack(tmp_path, mode, fault, "guarded")

    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [f"HOSTILE {kind}", "COMPLETE 49"]


@pytest.mark.parametrize("mode", ["T38", "PCMU"])
@pytest.mark.parametrize("fault", ["SHORT_FCD", "DCS_WIDTH"])
@pytest.mark.skipif("SOFTFAX_SANITIZED" in os.environ, reason="a sanitizer reports the crash in its own way")
def test_without_the_guard_the_same_frame_kills_the_process(tmp_path: Path, mode: str, fault: str) -> None:
    result = attack(tmp_path, mode, fault, "unguarded")

    assert result.returncode in (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS)


def test_an_overlong_dcs_is_caught(tmp_path: Path) -> None:
    result = attack(tmp_path, "T38", "DCS_LENGTH", "guarded")

    assert result.stdout.splitlines() == ["HOSTILE 3", "COMPLETE 49"]


@pytest.mark.parametrize("mode", ["T38", "PCMU"])
@pytest.mark.parametrize(("fault", "kind"), [("RUNS", 6), ("ROWS", 5)])
def test_a_page_that_overflows_the_decoder_is_caught(tmp_path: Path, mode: str, fault: str, kind: int) -> None:
    result = attack(tmp_path, mode, fault, "guarded", rows=2200, density=0.4)

    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [f"HOSTILE {kind}", "COMPLETE 49"]


def test_the_decoder_is_guarded() -> None:
    assert library().sfx_decoder_guarded() == 1


@settings(max_examples=2000, deadline=None)
@given(st.binary(max_size=600))
def test_udptl_takes_any_bytes(datagram: bytes) -> None:
    assert feed_udptl(datagram) >= -200


def _ifp(rng: random.Random) -> bytes:
    """An IFP packet that is more or less one: an indicator, or data with fields of HDLC and ends of frames."""
    if rng.random() < 0.3:
        return bytes([rng.randrange(32) << 1])
    fields = []
    for _ in range(rng.randrange(1, 4)):
        kind = rng.randrange(8)
        data = rng.choice((b"", b"\xff\xc8", b"\xff\x03\x60", b"\xff\xc0\xc1")) + rng.randbytes(rng.randrange(0, 40))
        head = (0x80 if kind in (0, 6) or rng.random() < 0.2 else 0) | kind << 4
        fields.append(bytes([head & 0xF0]) + (struct.pack(">H", max(len(data) - 1, 0)) + data if head & 0x80 else b""))
    return bytes([0xC0 | rng.randrange(16) << 1, len(fields)]) + b"".join(fields)


def _datagrams(rng: random.Random, count: int) -> bytes:
    out = b""
    for seq in range(count):
        ifp = _ifp(rng) if rng.random() < 0.9 else rng.randbytes(rng.randrange(1, 80))
        secondary = _ifp(rng)
        datagram = struct.pack(">HB", seq if rng.random() < 0.9 else rng.randrange(65536), len(ifp) & 0x7F) + ifp[:127]
        datagram += b"\x00\x01" + bytes([len(secondary) & 0x7F]) + secondary[:127]
        if rng.random() < 0.1:
            at = rng.randrange(len(datagram))
            datagram = datagram[:at] + rng.randbytes(1) + datagram[at + 1 :]
        out += struct.pack(">H", len(datagram)) + datagram
    return out


FEED = """
import sys
from pathlib import Path
from tests.support.engine_testing import feed_t38
data = sys.stdin.buffer.read()
for caller in (False, True):
    feed_t38(data, caller, Path(sys.argv[1]))
"""


@pytest.mark.parametrize("seed", range(8))
def test_a_t38_terminal_survives_a_stream_of_nonsense(tmp_path: Path, seed: int) -> None:
    data = _datagrams(random.Random(seed), 3000)

    result = subprocess.run(
        [sys.executable, "-c", FEED, str(tmp_path / "r.tif")],
        input=data,
        capture_output=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )

    assert result.returncode == 0, result.stderr[-2000:]


SPOILT = """
import random
import sys
from pathlib import Path
from softfax.engine.abi import ErrorCorrection
from softfax.engine.core import Engine, T30Settings, UdptlSettings
from softfax.engine.line import LineSettings
from softfax.documents.tiff import read_pages
from tests.support.engine_testing import run_impaired_line
first, sent, received = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
with Engine(shards=1) as engine:
    for seed in range(first, first + 60):
        rng = random.Random(seed)
        s = engine.session(T30Settings(caller=True, tx_file=sent, ecm=rng.random() < 0.7))
        r = engine.session(T30Settings(caller=False, rx_file=received))
        udptl = UdptlSettings(error_correction=ErrorCorrection.NONE, version=rng.choice((0, 0, 1, 3)))
        mutate = rng.choice((0.03, 0.15, 0.5))
        line = LineSettings(seed=seed, limit_s=300, udptl=udptl)
        run_impaired_line(*((s, r) if rng.random() < 0.7 else (r, s)), line, mutate=mutate)
        confirmed = sum(e.type.name == "PAGE" and e.session == r.id and e.values[7] for e in engine.events())
        s.close()
        r.close()
        assert not confirmed or len(list(read_pages(received))) >= confirmed, seed
        received.unlink(missing_ok=True)
"""


@pytest.mark.parametrize("first", [0, 60])
def test_real_exchanges_spoilt_packet_by_packet(tmp_path: Path, first: int) -> None:
    """Whoever is spoilt lives, and what a receiver has confirmed is in its file."""
    sent = tmp_path / "sent.tif"
    write_pages(sent, 2, rows=120)

    result = subprocess.run(
        [sys.executable, "-c", SPOILT, str(first), str(sent), str(tmp_path / "received.tif")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )

    assert result.returncode == 0, result.stderr[-2000:]
