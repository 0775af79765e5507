# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages between a station and the process that runs its calls, and their framing.

Orders go to the calls, reports come from them. Where the calls are in a process of their own, each is a JSON object behind its
length in four octets; nothing of it is evaluated, so that a process taken over by a far end can lie, but not more.
"""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import StringConstraints, TypeAdapter

from softfax.fax.facts import PageMark
from softfax.fax.settings import FaxSettings
from softfax.model import Event, FaxResult, Mode
from softfax.station.load import Load
from softfax.station.polled import PolledDocument
from softfax.station.routes import Route
from softfax.station.views import RegistrationView

__all__ = [
    "Arrived",
    "Bridge",
    "Cancel",
    "Chosen",
    "Dial",
    "Drain",
    "Ended",
    "FaxEvent",
    "Lost",
    "Measured",
    "Message",
    "NotDialled",
    "Notice",
    "Pages",
    "Picture",
    "PlaceCall",
    "PutOut",
    "Ready",
    "Refuse",
    "Registered",
    "Release",
    "Reload",
    "Show",
    "StartFailed",
    "Started",
    "Stop",
    "Take",
    "Watch",
    "decode",
    "encode",
    "read",
]

MESSAGE_BYTES_MAX = 16 << 20
#: An id that the process for calls has drawn. Files are named by it.
NewFaxId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}\z")]
_LENGTH = struct.Struct("!I")


@dataclass(frozen=True)
class Message:
    """Anything that is said."""


# ---- orders -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Pages:
    """Pages to be made (`softfax.documents.start`)."""

    documents: tuple[str, ...]
    header: Mapping[str, Any] | None = None
    password: str = ""
    first_page: int = 1
    raster: Path | None = None
    allow_private: bool = False


@dataclass(frozen=True, kw_only=True)
class PlaceCall(Message):
    """A fax by a call of ours. The call waits for `Dial` once its pages are ready.

    `on` names a fax whose call is used if it is still up; without a `uri` there is no other.
    With `joins` it goes on in the call of that fax, which has not begun: it waits for `Dial` once its turn there has come. Those
    of a lower `place` go first.
    """

    uri: str
    settings: FaxSettings
    pages: Pages | None = None
    on: str = ""
    joins: str = ""
    place: int = 0

    @property
    def fax_id(self) -> str:
        """Its fax."""
        return self.settings.fax_id


@dataclass(frozen=True)
class Dial(Message):
    """The call may be placed, `until` a time of CLOCK_BOOTTIME, or at any (0): after it, another station may have the fax."""

    fax_id: str
    until: float = 0.0

    @property
    def too_late(self) -> bool:
        """True once it must not be placed any more."""
        return 0.0 < self.until < time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True)
class Cancel(Message):
    """Ends a fax; before it is dialled, with `error` and `text` as the reason."""

    fax_id: str
    error: str = "CANCEL"
    text: str = "cancelled"


@dataclass(frozen=True, kw_only=True)
class Bridge(Message):
    """A gateway's call goes on by the first of these routes that leads anywhere; `hand_on` says how, as in `[[gateway]]`."""

    fax_id: str
    routes: tuple[Route, ...]
    hand_on: Literal["bridge", "refer", "redirect"] = "bridge"
    answer_timeout_s: float = 60.0
    caller_number: str = ""
    caller_name: str = ""


@dataclass(frozen=True)
class Refuse(Message):
    """A gateway's call goes nowhere: the status that its caller gets, and why."""

    fax_id: str
    sip_code: int
    error: str
    text: str


@dataclass(frozen=True)
class Take(Message):
    """The fax of a call that came in for a gateway, and waits, is received here; or `pages` are sent to it."""

    fax_id: str
    settings: FaxSettings | None = None
    pages: Pages | None = None


@dataclass(frozen=True)
class Release(Message):
    """No other fax follows on the call that was kept up after this one."""

    fax_id: str


@dataclass(frozen=True)
class Drain(Message):
    """No new calls."""


@dataclass(frozen=True)
class Reload(Message):
    """Another configuration, as plain values."""

    config: dict[str, Any]


@dataclass(frozen=True)
class PutOut(Message):
    """The documents that are out for polling, besides those of the configuration."""

    documents: tuple[PolledDocument, ...]


@dataclass(frozen=True)
class Watch(Message):
    """Turn reports of progress on or off."""

    on: bool


@dataclass(frozen=True)
class Show(Message):
    """Asks for a picture of the page being received."""

    number: int
    fax_id: str


