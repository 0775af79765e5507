# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings of one fax: direction, transport, identity, limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from softfax.engine.abi import Lacks
from softfax.model import Direction
from softfax.options import FaxOptions, ModePolicy

__all__ = ["FaxSettings", "Polling", "Role", "T38Preferences", "Timeouts"]


class Role(StrEnum):
    """Role of this side in the call."""

    CALLER = "caller"
    ANSWERER = "answerer"


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Time limits, in seconds.

    `answer_s`: until the far end answers the call. `t38_s`: in mode `t38`, until T.38 is agreed once the call is up.
    `stall_s`: without a packet from the far end. `linger_s`: for the far end's BYE, once T.30 is over. `call_s`: the whole
    call. What T.30 itself times (T0, T1, T2, T4) is the engine's.
    """

    answer_s: float = 60.0
    t38_s: float = 40.0
    stall_s: float = 30.0
    linger_s: float = 0.4
    call_s: float = 4 * 3600.0


@dataclass(frozen=True, kw_only=True)
class T38Preferences:
    """Preferences for T.38 with one PBX or trunk, within what the mode and the far end allow.

    `offer`: we offer T.38 ourselves. `accept`: we take the far end's offer. Neither is G.711 alone. `first_invite`: our
    first INVITE offers T.38 and nothing else; refused, the call is placed again with audio.

    `answered_after_s` is when, once the call is up, an answerer offers T.38 (None: never). A caller waits for the far end's
    offer: sending, it makes its own when it hears the far end's V.21 (`on_v21`); fetching a fax, after `fetching_after_s`.

    The rest is what we say of ourselves (T.38 Annex D): `version` 0 to 3; `error_correction` offered, and, in the answer to an
    offer, given as offered except that "none" stays none; `redundancy` is how many earlier packets each has with it;
    `max_datagram` in octets, the largest we say we take; `max_rate_bps` as the fax's own limit if that is lower. `direct`: as
    fast as the network goes, with a far end that says the same and has no modem between either.
    """

    offer: bool = True
    accept: bool = True
    first_invite: bool = False
    answered_after_s: float | None = 0.5
    on_v21: bool = True
    fetching_after_s: float | None = 3.0
    version: int = 0
    error_correction: Literal["redundancy", "fec", "none"] = "redundancy"
    redundancy: int = 3
    max_datagram: int = 400
    max_rate_bps: int = 14400
    direct: bool = True


@dataclass(frozen=True, kw_only=True)
class Polling:
    """A document that is fetched, or put out to be fetched by who calls: which (SEP), and its password (PWD)."""

    document: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class FaxSettings(FaxOptions):
    """One fax on a call: its options, of which none is left open. `document` is the fax TIFF to send, or the TIFF to receive
    into; `documents` are the names for the result.

    `t38` are the preferences for T.38 where `mode` allows it. In T.30 the sender of the image is the calling side, even if
    the other side called. `lacks` is what a receiver does not offer.
    """

    direction: Direction
    role: Role
    document: Path
    documents: tuple[str, ...] = ()
    pages_total: int | None = None
    page_bytes: tuple[int, ...] = ()
    t38: T38Preferences = T38Preferences()
    lacks: Lacks = field(default_factory=lambda: Lacks(0))
    trace: bool = False
    #: By DTC; without it a called sender sends as a calling one does, which needs no polling at the far end.
    polling: Polling | None = None
    #: Further documents that are put out in the same call, of which the far end names one.
    others: tuple[Polling, ...] = ()
    #: The fax's id and the session's number; made where they are empty.
    fax_id: str = ""
    number: int = 0
    #: Which call for this fax it is.
    attempt: int = 1
    #: The call stays up after a fax that went through, for another one.
    keep: bool = False
    timeouts: Timeouts = Timeouts()

    def __post_init__(self) -> None:
        self._settle()

    @property
    def offers_t38(self) -> bool:
        """True if we offer T.38 at all."""
        return self.mode is not ModePolicy.AUDIO and self.t38.offer

    @property
    def accepts_t38(self) -> bool:
        """True if the far end's offer of T.38 is accepted."""
        return self.mode is not ModePolicy.AUDIO and self.t38.accept

    @property
    def offers_t38_on_v21(self) -> bool:
        """True if a caller that sends offers T.38 when it hears the far end's V.21."""
        return self.offers_t38 and self.t38.on_v21

    @property
    def t38_offer_delay_s(self) -> float | None:
        """Delay from the answer to our offer of T.38, in seconds; None for no offer by time."""
        if not self.offers_t38:
            return None
        if self.role is Role.ANSWERER:
            return self.t38.answered_after_s
        return self.t38.fetching_after_s if self.direction is Direction.RECEIVE else None
