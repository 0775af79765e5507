# SPDX-License-Identifier: GPL-2.0-or-later
"""A scenario of T.30, the list that scenarios add themselves to, and what their far ends say."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image

from softfax.documents.tiff import encode_t4, encode_t6
from tests.conformance.farend import FCF, Condition, Departure, Heard, Script

__all__ = [
    "SCENARIOS", "TSI", "Scenario", "Steps", "asked", "mirrored", "page_frames", "page_rows", "ppr", "pps", "require", "scenario",
]  # fmt: skip

Steps = Generator[Condition, Any, None]
ECM_OCTETS = 256


@dataclass(frozen=True)
class Scenario:
    """One scenario: the machine's side, and what it has to have reached in the end; None where that is the script's to say."""

    name: str
    about: str
    side: Literal["receives", "sends"]
    script: Script
    delivered: bool | None = True
    pages: int = 1
    ecm: bool = True
    limit_s: float = 400.0
    #: It has something for the other way as well.
    turns: bool = False


SCENARIOS: list[Scenario] = []


def scenario(side: Literal["receives", "sends"], about: str, **more: object):  # type: ignore[no-untyped-def]
    def add(script: Script) -> Script:
        name = script.__name__.replace("_", "-")
        SCENARIOS.append(Scenario(name, about, side, script, **more))  # type: ignore[arg-type]
        return script

    return add


def require(condition: object, otherwise: str) -> None:
    if not condition:
        raise Departure(otherwise)


def draw_page(number: int = 0) -> Image.Image:
    white = np.ones((120, 1728), dtype=bool)
    white[10 + number :: 9, 100:1600] = False
    return Image.fromarray(white)


def page_frames() -> list[tuple[int, bytes]]:
    bits = encode_t6(noisy())
    bits += b"\0" * (-len(bits) % ECM_OCTETS)
    return [(i, bits[i * ECM_OCTETS : (i + 1) * ECM_OCTETS]) for i in range(len(bits) // ECM_OCTETS)]


def noisy() -> Image.Image:
    chance = np.random.default_rng(3)
    white = np.ones((120, 1728), dtype=bool)
    white[20:60, 200:1500] = chance.random((40, 1300)) > 0.05
    return Image.fromarray(white)


def page_rows() -> bytes:
    return encode_t4(draw_page(), two_dimensional=False) + bytes.fromhex("001001001001001001") + bytes(8)


def mirrored(octet: int) -> int:
    return int(f"{octet:08b}"[::-1], 2)


def pps(then: str, frames: int, *, page: int = 0, block: int = 0) -> tuple[str, bytes]:
    return "PPS", bytes([mirrored(FCF[then]) if then else 0, page, block, frames - 1])


def asked(ppr: Heard) -> list[int]:
    return [8 * i + bit for i, octet in enumerate(ppr.octets[3:35]) for bit in range(8) if octet >> bit & 1]


def ppr(*frames: int) -> tuple[str, bytes]:
    field = bytearray(32)
    for number in frames:
        field[number // 8] |= 1 << number % 8
    return "PPR", bytes(field)


TSI = ("TSI", b"4321 94+".ljust(20))
