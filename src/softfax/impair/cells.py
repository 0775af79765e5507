# SPDX-License-Identifier: GPL-2.0-or-later
"""Cells: kinds of bad line, by name, as the in-memory line has them for each fax. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from softfax.engine.core import UdptlSettings
from softfax.engine.line import LineSettings

__all__ = ["CELLS", "Cell", "cells_named"]

#: Simulated time at which a call has waited too long.
LIMIT_S = 1800.0
#: Packets are lost by number: about as many a second as the medium sends.
AUDIO_PPS, T38_PPS = 50, 30
#: Earlier packets with each, as an account offers.
RED = 1


@dataclass(frozen=True)
class Cell:
    """A kind of line. With `outage_s` all packets of so long are lost, at a moment by the fax's seed."""

    name: str
    about: str
    line: LineSettings
    outage_s: float = 0.0

    def of(self, seed: int) -> LineSettings:
        """The line of one fax."""
        if not self.outage_s:
            return replace(self.line, seed=seed)
        begin = 5.0 + seed * 4.7 % 60
        return replace(self.line, seed=seed, loss=1.0, loss_from_s=begin, loss_until_s=begin + self.outage_s)


def t38(*, redundancy: int = 3, **line: float) -> LineSettings:
    """A line with T.38."""
    return LineSettings(mode="T38", limit_s=LIMIT_S, udptl=UdptlSettings(redundancy=redundancy), **line)  # type: ignore[arg-type]


def audio(**line: float) -> LineSettings:
    """A line with G.711."""
    return LineSettings(mode="PCMU", limit_s=LIMIT_S, **line)  # type: ignore[arg-type]


CELLS = (
    Cell("t38", "T.38, nothing lost", t38()),
    Cell("t38-1%", "T.38, 1 % of packets lost at random", t38(loss=0.01)),
    Cell("t38-20%", "T.38, 20 % lost", t38(loss=0.2)),
    Cell("t38-30%", "T.38, 30 % lost", t38(loss=0.3)),
    Cell("t38-burst-200ms", "T.38, 3 % lost in bursts of 0.2 s", t38(loss=0.03 / (0.2 * T38_PPS), burst_s=0.2)),
    Cell("t38-burst-1s", "T.38, 3 % lost in bursts of 1 s", t38(loss=0.03 / T38_PPS, burst_s=1.0)),
    Cell("t38-outage-2s", "T.38, 2 s without a packet", t38(), outage_s=2.0),
    Cell("t38-plain-5%", "T.38 without redundancy, 5 % lost", t38(redundancy=0, loss=0.05)),
    Cell("t38-plain-jitter", "T.38 without redundancy, 120 ms of jitter", t38(redundancy=0, jitter_ms=120, delay_ms=20)),
    Cell("audio", "G.711, nothing lost", audio()),
    Cell("audio-0.1%", "G.711, 0.1 % lost at random", audio(loss=0.001)),
    Cell("audio-0.5%", "G.711, 0.5 % lost", audio(loss=0.005)),
    Cell("audio-1%", "G.711, 1 % lost", audio(loss=0.01)),
    Cell("audio-2%", "G.711, 2 % lost", audio(loss=0.02)),
    Cell("audio-5%", "G.711, 5 % lost", audio(loss=0.05)),
    Cell("audio-red-0.5%", "G.711 with RFC 2198, 0.5 % lost", audio(loss=0.005, red=RED)),
    Cell("audio-red-1%", "G.711 with RFC 2198, 1 % lost", audio(loss=0.01, red=RED)),
    Cell("audio-red-2%", "G.711 with RFC 2198, 2 % lost", audio(loss=0.02, red=RED)),
    Cell("audio-red-5%", "G.711 with RFC 2198, 5 % lost", audio(loss=0.05, red=RED)),
    Cell("audio-burst-1%", "G.711, 1 % lost in bursts of 0.1 s", audio(loss=0.01 / (0.1 * AUDIO_PPS), burst_s=0.1)),
    Cell("audio-outage-2s", "G.711, 2 s without a packet", audio(), outage_s=2.0),
    Cell("audio-jitter", "G.711, 60 ms of jitter", audio(jitter_ms=60, delay_ms=40)),
    Cell("audio-skew", "G.711, sample clocks 200 ppm apart", audio(skew_ppm=200)),
    Cell("audio-phase", "G.711, sample clocks 0.8 of a sample apart", audio(phase=0.8)),
    Cell("audio-quiet", "G.711, 20 dB too quiet", audio(gain_db=-20)),
    Cell("audio-noise", "G.711, noise 35 dB below the signal", audio(snr_db=35)),
    Cell("audio-echo", "G.711, an echo 20 dB below, 60 ms late", audio(echo_db=20, echo_ms=60)),
)  # fmt: skip


def cells_named(names: list[str]) -> list[Cell]:
    """Cells by name, or by the beginning of their names; all where none is given. Raises KeyError for a name of none."""
    if not names:
        return list(CELLS)
    found: list[Cell] = []
    for name in names:
        exact = [cell for cell in CELLS if cell.name == name] or [cell for cell in CELLS if cell.name.startswith(name)]
        if not exact:
            raise KeyError(name)
        found += [cell for cell in exact if cell not in found]
    return found
