# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps an account registered: refreshes it, tries again for as long as it runs, with growing waits, and says so.

Nothing else sends REGISTER: PJSIP is kept from it (native/pjsip/registration.c).
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

from softfax.errors import AuthenticationError, CallError, SoftfaxError
from softfax.station.views import RegistrationView

__all__ = ["Registrar", "Registration"]

log = logging.getLogger("softfax.station")

FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 300.0
#: A registrar that knows us and says no is asked less often: many lock a user out, or a whole address, after a few tries.
REFUSED_WAIT_S = 60.0
#: However little a registrar grants.
SHORTEST_REFRESH_S = 2.0

State = Literal["registered", "trying", "failed", "unregistered"]


class Registrar(Protocol):
    """The user agent as used here (`softfax.sip.UserAgent`)."""

    def watch_registration(self, name: str, lost: Callable[[str], None]) -> Callable[[], None]: ...

    async def register(self, name: str, timeout_s: float = ...) -> int: ...


@dataclass(eq=False)
class Registration:
    """The registration of one account.

    `say` gets every change that people should know, in one line; `on_change` every change of the view.
    """

    agent: Registrar
    name: str
    say: Callable[[str], None] = lambda text: None
    on_change: Callable[[], None] = lambda: None
    server: str = ""
    state: State = "unregistered"
    problem: str = ""
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    next_try: datetime | None = None
    expires_s: int = 0

    def __post_init__(self) -> None:
        self._lost = asyncio.Event()
        self._why = ""

    @property
    def registered(self) -> bool:
        """True if calls can come through it."""
        return self.state == "registered"

    def view(self) -> RegistrationView:
        """Current state, for the API and for metrics."""
        return RegistrationView(
            account=self.name,
            server=self.server,
            state=self.state,
            since=self.since,
            next_try=self.next_try,
            problem=self.problem,
            expires_s=self.expires_s,
        )

    def _set(self, state: State, problem: str = "", *, wait_s: float | None = None) -> None:
        now = datetime.now(UTC)
        if state != self.state:
            self.since = now
        self.state, self.problem = state, problem
        self.next_try = now + timedelta(seconds=wait_s) if wait_s is not None else None
        if state != "registered":
            self.expires_s = 0
        self.on_change()

    def _is_lost(self, why: str) -> None:
        """Take note of a loss that no answer of the registrar reports."""
        self._why = why
        self._lost.set()

    async def keep(self, held_s: int = 0) -> None:
        """Runs until it is cancelled. With `held_s` there is a registration already, which holds for so long."""
        end = self.agent.watch_registration(self.name, self._is_lost)
        try:
            await self._keep(held_s)
        finally:
            end()

    async def _keep(self, held_s: int) -> None:
        failures = losses = 0
        if held_s:
            self.expires_s = held_s
            self._set("registered")
            losses = await self._hold(losses)
        while True:
            if self.state not in ("failed", "registered"):
                self._set("trying")
            self._lost.clear()
            try:
                self.expires_s = await self.agent.register(self.name)
            except SoftfaxError as error:
                if self.registered:
                    self._tell_lost(error.problem)
                failures += 1
                await self._wait(failures, error)
                continue
            failures = 0
            if not self.registered:
                log.info("registered at %s", self.name, extra={"said": True})
                self.say(f"registered at {self.name}")
            self._set("registered")
            losses = await self._hold(losses)

    async def _hold(self, losses: int) -> int:
        """Waits until the registration is due again, or lost; how often in a row it has been lost."""
        try:
            await asyncio.wait_for(self._lost.wait(), self.refresh_s(self.expires_s))
        except TimeoutError:
            return 0
        self._tell_lost(self._why)
        # A registrar that drops each connection is not asked without end.
        wait_s = self.wait_s(losses + 1)
        self._set("failed", self._why, wait_s=wait_s)
        await asyncio.sleep(wait_s)
        return losses + 1

    def _tell_lost(self, problem: str) -> None:
        log.warning("%s: the registration is lost (%s)", self.name, problem, extra={"said": True})
        self.say(f"the registration at {self.name} is lost ({problem})")
        self._set("failed", problem)

    async def _wait(self, failures: int, error: SoftfaxError) -> None:
        """Waits for the next try, for as long as the registrar wants to be left alone at least."""
        wait_s = self.wait_s(failures, refused=isinstance(error, AuthenticationError))
        if isinstance(error, CallError) and error.retry_after_s > wait_s:
            # A little later, so that not all who were sent away come back at once.
            wait_s = error.retry_after_s * random.uniform(1.0, 1.1)
        self._set("failed", error.problem, wait_s=wait_s)
        log.warning("%s: %s; trying again in %.0f s", self.name, error, wait_s, extra={"said": True})
        self.say(f"not registered at {self.name}: {error}; trying again in {wait_s:.0f} s")
        await asyncio.sleep(wait_s)

    @staticmethod
    def refresh_s(expires_s: int) -> float:
        """Seconds after which a registration is made again, so that there is time for another try before it ends."""
        return max(SHORTEST_REFRESH_S, min(expires_s - 30.0, expires_s * 0.9) if expires_s > 60 else expires_s / 2)

    @staticmethod
    def wait_s(failures: int, *, refused: bool = False) -> float:
        """Seconds before the next try: doubling to five minutes, and drawn from the upper half of that."""
        ceiling = min(LONGEST_WAIT_S, (REFUSED_WAIT_S if refused else FIRST_WAIT_S) * 2.0 ** min(failures - 1, 20))
        return random.uniform(ceiling / 2, ceiling)
