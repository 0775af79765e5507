# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers, for OpenAPI. Bodies do not go through these models; the tests compare every answer with them, key by key."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Annotated, Any, Literal, Union, get_args, get_type_hints

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, RootModel, create_model

from softfax.model import (
    Attempt,
    BroadcastEvent,
    CallEvent,
    Event,
    Fax,
    FaxResult,
    HeardEvent,
    JobEvent,
    NegotiatedEvent,
    PageEvent,
    SessionEvent,
)
from softfax.options import ModePolicy, Resolution, Scan
from softfax.records.model import RetryRules
from softfax.station.config.http import Scope
from softfax.web.store import Contact

__all__ = [
    "AttemptOut",
    "BroadcastLinks",
    "BroadcastOut",
    "BroadcastState",
    "CallbackOut",
    "ContactList",
    "ContactOut",
    "DeliveryListOut",
    "DeliveryOut",
    "EventList",
    "FaxLinks",
    "FaxListOut",
    "FaxOut",
    "ForbiddenList",
    "ForbiddenOut",
    "LinkOut",
    "LoginOut",
    "NumberList",
    "NumberOut",
    "Out",
    "ProblemOut",
    "ReceivedOut",
    "SwmlListOut",
    "SwmlOut",
    "TraceOut",
    "UploadOut",
    "keys_of",
]


class Out(BaseModel):
    """An answer: these keys and no others. More may come with later versions."""

    model_config = ConfigDict(extra="forbid")


def _without_default(schema: dict[str, Any]) -> None:
    del schema["default"]


def keys_of(kind: type, *, but: Collection[str] = ()) -> type[Out]:
    """The keys that one of our dataclasses has as JSON. Of an event, what is None is left out."""
    is_event = issubclass(kind, Event)
    keys: dict[str, Any] = {}
    if issubclass(kind, Event) and "event" not in but:
        keys["event"] = (Literal[kind.event], ...)
    hints = get_type_hints(kind)
    for name, hint in ((field.name, hints[field.name]) for field in dataclasses.fields(kind) if field.name not in but):
        sure = [one for one in get_args(hint) if one is not type(None)]
        if is_event and len(sure) < len(get_args(hint)):
            keys[name] = (sure[0], Field(None, json_schema_extra=_without_default))
        else:
            keys[name] = (hint, ...)
    return create_model(f"{kind.__name__}Keys", __base__=Out, **keys)


class MistakeOut(Out):
    """One thing that is wrong with a request."""

    at: str = Field(description="the key or parameter, as `documents.0.url`")
    in_: str = Field(alias="in", description="body, query or header")
    detail: str


class ProblemOut(Out):
    """Problem details (RFC 9457)."""

    type: str = Field(description="`urn:softfax:problem:…`, or about:blank where the status says it all")
    title: str
    status: int
    detail: str = ""
    remedy: str = Field("", description="what to do")
    errors: list[MistakeOut] = Field([], description="for 422: each mistake with its place")


class FaxLinks(Out):
    """Links to other parts of the fax."""

    self: str
    document: str
    pages: str = Field(description="with {n} for the number of the page")
    events: str
    trace: str


class ResultOut(keys_of(FaxResult)):  # type: ignore[misc]
    """Result of a call: the event `result`."""

    error: str = Field(description="Asterisk's FAXERROR or DIALSTATUS word where one fits")
    result_code: int = Field(description="0, the T.30 completion code, or 1000 plus the SIP status")
    status: Literal["SUCCESS", "FAILED"]
    pages_total: int


def _logged(kind: type[Event]) -> type[Out]:
    """An event with its number in the stream of events."""
    return create_model(
        f"{kind.__name__}Out", __base__=ResultOut if kind is FaxResult else keys_of(kind), id=(int, ...)
    )


_KINDS = (JobEvent, CallEvent, SessionEvent, HeardEvent, NegotiatedEvent, PageEvent, FaxResult, BroadcastEvent)
_LOGGED = tuple(_logged(kind) for kind in _KINDS)
EventOut = Annotated[Union[_LOGGED], Field(discriminator="event")]  # type: ignore[valid-type]  # noqa: UP007


def _called_back(kind: type[Event]) -> type[Out]:
    """An event as a callback of the dialect json has it."""
    tags: Any = Field({}, description="those of the fax, where it has any", json_schema_extra=_without_default)
    url: Any = Field("", description="signed, where [http] public_url is set", json_schema_extra=_without_default)
    more: dict[str, Any] = {"document_url": (str, url)} if kind is FaxResult else {}
    return create_model(
        f"{kind.__name__}Callback", __base__=ResultOut if kind is FaxResult else keys_of(kind),
        caller=(str, ...), called=(str, ...), tags=(dict[str, str], tags), **more,
    )  # fmt: skip


_CALLED_BACK = tuple(_called_back(kind) for kind in _KINDS)


class CallbackOut(RootModel[Annotated[Union[_CALLED_BACK], Field(discriminator="event")]]):  # type: ignore[valid-type]  # noqa: UP007
    """An event of a fax, with whom it is from and for, and its tags."""


class AttemptOut(keys_of(Attempt, but=("result",))):  # type: ignore[misc]
    """One call for a fax."""

    result: ResultOut | None


class RetryOut(keys_of(RetryRules)):  # type: ignore[misc]
    """Retries as ordered; null where that was left to the station."""


