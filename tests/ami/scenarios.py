# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios of a client, for the real Asterisk and softfax alike; each returns what it heard.

Calls are recognised by a ChannelId of the scenario's name, so any number of scenarios run on one server at once.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

from tests.ami.speaker import End, Message, Speaker, get

__all__ = ["FAX_SCENARIOS", "LIMIT_S", "SCENARIOS", "TALK_SCENARIOS"]

EVENTS = "call,dialplan"
#: For a scenario, or a foreign client's fax.
LIMIT_S = 150.0

Scenario = Callable[[End], Awaitable[list[Message]]]


async def login(end: End) -> list[Message]:
    """With the banner; what may be done before, and twice."""
    speaker = await Speaker.connect(end.port)
    for action in ("Ping", "FAXSessions", "Nonsense"):
        await speaker.ask(Action=action, ActionID="before")
    await speaker.ask(Foo="bar")
    await speaker.ask(Action="Challenge", AuthType="SHA1")
    await speaker.ask(Action="Login", ActionID="in", Username=end.user, Secret=end.secret, Events="system")
    await speaker.expect(lambda m: get(m, "Event") == "FullyBooted")
    await speaker.ask(Action="Login", Username=end.user, Secret="whatever")
    await speaker.ask(Action="Logoff", ActionID="out")
    return await speaker.quiet(3)


async def login_bad(end: End) -> list[Message]:
    """A wrong secret, a user that is not there, no user at all; none is answered before a second has passed."""
    heard: list[Message] = []

    async def attempt(lines: list[str]) -> list[Message]:
        speaker = await Speaker.connect(end.port)
        began = asyncio.get_running_loop().time()
        await speaker.ask("Action: Login", *lines)
        waited = asyncio.get_running_loop().time() - began
        await speaker.quiet(3)
        return [*speaker.heard, [("waited a second", str(waited > 0.9))], [("closed", str(speaker.closed))]]

    attempts = (
        [f"Username: {end.user}", "Secret: wrong"],
        ["Username: nobody", f"Secret: {end.secret}"],
        [],
        [f"Username: {end.user}", f"Secret: {end.secret}", "AuthType: MD5", "Key: 0"],
    )
    for result in await asyncio.gather(*(attempt(lines) for lines in attempts)):
        heard += result
    return heard


async def login_md5(end: End) -> list[Message]:
    speaker = await Speaker.connect(end.port)
    challenge = get(await speaker.ask(Action="Challenge", ActionID="c", AuthType="md5"), "Challenge")
    again = get(await speaker.ask(Action="Challenge", AuthType="MD5"), "Challenge")
    speaker.heard.append([("the same challenge", str(challenge == again and bool(challenge)))])
    key = hashlib.md5((challenge + end.secret).encode()).hexdigest()
    # Users have no case.
    await speaker.ask(Action="Login", AuthType="MD5", Username=end.user.upper(), Key=key, Events="off")
    await speaker.ask(Action="Ping")
    await speaker.close()
    return speaker.heard


