# SPDX-License-Identifier: GPL-2.0-or-later
"""The typed event stream of a fax and its result: what every vocabulary, log and progress bar is derived from.

Events are small frozen dataclasses. `to_json` gives the JSON object of the outside contract: `event` first, then `time`
(RFC 3339, UTC, microseconds), then the fields; a field that is None is absent (the rules of absence of FAXSession are
applied where a `SessionEvent` is made, see `softfax.fax.session`).
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from softfax.asjson import fields_json, of_json, rfc3339, without_paths

__all__ = [
    "TERMINAL",
    "Attempt",
    "BroadcastEvent",
    "CallEvent",
    "CallState",
    "Cause",
    "Direction",
    "EndedBy",
    "Event",
    "Fax",
    "FaxContext",
    "FaxResult",
    "FaxState",
    "FaxUpdate",
    "HeardEvent",
    "HeardSignal",
    "JobEvent",
    "Mode",
    "NegotiatedEvent",
    "Operation",
    "PageEvent",
    "ProgressEvent",
    "SessionEvent",
    "SessionState",
    "new_fax_id",
]


class Mode(StrEnum):
    """Transport of a fax: `T38` or G.711 `audio` (Asterisk's FAXMODE words)."""

    T38 = "T38"
    AUDIO = "audio"


class Direction(StrEnum):
    """Direction of the image, seen from here; by a gateway it passes."""

    SEND = "send"
    RECEIVE = "receive"
    GATEWAY = "gateway"


class EndedBy(StrEnum):
    """The side that ended a call."""

    SOFTFAX = "softfax"
    FAR_END = "far-end"


class CallState(StrEnum):
    """States of a SIP call."""

    CALLING = "calling"
    RINGING = "ringing"
    ANSWERED = "answered"
    ENDED = "ended"


class SessionState(StrEnum):
    """States of Asterisk's FAXSession."""

    UNINITIALIZED = "Uninitialized"
    INITIALIZED = "Initialized"
    OPEN = "Open"
    ACTIVE = "Active"
    COMPLETE = "Complete"
    RESERVED = "Reserved"
    INACTIVE = "Inactive"
    UNKNOWN = "Unknown"


class Operation(StrEnum):
    """Operations of Asterisk's FAXSession."""

    GATEWAY = "gateway"
    V21 = "V.21"
    SEND = "send"
    RECEIVE = "receive"
    NONE = "none"


class HeardSignal(StrEnum):
    """A sign of a fax in a call that is listened to; `NOTHING` where none came in time."""

    CNG = "CNG"
    CED = "CED"
    V21 = "V.21"
    T38 = "T.38"
    NOTHING = "nothing"


def new_fax_id() -> str:
    """A new fax id: 24 hexadecimal digits."""
    return secrets.token_hex(12)


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events. `time` is aware, UTC."""

    event = "event"
    time: datetime = field(default_factory=lambda: datetime.now(UTC))

    def keys(self) -> Iterable[str]:
        """Keys of the JSON object: an event may be read as one, `event["state"]`, `dict(event)`."""
        return self.to_json().keys()

    def __getitem__(self, key: str) -> Any:
        return self.to_json()[key]

    def to_json(self) -> dict[str, Any]:
        """The JSON object of this event; keys whose value is None are absent."""
        out: dict[str, Any] = {"event": self.event, "time": rfc3339(self.time)}
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if f.name != "time" and value is not None:
                out[f.name] = value
        return out


@dataclass(frozen=True, kw_only=True)
class CallEvent(Event):
    """The SIP call changed state; `sip_code` and `reason` are those of the last response or request."""

    event = "call"
    state: CallState
    sip_code: int = 0
    reason: str = ""
    call_id: str = ""
    fax_id: str = ""


@dataclass(frozen=True, kw_only=True)
class SessionEvent(Event):
    """The FAXSession record; a None is absent in JSON and in AMI alike."""

    event = "session"
    session_number: int
    operation: Operation
    state: SessionState
    error_correction_mode: bool | None = None
    data_rate: int | None = None
    image_resolution: str | None = None
    page_number: int | None = None
    file_name: str | None = None
    pages_transmitted: int | None = None
    pages_received: int | None = None
    total_bad_lines: int | None = None
    fax_id: str = ""


@dataclass(frozen=True, kw_only=True)
class NegotiatedEvent(Event):
    """Phase B is over: what DIS/DCS settled (T.30 §5.3.6)."""

    event = "negotiated"
    mode: Mode
    bitrate: int
    ecm: bool
    encoding: str
    resolution: str
    remote_station_id: str
    fax_id: str = ""


@dataclass(frozen=True, kw_only=True)
class HeardEvent(Event):
    """The end of listening to a call that may be voice or fax, `seconds` after it began."""

    event = "heard"
    signal: HeardSignal
    seconds: float
    fax_id: str = ""


@dataclass(frozen=True, kw_only=True)
class PageEvent(Event):
    """One page is done. `bytes` are the compressed bytes of the page, `quality` is good, poor or bad."""

    event = "page"
    direction: Direction
    number: int
    bytes: int
    rows: int
    bad_rows: int
    seconds: float
    quality: str
    fax_id: str = ""


@dataclass(frozen=True, kw_only=True)
class FaxResult(Event):
    """Result of a fax: its last event.

    `success` means that the far end confirmed the last page (MCF) or, receiving, that we did. `result_code` is 0 for
    success, else the T.30 completion code (spandsp's T30_ERR_*), or a code of ours above 1000 where T.30 never began.
    `bad_pages` are the pages of the received document, 1 the first, that have bad rows or were refused for them (RTN).
    `warnings` are lines about what of the documents sent is not on their pages.
    `attempt` counts the calls for one fax of a queue; `retry_at` (RFC 3339) tells that another follows, so this is not the end.
    `pages_total` is None where nobody has counted the pages; in JSON it is `pages` then.
    `q850` is the cause of the telephone network (ITU-T Q.850) that the far end gave, `ended_by` the side that ended the call of a
    fax that failed, `retry_after_s` for how long the far end asks not to be called again. `corrects` is the state reported
    before, by another station, of a call whose end is known after all. `subaddress` and `sender_id` are what a sender
    said (SUB, SID). `remedy` is what to do, where it follows from the document or this machine alone.
    """

    event = "result"
    session: int = 0
    direction: Direction
    success: bool
    status: str
    error: str
    status_string: str
    result_code: int
    mode: Mode = Mode.AUDIO
    pages: int = 0
    pages_total: int | None = None
    bitrate: int = 0
    ecm: bool = False
    encoding: str = ""
    resolution: str = "0x0"
    local_station_id: str = ""
    remote_station_id: str = ""
    bad_rows: int = 0
    duration_s: float = 0.0
    documents: list[str] = field(default_factory=list)
    call_id: str = ""
    fax_id: str
    sip_code: int = 0
    q850: int | None = None
    ended_by: EndedBy | None = None
    retry_after_s: int | None = None
    bad_pages: list[int] | None = None
    warnings: list[str] | None = None
    subaddress: str | None = None
    sender_id: str | None = None
    attempt: int | None = None
    retry_at: str | None = None
    corrects: str | None = None
    remedy: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The JSON object of the result; what is always in it is there."""
        total = self.pages if self.pages_total is None else self.pages_total
        return Event.to_json(dataclasses.replace(self, pages_total=total))


class FaxState(StrEnum):
    """State of a fax in the queue (`softfax.transitions.FAXES`)."""

    QUEUED = "queued"
    PREPARING = "preparing"
    SENDING = "sending"
    WAITING = "waiting"
    RECEIVING = "receiving"
    DELIVERED = "delivered"
    RECEIVED = "received"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    UNCERTAIN = "uncertain"


TERMINAL = frozenset(
    {
        FaxState.DELIVERED,
        FaxState.RECEIVED,
        FaxState.FAILED,
        FaxState.CANCELLED,
        FaxState.EXPIRED,
        FaxState.UNCERTAIN,
    }
)


class Cause(StrEnum):
    """Cause of a failed attempt, as far as it matters for the next one."""

    BUSY = "busy"
    NO_ANSWER = "no-answer"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    NOT_FAX = "not-fax"
    TRAINING = "training"
    BROKEN = "broken"
    DOCUMENT = "document"
    OURS = "ours"
    CRASH = "crash"
    CANCELLED = "cancelled"
    FORBIDDEN = "forbidden"
    NOT_REACHED = "not-reached"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One call for a fax. `first_page` is the first it was to send; `pages` how many the far end confirmed in it.

    `result` is None while it runs or if it never came. `joined` is the first fax of a call that it shares with others.
    """

    number: int
    started: datetime
    ended: datetime | None = None
    account: str = ""
    destination: str = ""
    unique_id: str = ""
    first_page: int = 1
    pages: int = 0
    cause: Cause | None = None
    resent: bool = False
    joined: str = ""
    result: FaxResult | None = None


@dataclass(frozen=True, kw_only=True)
class Fax:
    """A fax as it is kept. `pages` are those confirmed (sent) or received so far; `reason` and `remedy` are for people;
    `warnings` are lines about what of its documents is not on its pages;
    `retried_after` is how many attempts there were when more were last asked for. `mode`, `ecm`, `max_rate`, `scan`, `retry` and
    `cover` are what was ordered, None where that was left to the station. One with `poll` is received by a call of ours, from
    the number `to`; where documents are sent, what is fetched after them is a fax of its own. For a client of the API `attempts`
    are missing in lists, and `raw` is the JSON that it was read from, with the keys that a newer station has besides."""

    id: str
    direction: Direction
    state: FaxState
    created: datetime
    updated: datetime
    to: str
    caller: str = ""
    caller_name: str = ""
    account: str = ""
    mailbox: str = ""
    documents: tuple[str, ...] = ()
    priority: int = 5
    not_before: datetime | None = None
    deadline: datetime | None = None
    next_attempt: datetime | None = None
    ended: datetime | None = None
    pages: int = 0
    pages_total: int | None = None
    bad_pages: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()
    reason: str = ""
    remedy: str = ""
    cause: Cause | None = None
    mode: str | None = None
    resolution: str = ""
    ecm: bool | None = None
    max_rate: int | None = None
    scan: str | None = None
    retry: Mapping[str, Any] | None = None
    cover: Mapping[str, Any] | None = None
    header: str = ""
    ident: str = ""
    remote_station_id: str = ""
    broadcast_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    poll: bool = False
    poll_document: str = ""
    unread: bool = False
    retried_after: int = 0
    attempts: tuple[Attempt, ...] = ()
    result: FaxResult | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Fax:
        """Make one from the API's JSON."""
        return of_json(cls, body, raw=body)

    @property
    def terminal(self) -> bool:
        """True once nothing more happens by itself."""
        return self.state in TERMINAL

    @property
    def only_polls(self) -> bool:
        """True if it is received by a call of ours, in which nothing is sent."""
        return self.poll and self.direction is Direction.RECEIVE

    @property
    def success(self) -> bool:
        """True if the fax went through."""
        return self.state in (FaxState.DELIVERED, FaxState.RECEIVED)

    def to_json(self) -> dict[str, Any]:
        """The resource of the HTTP API: times as RFC 3339 in UTC, None as null, files by their names, and where the rest is."""
        base = f"/v1/faxes/{self.id}"
        links = {"self": base, "document": f"{base}/document.pdf", "pages": f"{base}/pages/{{n}}.png",
                 "events": f"{base}/events", "trace": f"{base}/trace"}  # fmt: skip
        # As the number of a caller was called first; programs have it.
        return without_paths(fields_json(self)) | {"caller_number": self.caller, "links": links}


@dataclass(frozen=True, kw_only=True)
class ProgressEvent(Event):
    """Progress of an active fax: about one a second, for live displays; neither kept nor called back.

    `bytes` are those of the page so far, `page_bytes` all of it where that is known; `rows` those received so far.
    """

    event = "progress"
    direction: Direction
    page: int
    bytes: int
    page_bytes: int | None = None
    rows: int | None = None
    pages_total: int | None = None
    rate_bps: int = 0
    packets: int = 0
    lost: int = 0
    recovered: int = 0
    retries: int = 0
    fax_id: str = ""


@dataclass(frozen=True, kw_only=True)
class JobEvent(Event):
    """A fax in the queue changed its state (`FaxState`). `next_attempt` is RFC 3339."""

    event = "job"
    state: str
    reason: str = ""
    attempt: int = 0
    pages: int = 0
    pages_total: int | None = None
    next_attempt: str | None = None
    fax_id: str = ""


@dataclass(frozen=True, kw_only=True)
class BroadcastEvent(Event):
    """All faxes of a broadcast have ended: their number by state, and the pages confirmed. `fax_id` is that which ended last."""

    event = "broadcast"
    broadcast_id: str
    total: int
    by_state: Mapping[str, int]
    pages: int
    fax_id: str = ""


@dataclass(frozen=True, kw_only=True)
class FaxContext:
    """Facts that stay the same during one fax: parties and ids. With an event it is all that any vocabulary needs.

    `unique_id` is `epoch.sequence` and `channel` a name like `PJSIP/pbx-00000001`, as Asterisk forms them. `caller_number`
    is who placed the call and `called_number` whom it was for, whichever side we are; `entry_point` is the line or account
    an incoming call came by, `mailbox` whose it is. `attempt` counts calls for one fax. `document_url` is where the fax's
    PDF can be fetched, where the station publishes it.
    """

    fax_id: str
    direction: Direction
    outgoing: bool
    session_number: int
    unique_id: str
    channel: str
    caller_number: str = ""
    caller_name: str = ""
    called_number: str = ""
    entry_point: str = ""
    ident: str = ""
    header: str = ""
    documents: tuple[str, ...] = ()
    document_url: str | None = None
    mailbox: str = ""
    attempt: int = 1
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FaxUpdate:
    """One event of one fax, as sinks get it. `recorded` where it is in the log of events already, with its callbacks."""

    context: FaxContext
    event: Event
    recorded: bool = False
