# SPDX-License-Identifier: GPL-2.0-or-later
"""SignalWire's `calling.call.fax` callbacks: page progress and the end, on send and on receive."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from softfax.model import Cause, Direction, FaxContext, FaxResult, FaxUpdate, PageEvent
from softfax.sipstatus import status
from softfax.vocabularies.callback import CallbackBody, later

__all__ = ["DIALECT", "NAMESPACE", "call_ids", "callbacks", "error", "result_code"]

DIALECT = "signalwire"
EVENT_TYPE = "calling.call.fax"

#: The ids SignalWire forms are UUIDs; ours follow from the fax id (RFC 9562, version 5), so that they stay the same.
NAMESPACE = uuid.UUID("5d0f1a52-6f0c-5d34-9b1e-4b8f2a7c9e10")

T30_T0_EXPIRED, T30_CALLDROPPED, T30_LAST = 2, 49, 61
NO_T30 = 1000


def callbacks(update: FaxUpdate) -> Iterator[CallbackBody]:
    """A `page` for each page the receiver confirmed, one `finished` at the end."""
    event, context = update.event, update.context
    if isinstance(event, PageEvent) and event.quality != "bad":
        yield _callback(
            update, "page", {"direction": str(event.direction), "number": event.number}, f"page-{event.number}"
        )
    elif isinstance(event, FaxResult) and event.retry_at is None:
        yield _callback(update, "finished", _finished(context, event), f"finished{later(event)}")


def error(update: FaxUpdate) -> CallbackBody | None:
    """The `error` of the older Relay API, in place of `finished`, for a fax that failed."""
    event = update.event
    if not isinstance(event, FaxResult) or event.success or event.retry_at is not None:
        return None
    return _callback(
        update, "error", {"code": result_code(event), "message": event.status_string}, f"error{later(event)}"
    )


def result_code(result: FaxResult) -> int:
    """0 for success, else a T.30 completion code of 1 to 61; where T.30 never began, the one that says the same.

    A call nobody answered is 2 (nothing was heard in time), any other call that was not made 49 (dropped).
    """
    if result.success:
        return 0
    if 0 < result.result_code <= T30_LAST:
        return result.result_code
    refused = status(result.result_code - NO_T30, result.q850 or 0)
    unanswered = result.result_code >= NO_T30 and refused.cause is Cause.NO_ANSWER
    return T30_T0_EXPIRED if unanswered else T30_CALLDROPPED


def _finished(context: FaxContext, result: FaxResult) -> dict[str, Any]:
    ours = context.caller_number if context.outgoing else context.called_number
    theirs = context.called_number if context.outgoing else context.caller_number
    documents = result.documents or list(context.documents)
    return {
        "direction": str(result.direction),
        "identity": result.local_station_id or ours,
        "remote_identity": result.remote_station_id or theirs,
        "document": context.document_url or (documents[0] if documents else ""),
        "pages": result.pages,
        "success": result.success,
        "result": result_code(result),
        "result_text": result.status_string,
        "format": "pdf",
    }


def _id(context: FaxContext, what: str) -> str:
    return str(uuid.uuid5(NAMESPACE, f"{context.fax_id}/{what}"))


def call_ids(context: FaxContext) -> dict[str, str]:
    """Ids of a fax's call, which SWML's `execute` has too."""
    made = {
        "call_id": _id(context, "call"),
        **{f"{what}_id": str(uuid.uuid5(NAMESPACE, what)) for what in ("node", "project", "space")},
    }
    return {name: context.tags.get(name) or value for name, value in made.items()}


def _callback(update: FaxUpdate, kind: str, params: dict[str, Any], event: str) -> CallbackBody:
    context = update.context
    tags, ids = context.tags, call_ids(context)
    body = {
        "event_type": EVENT_TYPE,
        "event_channel": tags.get("event_channel") or f"swml:{ids['call_id']}",
        "timestamp": update.event.time.timestamp(),
        "project_id": ids["project_id"],
        "space_id": ids["space_id"],
        "params": {
            "call_id": ids["call_id"],
            "node_id": ids["node_id"],
            "control_id": tags.get("control_id") or _id(context, "control"),
            "fax": {"type": kind, "params": params},
        },
    }
    direction = "send" if context.direction is Direction.SEND else "receive"
    return CallbackBody(body, f"{context.fax_id}-{direction}-{event}", EVENT_TYPE)
