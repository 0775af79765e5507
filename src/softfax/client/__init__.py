# SPDX-License-Identifier: GPL-2.0-or-later
"""A running station from a program: send, look, wait, cancel, follow what happens. Over its HTTP API.

from softfax.client import SoftfaxClient

with SoftfaxClient("http://127.0.0.1:8038") as station:
    fax = station.send("+49301234567", ["letter.pdf"])
    print(station.wait(fax.id).state)
"""

from __future__ import annotations

from softfax.client.asynchronous import AsyncSoftfaxClient
from softfax.client.errors import (
    AnswerError,
    ConflictError,
    NoStationError,
    NotAllowedError,
    NotFoundError,
    RefusedError,
    ThrottledError,
)
from softfax.client.models import (
    Attempt,
    Broadcast,
    ContactEntry,
    Delivery,
    DocumentLink,
    Fax,
    Forbidden,
    KnownNumber,
    Page,
    Polled,
    Run,
    StreamEvent,
    Upload,
)
from softfax.client.synchronous import SoftfaxClient

__all__ = [
    "AnswerError",
    "AsyncSoftfaxClient",
    "Attempt",
    "Broadcast",
    "ConflictError",
    "ContactEntry",
    "Delivery",
    "DocumentLink",
    "Fax",
    "Forbidden",
    "KnownNumber",
    "NoStationError",
    "NotAllowedError",
    "NotFoundError",
    "Page",
    "Polled",
    "RefusedError",
    "Run",
    "SoftfaxClient",
    "StreamEvent",
    "ThrottledError",
    "Upload",
]
