# SPDX-License-Identifier: GPL-2.0-or-later
"""The server with a station that has no calls: orders, what is pushed of a fax, and how calls are ended."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from softfax.errors import DocumentError, UsageError
from softfax.model import CallEvent, CallState, Direction, Mode, SessionState
from softfax.options import ModePolicy
from tests.unit.ami.fakes import SEND, Octets, record, result, run, serving, whole_fax


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Channel": ""}, "Channel not specified"),
        ({"Channel": "nonsense"}, "Invalid channel"),
        ({"Timeout": "abc"}, "Invalid timeout"),
        ({"Priority": "z"}, "Invalid priority"),
        ({"Application": ""}, "Originate with 'Exten' requires 'Context' and 'Priority'"),
        ({"Application": "", "Exten": "x", "Context": "y", "Priority": "1"}, "Extension does not exist."),
        ({"ChannelId": "x" * 150}, "Uniqueid length exceeds maximum of 149"),
    ],
)
def test_an_originate_that_is_wrong(changes: dict[str, str], message: str) -> None:
    async def test() -> None:
        async with serving() as (server, station):
            client = await Octets.connect(server)
            await client.login(Events="off")
            answer = await client.say(**{**SEND, "Data": "/x.tif", **changes})
            assert answer == f"Response: Error\nActionID: o\nMessage: {message}"
            assert not station.orders

    run(test)


def test_an_originate_becomes_an_order() -> None:
    async def test() -> None:
        async with serving() as (server, station):
            client = await Octets.connect(server)
            await client.login(Events="off")
            text = (
                "Action: Originate\nChannel: PJSIP/out/sip:recv@127.0.0.1:5062\nApplication: sendfax\n"
                "Data: /a.pdf&/b.tif,fzs\nAsync: true\nTimeout: 20000\nAccount: acme\nChannelId: my.1\n"
                'CallerID: "A B" <123>\nVariable: FAXOPT(ecm)=no,FAXOPT(localstationid)=+49 30 1,X=1\n'
                "Variable: FAXOPT(headerinfo)=Head\\, er\nVariable: FAXOPT(modem)=v27,v29,FAXOPT(maxrate)=9600\n"
                "Variable: FAXOPT(minrate)=4800,FAXOPT(t38timeout)=7000\n\n"
            )
            client.writer.write(text.encode())
            assert await client.next() == "Response: Success\nMessage: Originate successfully queued"
            (order,) = station.orders
            assert (order.destination, order.account) == ("sip:recv@127.0.0.1:5062", "out")
            assert (order.direction, order.documents) == (Direction.SEND, ("/a.pdf", "/b.tif"))
            assert (order.mode, order.ecm, order.ident, order.header) == (
                ModePolicy.AUTO,
                False,
                "+49 30 1",
                "Head, er",
            )
            assert (order.modems, order.max_rate_bps, order.min_rate_bps) == ({"V27", "V29"}, 9600, 4800)
            assert (order.caller_number, order.caller_name) == ("123", "A B")
            assert (order.answer_timeout_s, order.t38_timeout_s, dict(order.variables)) == (20.0, 7.0, {"X": "1"})
            assert "my.1" in await client.say(Action="Getvar", Channel="my.1", Variable="UNIQUEID")
            assert "Value: no" in await client.say(Action="Getvar", Channel="my.1", Variable="FAXOPT(ecm)")

    run(test)


def test_receivefax_and_the_letters_of_the_mode() -> None:
    async def test() -> None:
        async with serving() as (server, station):
            client = await Octets.connect(server)
            await client.login(Events="off")
            for letters in ("", "f", "F"):
                await client.say(**{**SEND, "Application": "ReceiveFAX", "Data": f"/in.tif,{letters}", "Async": "1"})
            assert [order.mode for order in station.orders] == [ModePolicy.T38, ModePolicy.AUTO, ModePolicy.AUDIO]
            assert all(order.receive_into == Path("/in.tif") and not order.documents for order in station.orders)

    run(test)


EVENTS_OF_A_FAX = [
    "Newchannel",
    "NewCallerid",
    "NewConnectedLine",
    "DialBegin",
    "Newstate",
    "DialEnd",
    "OriginateResponse",
    "FAXStatus",
    "FAXStatus",
    "FAXStatus",
    "HangupRequest",
    "SendFAX",
    "Hangup",
]


def test_the_events_of_a_fax_in_asterisks_order() -> None:
    async def test() -> None:
        async with serving() as (server, station):
            client = await Octets.connect(server)
            await client.login(Events="call")
            await client.say(**SEND, Data="/a.pdf,fz", Async="true", CallerID='"Fax peer" <peer>')
            (call,) = station.under_way
            whole_fax(station, call)
            said = await client.rest("Event: Hangup\n")
            assert [message.split("\n")[0].removeprefix("Event: ") for message in said] == EVENTS_OF_A_FAX
            sent = said[-2].split("\n")
            assert sent[2:9] == [
                "Channel: PJSIP/out-00000001",
                "ChannelState: 6",
                "ChannelStateDesc: Up",
                "CallerIDNum: peer",
                "CallerIDName: Fax peer",
                "ConnectedLineNum: peer",
                "ConnectedLineName: Fax peer",
            ]
            assert sent[-6:] == [
                "LocalStationID: SOFTFAX",
                "RemoteStationID: FAR END",
                "PagesTransferred: 1",
                "Resolution: 8031x7700",
                "TransferRate: 14400",
                "FileName: /a.pdf",
            ]
            assert said[-1].endswith("Cause: 16\nCause-txt: Normal Clearing")

    run(test)


def test_audio_as_a_fallback_is_told_when_it_is_settled() -> None:
    async def test() -> None:
        async with serving() as (server, station):
            client = await Octets.connect(server)
            await client.login(Events="call")
            await client.say(**SEND, Data="/a.pdf,f", Async="true")
            whole_fax(station, station.under_way[0], Mode.AUDIO)
            statuses = [
                m.split("Status: ")[1].split("\n")[0] for m in await client.rest("Event: Hangup\n") if "FAXStatus" in m
            ]
            assert statuses == ["Allocating Resources", "FAX Transmission In Progress"]

    run(test)


def variables_of(messages: list[str]) -> list[tuple[str, str]]:
    found = [message for message in messages if message.startswith("Event: VarSet\n")]
    return [tuple(line.partition(": ")[2] for line in message.split("\n")[-2:]) for message in found]  # type: ignore[misc]


def test_the_variables_before_during_and_after() -> None:
    async def test() -> None:
        async with serving() as (server, station):
            client = await Octets.connect(server)
            await client.login(Events="dialplan")
            text = "\n".join(f"{key}: {value}" for key, value in SEND.items())
            client.writer.write(f"{text}\nData: /a.pdf,f\nAsync: 1\nVariable: A=1\nVariable: B='2'\n\n".encode())
            assert "queued" in await client.next()
            whole_fax(station, station.under_way[0])
            client.send(Action="Ping")
            said = variables_of(await client.rest("Response"))
            assert said[:4] == [("B", "\\'2\\'"), ("A", "1"), ("FAXSTATUS", "FAILED"), ("FAXPAGES", "0")]
            assert said[4:7] == [
                ("FAXSTATUS", "FAILED"),
                ("FAXERROR", "INIT_ERROR"),
                ("FAXSTATUSSTRING", "error starting fax session"),
            ]
            assert said[11:18] == [
                ("FAXSTATUS", ""),
                ("FAXERROR", ""),
                ("FAXSTATUSSTRING", ""),
                ("REMOTESTATIONID", ""),
                ("LOCALSTATIONID", "SOFTFAX"),
                ("FAXMODE", "T38"),
                ("FAXPAGES", "0"),
            ]
            assert said[18:] == [
                ("FAXSTATUS", "SUCCESS"),
                ("FAXSTATUSSTRING", "OK"),
                ("REMOTESTATIONID", "FAR END"),
                ("LOCALSTATIONID", "SOFTFAX"),
                ("FAXBITRATE", "14400"),
                ("FAXRESOLUTION", "8031x7700"),
                ("FAXMODE", "T38"),
                ("FAXPAGES", "1"),
            ]

    run(test)


def test_a_busy_far_end() -> None:
    async def test() -> None:
        async with serving() as (server, station):
            client = await Octets.connect(server)
            await client.login(Events="call")
            await client.say(**SEND, Data="/a.pdf,f", Async="true")
            (call,) = station.under_way
            failed = {"success": False, "status": "FAILED", "error": "BUSY", "sip_code": 486, "pages": 0}
            station.say(call, result(call, **failed))
            said = (await client.rest("Event: Hangup\n"))[-4:]
            assert [m.split("\n")[0] for m in said] == [
                "Event: HangupRequest",
                "Event: DialEnd",
                "Event: OriginateResponse",
                "Event: Hangup",
            ]
            assert said[1].endswith("DialStatus: BUSY")
            assert "Response: Failure\nChannel: PJSIP/out/sip:recv@127.0.0.1\n" in said[2]
            assert "Reason: 0\nUniqueid: <unknown>\n" in said[2]
            assert said[3].endswith("Cause: 17\nCause-txt: User busy")

    run(test)


def test_a_synchronous_originate_waits_for_the_answer() -> None:
    async def test() -> None:
        async with serving() as (server, station):
            client = await Octets.connect(server)
            await client.login(Events="off")
            for good in (True, False):
                client.send(**SEND, Data="/a.pdf,f")
                while not station.under_way:
                    await asyncio.sleep(0.01)
                (call,) = station.under_way
                if good:
                    whole_fax(station, call)
                    assert (
                        await client.next() == "Response: Success\nActionID: o\nMessage: Originate successfully queued"
                    )
                else:
                    station.say(call, result(call, success=False, status="FAILED", error="BUSY", sip_code=486))
                    assert await client.next() == "Response: Error\nActionID: o\nMessage: Originate failed"

    run(test)


@pytest.mark.parametrize(
    ("refusal", "data", "error"),
    [
        (DocumentError("unreadable"), "/a.pdf,f", ("FILE_ERROR", "error reading file")),
        (None, "", ("INVALID_ARGUMENTS", "invalid arguments")),
        (UsageError("no such account"), "/a.pdf,f", None),
    ],
)
def test_a_fax_that_cannot_be_made(refusal: Exception | None, data: str, error: tuple[str, str] | None) -> None:
    async def test() -> None:
        async with serving() as (server, station):
            station.refuse = refusal
            client = await Octets.connect(server)
            await client.login(Events="call,dialplan")
            assert "queued" in await client.say(**SEND, Data=data, Async="true")
            client.send(Action="Ping")
            said = await client.rest("Response: Success")
            (response,) = [m for m in said if m.startswith("Event: OriginateResponse")]
            assert "Response: Failure" in response
            values = dict(variables_of(said))
            assert (values.get("FAXERROR"), values.get("FAXSTATUSSTRING")) == (error or (None, None))
            assert any(m.startswith("Event: Hangup\n") for m in said) == bool(error)
            assert not station.orders

    run(test)


def test_hangup_by_channel_and_by_unique_id_with_its_cause() -> None:
    async def test() -> None:
        async with serving() as (server, station):
            client = await Octets.connect(server)
            await client.login(Events="off")
            await client.say(**SEND, Data="/a.pdf,f", Async="true", ChannelId="mine")
            assert await client.say(Action="Events", EventMask="call")
            assert (
                await client.say(Action="Hangup", Channel="mine", Cause="17")
                == "Response: Success\nMessage: Channel Hungup"
            )
            (call,) = station.hung_up
            station.say(call, CallEvent(state=CallState.ANSWERED))
            station.say(call, result(call, success=False, status="FAILED", error="CANCEL", sip_code=0))
            hangup = (await client.rest("Event: Hangup\n"))[-1]
            assert "Uniqueid: mine\nLinkedid: mine\nCause: 17\nCause-txt: User busy" in hangup
            assert "No such channel" in await client.say(Action="Hangup", Channel="mine")

    run(test)


def test_what_is_set_before_the_first_event_of_a_fax_stays() -> None:
    """A fax whose pages are being made, or that waits for its turn in the call of another, has no event yet."""

    async def test() -> None:
        async with serving() as (server, station):
            call = station.call(outgoing=True, direction=Direction.SEND)
            client = await Octets.connect(server)
            await client.login(Events="off")
            assert "Variable Set" in await client.say(
                Action="Setvar", Channel=call.context.channel, Variable="ORDER", Value="4711"
            )
            assert "Hungup" in await client.say(Action="Hangup", Channel=call.context.channel, Cause="17")
            station.say(call, record(call, SessionState.RESERVED))
            said = await client.say(Action="Getvar", Channel=call.context.channel, Variable="ORDER")
            assert "Value: 4711" in said
            await client.say(Action="Events", EventMask="call")
            station.say(call, result(call, success=False, status="FAILED", error="CANCEL", sip_code=0))
            assert "Cause: 17" in (await client.rest("Event: Hangup\n"))[-1]

    run(test)


def test_sessions_with_the_names_the_originator_knows() -> None:
    async def test() -> None:
        async with serving() as (server, station):
            client = await Octets.connect(server)
            await client.login(Events="off")
            empty = "Response: Success\nEventList: Start\nMessage: FAXSessionsEntry event list will follow"
            assert await client.say(Action="FAXSessions") == empty
            assert await client.next() == "Event: FAXSessionsComplete\nEventList: Complete\nListItems: 0\nTotal: 0"
            await client.say(**SEND, Data="/a.pdf&/b.pdf,f", Async="true")
            (call,) = station.under_way
            station.say(call, record(call, SessionState.ACTIVE), Mode.T38)
            await client.say(Action="FAXSessions", ActionID="7")
            assert await client.next() == (
                "Event: FAXSessionsEntry\nActionID: 7\nChannel: PJSIP/out-00000001\nTechnology: Spandsp\nSessionNumber: 1\n"
                "SessionType: T.38\nOperation: send\nState: Active\nFiles: /a.pdf,/b.pdf"
            )
            await client.next()
            assert await client.say(Action="FAXSession", SessionNumber="1") == (
                "Response: Success\nMessage: FAXSession event will follow"
            )
            assert await client.next() == (
                "Event: FAXSession\nSessionNumber: 1\nOperation: send\nState: Active\nErrorCorrectionMode: Yes\n"
                "DataRate: 14400\nImageResolution: 8031x7700\nPageNumber: 1\nFileName: /a.pdf\nPagesTransmitted: 0\n"
                "PagesReceived: 0\nTotalBadLines: 0"
            )

    run(test)


def test_an_incoming_fax_with_its_caller() -> None:
    async def test() -> None:
        async with serving() as (server, station):
            client = await Octets.connect(server)
            await client.login(Events="call")
            call = station.call(outgoing=False, direction=Direction.RECEIVE, documents=("in.pdf",))
            whole_fax(station, call)
            said = await client.rest("Event: Hangup\n")
            assert [m.split("\n")[0][7:] for m in said] == [
                "Newchannel",
                "Newstate",
                *["FAXStatus"] * 3,
                "ReceiveFAX",
                "SoftHangupRequest",
                "Hangup",
            ]
            assert "ChannelState: 4\nChannelStateDesc: Ring\nCallerIDNum: 0301234567\n" in said[0]
            assert "Exten: recv\n" in said[0]

    run(test)


def test_a_fax_that_fails_before_it_begins_is_told_by_variables_alone() -> None:
    async def test() -> None:
        async with serving() as (server, station):
            client = await Octets.connect(server)
            await client.login(Events="call,dialplan")
            await client.say(**SEND, Data="/a.pdf", Async="true")
            (call,) = station.under_way
            station.say(call, CallEvent(state=CallState.ANSWERED))
            station.say(call, record(call, SessionState.OPEN), Mode.AUDIO)
            refused = {"success": False, "status": "FAILED", "error": "T38_NEG_ERROR", "pages": 0, "mode": Mode.AUDIO}
            station.say(call, result(call, **refused))
            said = await client.rest("Event: Hangup\n")
            assert not [m for m in said if m.startswith(("Event: FAXStatus", "Event: SendFAX"))]
            values = dict(variables_of(said))
            assert (values["FAXSTATUS"], values["FAXERROR"]) == ("FAILED", "T38_NEG_ERROR")
            assert values["FAXSTATUSSTRING"] == "error negotiating T.38"

    run(test)


@pytest.mark.parametrize(
    ("error", "code", "said", "cause"),
    [
        (
            "HANGUP",
            49,
            ("The call dropped prematurely", "The call dropped prematurely"),
            "Cause: 16\nCause-txt: Normal Clearing",
        ),
        ("TIMEOUT", 2, ("TIMEOUT", "why"), "Cause: 0\nCause-txt: Unknown"),
    ],
)
def test_who_broke_off_a_fax(error: str, code: int, said: tuple[str, str], cause: str) -> None:
    async def test() -> None:
        async with serving() as (server, station):
            client = await Octets.connect(server)
            await client.login(Events="call,dialplan")
            await client.say(**SEND, Data="/a.pdf,f", Async="true")
            (call,) = station.under_way
            station.say(call, CallEvent(state=CallState.ANSWERED))
            station.say(call, record(call, SessionState.OPEN), Mode.T38)
            failed = {"success": False, "status": "FAILED", "error": error, "status_string": "why", "result_code": code}
            station.say(call, result(call, pages=0, **failed))
            heard = await client.rest("Event: Hangup\n")
            values = dict(variables_of(heard))
            assert (values["FAXSTATUS"], values["FAXERROR"], values["FAXSTATUSSTRING"]) == ("FAILED", *said)
            assert any(m.startswith("Event: HangupRequest") for m in heard) == (error == "HANGUP")
            assert any(m.startswith("Event: SendFAX") for m in heard)
            assert heard[-1].endswith(cause)

    run(test)
