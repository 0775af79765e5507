# SPDX-License-Identifier: GPL-2.0-or-later
"""The server with a station that has no calls: logins, rights, limits, actions and what is pushed."""

from __future__ import annotations

import asyncio
import hashlib
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from softfax.ami import AmiServer, Networks, User, permissions
from softfax.ami.actions import ACTIONS
from softfax.errors import ConfigError, DocumentError, PortInUseError, UsageError
from softfax.model import CallEvent, CallState, Direction, Mode, SessionState
from softfax.options import ModePolicy
from softfax.station.config import AmiConfig, AmiUserConfig
from tests.unit.ami.fakes import FakeStation, Octets, record, result, settings, whole_fax

ALL = User("fax", "secret")
SEND = {"Action": "Originate", "Channel": "PJSIP/out/sip:recv@127.0.0.1", "Application": "SendFAX", "ActionID": "o"}


@asynccontextmanager
async def serving(*users: User, **changes: object) -> AsyncIterator[tuple[AmiServer, FakeStation]]:
    station = FakeStation()
    server = AmiServer(station, settings(users=users or (ALL,), **changes))
    await server.start()
    try:
        yield server, station
    finally:
        await server.close()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(test(), 30)

    asyncio.run(limited())


def test_before_login_only_login_logoff_and_challenge() -> None:
    async def test() -> None:
        async with serving() as (server, _):
            client = await Octets.connect(server)
            for action in ("Ping", "Nonsense", "Originate"):
                assert await client.say(Action=action) == "Response: Error\nMessage: Permission denied"
            assert await client.say(Foo="x") == "Response: Error\nMessage: Missing action in request"
            assert (await client.say(Action="Challenge", AuthType="MD5")).startswith("Response: Success\nChallenge: ")
            assert await client.say(Action="Challenge") == "Response: Error\nMessage: Must specify AuthType"
            gone = "Response: Goodbye\nActionID: z\nMessage: Thanks for all the fish."
            assert await client.say(Action="Logoff", ActionID="z") == gone
            assert await client.closed()

    run(test)


def test_login_plain_with_fully_booted_for_whom_it_concerns() -> None:
    async def test() -> None:
        async with serving(ALL, User("calls", "secret", permissions("call"), permissions("call"))) as (server, _):
            client = await Octets.connect(server)
            assert (
                await client.login(ActionID="1") == "Response: Success\nActionID: 1\nMessage: Authentication accepted"
            )
            booted = await client.next()
            assert booted.startswith("Event: FullyBooted\nPrivilege: system,all\nUptime: ")
            assert booted.endswith("Status: Fully Booted")
            assert await client.login() == "Response: Success\nMessage: Already authenticated"
            for headers in ({"Events": "off"}, {"Events": "call,user"}):
                other = await Octets.connect(server)
                await other.login("FAX", **headers)
                assert (await other.say(Action="Ping")).startswith("Response: Success\nPing: Pong\nTimestamp: ")
            other = await Octets.connect(server)
            await other.login("calls")
            assert (await other.say(Action="Ping")).startswith("Response: Success")

    run(test)


def test_login_with_an_md5_challenge() -> None:
    async def test() -> None:
        async with serving() as (server, _):
            client = await Octets.connect(server)
            challenge = (await client.say(Action="Challenge", AuthType="MD5")).rpartition(" ")[2]
            key = hashlib.md5((challenge + "secret").encode()).hexdigest()
            answer = await client.say(Action="Login", AuthType="MD5", Username="fax", Key=key)
            assert answer == "Response: Success\nMessage: Authentication accepted"
            for stale in (key, hashlib.md5(b"secret").hexdigest(), ""):
                client = await Octets.connect(server)
                answer = await client.say(Action="Login", AuthType="MD5", Username="fax", Key=stale)
                assert answer == "Response: Error\nMessage: Authentication failed"

    run(test)


def test_a_bad_login_waits_and_closes() -> None:
    async def test() -> None:
        async with serving(ALL, User("empty", ""), failure_delay_s=0.3) as (server, _):
            loop = asyncio.get_running_loop()
            for name, secret in (("fax", "wrong"), ("nobody", "secret"), ("empty", "")):
                client, began = await Octets.connect(server), loop.time()
                assert await client.login(name, secret) == "Response: Error\nMessage: Authentication failed"
                assert loop.time() - began >= 0.29
                assert await client.closed()

    run(test)


def test_networks_decide_who_may_log_in() -> None:
    async def test() -> None:
        near = User("near", "secret", networks=Networks(["0.0.0.0/0"], ["127.0.0.1/255.255.255.255"]))
        far = User("far", "secret", networks=Networks(["0.0.0.0/0"], ["192.0.2.0/24"]))
        async with serving(near, far) as (server, _):
            assert "accepted" in await (await Octets.connect(server)).login("near")
            assert "failed" in await (await Octets.connect(server)).login("far")

    run(test)


