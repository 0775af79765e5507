# SPDX-License-Identifier: GPL-2.0-or-later
"""State machines as tables that refuse: the states of a fax, of its call, and of Asterisk's FAXSession.

Each table says what is awaited in a state and where it leads, by what. `move` is the one way to another state. The tables in
docs/ are made from these (`make docs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

from softfax.errors import TransitionError
from softfax.model import FaxState, SessionState

__all__ = ["CALL_PHASES", "FAXES", "SESSIONS", "Phase", "State", "Transitions"]

S = TypeVar("S", bound=Enum)


class Phase(Enum):
    """Phase of a fax's call."""

    CALLING = "calling"
    UP = "up"
    FAXING = "faxing"
    CLOSING = "closing"
    ENDED = "ended"


@dataclass(frozen=True)
class State(Generic[S]):
    """One line of a table: what is awaited, and the states it leads to, by what happens."""

    awaited: str
    to: Mapping[S, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Transitions(Generic[S]):
    """A state machine. A state that is left for itself is no transition, and always allowed."""

    name: str
    table: Mapping[S, State[S]]

    def allows(self, before: S, after: S) -> bool:
        """Return True if the table allows the transition."""
        return before is after or after in self.table[before].to

    def move(self, before: S, after: S) -> S:
        """The state after. Raises TransitionError where the table does not lead there."""
        if not self.allows(before, after):
            raise TransitionError(f"{self.name} {before.value} cannot become {after.value}")
        return after

    def markdown(self) -> str:
        """The table for people."""
        rows = ["| state | what is awaited | leaves by |", "| --- | --- | --- |"]
        for state, line in self.table.items():
            ways = "; ".join(f"{what} → {after.value}" for after, what in line.to.items())
            rows.append(f"| `{state.value}` | {line.awaited} | {ways} |")
        return "\n".join(rows) + "\n"


#: The call of a fax (`softfax.fax.session`).
CALL_PHASES: Transitions[Phase] = Transitions(
    "a call that is",
    {
        Phase.CALLING: State(
            "the far end answers",
            {Phase.UP: "answered", Phase.CLOSING: "given up, or no answer in time", Phase.ENDED: "refused"},
        ),
        Phase.UP: State(
            "audio or T.38, then training",
            {Phase.FAXING: "negotiated", Phase.CLOSING: "phase E, or given up", Phase.ENDED: "the far end hangs up"},
        ),
        Phase.FAXING: State("pages", {Phase.CLOSING: "phase E, or given up", Phase.ENDED: "the far end hangs up"}),
        Phase.CLOSING: State("the far end's BYE, for a moment", {Phase.ENDED: "BYE, or 5 s after ours"}),
        Phase.ENDED: State("nothing"),
    },
)

_CUT = {SessionState.UNKNOWN: "the call is cut", SessionState.COMPLETE: "the end"}
#: The states of Asterisk's FAXSession.
SESSIONS: Transitions[SessionState] = Transitions(
    "a fax session that is",
    {
        SessionState.RESERVED: State(
            "the far end answers", {SessionState.UNINITIALIZED: "answered", SessionState.COMPLETE: "the end"}
        ),
        SessionState.UNINITIALIZED: State("audio or T.38", {SessionState.INITIALIZED: "T.30 has a medium", **_CUT}),
        SessionState.INITIALIZED: State("T.30 begins", {SessionState.OPEN: "it has begun", **_CUT}),
        SessionState.OPEN: State(
            "training",
            {SessionState.ACTIVE: "negotiated", SessionState.INACTIVE: "T.38 is left for audio", **_CUT},
        ),
        SessionState.ACTIVE: State(
            "pages",
            {SessionState.OPEN: "T.38 is agreed after all", SessionState.INACTIVE: "T.38 is left for audio", **_CUT},
        ),
        SessionState.INACTIVE: State("T.30 begins anew, on audio", {SessionState.OPEN: "it has begun", **_CUT}),
        SessionState.UNKNOWN: State(
            "what the engine still has to report", {SessionState.ACTIVE: "a page", SessionState.COMPLETE: "the end"}
        ),
        SessionState.COMPLETE: State("nothing"),
    },
)

_CANCELLED = {FaxState.CANCELLED: "cancelled"}
_WAITS = {**_CANCELLED, FaxState.EXPIRED: "past its deadline", FaxState.UNCERTAIN: "restored from a backup"}
_FAILED = {FaxState.WAITING: "failed, and tried again", FaxState.FAILED: "failed"}
_AGAIN = {FaxState.WAITING: "sent once more"}
_LATE = "the call's end is known after all"
#: A fax (`softfax.queue`).
FAXES: Transitions[FaxState] = Transitions(
    "a fax that is",
    {
        FaxState.QUEUED: State(
            "its turn, or `not_before`", {FaxState.PREPARING: "its turn", FaxState.WAITING: "put off", **_WAITS}
        ),
        FaxState.PREPARING: State(
            "its pages",
            {
                FaxState.SENDING: "written down as dialled",
                FaxState.RECEIVING: "written down as dialled, to poll",
                FaxState.DELIVERED: "all pages were confirmed before",
                **_FAILED,
                FaxState.QUEUED: "put off",
                **_WAITS,
            },
        ),
        FaxState.SENDING: State(
            "the far end's confirmations (MCF)",
            {
                FaxState.DELIVERED: "all pages",
                **_FAILED,
                **_CANCELLED,
                FaxState.UNCERTAIN: "a crash",
            },
        ),
        FaxState.WAITING: State(
            "the next attempt", {FaxState.PREPARING: "its turn", FaxState.DELIVERED: _LATE, **_WAITS}
        ),
        FaxState.RECEIVING: State(
            "the far end's pages",
            {
                FaxState.RECEIVED: "all pages",
                FaxState.FAILED: "failed; what came before the break is kept",
                FaxState.WAITING: "failed, and polled again",
                **_CANCELLED,
            },
        ),
        FaxState.DELIVERED: State("nothing"),
        FaxState.RECEIVED: State("nothing"),
        FaxState.FAILED: State("nothing", _AGAIN),
        FaxState.CANCELLED: State("nothing", _AGAIN),
        FaxState.EXPIRED: State("nothing", _AGAIN),
        FaxState.UNCERTAIN: State(
            "an operator's decision",
            {**_AGAIN, FaxState.DELIVERED: _LATE, FaxState.FAILED: _LATE, FaxState.CANCELLED: _LATE},
        ),
    },
)
