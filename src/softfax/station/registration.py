# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps an account registered: tries again for as long as it runs, with growing waits, and says so."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

from softfax.errors import AuthenticationError, SoftfaxError
from softfax.station.views import RegistrationView

__all__ = ["Registrar", "Registration"]

log = logging.getLogger("softfax.station")

FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 300.0
#: A registrar that knows us and says no is asked less often: many lock a user out, or a whole address, after a few tries.
REFUSED_WAIT_S = 60.0

State = Literal["registered", "trying", "failed", "unregistered"]


class Registrar(Protocol):
    """The user agent as used here (`softfax.sip.UserAgent`)."""

    def watch_registration(self, name: str, sink: Callable[[int, str, int], None]) -> Callable[[], None]: ...

    async def register(self, name: str, timeout_s: float = ...) -> None: ...


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
        self._back = asyncio.Event()

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

    def _changed(self, code: int, reason: str, expires_s: int) -> None:
        """The registrar answered, also to a refresh that nobody asked for here."""
        if code == 200:
            self.expires_s = expires_s
            self._back.set()
        elif self.registered:
            self.problem = f"{code} {reason}".strip()
            self._lost.set()

    async def keep(self) -> None:
        """Runs until it is cancelled."""
        end = self.agent.watch_registration(self.name, self._changed)
        try:
            await self._keep()
        finally:
            end()

    async def _keep(self) -> None:
        failures = 0
        while True:
            self._back.clear()
            if self.state != "failed":
                self._set("trying")
            try:
                await self.agent.register(self.name)
            except SoftfaxError as error:
                failures += 1
                if await self._wait(failures, error):
                    continue
            failures = 0
            self._lost.clear()
            self._set("registered")
            log.info("registered at %s", self.name, extra={"said": True})
            self.say(f"registered at {self.name}")
            await self._lost.wait()
            problem = self.problem
            log.warning("%s: the registration is lost (%s)", self.name, problem, extra={"said": True})
            self.say(f"the registration at {self.name} is lost ({problem})")
            self._set("failed", problem)

    async def _wait(self, failures: int, error: SoftfaxError) -> bool:
        """Waits for the next try; false if the registration has come by itself meanwhile."""
        wait_s = self.wait_s(failures, refused=isinstance(error, AuthenticationError))
        self._set("failed", error.problem, wait_s=wait_s)
        log.warning("%s: %s; trying again in %.0f s", self.name, error, wait_s, extra={"said": True})
        self.say(f"not registered at {self.name}: {error}; trying again in {wait_s:.0f} s")
        try:
            await asyncio.wait_for(self._back.wait(), wait_s)
        except TimeoutError:
            return True
        return False

    @staticmethod
    def wait_s(failures: int, *, refused: bool = False) -> float:
        """Seconds before the next try: doubling to five minutes, and drawn from the upper half of that."""
        ceiling = min(LONGEST_WAIT_S, (REFUSED_WAIT_S if refused else FIRST_WAIT_S) * 2.0 ** min(failures - 1, 20))
        return random.uniform(ceiling / 2, ceiling)