async def talk(end: End) -> list[Message]:
    """Hear what is answered, and what is answered to what makes no sense."""
    speaker = await Speaker.login(end, "off")
    blocks = [
        b"Action: Ping\r\nActionID: 1\r\n\r\n",
        b"ACTION:ping\nactionid:  two words \n\n",
        b"Foo\r\nAction: Ping\r\nActionID: one\r\nActionID: two\r\n\r\n",
        b"\r\n",
        b"ActionID: only\r\n\r\n",
        b"Action: \r\nActionID: empty\r\n\r\n",
        b" Action: Ping\r\n\r\n",
        b"Action: Ping \r\n\r\n",
        b"Action: Nonsense\r\nActionID: q\r\n\r\n",
        b"Action: Ping\r\nActionID: \xff\xfe\r\n\r\n",
        b"Action: Ping\r\nActionID: x\0y\r\n\r\n",
        b"Action: Ping\r\nActionID: 1022\r\nX: " + b"y" * 1019 + b"\r\n\r\n",
        b"Action: Ping\r\nActionID: 1023\r\nX: " + b"y" * 1020 + b"\n\n",
        b"Action: Ping\r\nX: " + b"y" * 5000 + b"\r\nActionID: 5000\r\n\r\n",
        b"Action: Ping\r\nActionID: most\r\n" + b"X: y\r\n" * 126 + b"\r\n",
        b"Action: Ping\r\nActionID: more\r\n" + b"X: y\r\n" * 127 + b"\r\n",
        *(b"Action: Events\r\nEventMask: " + mask + b"\r\n\r\n" for mask in _MASKS),
        b"Action: Events\r\n\r\n",
        b"Action: CoreSettings\r\nActionID: settings\r\n\r\n",
        b"Action: CoreStatus\r\nActionID: status\r\n\r\n",
        *(
            b"Action: FAXSession\r\nSessionNumber: " + number + b"\r\n\r\n"
            for number in (b"9999", b"99x", b"x", b"", b"-1")
        ),
        b"Action: FAXSession\r\n\r\n",
        b"Action: Hangup\r\n\r\n",
        b"Action: Hangup\r\nChannel: none\r\n\r\n",
        b"Action: Status\r\nChannel: none\r\n\r\n",
        b"Action: Getvar\r\n\r\n",
        b"Action: Getvar\r\nChannel: none\r\nVariable: X\r\n\r\n",
        b"Action: Getvar\r\nVariable: NOT_SET\r\n\r\n",
        b"Action: Setvar\r\n\r\n",
        b"Action: Setvar\r\nChannel: none\r\nVariable: X\r\nValue: 1\r\n\r\n",
        b"Action: Setvar\r\nVariable: SIDE\r\nValue: by side\r\n\r\n",
        b"Action: Getvar\r\nVariable: SIDE\r\n\r\n",
    ]
    for block in blocks:
        before = len(speaker.heard)
        speaker.write(block)
        await speaker.expect(lambda m: m[0][0] == "Response", after=before)
    await speaker.close()
    # A mask lets in what happens to other calls meanwhile.
    return [m for m in speaker.heard if not get(m, "Privilege")]


_MASKS = (b"on", b"off", b"call,user", b"CALL", b"call, bogus", b"bogus", b"2", b"-1", b"no", b"all", b"0", b"")


async def stats(end: End) -> list[Message]:
    """Hear what follows FAXStats."""
    speaker = await Speaker.login(end, "off")
    await speaker.ask(Action="FAXStats", ActionID="stats")
    await speaker.expect(lambda m: get(m, "Event") == "FAXStats")
    await speaker.close()
    return speaker.heard


async def commands(end: End) -> list[Message]:
    """The list of commands, for the ones that both know."""
    speaker = await Speaker.login(end, "off")
    await speaker.ask(Action="ListCommands", ActionID="list")
    await speaker.close()
    return speaker.heard


async def originate_wrong(end: End) -> list[Message]:
    """Requests that are refused at once, and a channel that does not exist."""
    speaker = await Speaker.login(end, "call")
    good = {"Channel": end.channel("recv"), "Application": "SendFAX", "Data": "/x.tif"}
    for number, changes in enumerate(
        (
            {"Channel": ""},
            {"Channel": "nonsense"},
            {"Timeout": "soon"},
            {"Priority": "first"},
            {"Application": ""},
            {"Application": "", "Context": "nowhere", "Exten": "x", "Priority": "1"},
            {"Channel": "PJSIP/nosuch/sip:x@127.0.0.1"},
        )
    ):
        await speaker.ask(Action="Originate", ActionID=f"wrong-{number}", **{**good, **changes})
    gone = {**good, "Channel": "PJSIP/nosuch/sip:x@127.0.0.1", "Async": "true"}
    await speaker.ask(Action="Originate", ActionID="wrong-async", **gone)
    await speaker.expect(lambda m: get(m, "Event") == "OriginateResponse" and get(m, "ActionID") == "wrong-async")
    await speaker.close()
    return [m for m in speaker.heard if get(m, "ActionID").startswith("wrong")]


