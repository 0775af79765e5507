# SPDX-License-Identifier: GPL-2.0-or-later
"""Callbacks in the OpenAPI description: what a receiver gets in the dialect json (docs/callbacks.md)."""

from __future__ import annotations

from typing import Any

from softfax.model import CallEvent, HeardEvent, JobEvent, NegotiatedEvent, PageEvent, SessionEvent
from softfax.web.examples import FAX, TIME

__all__ = ["WEBHOOKS"]

_KINDS = [kind.event for kind in (CallEvent, SessionEvent, HeardEvent, NegotiatedEvent, PageEvent, JobEvent)] + [
    "result"
]
_HEADERS = {
    "Softfax-Event-Id": ("the same for every attempt of one event", f"{FAX}-job-0123456789ab"),
    "Softfax-Fax-Id": ("the fax", FAX),
    "Softfax-Signature": (
        "t=SECONDS,v1=HEX, where a secret is set",
        "t=1795253400,v1=5d5d139563c95b5967b9bd9a8c9b233a",
    ),
}
_BODY = {
    "type": "object",
    "description": "An event as `GET /v1/faxes/{id}/events` has it, without `id`, and whom the fax is from and for.",
    "required": ["event", "time", "fax_id", "caller", "called"],
    "properties": {
        "event": {"type": "string", "enum": _KINDS},
        "time": {"type": "string", "format": "date-time"},
        "fax_id": {"type": "string", "pattern": "^[0-9a-f]{24}$"},
        "caller": {"type": "string"},
        "called": {"type": "string"},
        "tags": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "additionalProperties": True,
    "examples": [
        {
            "event": "job", "time": TIME, "state": "delivered", "reason": "", "attempt": 1, "pages": 3, "pages_total": 3,
            "fax_id": FAX, "caller": "+4930123", "called": "+4930456",
        }
    ],
}  # fmt: skip
#: The description of callbacks.
WEBHOOKS: dict[str, Any] = {
    "faxEvent": {
        "post": {
            "operationId": "faxEvent",
            "summary": "An event of a fax",
            "description": "Any 2xx takes it; 408, 425, 429, 5xx and no answer have it tried again; 410 ends all for an hour.",
            "tags": ["events"],
            "security": [{}],
            "parameters": [
                {
                    "name": name, "in": "header", "required": name != "Softfax-Signature", "description": about,
                    "schema": {"type": "string"}, "example": example,
                }
                for name, (about, example) in _HEADERS.items()
            ],
            "requestBody": {"required": True, "content": {"application/json": {"schema": _BODY}}},
            "responses": {
                "2XX": {"description": "Taken"},
                "410": {"description": "The receiver is gone"},
                "default": {"description": "Tried again, or given up"},
            },
        }
    }
}  # fmt: skip
