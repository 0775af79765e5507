# SPDX-License-Identifier: GPL-2.0-or-later
"""Orders to a station, and its reports about faxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from softfax.delivery.targets import CallbackTarget
from softfax.model import Direction, FaxResult, Operation, SessionState
from softfax.options import FaxOptions
from softfax.station.routes import Route

if TYPE_CHECKING:
    from softfax.database.database import Database
    from softfax.station.call import FaxCall

__all__ = ["FaxOrder", "FaxStats", "OrderWatch", "Service", "SessionView"]


class OrderWatch(Protocol):
    """Owner of an order, which gets its events before others do. Lives in the process of the station, on its loop."""

    async def ready(self, call: FaxCall) -> None:
        """The pages are made; the call is placed when this has returned. A SoftfaxError raised here ends the fax undialled."""

    async def ended(self, call: FaxCall, result: FaxResult) -> FaxResult:
        """The result is there. The returned result (it may have `retry_at`) is published to all others."""


class Service(Protocol):
    """A part of a station that keeps things on disk. Added by `Station.add` before the station is entered."""

    def prepare(self, database: Database) -> None:
        """Make its tables. Blocks, in a thread."""

    async def start(self) -> None:
        """All tables are made and SIP is up: begins to work."""

    async def stop(self) -> None:
        """Begins nothing new; calls under way are ended by the station afterwards. Called before SIP goes down."""

    async def close(self) -> None:
        """Write what is left, after the calls have ended and all was reported. Called before the database is closed."""


@dataclass(frozen=True, kw_only=True)
class FaxOrder(FaxOptions):
    """One fax to be made by a call of ours: to send documents, or to poll the far end for its documents.

    `destination` is a SIP URI, or a number, which is called through `account` (by the routes of the configuration if empty);
    with `route`, through that one. `documents` are files or URLs, in order. `receive_into` is a folder, or the name of a .tif
    or .pdf; without it the inbox is used.
    Timeouts of 0 are the station's. `modems` are V17, V27, V29; empty for all. `variables` are
    the originator's channel variables.

    Of a queue: `fax_id` is that of the fax (made where it is empty) and `attempt` counts its calls. `first_page` is the first
    page that the far end has not confirmed; a fax that goes on there says so in its header. `raster` is a TIFF made before of the
    same documents at the same resolution without header, which is used while the far end takes it as it is. `password`
    opens encrypted documents. With `joins` it goes on in the call for that fax, at its `place`; its result is
    outcome.NOT_REACHED where that call had begun, or ended before its turn. `watch` is called before the
    call is placed and before the result is reported.

    `keep` has the call stay up, after a fax that went through, for another one; `on` is the fax whose call this one uses, if it
    is up. An order on a call that came in has no destination.
    """

    destination: str
    direction: Direction = Direction.SEND
    documents: tuple[str, ...] = ()
    receive_into: Path | None = None
    min_rate_bps: int = 0
    modems: frozenset[str] = frozenset()
    answer_timeout_s: float = 0.0
    t38_timeout_s: float = 0.0
    route: Route | None = None
    callbacks: tuple[CallbackTarget, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    fax_id: str = ""
    attempt: int = 1
    first_page: int = 1
    raster: Path | None = None
    password: str = field(default="", repr=False)
    joins: str = ""
    place: int = 0
    watch: OrderWatch | None = None
    keep: bool = False
    on: FaxCall | None = None


@dataclass(frozen=True, kw_only=True)
class SessionView:
    """A fax session as Asterisk's FAXSessions lists it. `session_type` is `T.38`, `G.711` or `none`."""

    channel: str
    session_number: int
    session_type: str
    operation: Operation
    state: SessionState
    files: tuple[str, ...]
    technology: str = "Spandsp"


@dataclass(frozen=True, kw_only=True)
class FaxStats:
    """Counters with the meaning of Asterisk's FAXStats, since the station started.

    `current_sessions` have their media set up, `reserved_sessions` wait for the call to be answered. An attempt counts when
    the call is answered. `completed_faxes` are all that came to an end after that, `failed_faxes` those of them that failed:
    a fax that could not begin because of its document is an attempt and neither of these.
    """

    current_sessions: int = 0
    reserved_sessions: int = 0
    transmit_attempts: int = 0
    receive_attempts: int = 0
    completed_faxes: int = 0
    failed_faxes: int = 0
