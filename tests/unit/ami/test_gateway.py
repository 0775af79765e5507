# SPDX-License-Identifier: GPL-2.0-or-later
"""A gateway's call in the manager interface: variables and session as Asterisk has them, and no event of its own."""

from __future__ import annotations

import asyncio

import pytest

from softfax.ami.events import FaxChannel
from softfax.ami.variables import value
from softfax.model import (
    CallEvent,
    CallState,
    Direction,
    FaxContext,
    FaxResult,
    Mode,
    NegotiatedEvent,
    Operation,
    SessionEvent,
    SessionState,
)
from softfax.station.call import FaxCall
from softfax.station.counters import Counters, views
from softfax.station.orders import SessionView
from softfax.vocabularies.asterisk import session_fields

CONTEXT = FaxContext(
    fax_id="f",
    direction=Direction.GATEWAY,
    outgoing=False,
    session_number=5,
    unique_id="1.2",
    channel="PJSIP/loop-00000002",
    caller_number="5551",
    called_number="1234",
)


def session(operation: Operation, ecm: bool | None, rate: int | None, page: int | None) -> SessionEvent:
    return SessionEvent(
        session_number=5,
        operation=operation,
        state=SessionState.ACTIVE,
        error_correction_mode=ecm,
        data_rate=rate,
        page_number=page,
    )


def test_its_events() -> None:
    channel = FaxChannel(CONTEXT)
    said = channel.update(CallEvent(state=CallState.CALLING))
    variables = {value["Variable"]: value["Value"] for value in (dict(e.fields) for e in said) if "Variable" in value}
    assert variables["FAXSTATUS"] == "SUCCESS"
    assert variables["FAXERROR"] == "NO_ERROR"
    assert variables["FAXSTATUSSTRING"] == "gateway operation started successfully"
    assert (variables["FAXMODE"], variables["FAXPAGES"]) == ("audio", "0")
    assert not {"FAXBITRATE", "FAXRESOLUTION"} & set(variables)
    assert [e.name for e in channel.update(CallEvent(state=CallState.ANSWERED))] == ["Newstate"]
    negotiated = NegotiatedEvent(
        mode=Mode.T38, bitrate=14400, ecm=True, encoding="T.6", resolution="204x98", remote_station_id=""
    )
    assert channel.update(session(Operation.GATEWAY, True, 14400, 1)) == channel.update(negotiated) == []
    result = FaxResult(
        direction=Direction.GATEWAY, success=True, status="SUCCESS", error="NO_ERROR", status_string="OK",
        result_code=0, fax_id="f", pages=2,
    )  # fmt: skip
    *_, hangup = channel.update(result)
    assert (hangup.name, dict(hangup.fields)["Cause"]) == ("Hangup", "16")


#: What Asterisk 16 set on the calling channel of a gateway that is of the fax, or of what became of Dial: recorded of a fax (its T.38
#: leg calling), and of a callee that was busy. `gw-t38-g711`, `gw-busy`.
AT_SET = [
    ("FAXSTATUS", "SUCCESS"),
    ("FAXERROR", "NO_ERROR"),
    ("FAXSTATUSSTRING", "gateway operation started successfully"),
    ("REMOTESTATIONID", ""),
    ("LOCALSTATIONID", ""),
    ("FAXMODE", "audio"),
    ("FAXPAGES", "0"),
]
RECORDED_VARIABLES = {
    "ANSWER": [*AT_SET, ("DIALSTATUS", "ANSWER"), *AT_SET[:5], ("FAXMODE", "T38"), ("FAXPAGES", "0")],
    "BUSY": [*AT_SET, ("DIALSTATUS", "BUSY"), *AT_SET],
}


@pytest.mark.parametrize("became", ["ANSWER", "BUSY"])
def test_its_variables_are_set_as_recorded(became: str) -> None:
    channel = FaxChannel(CONTEXT)
    said = channel.update(CallEvent(state=CallState.CALLING))
    answered = became == "ANSWER"
    if answered:
        said += channel.update(CallEvent(state=CallState.ANSWERED))
        said += channel.update(session(Operation.GATEWAY, True, 14400, 1), Mode.T38)
    result = FaxResult(
        direction=Direction.GATEWAY, success=answered, status="SUCCESS", error="NO_ERROR" if answered else became,
        status_string="OK", result_code=0, fax_id="f", mode=Mode.T38 if answered else Mode.AUDIO,
        sip_code=0 if answered else 486,
    )  # fmt: skip
    said += channel.update(result)
    variables = [(dict(e.fields)["Variable"], dict(e.fields)["Value"]) for e in said if e.name == "VarSet"]
    assert [one for one in variables if one[0] != "SIPCALLID"] == RECORDED_VARIABLES[became]
    assert dict(said[-1].fields)["Cause"] == ("16" if answered else "17")


