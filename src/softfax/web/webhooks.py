# SPDX-License-Identifier: GPL-2.0-or-later
"""Callbacks in the OpenAPI description: what a receiver gets, in each dialect (docs/callbacks.md)."""

from __future__ import annotations

from typing import Any

from softfax.web.examples import BODIES, FAX

__all__ = ["WEBHOOKS"]

_HEADERS = {
    "Softfax-Event-Id": ("the same for every attempt of one event", f"{FAX}-job-0123456789ab"),
    "Softfax-Fax-Id": ("the fax", FAX),
    "Softfax-Signature": (
        "t=SECONDS,v1=HEX, where a secret is set",
        "t=1795253400,v1=5d5d139563c95b5967b9bd9a8c9b233a",
    ),
}


def _webhook(name: str, summary: str, about: str, schema: str) -> dict[str, Any]:
    body = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "examples": {schema: {"value": BODIES[schema]}}}
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            "description": f"{about} Any 2xx takes it; 408, 425, 429, 5xx and no answer have it tried again; "
            "410 ends all for an hour.",
            "tags": ["events"],
            "security": [{}],
            "parameters": [
                {
                    "name": header, "in": "header", "required": header != "Softfax-Signature", "description": what,
                    "schema": {"type": "string"}, "example": example,
                }
                for header, (what, example) in _HEADERS.items()
            ],
            "requestBody": {"required": True, "content": {"application/json": body}},
            "responses": {
                "2XX": {"description": "Taken"},
                "410": {"description": "The receiver is gone"},
                "default": {"description": "Tried again, or given up"},
            },
        }
    }  # fmt: skip


#: The description of callbacks.
WEBHOOKS: dict[str, Any] = {
    "faxEvent": _webhook(
        "faxEvent",
        "An event of a fax",
        "To targets of the configuration and of orders, in the dialect json.",
        "CallbackOut",
    ),
    "signalwireFax": _webhook(
        "signalwireFax", "A page, or the end of a fax", "In the dialect signalwire.", "SignalWireOut"
    ),
    "simotelFax": _webhook("simotelFax", "The beginning or end of a fax", "In the dialect simotel.", "SimotelOut"),
    "faxReceived": _webhook("faxReceived", "A received fax", "To the webhooks of its mailbox.", "ReceivedOut"),
}
