# SPDX-License-Identifier: GPL-2.0-or-later
"""Action Command, filters, waiting and lists of accounts: what a real Asterisk 16 has answered, line for line; and its version 22."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime

import pytest

from softfax.ami import User, permissions
from softfax.model import CallEvent, CallState, Direction, Mode, Operation, SessionState
from softfax.station.views import RegistrationView
from tests.unit.ami.fakes import Octets, record, result, run, serving, whole_fax

ALL = User("fax", "secret")
SESSIONS = """
Current FAX Sessions:

Channel                        Tech       FAXID      Type  Operation  State           File(s)                       
PJSIP/out-00000001             Spandsp    1          T.38  receive    Active          /faxes/letter.tif             

1 FAX sessions
"""  # noqa: W291
RECEIVING = """
FAX Session Details:
--------------------

channel                : PJSIP/out-00000001
session                : 1
operation              : Receive
state                  : Active
Last Status            : OK
ECM Mode               : Yes
Data Rate              : 14400
Image Resolution       : 8031x7700
Page Number            : 1
File Name              : /faxes/letter.tif

Data Statistics:
Tx Pages               : 0
Rx Pages               : 0
Longest Bad Line Run   : 0
Total Bad Lines        : 0



"""
LISTENING = """
FAX Session Details:
--------------------

channel                : PJSIP/out-00000001
session                : 1
operation              : V.21 Detect
state                  : Active



"""
CARRYING = """
FAX Session Details:
--------------------

channel                : PJSIP/out-00000001
session                : 1
operation              : Gateway
state                  : Active
ECM Mode               : Yes
Data Rate              : 14400
Page Number            : 2



"""
CAPABILITIES = """

Registered FAX Technology Modules:

Type            : Spandsp
Description     : Spandsp FAX Driver
Capabilities    : SEND RECEIVE T.38 G.711 GATEWAY

1 registered modules
"""
UNKNOWN_SESSION = """
FAX Session Details:
--------------------


"""
NO_CHANNELS = """Channel              Location             State   Application(Data)             
0 active channels
0 active calls
0 calls processed"""  # noqa: W291
SETTINGS = """FAX For Asterisk Settings:
\tECM: Enabled
\tStatus Events: On
\tMinimum Bit Rate: 4800
\tMaximum Bit Rate: 14400
\tModem Modulations Allowed: V17,V27,V29
\tT.38 Negotiation Timeout: 5000


FAX Technology Modules:

