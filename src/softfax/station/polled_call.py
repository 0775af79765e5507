# SPDX-License-Identifier: GPL-2.0-or-later
"""A call to a number with documents out for polling, in the process for calls: a fax that comes in, one that is fetched, or both.

Which it is shows at the caller's first command: DCS or DTC. Until then the station hears nothing of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

from softfax.fax.active import ActiveFax, Turn
from softfax.fax.session import FaxSession
from softfax.fax.settings import FaxSettings
from softfax.model import Direction, Event, FaxResult, Operation, SessionEvent, new_fax_id
from softfax.station import wire
from softfax.station.config import StationConfig
from softfax.station.making import polling_of, spool_path
from softfax.station.polled import PolledDocument

__all__ = ["PolledCall"]


class Told(Protocol):
    """The calls of a process, as far as the station hears of them."""

    config: StationConfig

    def report(self, message: wire.Message, /) -> None: ...


class PolledCall:
    """One such call. `arrived` are the facts of the fax that comes in, whose events `on_event` takes by their fax's id.

    `place` has a second fax of the call watched to its end.
    """

    def __init__(
        self,
        host: Told,
        arrived: wire.Arrived,
        polled: Sequence[PolledDocument],
        on_event: Callable[[str, Event], None],
        place: Callable[[wire.Arrived, ActiveFax], None],
    ) -> None:
        self._host, self._polled, self._on_event, self._place = host, polled, on_event, place
        self._arrived, self._fetched = arrived, dataclasses.replace(arrived, mailbox="", polled=polled[0].name)
        self._waiting: list[Event] = []
        self._reported = False
        self._turn: Turn | None = None
        #: The fax that is fetched, once it is.
        self.active: ActiveFax | None = None

    def turn(self, settings: FaxSettings) -> Turn:
        """Settings of what may be fetched, as the engine session needs them."""
        settings = dataclasses.replace(settings, fax_id=new_fax_id())
        self._turn = Turn(settings, self._of_fetched, self._turned, lambda: self.report(self._arrived))
        return self._turn

    def failed(self) -> None:
        """Tell the station of a call that has ended before it was answered."""
        self.report(self._fetched)

    def report(self, arrived: wire.Arrived) -> None:
        """Tell the station what the call is, and what has happened in it, unless it knows."""
        if self._reported:
            return
        self._reported = True
        self._host.report(arrived)
        for event in self._waiting:
            if isinstance(event, SessionEvent) and arrived.polled:
                event = dataclasses.replace(event, operation=Operation.SEND)
            self._on_event(arrived.fax_id, event)

    def on_event(self, event: Event) -> None:
        """Takes the events of the call's first fax."""
        if isinstance(event, FaxResult):
            self.report(self._arrived)
        if self._reported:
            self._on_event(self._arrived.fax_id, event)
        else:
            self._waiting.append(event)

    def _of_fetched(self, event: Event) -> None:
        self._on_event(self._fetched.fax_id, event)

    def _turned(self, active: ActiveFax) -> None:
        self.active = active
        if self._reported:
            # A fax of its own, after one that was received.
            self._fetched = dataclasses.replace(self._fetched, fax_id=active.session.fax_id)
            self._host.report(self._fetched)
            self._place(self._fetched, active)
        else:
            self.report(self._fetched)

    def chosen(self, index: int) -> None:
        """The far end has named one of several documents."""
        one = self._polled[index]
        self._fetched = dataclasses.replace(self._fetched, polled=one.name)
        if self.active is not None:
            session = self.active.session
            session.settings = dataclasses.replace(session.settings, documents=one.documents)
            self._host.report(wire.Chosen(self._fetched.fax_id, one.name))
        elif self._turn is not None:
            self._turn.settings = dataclasses.replace(self._turn.settings, documents=one.documents)


class FetchAfter:
    """A fax that is fetched after one that is sent, in the same call: it comes in, with a record of its own.

    `settings` are those of the one that is sent; `place` has the one that comes watched to its end.
    """

    @classmethod
    def of(
        cls, host: Told, uri: str, settings: FaxSettings, place: Callable[[wire.Arrived, ActiveFax], None]
    ) -> FetchAfter | None:
        """Return it for a fax that is sent with it, else None."""
        wanted = settings.poll and settings.direction is Direction.SEND
        return cls(host, uri, settings, place) if wanted else None

    def __init__(
        self,
        host: Told,
        uri: str,
        settings: FaxSettings,
        place: Callable[[wire.Arrived, ActiveFax], None],
    ) -> None:
        self._host, self._place = host, place
        self._came = False
        self._arrived = wire.Arrived(
            fax_id=new_fax_id(),
            account=settings.account,
            remote_uri=uri,
            caller=uri,
            called=settings.caller_number,
            ident=settings.ident,
            fetched_with=settings.fax_id,
        )
        fetched = dataclasses.replace(
            settings,
            direction=Direction.RECEIVE,
            document=spool_path(host.config, self._arrived.fax_id),
            documents=(),
            pages_total=None,
            page_bytes=(),
            polling=polling_of(settings),
            fax_id=self._arrived.fax_id,
        )
        self.turn = Turn(fetched, self._on_event, self._turned)

    def _turned(self, active: ActiveFax) -> None:
        self._came = True
        self._host.report(self._arrived)
        self._place(self._arrived, active)

    def _on_event(self, event: Event) -> None:
        if not isinstance(event, FaxResult):
            self._host.report(wire.FaxEvent(self._arrived.fax_id, event, None))

    def noted(self, result: FaxResult, sent: FaxSession) -> FaxResult:
        """The result of the fax that was sent, with a warning where nothing was fetched after it."""
        if self._came or not result.success:
            return result
        line = f"nothing was fetched: {Turn.missed(sent).text}"
        return dataclasses.replace(result, warnings=[*(result.warnings or ()), line])
