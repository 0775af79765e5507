# SPDX-License-Identifier: GPL-2.0-or-later
"""Examples for the OpenAPI description: of every body, and of parameters. The tests hold them against the schemas."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from softfax.options import outside_options

__all__ = ["BODIES", "FAX", "PARAMETERS", "PROBLEMS", "TIME"]

FAX = "4b0e7d5a9c1f2e3d4a5b6c7d"
CONTACT = "9f1c2e3d4a5b6c7d4b0e7d5a"
UPLOAD = "0123456789abcdef0123456789abcdef"
TIME = "2026-11-21T09:30:00.000000Z"
LATER = "2026-11-21T09:31:02.500000Z"

_DELIVERY: dict[str, Any] = {
    "number": 17, "state": "dead", "fax_id": FAX, "event_id": f"{FAX}-1-result", "url": "https://crm.example/fax",
    "dialect": "json", "attempts": 31, "last_status": 500, "last_error": "HTTP status 500", "put": TIME, "ended": LATER,
}  # fmt: skip
_FAX: dict[str, Any] = {
    "id": FAX, "direction": "send", "state": "queued", "created": TIME, "updated": TIME, "to": "+49301234567",
    "caller": "", "caller_number": "", "caller_name": "", "account": "pbx", "mailbox": "", "documents": ["letter.pdf"],
    "priority": 5,
    "not_before": None, "deadline": "2026-11-23T09:30:00.000000Z", "next_attempt": TIME, "ended": None, "pages": 0,
    "pages_total": None, "bad_pages": [], "warnings": [],
    "reason": "", "remedy": "", "cause": None, "mode": None, "resolution": "fine", "ecm": None, "max_rate": 9600, "scan": "auto",
    "retry": {"attempts": 3, "wait_s": None, "on_uncertain": None}, "cover": None, "header": "",
    "ident": "", "remote_station_id": "", "broadcast_id": "", "tags": {"matter": "2026-17"},
    "poll": False, "poll_document": "", "unread": False,
    "retried_after": 0, "attempts": [], "result": None,
    "links": {
        "self": f"/v1/faxes/{FAX}", "document": f"/v1/faxes/{FAX}/document.pdf",
        "pages": f"/v1/faxes/{FAX}/pages/{{n}}.png", "events": f"/v1/faxes/{FAX}/events",
        "trace": f"/v1/faxes/{FAX}/trace",
    },
}  # fmt: skip
_EVENT = {
    "id": 1795255200123, "event": "job", "time": TIME, "state": "sending", "reason": "", "attempt": 1, "pages": 0,
    "pages_total": 2, "fax_id": FAX,
}  # fmt: skip
_UPLOAD = {
    "id": UPLOAD, "name": "letter.pdf", "bytes": 48211, "seconds": 14.9, "call_s": 14.0, "resolution": "fine", "warnings": [],
    "expires": "2026-11-22T09:30:00.000000Z",
    "pages": [
        {"number": 1, "width": 1728, "rows": 2287, "bytes": 11487, "seconds": 9.7, "resolution": "204x196"},
        {"number": 2, "width": 1728, "rows": 2287, "bytes": 3420, "seconds": 5.2, "resolution": "204x196"},
    ],
}  # fmt: skip
_SESSION = {
    "time": TIME, "session_number": 1, "operation": "send", "state": "Active", "error_correction_mode": True,
    "data_rate": 14400, "page_number": 1, "fax_id": FAX, "station": "", "direction": "send", "attempt": 1,
    "call_state": "answered", "mode": "T38",
    "account": "pbx", "mailbox": "", "caller": "", "caller_name": "", "called": "+49301234567",
    "remote_station_id": "+49 30 1234567", "started": TIME, "progress": None,
}  # fmt: skip
_STATUS = {
    "version": "1.0", "uptime_s": 86400.0,
    "registrations": [
        {
            "account": "pbx", "server": "sip:pbx.example", "state": "registered", "since": TIME, "next_try": None,
            "problem": "", "expires_s": 300,
        }
    ],
    "lines": {"used": 1, "max": 30},
    "load": {
        "busy": 0.04,
        "late_ms": 0.2,
        "latest_ms": 1.5,
        "loop_late_ms": 0.8,
        "calls": 1,
        "room": 29,
        "capacity": 30,
        "refused": {
            "overload": 0,
            "slots": 2,
            "unknown_calls": 117,
            "unknown_connections": 0,
            "connections_ended": 3,
        },
    },
    "queue": {"by_state": {"sending": 1, "waiting": 2, "delivered": 1200}, "due": 0, "oldest_s": 0.0},
    "workers": [
        {"number": 0, "pid": 4711, "state": "running", "since": TIME, "calls": 1, "restarts": 0, "last_end": ""}
    ],
    "set_aside": [],
        "disk": {"total_bytes": 500_000_000_000, "used_bytes": 120_000_000_000, "free_bytes": 380_000_000_000},
    "success": {
        "day": {"delivered": 97, "failed": 3, "total": 100, "rate": 0.97},
        "week": {"delivered": 600, "failed": 20, "total": 620, "rate": 0.9677},
    },
    "daily": [{"date": "2026-11-21", "sent": 97, "received": 41, "failed": 3, "pages": 310}],
}  # fmt: skip
_POLLED = {
    "id": FAX, "name": "prices", "numbers": ["+49301112"], "callers": [], "documents": ["prices.pdf"], "pages_total": 2,
    "poll_document": "17", "has_password": True, "created": TIME, "until": LATER, "out": True, "fetched": 3,
    "last_fetched": TIME,
}  # fmt: skip
_CONTACT = {"name": "Ada Example", "number": "+49 30 1234567", "company": "Example Ltd", "email": "", "notes": ""}
_FORBIDDEN = {"number": "+49301234567", "reason": "asked us", "added": TIME}
_NUMBER = {
    "number": "+49301234567", "updated": LATER, "calls": 12, "delivered": 11, "last_cause": "", "transport": "T38",
    "rate_bps": 14400,
    "ecm": True, "resolution": "204x196", "account": "pbx", "remote_station_id": "+49 30 1234567", "seconds_per_page": 24.5,
    "t38_failures": 0, "t38_failed": None, "training_failed": None, "joined_failed": None, "mode": None, "max_rate": 9600,
    "joined": "on",
}  # fmt: skip
_TRACE_ENTRY = {
    "time": TIME, "t_s": 1.204, "kind": "t30", "direction": "received", "leg": "", "title": "DIS", "detail": "what it can",
    "fields": {"rate": "14400"},
}  # fmt: skip
_SWML = {
    "id": FAX, "state": "ended", "to": "+49301234567", "started": TIME, "ended": LATER, "problem": "",
    "variables": {"send_fax_result": "success", "send_fax_pages": "2"}, "faxes": [FAX], "said": [],
}  # fmt: skip

#: By the name of the schema.
BODIES: Mapping[str, Any] = {
    "AccountList": {
        "accounts": [{"name": "pbx", "server": "sip:pbx.example", "user": "fax", "register": True}],
        "defaults": {
            **{o.name: getattr(o.default, "value", o.default) for o in outside_options().values() if o.default is not None},
            "ident": "+49 30 1111", "header": "Praxis am See", "priority": 5, "attempts": 8, "on_uncertain": "report",
            "give_up_s": 172800.0,
        },
    },
    "BroadcastOut": {"broadcast_id": "b" * 24, "faxes": [{**_FAX, "broadcast_id": "b" * 24}]},
    "BroadcastState": {
        "broadcast_id": "b" * 24, "total": 3, "by_state": {"delivered": 2, "waiting": 1}, "ended": False, "pages": 5,
        "links": {"self": f"/v1/broadcasts/{'b' * 24}", "faxes": f"/v1/faxes?broadcast_id={'b' * 24}"},
    },
    "CallbackOut": {
        "event": "job", "time": TIME, "state": "delivered", "reason": "", "attempt": 1, "pages": 3, "pages_total": 3,
        "fax_id": FAX, "caller": "+4930123", "called": "+4930456", "tags": {"matter": "2026-17"},
    },
    "SignalWireOut": {
        "event_type": "calling.call.fax", "event_channel": "swml:8a3c…", "timestamp": 1795253400.0,
        "project_id": "8a3c6d9e-3b56-5b0e-9c2a-6f1d0e5b7a11", "space_id": "5a0b4b5f-0f57-53ad-8a6e-2b7d1c9e4f22",
        "params": {
            "call_id": "0f9d2c1b-7f4e-5c8a-b1d3-9e6a5c4b3a21", "node_id": "2c1d9e8f-6a5b-5d4c-8e3f-1a2b3c4d5e6f",
            "control_id": "7e6f5d4c-3b2a-5190-8f7e-6d5c4b3a2910",
            "fax": {
                "type": "finished",
                "params": {
                    "direction": "send", "identity": "+4930123", "remote_identity": "+4930456", "pages": 3, "success": True,
                    "document": f"https://fax.example/v1/faxes/{FAX}/document.pdf?…", "result": 0, "result_text": "OK",
                    "format": "pdf",
                },
            },
        },
    },
    "SimotelOut": {
        "fax_id": FAX, "event_name": "OutgoingFax", "state": "SENDING", "unique_id": "1795253400.7",
        "info": {
            "FAXSTATUS": "FAILED", "FAXSTATUSSTRING": "error starting fax session", "FAXERROR": "INIT_ERROR",
            "REMOTESTATIONID": None, "FAXPAGES": "0", "FAXBITRATE": None, "FAXRESOLUTION": None, "REASON": "",
        },
        "date": "2026-11-21 10:30:00.000000",
    },
    "Change": {"unread": False, "tags": {"matter": "2026-17"}},
    "ContactIn": _CONTACT,
    "ContactList": {"contacts": [{"id": CONTACT, **_CONTACT}], "cursor": ""},
    "ContactOut": {"id": CONTACT, **_CONTACT},
    "CoverIn": {"to": "Ada Example", "sender": "Bob", "subject": "Offer", "note": "As agreed."},
    "DeliveryListOut": {"deliveries": [_DELIVERY]},
    "DeliveryOut": _DELIVERY,
    "EventList": {"events": [_EVENT]},
    "FaxIn": {
        "to": "+49 30 1234567", "documents": [{"url": "https://example.com/letter.pdf"}], "tags": {"matter": "2026-17"}
    },
    "FaxListOut": {"faxes": [_FAX], "cursor": "1041", "total": 57},
    "FaxOut": _FAX,
    "ForbiddenIn": {"number": "+49 30 1234567", "reason": "asked us"},
    "ForbiddenList": {"numbers": [_FORBIDDEN]},
    "ForbiddenOut": _FORBIDDEN,
    "ForwardIn": {"to": "+49 30 7654321"},
    "HealthOut": {"status": "ok", "problems": []},
    "LinkIn": {"expires_s": 3600},
    "LinkOut": {
        "url": f"https://fax.example/v1/faxes/{FAX}/document.pdf?expires=1795253400&signature=5d5d139563c95b59", "expires": LATER
    },
    "LoginIn": {"token": "the secret of a token"},
    "LoginOut": {"name": "office", "kind": "token", "scopes": ["read", "send", "cancel", "events"]},
    "PolledIn": {"name": "prices", "numbers": ["+49301112"], "documents": [{"url": "https://example.com/prices.pdf"}]},
    "PolledList": {"polled": [_POLLED]},
    "PolledOut": _POLLED,
    "MailboxList": {"mailboxes": [{"name": "sales", "numbers": ["+49301111"]}]},
    "NumberIn": {"number": "+49 30 1234567", "max_rate": 9600},
    "NumberList": {"numbers": [_NUMBER]},
    "NumberOut": _NUMBER,
    "ReceivedOut": {
        "event": "received", "time": LATER, "fax_id": FAX,
        "fax": {**_FAX, "direction": "receive", "state": "received", "retry": None, "tags": {}, "mailbox": "sales"},
    },
    "SessionList": {"sessions": [_SESSION]},
    "StatusOut": _STATUS,
    "SwmlIn": {
        "to": "+49 30 1234567",
        "document": {"version": "1.0.0", "sections": {"main": [{"send_fax": {"document": "https://example.com/a.pdf"}}]}},
    },
    "SwmlListOut": {"runs": [_SWML]},
    "SwmlOut": _SWML,
    "TraceOut": {
        "fax_id": FAX, "attempt": 1, "began": TIME, "entries": [_TRACE_ENTRY], "left_out": 0,
        "statistics": {"udptl_rx_packets": 812},
    },
    "UploadOut": _UPLOAD,
}  # fmt: skip


def _problem(status: int, kind: str, title: str, detail: str, remedy: str = "", **more: Any) -> dict[str, Any]:
    found = {
        "type": f"urn:softfax:problem:{kind}",
        "title": title,
        "status": status,
        "detail": detail,
        "remedy": remedy,
    }
    return {key: value for key, value in {**found, **more}.items() if value}


#: By status.
PROBLEMS: Mapping[int, Any] = {
    int(str(one["status"])): one
    for one in (
        _problem(400, "no-json", "The body is not JSON", "Expecting value: line 1 column 7 (char 6)"),
        _problem(
            401, "unauthorized", "Who are you?", "The token is wrong.", "Send `Authorization: Bearer TOKEN`, or log in."
        ),
        _problem(403, "scope", "Not allowed", "monitor may not do this: it takes send.", "Use a token with that scope."),
        _problem(
            404, "not-found", "Fax not found", f"there is no fax {FAX}", "`softfax jobs` lists them"
        ),
        _problem(408, "too-slow", "The request took too long", "It was not complete after 30 s."),
        _problem(409, "ended", "Its state does not allow this", f"fax {FAX} has ended (delivered)"),
        _problem(410, "erased", "Erased", "The fax that this key stood for is gone.", "Use another key."),
        _problem(413, "too-large", "Too large", "At most 101 MB fit in one request.", "Send less at once."),
        _problem(415, "media-type", "Unsupported media type", "Send application/json or multipart/form-data."),
        {"type": "about:blank", "title": HTTPStatus(416).phrase, "status": 416},
        _problem(
            422, "invalid", "Invalid request", "to: it is missing",
            errors=[{"at": "to", "in": "body", "detail": "it is missing"}],
        ),
        _problem(429, "throttled", "Too many requests", "More than 3000 a minute.", "Try again in 2 seconds."),
        {
            "type": "about:blank", "title": "The station failed", "status": 500, "detail": "It could not answer this request.",
            "remedy": "The station's log says more, under the Request-Id of this answer.",
        },
        _problem(501, "no-mail", "E-mail is not set up", "Nothing can be forwarded by it.", "Add [mail] to the configuration."),
        _problem(502, "failed", "Failed", "The mail server refused the message.", "Try again later."),
        _problem(
            503, "unavailable", "The station cannot do this now", "the station is stopping",
            "send the fax again when it runs",
        ),
        _problem(
            507, "disk-full", "The disk is full", "600 MB are left, of which 512 MB are kept for faxes that come in.",
            "Make room on the station's disk.",
        ),
    )
}  # fmt: skip

#: By the name of the parameter; those that say their own are left as they are.
PARAMETERS: Mapping[str, Any] = {
    "after": 1795255200123,
    "attempt": 1,
    "broadcast_id": "b" * 24,
    "contact_id": CONTACT,
    "cursor": "1041",
    "direction": "send",
    "erase": True,
    "fax_id": FAX,
    "Last-Event-ID": "1795255200123",
    "id": FAX,
    "last_event_id": "1795255200123",
    "limit": 50,
    "mailbox": "sales",
    "n": 1,
    "number": "+49301234567",
    "progress": True,
    "q": "ada letter",
    "resolution": "fine",
    "scan": "auto",
    "since": TIME,
    "to": "+49301234567",
    "types": "job,result",
    "unread": True,
    "until": TIME,
    "width": 800,
}
