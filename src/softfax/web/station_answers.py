# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers about the station itself, for OpenAPI: status, calls under way, accounts, mailboxes, health."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, Field, create_model

from softfax.database.aside import SetAside
from softfax.model import CallState, Direction, Mode, ProgressEvent, SessionEvent
from softfax.options import outside_options
from softfax.station.load import Load, Refusals
from softfax.station.views import RegistrationView, WorkerView
from softfax.web.answers import Out, keys_of

__all__ = ["AccountList", "HealthOut", "MailboxList", "PolledList", "PolledOut", "SessionList", "StatusOut"]


class ProgressOut(keys_of(ProgressEvent)):  # type: ignore[misc]
    """Progress of a fax, while it is watched."""


class SessionOut(keys_of(SessionEvent, but=("event",))):  # type: ignore[misc]
    """A call under way: the keys of the `session` event, and these."""

    station: str = Field(description="name of the station that has it; empty for one that works alone")
    direction: Direction
    attempt: int
    call_state: CallState | None
    mode: Mode | None
    account: str
    mailbox: str
    caller: str
    caller_name: str
    called: str
    remote_station_id: str
    started: AwareDatetime
    progress: ProgressOut | None


class SessionList(Out):
    """The calls under way."""

    sessions: list[SessionOut]


class RegistrationOut(keys_of(RegistrationView)):  # type: ignore[misc]
    """The registration of an account, or what is known of its server where that is asked by OPTIONS."""


class WorkerOut(keys_of(WorkerView, but=("address", "load"))):  # type: ignore[misc]
    """A process that calls run in."""


class LinesOut(Out):
    used: int
    max: int


class QueueOut(Out):
    by_state: dict[str, int]
    due: int
    oldest_s: float


class DiskOut(Out):
    total_bytes: int
    used_bytes: int
    free_bytes: int


class ShareOut(Out):
    """Faxes sent that ended: delivered and not."""

    delivered: int
    failed: int
    total: int
    rate: float | None


class SuccessOut(Out):
    day: ShareOut
    week: ShareOut


class DayOut(Out):
    date: str
    sent: int
    received: int
    failed: int
    pages: int


class SetAsideOut(keys_of(SetAside)):  # type: ignore[misc]
    """A record of the database that cannot be read."""


class RefusedOut(keys_of(Refusals)):  # type: ignore[misc]
    """Since the start: calls because another would have taken from those under way, or because all channel slots were taken; from
    addresses of no account, calls over their budget, connections, and connections that were ended."""


class LoadOut(keys_of(Load, but=("refused",))):  # type: ignore[misc]
    """Load of the machine. `busy` is the part of its time that the busiest thread needs for them, `late_ms`
    how late their ticks begin on average, `latest_ms` at most. `room` is how many calls more it takes now, `capacity` in all."""

    refused: RefusedOut


class StatusOut(Out):
    """Status of the station."""

    version: str
    uptime_s: float
    registrations: list[RegistrationOut]
    lines: LinesOut
    load: LoadOut
    queue: QueueOut
    workers: list[WorkerOut]
    disk: DiskOut
    set_aside: list[SetAsideOut]
    success: SuccessOut
    daily: list[DayOut]


class MailboxOut(Out):
    name: str
    numbers: list[str]


class MailboxList(Out):
    mailboxes: list[MailboxOut]


class PolledOut(Out):
    """A document that far ends fetch by calling one of these numbers."""

    id: str = Field(description="of what was put out by an order; empty for what the configuration names")
    name: str
    numbers: list[str]
    callers: list[str] = Field(description="who may; everybody where it is empty")
    documents: list[str]
    pages_total: int | None = Field(description="null where nobody has counted them")
    poll_document: str = Field(description="number that the far end has to name (SEP); empty for none")
    has_password: bool
    created: AwareDatetime | None
    until: AwareDatetime | None
    out: bool = Field(description="false once `until` has passed")
    fetched: int = Field(description="how often, as far as the records are kept")
    last_fetched: AwareDatetime | None


class PolledList(Out):
    polled: list[PolledOut]


class AccountOut(Out):
    name: str
    server: str
    user: str
    register_: bool = Field(alias="register")


def _defaults() -> type[Out]:
    known: dict[str, Any] = {o.name: (o.kind, ...) for o in outside_options().values() if o.default is not None}
    return create_model("Defaults", __base__=Out, **known)


class DefaultsOut(_defaults()):  # type: ignore[misc]
    """Defaults of the station for options that a fax leaves out."""

    priority: int
    attempts: int
    on_uncertain: str
    give_up_s: float = Field(description="how long a fax without a deadline is tried")


class AccountList(Out):
    accounts: list[AccountOut]
    defaults: DefaultsOut


class HealthOut(Out):
    """Health of the station; for `/readyz`, the parts that do not run."""

    status: Literal["ok", "not ready"]
    problems: list[str]
