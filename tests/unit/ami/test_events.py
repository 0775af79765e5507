# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever happens to a fax, and in whatever order: its channel begins once, ends once, and an Originate is answered once."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from softfax.ami.channel import AmiEvent, Channel, cause_of_sip, cause_text
from softfax.ami.events import FaxChannel, OriginateAction
from softfax.model import (
    CallEvent,
    CallState,
    Direction,
    Event,
    FaxContext,
    FaxResult,
    Mode,
    NegotiatedEvent,
    Operation,
    PageEvent,
    SessionEvent,
    SessionState,
)

ERRORS = [
    "NO_ERROR",
    "BUSY",
    "NOANSWER",
    "CANCEL",
    "HANGUP",
    "TIMEOUT",
    "FILE_ERROR",
    "T38_NEG_ERROR",
    "INVALID_ARGUMENTS",
    "x",
]


def session(state: SessionState) -> SessionEvent:
    known: dict[str, Any] = {"data_rate": 14400, "image_resolution": "8031x7700"}
    early = state in (SessionState.RESERVED, SessionState.UNINITIALIZED)
    return SessionEvent(session_number=1, operation=Operation.SEND, state=state, **({} if early else known))


def result(direction: Direction, error: str, sip_code: int) -> FaxResult:
    good = error == "NO_ERROR"
    return FaxResult(
        session=1,
        direction=direction,
        success=good,
        status="SUCCESS" if good else "FAILED",
        error=error,
        status_string=error,
        result_code=0 if good else 49,
        mode=Mode.AUDIO,
        pages=1,
        pages_total=1,
        bitrate=14400,
        ecm=True,
        encoding="T.6",
        resolution="204x196",
        local_station_id="",
        remote_station_id="",
        bad_rows=0,
        duration_s=1,
        documents=["/a"],
        call_id="",
        fax_id="0" * 24,
        sip_code=sip_code,
    )


_CALLS = st.builds(
    CallEvent, state=st.sampled_from(CallState), sip_code=st.sampled_from([0, 200, 486]), call_id=st.just("c")
)
_SESSIONS = st.builds(session, st.sampled_from(SessionState))
_NEGOTIATED = st.builds(
    NegotiatedEvent,
    mode=st.sampled_from(Mode),
    bitrate=st.just(14400),
    ecm=st.booleans(),
    encoding=st.just("T.6"),
    resolution=st.just("204x196"),
    remote_station_id=st.just("FAR"),
)
_PAGES = st.builds(
    PageEvent,
    direction=st.sampled_from(Direction),
    number=st.just(1),
    bytes=st.just(1),
    rows=st.just(1),
    bad_rows=st.just(0),
    seconds=st.just(1.0),
    quality=st.just("good"),
)
_STEPS = st.lists(
    st.tuples(st.one_of(_CALLS, _SESSIONS, _NEGOTIATED, _PAGES), st.sampled_from([None, *Mode])), max_size=15
)


@given(
    _STEPS,
    st.sampled_from([Direction.SEND, Direction.RECEIVE]),
    st.booleans(),
    st.sampled_from([None, True, False]),
    st.sampled_from(ERRORS),
    st.sampled_from([0, 200, 404, 486, 503, 699]),
)
def test_a_channel_begins_once_and_ends_once(
    steps: list[tuple[Event, Mode | None]],
    direction: Direction,
    outgoing: bool,
    waits: bool | None,
    error: str,
    sip_code: int,
) -> None:
    context = FaxContext(
        fax_id="0" * 24,
        direction=direction,
        outgoing=outgoing,
        session_number=1,
        unique_id="1.0",
        channel="PJSIP/a-00000000",
    )
    origin = None
    if outgoing and waits is not None:
        origin = OriginateAction(
            channel="PJSIP/a/b", application="SendFAX", data="/a", files=("/a",), wants_response=waits
        )
    fax = FaxChannel(context, origin)
    said: list[AmiEvent] = []
    for event, mode in steps:
        said += fax.update(event, mode)
    said += fax.update(result(direction, error, sip_code))
    # Nothing comes after the end.
    assert fax.update(CallEvent(state=CallState.ANSWERED)) == []
    names = [event.name for event in said]
    assert names[0] == "Newchannel"
    assert names[-1] == "Hangup"
    assert all(
        names.count(name) <= 1 for name in ("Newchannel", "Hangup", "DialBegin", "DialEnd", "SendFAX", "ReceiveFAX")
    )
    assert "DialEnd" not in names or "DialBegin" in names[: names.index("DialEnd")]
    assert names.count("OriginateResponse") == (origin is not None and origin.wants_response)
    assert names.count("FAXStatus") in (0, 2, 3)
    assert ("SendFAX" in names or "ReceiveFAX" in names) == ("FAXStatus" in names)
    if fax.answered:
        final = [dict(event.fields) for event in said if event.name == "VarSet"]
        status = [fields["Value"] for fields in final if fields["Variable"] == "FAXSTATUS"]
        assert status[-1] == ("SUCCESS" if error == "NO_ERROR" else "FAILED")


def test_variables_are_bounded_and_written_as_c_writes_them() -> None:
    channel = Channel(name="PJSIP/a-1", unique_id="1.0")
    for number in range(2000):
        channel.say(f"V{number}", "x")
    assert len(channel.variables) <= 600
    (event,) = channel.say("V1", 'it\'s "so" \\ \t')
    assert event.fields[-1] == ("Value", 'it\\\'s \\"so\\" \\\\ \\t')
    assert channel.set("NOT_SET", "") == []


def test_causes() -> None:
    assert [cause_of_sip(status) for status in (0, 200, 404, 486, 503, 600, 603, 499, 599, 699)] == [
        *(0, 0, 1, 17, 34, 17, 21, 127, 34, 127)
    ]
    assert cause_text(17) == "User busy"
    assert cause_text(12345) == "Unknown"
