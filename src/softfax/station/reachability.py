# SPDX-License-Identifier: GPL-2.0-or-later
"""Reachability of the server of an account without a registration: probed by SIP OPTIONS, reported when it changes."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

from softfax.reasons import REASON_REMEDIES
from softfax.sip.requests import RequestAnswer
from softfax.station.views import RegistrationView

__all__ = ["Prober", "Reachability"]

log = logging.getLogger("softfax.station")

_SAID = {408: "no answer"}

State = Literal["trying", "reachable", "unreachable"]


class Prober(Protocol):
    """The user agent as used here (`softfax.sip.UserAgent`)."""

    async def probe(self, name: str, timeout_s: float = ...) -> RequestAnswer: ...


@dataclass(eq=False)
class Reachability:
    """Reachability of one account. Any answer will do, also a refusal of OPTIONS.

    `say` gets every change that people should know, in one line; `on_change` every change of the view.
    """

    agent: Prober
    name: str
    interval_s: float
    say: Callable[[str], None] = lambda text: None
    on_change: Callable[[], None] = lambda: None
    server: str = ""
    state: State = "trying"
    problem: str = ""
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    next_try: datetime | None = None

    def view(self) -> RegistrationView:
        """Current state, for the API and for metrics."""
        return RegistrationView(
            account=self.name,
            server=self.server,
            state=self.state,
            since=self.since,
            next_try=self.next_try,
            problem=self.problem,
        )

    async def keep(self) -> None:
        """Runs until it is cancelled."""
        while True:
            answer = await self.agent.probe(self.name)
            # A little early, so that many accounts do not ask at once for ever.
            wait_s = max(self.interval_s * random.uniform(0.9, 1.0), float(answer.retry_after_s))
            self.next_try = datetime.now(UTC) + timedelta(seconds=wait_s)
            self._answered(answer)
            await asyncio.sleep(wait_s)

    def _answered(self, answer: RequestAnswer) -> None:
        state: State = "unreachable" if answer.of_server else "reachable"
        said = _SAID.get(answer.code, answer.reason) if answer.reason not in REASON_REMEDIES else answer.reason
        if answer.answered:
            said = f"{answer.code} {answer.reason}".strip()
        self.problem = f"{self.server} does not answer ({said})" if state == "unreachable" else ""
        if state == self.state:
            return
        first, self.state, self.since = self.state == "trying", state, datetime.now(UTC)
        if state == "unreachable":
            log.warning("%s: %s; calls go through others first", self.name, self.problem, extra={"said": True})
            self.say(f"no answer from {self.name}: {self.problem}; check its address, and whether it knows ours")
        elif not first:
            log.info("%s answers again", self.name, extra={"said": True})
            self.say(f"{self.name} answers again")
        self.on_change()
