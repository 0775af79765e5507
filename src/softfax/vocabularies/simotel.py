# SPDX-License-Identifier: GPL-2.0-or-later
"""Simotel's OutgoingFax and IncomingFax, with Asterisk's variables as details."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from softfax.model import CallEvent, CallState, Direction, FaxContext, FaxResult, FaxUpdate
from softfax.resolutions import dots_per_metre
from softfax.vocabularies.callback import CallbackBody, later

__all__ = ["DIALECT", "OUTGOING", "callbacks"]

DIALECT = "simotel"
OUTGOING, INCOMING = "OutgoingFax", "IncomingFax"
SENDING = "SENDING"


def callbacks(update: FaxUpdate) -> Iterator[CallbackBody]:
    """OutgoingFax when the call is placed (SENDING) and at the end (SUCCESS, FAILED); IncomingFax at the end.

    An attempt after which another follows is no end.
    """
    context, event = update.context, update.event
    if context.direction is Direction.SEND and not context.outgoing:
        return  # a far end fetches a document: Simotel knows nothing like it
    if isinstance(event, FaxResult):
        if event.retry_at is not None:
            return
        state = "SUCCESS" if event.success else "FAILED"
        details = _sent(event) if context.outgoing else _received(event)
        yield _callback(context, state, details, event.time, later(event))
    elif context.outgoing and isinstance(event, CallEvent) and event.state is CallState.CALLING:
        yield _callback(context, SENDING, _before(), event.time)


def _before() -> dict[str, Any]:
    """Asterisk's variables before a fax, which Simotel passes on."""
    return {
        "FAXSTATUS": "FAILED",
        "FAXSTATUSSTRING": "error starting fax session",
        "FAXERROR": "INIT_ERROR",
        "REMOTESTATIONID": None,
        "FAXPAGES": "0",
        "FAXBITRATE": None,
        "FAXRESOLUTION": None,
        "REASON": "",
    }


def _sent(result: FaxResult) -> dict[str, Any]:
    """Details of a fax that was sent; REASON is the call's, where there was no fax."""
    refused = not result.success and result.sip_code >= 300
    reason = f"{result.sip_code} {result.status_string}" if refused else ""
    return {**_details(result), "REASON": reason}


def _received(result: FaxResult) -> dict[str, Any]:
    """Details of a fax that was received, in T.30's words."""
    text = "None" if result.success else result.status_string
    return {**_details(result), "FAXERROR": text, "REMOTESTATIONID": result.remote_station_id or "unknown"}


def _details(result: FaxResult) -> dict[str, Any]:
    """Asterisk's channel variables with the types of Simotel's example: strings, None where unknown."""
    negotiated = result.bitrate > 0
    return {
        "FAXSTATUS": "SUCCESS" if result.success else "FAILED",
        "FAXSTATUSSTRING": result.status_string,
        "FAXERROR": "None" if result.success else result.error,
        "REMOTESTATIONID": result.remote_station_id or None,
        "FAXPAGES": str(result.pages),
        "FAXBITRATE": str(result.bitrate) if negotiated else None,
        "FAXRESOLUTION": dots_per_metre(result.resolution) if negotiated and result.resolution != "0x0" else None,
    }


def _callback(
    context: FaxContext, state: str, details: dict[str, Any], when: datetime, which: str = ""
) -> CallbackBody:
    name = OUTGOING if context.outgoing else INCOMING
    body: dict[str, Any] = {
        "fax_id": context.fax_id,
        "event_name": name,
        "state": state,
        "unique_id": context.unique_id,
    }
    if context.outgoing:
        body["info"] = details
    else:
        body["entry_point"] = context.entry_point
        body["src"] = context.caller_number
        body["dst"] = context.called_number
        body["description"] = details
    # Simotel says its own clock's time, without a zone.
    body["date"] = when.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")
    return CallbackBody(body, f"{context.fax_id}-{name}-{state}{which}", name)
