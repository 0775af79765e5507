# SPDX-License-Identifier: GPL-2.0-or-later
"""Counts faxes as Asterisk's FAXStats does, and shows sessions as its FAXSessions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from softfax.model import Direction, Mode, SessionState
from softfax.station.call import FaxCall
from softfax.station.orders import FaxStats, SessionView

__all__ = ["Counters", "views"]

#: Not there yet, or over: what CurrentSessions leaves out.
_NO_SESSION = (SessionState.RESERVED, SessionState.UNINITIALIZED, SessionState.COMPLETE)
_KINDS = {None: "none", Mode.T38: "T.38", Mode.AUDIO: "G.711"}


class Counters:
    """The counters of a station, from its start."""

    def __init__(self) -> None:
        self._stats = FaxStats()

    def attempt(self, direction: Direction) -> None:
        """Asterisk counts an attempt when its application begins, which is when the call is up."""
        s = self._stats
        if direction is Direction.SEND:
            self._stats = dataclasses.replace(s, transmit_attempts=s.transmit_attempts + 1)
        else:
            self._stats = dataclasses.replace(s, receive_attempts=s.receive_attempts + 1)

    def ended(self, success: bool) -> None:
        """A fax whose call was answered has its result."""
        s = self._stats
        failures = s.failed_faxes + (not success)
        self._stats = dataclasses.replace(s, completed_faxes=s.completed_faxes + 1, failed_faxes=failures)

    def stats(self, calls: Sequence[FaxCall]) -> FaxStats:
        """The counters now, with those under way."""
        dialled = [call for call in calls if call.call_state is not None]
        return dataclasses.replace(
            self._stats,
            current_sessions=sum(len(call.sessions) for call in calls if call.state not in _NO_SESSION),
            reserved_sessions=sum(call.state is SessionState.RESERVED for call in dialled),
        )


def views(calls: Sequence[FaxCall]) -> list[SessionView]:
    """Sessions for FAXSessions: those of answered calls."""
    return [
        SessionView(
            channel=channel,
            session_number=number,
            # Asterisk knows none of a gateway's.
            session_type=_KINDS[None if call.context.direction is Direction.GATEWAY else call.mode],
            operation=call.session.operation,
            state=call.state,
            files=call.context.documents,
        )
        for call in calls
        if call.state is not SessionState.RESERVED
        for channel, number in call.sessions
    ]
