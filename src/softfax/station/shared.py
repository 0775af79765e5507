# SPDX-License-Identifier: GPL-2.0-or-later
"""One call for several faxes: those that wait for their turn on it, and who has it. In the process for calls.

The turn of a fax comes when the last page of the one before begins to go over. Whether it may be sent is asked then, so that it
is written down as dialled no earlier than it has to be. Its pages are put behind that page, and once the far end has confirmed it
(EOM, T.30 §5.3.6.1.6), the call is its own.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from softfax.documents.job import PageJob
from softfax.fax import outcome
from softfax.fax.active import ActiveFax
from softfax.fax.outcome import Outcome
from softfax.fax.runtime import FaxRuntime
from softfax.fax.settings import FaxSettings
from softfax.model import Event

__all__ = ["SharedCall", "TurnLostError"]


class OneOfCall(Protocol):
    """A fax, and what is under way of it once the call is its own."""

    active: ActiveFax | None


F = TypeVar("F", bound=OneOfCall)
NOT_PLACED = Outcome(False, "CANCEL", "it was not placed", outcome.NO_T30, reached=False)


class TurnLostError(Exception):
    """The call has ended before the turn of a fax; `why` is that fax's outcome."""

    def __init__(self, ended: Outcome) -> None:
        super().__init__(ended.text)
        self.why = outcome.not_reached(ended)


class _Waiting(Generic[F]):
    """A fax that waits, and its place among the others. Both futures have an end when the call has one."""

    def __init__(self, fax: F, place: int) -> None:
        loop = asyncio.get_running_loop()
        self.fax, self.place = fax, place
        self.turn: asyncio.Future[None] = loop.create_future()
        self.handed: asyncio.Future[ActiveFax | None] = loop.create_future()


class SharedCall(Generic[F]):
    """A call that is to be placed for `fax`, and for those that `join` before it is."""

    def __init__(self, fax: F) -> None:
        self._of, self._count = fax, 1
        self._active: ActiveFax | None = None
        self._waiting: list[_Waiting[F]] = []
        #: Its pages are there, behind those of the fax under way.
        self._next: tuple[_Waiting[F], ActiveFax] | None = None
        #: Whether the fax under way has been said to be followed: its last page may have gone out with EOM.
        self._announced = False
        self._ended: Outcome | None = None
        self._folders = ExitStack()

    def folder(self) -> Path:
        """A folder for pages, which lasts as long as the call."""
        made = tempfile.TemporaryDirectory(prefix="softfax-", ignore_cleanup_errors=True)
        return Path(self._folders.enter_context(made))

    def join(self, fax: F, place: int) -> bool:
        """Take another fax; false where the call has begun."""
        if self._active is not None or self._ended is not None:
            return False
        self._waiting.append(_Waiting(fax, place))
        self._waiting.sort(key=lambda one: one.place)
        self._count += 1
        return True

    def begin(self, active: ActiveFax) -> None:
        """The call is placed."""
        self._active, active.following = active, self
        self._announce()

    async def turn(self, fax: F) -> None:
        """Wait for the turn of a fax to be asked for. Raises TurnLostError."""
        if (one := self._find(fax)) is not None:
            await one.turn
        self._check()

    async def follow(
        self, runtime: FaxRuntime, fax: F, settings: FaxSettings, on_event: Callable[[Event], None], job: PageJob
    ) -> ActiveFax:
        """Put the pages of a fax, which are all made, behind those under way, and wait until the call is its own.

        Raises TurnLostError, DocumentError, OSError.
        """
        self._check()
        one, active = self._find(fax), self._active
        assert one is not None
        assert active is not None
        following = runtime.follow(active, settings, on_event, job)
        self._waiting.remove(one)
        self._next = one, following
        self._announce()
        self.look()
        handed = await one.handed
        if handed is None:
            self._check()
        return following

    def look(self) -> None:
        """Look whether the last page under way goes over, or is confirmed. Implements `Following`."""
        active = self._active
        left = active.session.pages_left if active is not None else None
        if active is None or left is None or left > 1 or self._ended is not None:
            return
        if self._next is None and self._waiting and not self._waiting[0].turn.done():
            self._waiting[0].turn.set_result(None)
        if left > 0:
            return
        if self._next is not None:
            (one, following), self._next = self._next, None
            self._of, self._active, self._announced = one.fax, following, bool(self._waiting)
            active.following, following.following = None, self
            one.fax.active = following  # whose events come from here on
            following.go_on(active)
            one.handed.set_result(following)
        elif self._announced and not self._waiting:
            # EOM was said, and now there is nothing to say after it.
            active.session.give_up(outcome.OK)

    def leave(self, fax: F, why: Outcome | None) -> None:
        """A fax has ended, or is taken back: the call ends with the one that has it."""
        self._count -= 1
        if (one := self._find(fax)) is not None:
            self._waiting.remove(one)
            self._announce()
            self.look()
        elif self._next is not None and self._next[0].fax is fax:
            (_, following), self._next = self._next, None
            if following.feed is not None:
                following.feed.withdraw()
            self._over(outcome.OK)
            if self._active is not None and self._active.session.pages_left == 0:
                self._active.session.give_up(outcome.OK)
        elif self._of is fax:
            self._over(why or NOT_PLACED)
        if not self._count:
            self._folders.close()

    def _announce(self) -> None:
        """Tell the engine whether another fax follows the last of those whose pages it has."""
        last = self._active if self._next is None else self._next[1]
        if last is not None and last.feed is not None:
            self._announced |= bool(self._waiting)
            last.feed.others_follow(bool(self._waiting))

    def _over(self, why: Outcome) -> None:
        """End the wait of those whose turn does not come any more."""
        if self._ended is None:
            self._ended = why
        for one in [*self._waiting, *([self._next[0]] if self._next else [])]:
            for future in (one.turn, one.handed):
                if not future.done():
                    future.set_result(None)
        self._next = None

    def _check(self) -> None:
        if self._ended is not None:
            raise TurnLostError(self._ended)

    def _find(self, fax: F) -> _Waiting[F] | None:
        return next((one for one in self._waiting if one.fax is fax), None)
