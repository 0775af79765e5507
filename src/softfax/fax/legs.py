# SPDX-License-Identifier: GPL-2.0-or-later
"""Ports of a gateway's call: the SIP calls of its two legs, and the engine's gateway; its settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from softfax.fax.ports import EnginePort
from softfax.fax.settings import T38Preferences

__all__ = ["A", "B", "FirstCall", "GatewayPort", "GatewaySettings", "LegCall", "Placed"]

#: The legs: the call that came in, and the one that it leads to.
A, B = 0, 1


@dataclass(frozen=True, kw_only=True)
class GatewaySettings:
    """Settings of one gateway's call. `t38` are the first leg's preferences for T.38; with `negotiate_both` it is also asked of
    the leg by which V.21 is heard. `stall_s` is how long nothing may come by either leg."""

    fax_id: str
    number: int = 0
    t38: T38Preferences = field(default_factory=T38Preferences)
    negotiate_both: bool = False
    stall_s: float = 60.0
    call_s: float = 4 * 3600.0
    trace: bool = False


class LegCall(Protocol):
    """The SIP call of a leg. All methods return at once."""

    def offer_t38(self) -> None: ...
    def stay_in_audio(self, fixed: bool) -> None: ...
    def hangup(self, code: int = 0) -> None: ...


class FirstCall(LegCall, Protocol):
    """The call that came in."""

    @property
    def call_id(self) -> str: ...
    def ring(self) -> None:
        """Tells the caller that it rings."""

    def progress(self) -> None:
        """Gives the caller early media."""

    def answer(self) -> None:
        """Answers the call."""


class GatewayPort(Protocol):
    """The engine's gateway."""

    @property
    def legs(self) -> Sequence[EnginePort]: ...
    def hold(self, held: bool) -> None: ...
    def ring(self, leg: int, on: bool) -> None:
        """Begins or ends ring-back to the far end of a leg."""

    def packets(self, leg: int) -> int:
        """Number of packets that have come by a leg."""


#: The second leg's call, and the preferences of its account for T.38.
Placed = tuple[LegCall, T38Preferences]