@dataclass(frozen=True)
class Stop(Message):
    """Ends what is under way, unregisters, ends."""


# ---- reports ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Started(Message):
    """SIP is listened at: an address for each version of IP."""

    addresses: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class StartFailed(Message):
    """Report of a failed start; `kind` is a class of `softfax.errors`."""

    kind: str
    problem: str
    remedy: str


@dataclass(frozen=True)
class Ready(Message):
    """The pages of a fax are ready, and it may be dialled."""

    fax_id: str


@dataclass(frozen=True)
class NotDialled(Message):
    """A fax has ended before a call was placed."""

    fax_id: str
    error: str
    text: str
    code: int
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Arrived(Message):
    """A call came in and is being answered, or waits for `Bridge` where it is for a `gateway`. `caller` and `called` are headers
    or URIs, as the far end wrote them; `known`: it comes from where its account's calls do. `polled` is what it may fetch, of
    several the first. `fetched_with`: it is a call of ours that has sent that fax, and fetches another."""

    fax_id: NewFaxId
    account: str
    remote_uri: str
    caller: str
    called: str
    ident: str
    mailbox: str = ""
    known: bool = True
    gateway: str = ""
    polled: str = ""
    fetched_with: str = ""


@dataclass(frozen=True)
class Chosen(Message):
    """The far end of a call that may fetch several documents has named the one called `polled`."""

    fax_id: str
    polled: str


@dataclass(frozen=True)
class FaxEvent(Message):
    """An event of a fax, and how it travels by then."""

    fax_id: str
    event: Event
    mode: Mode | None = None


@dataclass(frozen=True)
class Ended(Message):
    """A fax is over: what T.30 says of it, and how each page in the received TIFF went."""

    fax_id: str
    result: FaxResult
    remote_uri: str = ""
    marks: tuple[PageMark, ...] = ()


@dataclass(frozen=True)
class Lost(Message):
    """The process that ran a fax has died."""

    fax_id: str
    text: str


@dataclass(frozen=True)
class Registered(Message):
    """The registrations as they are now."""

    views: tuple[RegistrationView, ...]


@dataclass(frozen=True)
class Measured(Message):
    """Load of the process."""

    load: Load


@dataclass(frozen=True)
class Notice(Message):
    """A line for people."""

    text: str


@dataclass(frozen=True)
class Picture(Message):
    """The page being received, PNG in base64; empty for none."""

    number: int
    png: str


_KINDS: Mapping[str, type[Message]] = {kind.__name__: kind for kind in Message.__subclasses__()}
_EVENTS: Mapping[str, type[Event]] = {kind.__name__: kind for kind in Event.__subclasses__()}


_adapters: dict[type, TypeAdapter[Any]] = {}


def _adapter(kind: type) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def encode(message: Message) -> bytes:
    """A message with its length."""
    kind = type(message)
    body: dict[str, Any]
    if isinstance(message, FaxEvent):
        event = _adapter(type(message.event)).dump_python(message.event, mode="json")
        body = {"fax_id": message.fax_id, "mode": message.mode, "what": type(message.event).__name__, "event": event}
    else:
        body = _adapter(kind).dump_python(message, mode="json")
    data = json.dumps([kind.__name__, body], separators=(",", ":")).encode()
    if len(data) > MESSAGE_BYTES_MAX:
        raise ValueError(f"a message of {len(data)} bytes is too long")
    return _LENGTH.pack(len(data)) + data


def decode(data: bytes) -> Message:
    """A message without its length. Raises ValueError for what is none."""
    try:
        parsed = json.loads(data)
    except RecursionError:
        raise ValueError("a message nested too deep") from None
    if not isinstance(parsed, list) or len(parsed) != 2 or not isinstance(parsed[1], dict):
        raise ValueError("no message")
    kind, body = _KINDS.get(str(parsed[0])), parsed[1]
    if kind is None:
        raise ValueError(f"no message is called {parsed[0]!r}")
    if kind is FaxEvent:
        event = _EVENTS.get(str(body.get("what")))
        if event is None:
            raise ValueError("no such event")
        mode = Mode(body["mode"]) if body.get("mode") else None
        return FaxEvent(str(body.get("fax_id", "")), _adapter(event).validate_python(body.get("event")), mode)
    message: Message = _adapter(kind).validate_python(body)
    return message


async def read(reader: asyncio.StreamReader) -> Message | None:
    """The next message; None at the end. Raises ValueError for what is none."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > MESSAGE_BYTES_MAX:
            raise ValueError(f"a message of {length} bytes is too long")
        return decode(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