Spandsp (Spandsp FAX Driver) Settings:"""


async def printed(client: Octets, command: str, response: str = "Success") -> str:
    """The output of a command."""
    head, *lines = (await client.say(Action="Command", ActionID="7", Command=command)).split("Output: ")
    assert head == f"Response: {response}\nActionID: 7\nMessage: Command output follows\n"
    return "".join(lines)


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("fax show capabilities", CAPABILITIES),
        ("fax show session 77", UNKNOWN_SESSION),
        ("fax show session x", ""),
        ("fax show settings", SETTINGS),
        ("core show channels", NO_CHANNELS),
        ("core show channels count", NO_CHANNELS.partition("\n")[2]),
        ("core show channels concise", ""),
    ],
)
def test_commands_without_a_fax(command: str, output: str) -> None:
    async def test() -> None:
        async with serving(ALL) as (server, _):
            client = await Octets.connect(server)
            await client.login(Events="off")
            assert await printed(client, command) == output

    run(test)


def test_what_is_no_command() -> None:
    async def test() -> None:
        async with serving(ALL, User("calls", "secret", permissions("call"), permissions("call"))) as (server, _):
            client = await Octets.connect(server)
            await client.login(Events="off")
            usage = "Usage: fax show session <session number>\n       Shows status of the named FAX session"
            assert await printed(client, "fax show session", "Error") == usage
            text = "No such command 'fax show' (type 'core show help fax show' for other possible commands)"
            assert await printed(client, "fax show", "Error") == text
            assert (await client.say(Action="Command")).endswith("Message: No command provided")
            other = await Octets.connect(server)
            await other.login("calls", Events="off")
            assert (await other.say(Action="Command", Command="fax show stats")).endswith("Permission denied")

    run(test)


def test_a_fax_and_its_place_in_the_statistics() -> None:
    async def test() -> None:
        async with serving(ALL) as (server, station):
            client = await Octets.connect(server)
            await client.login(Events="off")
            call = station.call(outgoing=False, direction=Direction.RECEIVE, documents=("/faxes/letter.tif",))
            station.say(call, CallEvent(state=CallState.ANSWERED, sip_code=200))
            station.say(call, record(call, SessionState.ACTIVE), Mode.T38)
            assert await printed(client, "fax show sessions") == SESSIONS
            assert await printed(client, "fax show session 1") == RECEIVING
            row = "PJSIP/out-00000001   recv@fax:1           Up      ReceiveFAX(/faxes/letter.tif)"
            listed = (await printed(client, "core show channels")).splitlines()
            assert listed[1].startswith(row)
            assert listed[2:] == ["1 active channel", "1 active call", "1 call processed"]
            for operation, output in ((Operation.V21, LISTENING), (Operation.GATEWAY, CARRYING)):
                call.session = dataclasses.replace(call.session, operation=operation, page_number=2)
                assert await printed(client, "fax show session 1") == output
            station.say(call, result(call))
            whole_fax(station, station.call(outgoing=False, direction=Direction.RECEIVE), Mode.AUDIO)
            stats = await printed(client, "fax show stats")
            g711, t38 = stats.partition("Spandsp T.38        \n")[::2]
            assert "Transmit Attempts    : 7\n" in g711
            assert "Spandsp G.711       \nSuccess              : 1\nSwitched to T.38     : 0\n" in g711
            assert t38.startswith("Success              : 1\nCall Dropped         : 0\n")
            assert t38.endswith("Unknown Error        : 0\n\n")

    run(test)


def test_filters() -> None:
    async def test() -> None:
        async with serving(ALL) as (server, _):
            client = await Octets.connect(server)
            await client.login(Events="user")
            for text in ("(", "(a+)+", "(a|b)*", "a" * 300):
                answer = await client.say(Action="Filter", Operation="Add", Filter=text)
                assert answer.endswith("Filter did not compile.  Check the syntax of the filter given.")
            assert (await client.say(Action="Filter", Operation="Del")).endswith("Unknown operation")
            for text in ("UserEvent: .*Wanted", "!Key: secret"):
                answer = await client.say(Action="Filter", Operation="Add", Filter=text)
                assert answer == "Response: Success\nMessage: Success"
            for name, key in (("Other", "a"), ("Wanted", "secret"), ("Wanted", "b")):
                assert (await client.say(Action="UserEvent", UserEvent=name, Key=key)).endswith("Message: Event Sent")
            assert await client.next() == "Event: UserEvent\nPrivilege: user,all\nUserEvent: Wanted\nKey: b"

    run(test)


def test_waiting_for_an_event() -> None:
    async def test() -> None:
        async with serving(ALL) as (server, _):
            client, other = await Octets.connect(server), await Octets.connect(server)
            await client.login(Events="user")
            await other.login(Events="off")
            done = "Response: Success\nActionID: 9\nMessage: Waiting for Event completed."
            complete = "Event: WaitEventComplete\nActionID: 9"
            assert await client.say(Action="WaitEvent", ActionID="9", Timeout="0") == done
            assert await client.next() == complete
            client.send(Action="WaitEvent", ActionID="9")
            while not any(one._held is not None for one in server._clients):
                await asyncio.sleep(0.01)
            await other.say(Action="UserEvent", UserEvent="Foo", ActionID="3")
            heard = "Event: UserEvent\nPrivilege: user,all\nUserEvent: Foo\nActionID: 3"
            assert [await client.next() for _ in range(3)] == [done, heard, complete]
            client.send(Action="WaitEvent", ActionID="9")
            client.send(Action="Ping")
            assert [await client.next() for _ in range(2)] == [done, complete]
            assert (await client.next()).startswith("Response: Success\nPing: Pong")

    run(test)


def test_accounts_are_endpoints_and_registrations() -> None:
    async def test() -> None:
        async with serving(ALL) as (server, station):
            client = await Octets.connect(server)
            await client.login(Events="off")
            now = datetime.now(UTC)
            station.accounts = [
                RegistrationView(account="trunk", server="sip:a.example", state="registered", since=now, expires_s=300),
                RegistrationView(account="pbx", server="sip:10.0.0.2", state="unreachable", since=now),
            ]
            client.send(Action="PJSIPShowEndpoints", ActionID="5")
            answer, trunk, pbx, end = [await client.next() for _ in range(4)]
            listing = "Message: A listing of Endpoints follows, presented as EndpointList events"
            assert answer == f"Response: Success\nActionID: 5\nEventList: start\n{listing}"
            keys = "ObjectType ObjectName Transport Aor Auths OutboundAuths Contacts DeviceState ActiveChannels"
            assert [line.split(":")[0] for line in trunk.splitlines()] == ["Event", "ActionID", *keys.split()]
            assert "DeviceState: Not in use" in trunk
            assert "DeviceState: Unavailable" in pbx
            assert end == "Event: EndpointListComplete\nActionID: 5\nEventList: Complete\nListItems: 2"
            client.send(Action="PJSIPShowRegistrationsOutbound", ActionID="4")
            answer, detail, end = [await client.next() for _ in range(3)]
            assert answer.endswith("EventList: start\nMessage: Following are Events for each Outbound registration")
            assert "Status: Registered" in detail
            assert end == (
                "Event: OutboundRegistrationDetailComplete\nActionID: 4\nEventList: Complete\nListItems: 1\n"
                "Registered: 1\nNotRegistered: 0"
            )

    run(test)


def test_version_22() -> None:
    async def test() -> None:
        async with serving(ALL, version=22) as (server, station):
            reader, writer = await asyncio.open_connection(*server.addresses[0])
            assert await reader.readline() == b"Asterisk Call Manager/11.0.0\r\n"
            client = Octets(reader, writer)
            await client.login(Events="call")
            shown = await client.say(Action="CoreSettings")
            assert "AMIversion: 11.0.0\nAsteriskVersion: 22.10.1-softfax-" in shown
            call = station.call(outgoing=True, direction=Direction.SEND)
            station.say(call, CallEvent(state=CallState.CALLING))
            station.say(call, result(call, success=False, error="BUSY", sip_code=486))
            hangup = (await client.rest("Event: Hangup\n"))[-1]
            assert hangup.endswith("Cause: 17\nCause-txt: User busy\nTechCause: 486")

    run(test)