def test_after_some_failures_an_address_is_refused_even_with_the_right_secret() -> None:
    async def test() -> None:
        async with serving(max_failures=3, failure_delay_s=0) as (server, _):
            for _ in range(3):
                await (await Octets.connect(server)).login(secret="wrong")
            assert "failed" in await (await Octets.connect(server)).login()

    run(test)


def test_limits_on_connections_and_on_the_time_to_log_in() -> None:
    async def test() -> None:
        async with serving(max_clients=3, max_unauthenticated=2, login_timeout_s=0.4) as (server, _):
            first = await Octets.connect(server)
            await first.login()
            await first.next()
            slow = [await Octets.connect(server) for _ in range(2)]
            with pytest.raises((ConnectionError, AssertionError)):
                await Octets.connect(server)
            for client in slow:
                client.writer.write(b"Action: Lo")
                assert await client.closed()
            assert "Pong" in await first.say(Action="Ping")
            assert "accepted" in await (await Octets.connect(server)).login()

    run(test)


def test_who_says_nothing_keeps_out_nobody_at_another_address() -> None:
    async def test() -> None:
        async with serving(max_unauthenticated=4, max_unauthenticated_of_one=3, max_clients=6) as (server, _):
            silent = [await Octets.connect(server) for _ in range(3)]
            with pytest.raises((ConnectionError, AssertionError)):
                await Octets.connect(server)
            # Held: from Python 3.13 on, a connection that nothing holds is closed.
            held = [await Octets.connect(server, source=f"127.0.0.{n}") for n in (2, 3, 4)]
            for client in held:
                assert "accepted" in await client.login()
            # Where strangers come from many addresses, the one that has most of them makes room.
            others = [await Octets.connect(server, source=f"127.0.1.{n}") for n in range(1, 3)]
            assert await silent[0].closed()
            assert await silent[1].closed()
            for client in others:
                assert "accepted" in await client.login()

    run(test)


def test_an_action_needs_its_class() -> None:
    async def test() -> None:
        reader = User("reader", "secret", permissions("all"), permissions("reporting"))
        async with serving(reader) as (server, station):
            client = await Octets.connect(server)
            await client.login("reader", Events="off")
            denied = "Response: Error\nActionID: o\nMessage: Permission denied"
            assert await client.say(**SEND, Data="/x.tif") == denied
            assert not station.orders
            assert await client.say(Action="FAXSessions") == "Response: Error\nMessage: Permission denied"
            assert "CurrentSessions: 0" in (await client.say(Action="FAXStats") + await client.next())
            listed = await client.say(Action="ListCommands")
            assert "FAXStats: Responds with fax statistics  (Priv: reporting,all)" in listed
            assert "Ping: Keepalive command.  (Priv: <none>)" in listed
            assert "Originate" not in listed

    run(test)


@pytest.mark.parametrize(
    ("mask", "answer"),
    [
        ("on", "Response: Success\nEvents: On"),
        ("off", "Response: Success\nEvents: Off"),
        ("call,user", "Response: Success\nEvents: On"),
        ("CALL", "Response: Success\nEvents: Off"),
        ("2", "Response: Success\nEvents: On"),
        ("-1", "Response: Success\nEvents: Off"),
        ("bogus", "Response: Success\nEvents: Off"),
        ("", "Response: Error\nMessage: Invalid event mask"),
    ],
)
def test_event_masks(mask: str, answer: str) -> None:
    async def test() -> None:
        async with serving() as (server, _):
            client = await Octets.connect(server)
            await client.login(Events="off")
            assert await client.say(Action="Events", EventMask=mask) == answer

    run(test)


def test_a_mask_lets_through_its_classes_alone() -> None:
    async def test() -> None:
        async with serving() as (server, station):
            calls, plan, none = [await Octets.connect(server) for _ in range(3)]
            await calls.login(Events="call")
            await plan.login(Events="dialplan")
            await none.login(Events="off")
            whole_fax(station, station.call(outgoing=False, direction=Direction.RECEIVE))
            heard = await calls.rest("Event: Hangup\n")
            assert all("\nPrivilege: call,all\n" in message for message in heard)
            assert "Event: VarSet\nPrivilege: dialplan,all\n" in await plan.next()
            assert "Pong" in await none.say(Action="Ping")

    run(test)


def test_what_is_wrong_is_said_in_asterisks_words() -> None:
    async def test() -> None:
        async with serving() as (server, _):
            client = await Octets.connect(server)
            await client.login(Events="off")
            unknown = "Invalid/unknown command: X. Use Action: ListCommands to show available commands."
            assert await client.say(Action="X", ActionID="1") == f"Response: Error\nActionID: 1\nMessage: {unknown}"
            for number, text in (
                ("", "Invalid session ID"),
                ("x", "Invalid session ID"),
                ("9999", "Session not found"),
            ):
                assert (
                    await client.say(Action="FAXSession", SessionNumber=number) == f"Response: Error\nMessage: {text}"
                )
            client.writer.write(b"Action: Ping\r\nX: " + b"y" * 2000 + b"\r\n\r\n")
            assert await client.next() == "Response: Error\nMessage: Failed to parse message: line too long"
            assert await client.say(Action="Hangup") == "Response: Error\nMessage: No channel specified"
            assert await client.say(Action="Hangup", Channel="x") == "Response: Error\nMessage: No such channel"

    run(test)


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


