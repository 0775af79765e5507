# SPDX-License-Identifier: GPL-2.0-or-later
"""Views of a station: its registrations and the processes its calls run in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from softfax.station.load import Load

__all__ = ["RegistrationView", "WorkerView"]


@dataclass(frozen=True, kw_only=True)
class RegistrationView:
    """The registration of one account; `unregistered` where none is wanted, or what is known of its server where that is asked
    by OPTIONS. `problem` is a line for people."""

    account: str
    server: str
    state: Literal["registered", "trying", "failed", "unregistered", "reachable", "unreachable"]
    since: datetime
    next_try: datetime | None = None
    problem: str = ""
    expires_s: int = 0


@dataclass(frozen=True, kw_only=True)
class WorkerView:
    """A process that calls run in. `restarts` counts those before it that died; `calls` are under way; `address` is its for
    SIP; `load` is how it keeps up."""

    number: int
    pid: int
    state: Literal["starting", "running", "dead"]
    since: datetime
    calls: int = 0
    restarts: int = 0
    last_end: str = ""
    address: tuple[str, int] = ("", 0)
    load: Load = field(default_factory=Load)