class FaxOut(keys_of(Fax, but=("attempts", "raw", "result"))):  # type: ignore[misc]
    """A fax as it is kept."""

    pages: int = Field(description="confirmed by the far end, or received")
    warnings: list[str] = Field(description="what of its documents is not on its pages, for people")
    reason: str = Field(description="why it failed or waits, for people")
    retried_after: int = Field(description="number of attempts when more were last asked for")
    caller: str = Field(description="the number that calls")
    caller_number: str = Field(description="the same as `caller`, by its old name", deprecated=True)
    mode: ModePolicy | None = Field(
        description="as ordered; null where that was left to the station, as in the next ones"
    )
    resolution: Resolution | Literal[""] = Field(description="as ordered, or of what was received")
    scan: Scan | None
    retry: RetryOut | None = Field(description="as ordered")
    cover: dict[str, str] | None = Field(description="as ordered")
    attempts: list[AttemptOut]
    result: ResultOut | None
    links: FaxLinks


class ReceivedOut(Out):
    """A received fax, as the webhook of a mailbox gets it."""

    event: Literal["received"]
    time: AwareDatetime
    fax_id: str
    fax: FaxOut
    document: str = Field(
        "", description="the PDF in base64, where that was asked for", json_schema_extra=_without_default
    )


class BroadcastOut(Out):
    """The faxes of one request to several destinations."""

    broadcast_id: str
    faxes: list[FaxOut]


class BroadcastLinks(Out):
    """Places of a broadcast and its faxes."""

    self: str
    faxes: str


class BroadcastState(Out):
    """Progress of a broadcast: its faxes by their states, and the pages confirmed. It has `ended` when all of them have."""

    broadcast_id: str
    total: int
    by_state: dict[str, int]
    ended: bool
    pages: int
    links: BroadcastLinks


class FaxListOut(Out):
    """Faxes, the newest first. `cursor` is empty where there are no more."""

    faxes: list[FaxOut]
    cursor: str
    total: int | None = Field(description="of all its parts, in the first one; null in the others")


class LinkOut(Out):
    """A URL of a fax's document that needs no token until it expires."""

    url: str
    expires: AwareDatetime


class PageOut(Out):
    """A page as fax: in dots, compressed bytes, seconds at 14400 bit/s."""

    number: int
    width: int
    rows: int
    bytes: int
    seconds: float
    resolution: str


class UploadOut(Out):
    """A document made into fax pages."""

    id: str
    name: str
    bytes: int
    pages: list[PageOut]
    seconds: float = Field(description="to send all of it at 14400 bit/s, an estimate")
    call_s: float = Field(description="what the call takes besides its pages")
    resolution: Resolution
    warnings: list[str]
    expires: AwareDatetime


class EventList(Out):
    """Events of a fax, in order. `id` is their number in the stream of events."""

    events: list[EventOut]


class ContactOut(keys_of(Contact)):  # type: ignore[misc]
    """An entry of the address book."""


class ContactList(Out):
    contacts: list[ContactOut]
    cursor: str


class ForbiddenOut(Out):
    number: str
    reason: str
    added: AwareDatetime | None


class ForbiddenList(Out):
    numbers: list[ForbiddenOut]


class NumberOut(Out):
    number: str
    updated: AwareDatetime | None
    calls: int
    delivered: int
    last_cause: str
    transport: str
    rate_bps: int
    ecm: bool | None
    resolution: str
    account: str
    remote_station_id: str
    seconds_per_page: float
    t38_failures: int
    t38_failed: AwareDatetime | None
    training_failed: AwareDatetime | None
    joined_failed: AwareDatetime | None = Field(description="a call for several faxes broke between two of them")
    mode: str | None
    max_rate: int | None
    joined: str | None = Field(
        description="on: several faxes go in one call; off: each has its own; null: as configured"
    )


class NumberList(Out):
    numbers: list[NumberOut]


class SwmlOut(Out):
    """A run of a SWML document."""

    id: str
    state: Literal["running", "ended", "failed", "cancelled", "interrupted"]
    to: str
    started: AwareDatetime
    ended: AwareDatetime | None
    problem: str
    variables: dict[str, Any]
    faxes: list[str] = Field(description="ids")
    said: list[str] = Field(description="lines for people")


class LoginOut(Out):
    """Name and scopes of the client that is logged in."""

    name: str
    kind: Literal["token", "login", "proxy", "local"]
    scopes: list[Scope]


class TraceEntryOut(Out):
    """A message, a frame or a note."""

    time: AwareDatetime
    t_s: float = Field(description="seconds since the call began")
    kind: str = Field(description="sip, t30, signal, note …")
    direction: Literal["sent", "received", ""]
    leg: Literal["", "caller", "callee"] = Field("", description="whose, of a gateway's call: T.30 passes to the other")
    title: str
    detail: str
    fields: dict[str, Any]


class TraceOut(Out):
    """Messages of a call, in order of time."""

    fax_id: str
    attempt: int
    began: AwareDatetime
    entries: list[TraceEntryOut]
    left_out: int = 0
    statistics: dict[str, Any] = {}


class DeliveryOut(Out):
    """A callback: where it goes, what came back last, and since when it waits. Queries of URLs are left out."""

    number: int
    state: str
    fax_id: str
    event_id: str
    url: str
    dialect: str
    attempts: int
    last_status: int
    last_error: str
    put: AwareDatetime
    ended: AwareDatetime | None


class DeliveryListOut(Out):
    """Callbacks, the oldest first."""

    deliveries: list[DeliveryOut]


class SwmlListOut(Out):
    """Runs of SWML documents, the newest first."""

    runs: list[SwmlOut]