def test_who_does_not_read_is_dropped_and_holds_up_nobody() -> None:
    async def test() -> None:
        async with serving(queue_octets=200_000) as (server, station):
            deaf, good = await Octets.connect(server), await Octets.connect(server)
            await deaf.login()
            await good.login(Events="call")
            deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
            for _ in range(2000):
                if len(server._clients) == 1:
                    break
                whole_fax(station, station.call(outgoing=False, direction=Direction.RECEIVE))
                assert (await good.rest("Event: Hangup\n"))[-1].startswith("Event: Hangup")
            assert len(server._clients) == 1
            assert "Pong" in await good.say(Action="Ping")

    run(test)


def test_who_is_there_when_it_stops_is_told() -> None:
    async def test() -> None:
        async with serving() as (server, _):
            client = await Octets.connect(server)
            await client.login(Events="system")
            await client.next()
            await server.close()
            assert await client.rest() == ["Event: Shutdown\nPrivilege: system,all\nShutdown: Cleanly\nRestart: False"]

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


def test_garbage_before_and_after_the_login_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        dice = random.Random("garbage")
        names = [
            b"Action",
            b"ActionID",
            b"Channel",
            b"Variable",
            b"Data",
            b"SessionNumber",
            b"EventMask",
            b"Application",
        ]
        values = [name.encode() for name in ACTIONS] + [
            b"SendFAX",
            b"PJSIP/a/sip:b@c",
            b"\xff\0\r",
            b"x" * 1100,
            b"1",
            b"/a,f",
        ]
        async with serving() as (server, station):
            good = await Octets.connect(server)
            await good.login(Events="off")
            for number in range(40):
                client = await Octets.connect(server)
                if number % 2:
                    await client.login(Events="off")
                for _ in range(30):
                    pairs = [(dice.choice(names), dice.choice(values)) for _ in range(dice.randrange(6))]
                    lines = [name + b": " + value + dice.choice([b"\n", b"\r\n"]) for name, value in pairs]
                    client.writer.write(b"".join(lines) + dice.choice([b"\n", b"\r\n", dice.randbytes(20)]))
                    for call in station.calls():
                        station.say(call, result(call))
                client.writer.close()
            await asyncio.sleep(0.2)
            assert "Pong" in await good.say(Action="Ping")
        assert not [record for record in caplog.records if record.levelname == "ERROR"]

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


def test_over_tls(tmp_path: Path) -> None:
    async def test() -> None:
        key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
        openssl = await asyncio.create_subprocess_exec(
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost", "-days", "2"),
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert await openssl.wait() == 0
        tls = {"tls_listen": "127.0.0.1:0", "tls_certificate": certificate, "tls_private_key": key}
        async with serving(**tls) as (server, _):
            context = ssl.create_default_context(cafile=str(certificate))
            context.check_hostname = False
            reader, writer = await asyncio.open_connection(*server.addresses[1], ssl=context)
            assert await reader.readline() == b"Asterisk Call Manager/5.0.4\r\n"
            client = Octets(reader, writer)
            assert "accepted" in await client.login()
            writer.close()
            # Who begins TLS and falls silent is counted too, and takes no place from others.
            host, port = server.addresses[1]
            silent = [await asyncio.open_connection(host, port) for _ in range(15)]
            cut = [reader for reader, _ in silent[server.settings.max_unauthenticated_of_one :]]
            assert [await reader.read() for reader in cut] == [b""] * 5
            reader, writer = await asyncio.open_connection(host, port, ssl=context, local_addr=("127.0.0.2", 0))
            assert await reader.readline() == b"Asterisk Call Manager/5.0.4\r\n"
            for _, other in [*silent, (reader, writer)]:
                other.close()

    run(test)


def test_what_cannot_be_listened_on() -> None:
    async def test() -> None:
        async with serving() as (server, station):
            host, port = server.addresses[0]
            with pytest.raises(PortInUseError):
                await AmiServer(station, settings(listen=f"{host}:{port}")).start()
            for changes in ({"listen": "example.org:1"}, {"tls_listen": "127.0.0.1:0"}):
                with pytest.raises(ConfigError):
                    await AmiServer(station, settings(**changes)).start()

    run(test)


def test_other_users_after_a_reload() -> None:
    async def test() -> None:
        async with serving() as (server, _):
            inside = await Octets.connect(server)
            assert "accepted" in await inside.login(Events="off")
            server.reload(AmiConfig(user=(AmiUserConfig(name="new", secret="other"),)))
            assert "accepted" in await (await Octets.connect(server)).login("new", "other")
            assert "failed" in await (await Octets.connect(server)).login()
            assert "Pong" in await inside.say(Action="Ping"), "who is inside stays"

    run(test)
