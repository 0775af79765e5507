# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes of others: one side's G.711 as frames of T.30, a page's data as a picture, a maker's own facilities as its name."""

from __future__ import annotations

import ctypes as c
import os
from collections.abc import Callable
from pathlib import Path

from softfax.engine.abi import HEARD, HeardKind, check, library

__all__ = ["Listener", "maker_of", "write_page"]

_LAWS = {"PCMU": 0, "PCMA": 8}


class Listener:
    """One side of a call. `heard` gets a kind and octets, first bit sent lowest."""

    def __init__(self, codec: str, heard: Callable[[HeardKind, bytes], None]) -> None:
        self._lib = library()
        self._callback = HEARD(lambda _, kind, data, size: heard(HeardKind(kind), bytes(data[:size]) if size else b""))
        self._handle: int | None = self._lib.sfx_listener_create(_LAWS[codec], self._callback, None)
        check(0 if self._handle else -12, "listening")

    def expect(self, rate: int | None, *, short: bool = False, frames: bool = False) -> None:
        """Expect the modem of a DCS by its bits 11 to 14, or none. Unknown ones are passed over."""
        self._lib.sfx_listener_expect(self._handle, -1 if rate is None else rate, int(short), int(frames))

    def hear(self, payload: bytes) -> None:
        """Take samples in order."""
        self._lib.sfx_listener_hear(self._handle, payload, len(payload))

    def miss(self, samples: int) -> None:
        """Take note of samples that were lost."""
        self._lib.sfx_listener_miss(self._handle, samples)

    def close(self) -> None:
        """Free it."""
        handle, self._handle = self._handle, None
        if handle:
            self._lib.sfx_listener_destroy(handle)


def write_page(path: Path, data: bytes, *, encoding: int, width: int, x_dpm: int, y_dpm: int) -> int:
    """Write a TIFF of a page of its data on the line (`encoding` 1: MH, 2: MR, 3: MMR); returns its rows. Raises NativeError."""
    status = library().sfx_page_write(os.fsencode(path), encoding, width, x_dpm, y_dpm, data, len(data))
    return check(status, "decoding a page")


def maker_of(facilities: bytes) -> str:
    """Maker, and model where it is known, that an NSF, NSS or NSC names; empty where it names none."""
    text = c.create_string_buffer(128)
    check(library().sfx_maker(facilities, len(facilities), text, len(text)), "naming a maker")
    return text.value.decode("ascii", "replace")
