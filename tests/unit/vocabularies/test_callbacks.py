# SPDX-License-Identifier: GPL-2.0-or-later
"""Callbacks in the words of SignalWire and Simotel: the documented shape, key by key and type by type."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from softfax.errors import UsageError
from softfax.model import CallEvent, CallState, Direction, Event, FaxContext, FaxResult, FaxUpdate, Mode, PageEvent
from softfax.vocabularies import callbacks, dialects
from softfax.vocabularies.signalwire import error, result_code

WHEN = datetime(2026, 11, 21, 8, 30, 15, 123456, tzinfo=UTC)
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

OUT = FaxContext(
    fax_id="5f6f15ae8a31561ac504094a",
    direction=Direction.SEND,
    outgoing=True,
    session_number=7,
    unique_id="1601115566.160596",
    channel="PJSIP/pbx-00000007",
    caller_number="+15551231234",
    called_number="+15553214321",
    documents=("https://example.com/fax_to_send.pdf",),
)
IN = replace(
    OUT,
    direction=Direction.RECEIVE,
    outgoing=False,
    caller_number="+15553214321",
    called_number="+15551231234",
    entry_point="trunk",
    documents=(),
)


def result(**fields: Any) -> FaxResult:
    good: dict[str, Any] = {
        "time": WHEN, "session": 7, "direction": Direction.SEND, "success": True, "status": "SUCCESS", "error": "NO_ERROR",
        "status_string": "OK", "result_code": 0, "mode": Mode.T38, "pages": 3, "pages_total": 3, "bitrate": 14400, "ecm": True,
        "encoding": "T.6", "resolution": "204x196", "local_station_id": "+15551231234", "remote_station_id": "+15553214321",
        "bad_rows": 0, "duration_s": 41.2, "documents": ["https://example.com/fax_to_send.pdf"], "call_id": "abc@host",
        "fax_id": OUT.fax_id,
    }  # fmt: skip
    return FaxResult(**{**good, **fields})


def page(number: int, quality: str = "good", direction: Direction = Direction.SEND) -> PageEvent:
    return PageEvent(
        time=WHEN, direction=direction, number=number, bytes=36000, rows=2287, bad_rows=0, seconds=24.4, quality=quality
    )


def only(dialect: str, event: Event, context: FaxContext = OUT) -> dict[str, Any]:
    (callback,) = callbacks(dialect, FaxUpdate(context, event))
    json.dumps(callback.body)
    return callback.body


def types(value: Any) -> Any:
    return {k: types(v) for k, v in value.items()} if isinstance(value, dict) else type(value)


# The documented payloads.
SIGNALWIRE_FINISHED = {
    "event_type": "calling.call.fax",
    "event_channel": "swml:xxxxx",
    "timestamp": 1640000000.123,
    "project_id": "x",
    "space_id": "x",
    "params": {
        "call_id": "x",
        "node_id": "x",
        "control_id": "x",
        "fax": {
            "type": "finished",
            "params": {
                "direction": "send",
                "identity": "+15551231234",
                "remote_identity": "+15553214321",
                "document": "https://example.com/fax_to_send.pdf",
                "pages": 3,
                "success": True,
                "result": 0,
                "result_text": "OK",
                "format": "pdf",
            },
        },
    },
}
SIMOTEL_OUTGOING = {
    "fax_id": "5f6f15ae8a31561ac504094a",
    "event_name": "OutgoingFax",
    "state": "SENDING",
    "unique_id": "1601115566.160596",
    "info": {
        "FAXSTATUS": "FAILED",
        "FAXSTATUSSTRING": "error starting fax session",
        "FAXERROR": "INIT_ERROR",
        "REMOTESTATIONID": None,
        "FAXPAGES": "0",
        "FAXBITRATE": None,
        "FAXRESOLUTION": None,
        "REASON": "",
    },
    "date": "2020-11-11 06:31:23.232477",
}


def test_the_vocabularies() -> None:
    assert dialects() == ("json", "signalwire", "simotel")
    with pytest.raises(UsageError, match="use json, signalwire, simotel"):
        callbacks("klingon", FaxUpdate(OUT, page(1)))


def test_signalwire_finished_is_the_documented_payload() -> None:
    body = only("signalwire", result())

    assert types(body) == types(SIGNALWIRE_FINISHED)
    assert list(body) == list(SIGNALWIRE_FINISHED)
    assert body["params"]["fax"] == SIGNALWIRE_FINISHED["params"]["fax"]  # type: ignore[index]
    assert body["timestamp"] == WHEN.timestamp()
    assert re.fullmatch(f"swml:{UUID}", body["event_channel"])
    ids = [body["project_id"], body["space_id"], *(body["params"][k] for k in ("call_id", "node_id", "control_id"))]
    assert all(re.fullmatch(UUID, i) for i in ids)
    assert len(set(ids)) == 5


def test_signalwire_pages_as_they_are_confirmed() -> None:
    for direction, context in ((Direction.SEND, OUT), (Direction.RECEIVE, IN)):
        body = only("signalwire", page(2, direction=direction), context)
        assert body["params"]["fax"] == {"type": "page", "params": {"direction": str(direction), "number": 2}}
    assert callbacks("signalwire", FaxUpdate(OUT, page(2, "bad"))) == [], "a refused page is no progress"


def test_signalwire_ids_stay_the_same_during_a_fax_and_differ_between_faxes() -> None:
    first, last = only("signalwire", page(1)), only("signalwire", result())
    other = only("signalwire", page(1), replace(OUT, fax_id="0" * 24))
    for key in ("call_id", "control_id"):
        assert first["params"][key] == last["params"][key] != other["params"][key]
    assert first["project_id"] == last["project_id"] == other["project_id"]


def test_signalwire_receive() -> None:
    received = result(
        direction=Direction.RECEIVE, documents=["/var/fax/in.pdf"], local_station_id="", remote_station_id=""
    )
    params = only("signalwire", received, replace(IN, document_url="https://fax.example/1.pdf"))["params"]["fax"][
        "params"
    ]

    assert params["direction"] == "receive"
    assert params["document"] == "https://fax.example/1.pdf"
    assert (params["identity"], params["remote_identity"]) == ("+15551231234", "+15553214321"), (
        "the numbers of the call"
    )


@pytest.mark.parametrize(
    ("ours", "theirs"), [(0, 0), (12, 12), (49, 49), (61, 61), (1486, 49), (1408, 2), (1480, 2), (1487, 2), (1000, 49)]
)
def test_signalwire_result_codes_are_t30s(ours: int, theirs: int) -> None:
    failed = result(success=ours == 0, result_code=ours, status_string="the far end is busy (486 Busy Here)")
    assert result_code(failed) == theirs
    params = only("signalwire", failed)["params"]["fax"]["params"]
    assert params["result"] == theirs
    assert params["success"] is (ours == 0)
    relay = error(FaxUpdate(OUT, failed))
    assert (relay is None) == (ours == 0)
    if relay:
        said = relay.body["params"]["fax"]
        assert said == {"type": "error", "params": {"code": theirs, "message": failed.status_string}}


def test_simotel_outgoing_is_the_documented_payload() -> None:
    failed = result(
        success=False, status="FAILED", error="INIT_ERROR", status_string="error starting fax session", result_code=1000,
        pages=0, bitrate=0, resolution="0x0", remote_station_id="",
    )  # fmt: skip
    body = only("simotel", failed)

    assert list(body) == list(SIMOTEL_OUTGOING)
    assert types(body) == types(SIMOTEL_OUTGOING)
    assert body["info"] == SIMOTEL_OUTGOING["info"]
    assert {k: body[k] for k in ("fax_id", "event_name", "unique_id")} == {
        k: SIMOTEL_OUTGOING[k] for k in ("fax_id", "event_name", "unique_id")
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", body["date"])


def test_simotel_states_of_an_outgoing_fax() -> None:
    events = [CallEvent(state=state, time=WHEN) for state in CallState] + [page(1), result()]
    said = [c.body for e in events for c in callbacks("simotel", FaxUpdate(OUT, e))]

    assert [body["state"] for body in said] == ["SENDING", "SUCCESS"]
    assert said[0]["info"] == SIMOTEL_OUTGOING["info"]
    assert said[1]["info"] == {
        "FAXSTATUS": "SUCCESS",
        "FAXSTATUSSTRING": "OK",
        "FAXERROR": "None",
        "REMOTESTATIONID": "+15553214321",
        "FAXPAGES": "3",
        "FAXBITRATE": "14400",
        "FAXRESOLUTION": "8031x7700",
        "REASON": "",
    }


@pytest.mark.parametrize(("sip_code", "reason"), [(486, "486 the far end is busy"), (200, ""), (0, "")])
def test_simotel_gives_the_reason_of_a_call_that_was_not_answered(sip_code: int, reason: str) -> None:
    failed = result(success=False, status="FAILED", status_string="the far end is busy", sip_code=sip_code)
    assert only("simotel", failed)["info"]["REASON"] == reason


def test_simotel_incoming() -> None:
    body = only("simotel", result(direction=Direction.RECEIVE), IN)

    assert (body["event_name"], body["state"]) == ("IncomingFax", "SUCCESS")
    assert (body["entry_point"], body["src"], body["dst"]) == ("trunk", "+15553214321", "+15551231234")
    assert "info" not in body
    assert body["description"]["FAXPAGES"] == "3"
    assert "REASON" not in body["description"]
    ended = only("simotel", result(success=False, error="TIMEOUT", status_string="Timed out", remote_station_id=""), IN)
    assert ended["state"] == "FAILED"
    assert (ended["description"]["FAXERROR"], ended["description"]["REMOTESTATIONID"]) == ("Timed out", "unknown")


def test_simotel_knows_no_document_that_is_fetched() -> None:
    assert callbacks("simotel", FaxUpdate(replace(IN, direction=Direction.SEND), result())) == []


def test_simotel_styles_and_ids() -> None:
    sending = callbacks("simotel", FaxUpdate(OUT, CallEvent(state=CallState.CALLING)))[0]
    ended = callbacks("simotel", FaxUpdate(OUT, result()))[0]
    assert sending.path_suffix == ended.path_suffix == "OutgoingFax"
    assert sending.event_id != ended.event_id
    assert ended.event_id == callbacks("simotel", FaxUpdate(OUT, result()))[0].event_id


def test_native_is_the_json_line() -> None:
    body = only("json", page(1), replace(OUT, tags={"case": "17"}))
    assert body["event"] == "page"
    assert body["time"] == "2026-11-21T08:30:15.123456Z"
    assert (body["fax_id"], body["caller"], body["called"], body["tags"]) == (
        OUT.fax_id, "+15551231234", "+15553214321", {"case": "17"},
    )  # fmt: skip
    ids = {c.event_id for e in (page(1), page(2), result()) for c in callbacks("json", FaxUpdate(OUT, e))}
    assert len(ids) == 3