#: CoreShowChannels of the calling channel while the fax passes, without times and what names the call.
RECORDED_CHANNEL = [
    ("ChannelState", "6"), ("ChannelStateDesc", "Up"), ("CallerIDNum", "5551"), ("CallerIDName", "<unknown>"),
    ("ConnectedLineNum", "1234"), ("ConnectedLineName", "<unknown>"), ("Language", "en"), ("AccountCode", ""),
    ("Context", "fax"), ("Exten", "1234"), ("Priority", "7"),
]  # fmt: skip


def test_its_channel_is_listed_as_recorded() -> None:
    channel = FaxChannel(CONTEXT)
    channel.update(CallEvent(state=CallState.CALLING))
    channel.update(CallEvent(state=CallState.ANSWERED))
    named = {"Channel", "Uniqueid", "Linkedid"}
    ours = [one for one in channel.channel.snapshot() if one[0] not in named]
    assert [one for one in ours if one[0] != "Priority"] == [one for one in RECORDED_CHANNEL if one[0] != "Priority"]
    assert [name for name, _ in ours] == [name for name, _ in RECORDED_CHANNEL]
    assert channel.channel.application == "Dial"


def test_its_session() -> None:
    listening = session_fields(session(Operation.V21, None, None, None))
    assert listening == [("SessionNumber", "5"), ("Operation", "V.21"), ("State", "Active")]
    assert session_fields(session(Operation.GATEWAY, False, 0, 1))[3:] == [
        ("ErrorCorrectionMode", "no"),
        ("DataRate", "0"),
        ("PageNumber", "1"),
    ]
    assert session_fields(session(Operation.GATEWAY, True, 14400, 3))[3:] == [
        ("ErrorCorrectionMode", "yes"),
        ("DataRate", "14400"),
        ("PageNumber", "3"),
    ]


async def _sessions(operation: Operation, answered: bool) -> tuple[list[SessionView], int]:
    result: asyncio.Future[FaxResult] = asyncio.get_running_loop().create_future()
    call = FaxCall(context=CONTEXT, session=session(operation, None, None, None), result=result, numbers=(5, 6, 7))
    call.onward_channel, call.mode = "PJSIP/trunk-00000003", Mode.T38
    call.call_state = CallState.ANSWERED if answered else CallState.RINGING
    return views([call]), Counters().stats([call]).current_sessions


@pytest.mark.parametrize(
    ("operation", "answered", "listed"),
    [
        (Operation.V21, False, [("PJSIP/loop-00000002", 5)]),
        (Operation.V21, True, [("PJSIP/loop-00000002", 5), ("PJSIP/trunk-00000003", 6)]),
        (Operation.GATEWAY, True, [("PJSIP/loop-00000002", 7)]),
    ],
)
def test_one_listens_to_each_leg_until_one_carries_the_fax(
    operation: Operation, answered: bool, listed: list[tuple[str, int]]
) -> None:
    seen, current = asyncio.run(_sessions(operation, answered))
    assert [(view.channel, view.session_number) for view in seen] == listed
    assert {(view.operation, view.session_type, view.state.value, view.files) for view in seen} == {
        (operation, "none", "Active", ())
    }
    assert current == len(listed)


@pytest.mark.parametrize("both", [True, False])
def test_faxopt_says_how_the_gateway_asks_for_t38(both: bool) -> None:
    async def read() -> dict[str, str]:
        result: asyncio.Future[FaxResult] = asyncio.get_running_loop().create_future()
        listening = session(Operation.V21, None, None, None)
        call = FaxCall(context=CONTEXT, session=listening, result=result, negotiate_both=both)
        names = ("gateway", "negotiate_both", "faxdetect")
        return {name: value(call, FaxChannel(CONTEXT), f"FAXOPT({name})") for name in names}

    assert asyncio.run(read()) == {"gateway": "yes", "negotiate_both": "yes" if both else "no", "faxdetect": "no"}