# ---- calls ----------------------------------------------------------------------------------------------------------------


async def call(
    end: End, name: str, *lines: str, extension: str = "recv", data: str = "", events: str = EVENTS
) -> Speaker:
    """Originates a fax called `name`; without `data` it sends one page."""
    speaker = await Speaker.login(end, events)
    await speaker.ask(
        "Action: Originate",
        f"ActionID: {name}",
        f"ChannelId: {name}",
        f"Channel: {end.channel(extension)}",
        *([] if any(line.startswith("Application") for line in lines) else ["Application: SendFAX"]),
        f"Data: {data or end.folder + '/side.tif,fz'}",
        *lines,
    )
    return speaker


async def over(speaker: Speaker, name: str, *, limit_s: float = 120) -> list[Message]:
    """Waits until the channel of a call is gone; what is of this call, in order, without the rows of others in lists."""
    await speaker.expect(lambda m: get(m, "Event") == "Hangup" and get(m, "Uniqueid") == name, limit_s=limit_s)
    await speaker.quiet(0.5)
    await speaker.close()
    ours = [m for m in speaker.heard if name in (get(m, "Uniqueid"), get(m, "DestUniqueid"), get(m, "ActionID"))]
    channel = get(ours[1], "Channel") or get(ours[0], "Channel")
    lists = ("FAXSessionsEntry", "CoreShowChannel")
    return [m for m in ours if get(m, "Event") not in lists or get(m, "Channel") == channel]


NAMED = ('CallerID: "Side by Side" <0301234567>', "Async: true", "Timeout: 20000", "Account: books")
OPTIONS = (
    "Variable: FAXOPT(localstationid)=SIDE BY SIDE,FAXOPT(headerinfo)=Side",
    "Variable: FIRST=1",
    "Variable: SECOND='quoted'",
)


async def send(end: End) -> list[Message]:
    """A fax over T.38, looked at from all sides once its page is under way."""
    name = "side-send"
    speaker = await call(end, name, *NAMED, *OPTIONS)
    await speaker.expect(lambda m: "In Progress" in get(m, "Status") and get(m, "Uniqueid") == name, limit_s=60)
    number, _ = await _under_way(speaker, name)
    for variable in (
        "FAXOPT(ecm)",
        "FAXOPT(localstationid)",
        "FIRST",
        "CHANNEL(state)",
        "CALLERID(num)",
        "FAXOPT(bogus)",
    ):
        await speaker.ask(Action="Getvar", ActionID=name, Channel=_channel(speaker, name), Variable=variable)
    await speaker.ask(Action="Status", ActionID=name, Channel=_channel(speaker, name))
    await speaker.ask(Action="CoreShowChannels", ActionID=name)
    await speaker.expect(lambda m: get(m, "Event") == "Hangup" and get(m, "Uniqueid") == name, limit_s=120)
    await asyncio.sleep(0.5)
    await speaker.ask(Action="FAXSession", ActionID=name, SessionNumber=number)
    return await over(speaker, name)


def _channel(speaker: Speaker, name: str) -> str:
    created = next(m for m in speaker.heard if get(m, "Event") == "Newchannel" and get(m, "Uniqueid") == name)
    return get(created, "Channel")


async def _under_way(speaker: Speaker, name: str) -> tuple[str, Message]:
    """Asks for the session until its resolution is known; only the last answers stay in what was heard."""
    channel = _channel(speaker, name)
    async with asyncio.timeout(60):
        while True:
            before = len(speaker.heard)
            await speaker.ask(Action="FAXSessions", ActionID=name)
            await speaker.expect(lambda m: get(m, "Event") == "FAXSessionsComplete", after=before)
            rows = [m for m in speaker.heard[before:] if get(m, "Channel") == channel and "Entry" in get(m, "Event")]
            if rows:
                number = get(rows[0], "SessionNumber")
                await speaker.ask(Action="FAXSession", ActionID=name, SessionNumber=number)
                record = await speaker.expect(lambda m: get(m, "Event") == "FAXSession", after=before)
                if get(record, "ImageResolution") not in ("", "0x0") and get(record, "State") == "Active":
                    return number, record
            speaker.heard[before:] = [m for m in speaker.heard[before:] if get(m, "ActionID") != name]
            await asyncio.sleep(0.3)


