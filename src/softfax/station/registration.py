# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps a station registered: tries again for as long as it runs, with growing waits, and says so."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from softfax.errors import SoftfaxError

__all__ = ["Registrar", "Registration"]

log = logging.getLogger("softfax.station")

FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 300.0


class Registrar(Protocol):
    """What is asked of the user agent (`softfax.sip.UserAgent`)."""

    on_registration: Callable[[int, str], None]

    async def register(self, timeout_s: float = ...) -> None: ...


@dataclass
class Registration:
    """The registration of one account. `say` is told every change, in one line for people."""

    agent: Registrar
    name: str
    say: Callable[[str], None] = lambda text: None
    registered: bool = False
    problem: str = ""

    def __post_init__(self) -> None:
        self._lost = asyncio.Event()
        self.agent.on_registration = self._changed

    def _changed(self, code: int, reason: str) -> None:
        """The registrar answered, also to a refresh that nobody asked for here."""
        if self.registered and code != 200:
            self.problem = f"{code} {reason}".strip()
            self._lost.set()

    async def keep(self) -> None:
        """Runs until it is cancelled."""
        failures = 0
        while True:
            try:
                await self.agent.register()
            except SoftfaxError as error:
                failures += 1
                wait_s = self.wait_s(failures)
                self.registered, self.problem = False, error.problem
                log.warning("%s: %s; trying again in %.0f s", self.name, error, wait_s)
                self.say(f"not registered at {self.name}: {error.problem}; trying again in {wait_s:.0f} s")
                await asyncio.sleep(wait_s)
                continue
            failures = 0
            self._lost.clear()
            self.registered, self.problem = True, ""
            self.say(f"registered at {self.name}")
            await self._lost.wait()
            self.registered = False
            log.warning("%s: the registration is lost (%s)", self.name, self.problem)
            self.say(f"the registration at {self.name} is lost ({self.problem})")

    @staticmethod
    def wait_s(failures: int) -> float:
        """Seconds before the next try: doubling to five minutes, and drawn from the upper half of that."""
        ceiling = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(failures - 1, 20))
        return random.uniform(ceiling / 2, ceiling)
