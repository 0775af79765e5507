# SPDX-License-Identifier: GPL-2.0-or-later
"""The in-memory line: two sessions joined without sockets or a clock, with what a bad line does to them."""

from __future__ import annotations

import ctypes as c
import errno
from dataclasses import dataclass, field

from softfax.engine.abi import LineConfig, check, library
from softfax.engine.core import EngineSession, UdptlSettings
from softfax.errors import UsageError

__all__ = ["LineSettings", "line_result", "run_line"]

#: Settings that C has by the same name and in the same unit.
_AS_IT_IS = (
    "seed",
    "jitter_ms",
    "delay_ms",
    "pace_us",
    "skew_ppm",
    "gain_db",
    "snr_db",
    "echo_db",
    "echo_ms",
    "ptime_ms",
    "red",
)


@dataclass(frozen=True, kw_only=True)
class LineSettings:
    """The in-memory line: `mode` is `PCMU`, `PCMA` or `T38`; loss and duplication as fractions; times in milliseconds.

    `pace_us` is the real time that 20 ms of simulated time take at least, for an owner who has to react to events.
    With `burst_s` each loss takes all packets of one direction for so long. With `loss_until_s` packets are lost
    only from `loss_from_s` to then.

    Audio alone has what an analogue line does: the second side's sample clock `skew_ppm` faster and `phase` of a sample away, a
    level of `gain_db`, noise `snr_db` below a modem's signal, an echo `echo_db` quieter and `echo_ms` late; packets of
    `ptime_ms`. Without those of an analogue line, each packet may have `red` earlier ones with it (RFC 2198).
    """

    mode: str = "T38"
    seed: int = 1
    loss: float = 0.0
    duplicate: float = 0.0
    jitter_ms: int = 0
    delay_ms: int = 0
    pace_us: int = 0
    burst_s: float = 0.0
    loss_from_s: float = 0.0
    loss_until_s: float = 0.0
    limit_s: float = 7200.0
    udptl: UdptlSettings = field(default_factory=UdptlSettings)
    skew_ppm: int = 0
    phase: float = 0.0
    gain_db: int = 0
    snr_db: int = 0
    echo_db: int = 0
    echo_ms: int = 0
    ptime_ms: int = 20
    red: int = 0

    def to_c(self) -> LineConfig:
        """The C struct; raises UsageError for an unknown mode."""
        modes = {"PCMU": 1, "T38": 2, "PCMA": 3}
        if self.mode not in modes:
            raise UsageError(f"no mode of the in-memory line: {self.mode}", "use PCMU, PCMA or T38")
        return LineConfig(
            mode=modes[self.mode],
            loss_ppm=int(self.loss * 1e6),
            duplicate_ppm=int(self.duplicate * 1e6),
            burst_ms=int(self.burst_s * 1000),
            loss_from_ms=int(self.loss_from_s * 1000),
            loss_until_ms=int(self.loss_until_s * 1000),
            limit_us=int(self.limit_s * 1e6),
            t38=self.udptl.to_c(),
            phase_permille=round(self.phase * 1000),
            **{name: getattr(self, name) for name in _AS_IT_IS},
        )


def run_line(a: EngineSession, b: EngineSession, line: LineSettings) -> tuple[float, bool]:
    """Joins two fresh sessions in memory and runs the call to its end.

    Returns the simulated duration in seconds and whether both sides reached the end of T.30 before `line.limit_s`.
    """
    simulated_us = c.c_uint64()
    status = library().sfx_line_run(a.handle, b.handle, c.byref(line.to_c()), c.byref(simulated_us))
    return line_result(status, simulated_us)


def line_result(status: int, simulated_us: c.c_uint64) -> tuple[float, bool]:
    """The result of a call on the line, by its status: -ETIMEDOUT is no error. Raises NativeError."""
    timed_out = status == -errno.ETIMEDOUT
    if not timed_out:
        check(status, "the in-memory line")
    return simulated_us.value / 1e6, not timed_out