async def audio(end: End) -> list[Message]:
    """A fax that is G.711 by option F."""
    speaker = await call(end, "side-audio", *NAMED, extension="recv-audio", data=f"{end.folder}/side.tif,F")
    return await over(speaker, "side-audio")


async def receive(end: End) -> list[Message]:
    """ReceiveFAX on a call of ours."""
    speaker = await call(
        end, "side-receive", "Application: ReceiveFAX", *NAMED, extension="send-audio", data=f"{end.folder}/got.tif,F"
    )
    return await over(speaker, "side-receive")


async def busy(end: End) -> list[Message]:
    return await over(await call(end, "side-busy", *NAMED, extension="busy"), "side-busy")


async def busy_waiting(end: End) -> list[Message]:
    """Without Async the answer to the action says it."""
    return await over(await call(end, "side-busy-waiting", "CallerID: 123", extension="busy"), "side-busy-waiting")


async def unknown_number(end: End) -> list[Message]:
    return await over(await call(end, "side-unknown", "Async: true", extension="nosuch"), "side-unknown")


async def declined(end: End) -> list[Message]:
    return await over(await call(end, "side-declined", "Async: true", extension="decline"), "side-declined")


async def congested(end: End) -> list[Message]:
    return await over(await call(end, "side-congested", "Async: true", extension="congestion"), "side-congested")


async def ringing(end: End) -> list[Message]:
    """Nobody answers in time."""
    return await over(await call(end, "side-ringing", "Async: true", "Timeout: 1500", extension="ring"), "side-ringing")


async def no_file(end: End) -> list[Message]:
    return await over(await call(end, "side-no-file", "Async: true", data="/missing.tif,fz"), "side-no-file")


async def no_arguments(end: End) -> list[Message]:
    return await over(await call(end, "side-no-arguments", "Async: true", data=",fz"), "side-no-arguments")


async def wrong_rates(end: End) -> list[Message]:
    """Rate and modems that do not go together."""
    wrong = ("Variable: FAXOPT(modem)=v27", "Variable: FAXOPT(maxrate)=14400")
    return await over(await call(end, "side-wrong-rates", "Async: true", *wrong), "side-wrong-rates")


async def hung_up(end: End) -> list[Message]:
    """A fax ended by Hangup, with a cause, in its middle."""
    name = "side-hung-up"
    speaker = await call(end, name, *NAMED, *OPTIONS)
    await speaker.expect(lambda m: "In Progress" in get(m, "Status") and get(m, "Uniqueid") == name, limit_s=60)
    await _under_way(speaker, name)
    await speaker.ask(Action="Hangup", ActionID=name, Channel=_channel(speaker, name), Cause="17")
    return await over(speaker, name)


TALK_SCENARIOS: dict[str, Scenario] = {
    "login": login,
    "login-bad": login_bad,
    "login-md5": login_md5,
    "talk": talk,
    "stats": stats,
    "commands": commands,
    "originate-wrong": originate_wrong,
}
FAX_SCENARIOS: dict[str, Scenario] = {
    "send": send,
    "audio": audio,
    "receive": receive,
    "busy": busy,
    "busy-waiting": busy_waiting,
    "unknown-number": unknown_number,
    "declined": declined,
    "congested": congested,
    "ringing": ringing,
    "no-file": no_file,
    "no-arguments": no_arguments,
    "wrong-rates": wrong_rates,
    "hung-up": hung_up,
}
SCENARIOS = {**TALK_SCENARIOS, **FAX_SCENARIOS}
