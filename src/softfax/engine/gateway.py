# SPDX-License-Identifier: GPL-2.0-or-later
"""A gateway of the engine: two sessions without T.30 of their own, joined."""

from __future__ import annotations

import ctypes as c
from dataclasses import dataclass

from softfax.engine.abi import Flag, SessionConfig, check, library
from softfax.engine.core import Engine, EngineSession
from softfax.engine.line import LineSettings, line_result

__all__ = ["Gateway", "LegSettings", "run_gateway_line"]


@dataclass(frozen=True, kw_only=True)
class LegSettings:
    """Settings of a gateway's leg. With `trace` it reports every control frame that came by it (event `FRAME`)."""

    stall_s: float = 0.0
    symmetric: bool = False
    trace: bool = False

    def to_c(self) -> SessionConfig:
        """The C struct."""
        flags = Flag.LEG
        flags |= Flag.SYMMETRIC if self.symmetric else Flag(0)
        flags |= Flag.TRACE if self.trace else Flag(0)
        return SessionConfig(flags=int(flags), max_rate_bps=14400, stall_ms=int(self.stall_s * 1000))


class Gateway:
    """Two legs, `a` and `b`, whose media begin, change and end as those of any session. Its owner closes it and so the legs.

    What comes by one leg goes out by the other: G.711 to G.711 sample for sample, T.38 to T.38 packet by packet, and through
    modems where one leg has T.38 and the other G.711. Events of what passes are those of the leg by which it came.
    """

    def __init__(self, engine: Engine, a: LegSettings, b: LegSettings) -> None:
        self._lib = library()
        self._handle: c.c_void_p | None = c.c_void_p()
        self.a = EngineSession(engine, a)
        try:
            self.b = EngineSession(engine, b)
        except BaseException:
            self.a.close()
            raise
        self.legs = (self.a, self.b)
        status = self._lib.sfx_gateway_create(self.a.handle, self.b.handle, c.byref(self._handle))
        if status < 0:
            self.a.close()
            self.b.close()
        check(status, "creating a gateway")

    def hold(self, held: bool) -> None:
        """Replaces voice by silence, and keeps T.38 from modems, while an offer of T.38 is under way. Raises NativeError."""
        if self._handle is not None:
            check(self._lib.sfx_gateway_hold(self._handle, int(held)), "starting modems")

    def ring(self, leg: int, on: bool) -> None:
        """Begins or ends ring-back to the far end of a leg (0 is `a`), which hears nothing else meanwhile."""
        if self._handle is not None:
            check(self._lib.sfx_gateway_ring(self._handle, leg, int(on)), "ringing back")

    def packets(self, leg: int) -> int:
        """Number of packets that have come by a leg."""
        stats = self.legs[leg].stats()
        return stats.rtp_rx_packets + stats.udptl_rx_packets

    def close(self) -> None:
        """Stops the media of both legs and frees all."""
        handle, self._handle = self._handle, None
        if handle is not None:
            self._lib.sfx_gateway_destroy(handle)
            self.a.close()
            self.b.close()


def run_gateway_line(
    caller: EngineSession, gateway: Gateway, answerer: EngineSession, a: LineSettings, b: LineSettings
) -> tuple[float, bool]:
    """Joins two fresh sessions by a gateway in memory, each on a line of its own, and runs the call to its end.

    Returns the simulated duration in seconds and whether both reached the end of T.30 before `a.limit_s`.
    """
    simulated_us = c.c_uint64()
    status = library().sfx_line_run_gateway(
        *(s.handle for s in (caller, gateway.a, gateway.b, answerer)),
        c.byref(a.to_c()),
        c.byref(b.to_c()),
        c.byref(simulated_us),
    )
    return line_result(status, simulated_us)
