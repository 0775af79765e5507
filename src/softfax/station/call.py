# SPDX-License-Identifier: GPL-2.0-or-later
"""One fax of a station, as its front ends see it: from the order or the incoming call to the result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from softfax.model import (
    CallEvent,
    CallState,
    Event,
    FaxContext,
    FaxResult,
    Mode,
    NegotiatedEvent,
    Operation,
    ProgressEvent,
    SessionEvent,
    SessionState,
)
from softfax.station.orders import FaxOrder

__all__ = ["FaxCall"]

#: Before these are left, a call has no medium.
_NO_MEDIUM = (SessionState.RESERVED, SessionState.UNINITIALIZED)


def _nothing() -> None:
    """Cancel a call that cannot be ended."""


@dataclass(eq=False, kw_only=True)
class FaxCall:
    """A fax under way. `context` never changes, `session` is the latest FAXSession record, `result` comes last.

    `call_state` is None until the call is placed (documents are being prepared). `mode` is None until media runs.
    `progress` is kept while it is watched. `order` is None for calls that came in;
    `variables` are those of the order. A call that came in from an address of no account is not `known`.
    """

    context: FaxContext
    session: SessionEvent
    result: asyncio.Future[FaxResult]
    order: FaxOrder | None = None
    account: str = ""
    #: The account by which a gateway's call goes on.
    onward: str = ""
    #: The channel of its other leg, and the numbers of its sessions: one listens to each leg, then one carries the fax.
    onward_channel: str = ""
    numbers: tuple[int, int, int] | None = None
    #: Whether its gateway asks T.38 of both legs.
    negotiate_both: bool = False
    known: bool = True
    call_state: CallState | None = None
    mode: Mode | None = None
    sip_code: int = 0
    remote_station_id: str = ""
    progress: ProgressEvent | None = None
    #: Whether its result is in the log of events already, and the callbacks are on disk.
    recorded: bool = False
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    #: Set by the station: ends the fax in whatever way its state asks for.
    on_cancel: Callable[[], None] = _nothing

    def note(self, event: Event, mode: Mode | None) -> None:
        """Take note of an event of the call, and of how the fax travels by then."""
        if isinstance(event, SessionEvent):
            self.session = event
        elif isinstance(event, CallEvent):
            self.call_state, self.sip_code = event.state, event.sip_code
        elif isinstance(event, NegotiatedEvent):
            self.remote_station_id = event.remote_station_id
        if mode is not None and self.state not in _NO_MEDIUM:
            self.mode = mode

    @property
    def state(self) -> SessionState:
        """The state of the fax session."""
        return self.session.state

    @property
    def sessions(self) -> tuple[tuple[str, int], ...]:
        """Channel and number of each session it has now: a gateway's call has one a leg until a fax is heard."""
        if self.numbers is None:
            return ((self.context.channel, self.context.session_number),)
        own, other, both = self.numbers
        if self.session.operation is Operation.GATEWAY:
            return ((self.context.channel, both),)
        listening = ((self.context.channel, own), (self.onward_channel, other))
        return listening if self.call_state is CallState.ANSWERED else listening[:1]

    @property
    def variables(self) -> Mapping[str, str]:
        """The channel variables of the originator."""
        return self.order.variables if self.order is not None else {}

    @property
    def age_s(self) -> float:
        """Seconds since it began."""
        return (datetime.now(UTC) - self.began).total_seconds()

    @property
    def ended(self) -> bool:
        """True once the result is there."""
        return self.result.done()

    def cancel(self) -> None:
        """Ends the fax: DCN, then BYE or CANCEL; the result follows. Nothing happens to one that has ended."""
        if not self.result.done():
            self.on_cancel()
