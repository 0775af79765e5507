# SPDX-License-Identifier: GPL-2.0-or-later
"""Two transcripts of one script, made comparable: what differs from run to run becomes a word for its kind.

`plain` does that alone. The deliberate differences that docs/ami.md tells of have a function each; a test names those it
allows, so everything else is compared key by key, in order, with its value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tests.ami.speaker import Message, get

__all__ = [
    "common_commands",
    "events",
    "lines",
    "not_dialled",
    "plain",
    "variables",
    "whoever_hangs_up",
    "without_call_id",
    "without_interim",
]

# Values that are times, counts of other people's calls, or names of this machine's.
_KINDS = {
    "Timestamp": (r"\d+\.\d{6}", "time"),
    "Uptime": (r"\d+", "seconds"),
    "LastReload": (r"\d+", "seconds"),
    "Challenge": (r"\d+", "number"),
    "CoreStartupDate": (r"\d{4}-\d\d-\d\d", "date"),
    "CoreReloadDate": (r"\d{4}-\d\d-\d\d", "date"),
    "CoreStartupTime": (r"\d\d:\d\d:\d\d", "time"),
    "CoreReloadTime": (r"\d\d:\d\d:\d\d", "time"),
    "CoreCurrentCalls": (r"\d+", "count"),
    "CoreMaxFilehandles": (r"\d+", "count"),
    "AsteriskVersion": (r"16\.28\.0[~\-].*", "version"),
    "CurrentSessions": (r"\d+", "count"),
    "ReservedSessions": (r"\d+", "count"),
    "TransmitAttempts": (r"\d+", "count"),
    "ReceiveAttempts": (r"\d+", "count"),
    "CompletedFAXes": (r"\d+", "count"),
    "FailedFAXes": (r"\d+", "count"),
    "SessionNumber": (r"\d+", "number"),
    "ListItems": (r"\d+", "count"),
    "Total": (r"\d+", "count"),
    "Items": (r"\d+", "count"),
    "Seconds": (r"\d+", "seconds"),
    "Duration": (r"\d\d:\d\d:\d\d", "time"),
}
_CHANNEL = re.compile(r"PJSIP/out-[0-9a-f]{8}")
_PORT = re.compile(r"(sip:[a-z0-9\-]+@127\.0\.0\.1):\d+")
_PATH = re.compile(r"/[^,&|]*/")


def plain(messages: Sequence[Message]) -> list[Message]:
    """The messages with ids, times, counts, ports and folders replaced.

    Asterisk answers an Originate, and says OriginateResponse, DialState and HangupRequest, from threads of their own, so they
    come anywhere among the channel's events (a quick refusal even before DialBegin): they are put at the end. DialState may
    see the channel before or after it rings, and HangupRequest has a Cause or not as chance will have it, over audio.
    """
    return sorted(
        (_certain([(key, _value(key, value)) for key, value in message]) for message in messages), key=_anywhere
    )


def _certain(message: Message) -> Message:
    if get(message, "Event") == "DialState":
        return [pair for pair in message if not pair[0].startswith("DestChannelState")]
    if get(message, "Event") == "HangupRequest":
        return [pair for pair in message if pair[0] != "Cause"]
    return message


def _anywhere(message: Message) -> int:
    if get(message, "Message") in ("Originate successfully queued", "Originate failed"):
        return 1
    return {"OriginateResponse": 2, "DialState": 3, "HangupRequest": 4}.get(get(message, "Event"), 0)


def _value(key: str, value: str) -> str:
    if key in _KINDS:
        pattern, word = _KINDS[key]
        return f"<{word}>" if re.fullmatch(pattern, value) else f"{value!r} is no {word}"
    value = _PORT.sub(r"\1:<port>", _CHANNEL.sub("<channel>", value))
    return _PATH.sub("", value) if key in ("Data", "FileName", "Files", "ApplicationData", "Value") else value


def lines(messages: Sequence[Message]) -> list[str]:
    """Return text, for a difference that can be read."""
    return [f"{key}: {value}" for message in messages for key, value in [*message, ("", "")]]


def without_interim(messages: Sequence[Message]) -> list[Message]:
    """Without the block of variables that says the fax failed because the far end hung up, which Asterisk sets for the
    moment until it has looked at the result; and without the FAXERROR HANGUP that stays from it beside SUCCESS."""
    out: list[Message] = []
    skipping = False
    for number, message in enumerate(messages):
        name, value = get(message, "Variable"), get(message, "Value")
        if name == "FAXSTATUS":
            texts = [get(m, "Value") for m in messages[number : number + 3]]
            skipping = texts == ["FAILED", "HANGUP", "remote channel hungup"]
        elif not name:
            skipping = False
        leftover = name == "FAXERROR" and value == "HANGUP" and get(out[-1], "Value") == "SUCCESS" if out else False
        if not (skipping or leftover):
            out.append(message)
    return out


def without_call_id(messages: Sequence[Message]) -> list[Message]:
    """Without the variable SIPCALLID, which Asterisk's chan_sip sets and its chan_pjsip does not."""
    return [message for message in messages if get(message, "Variable") != "SIPCALLID"]


def whoever_hangs_up(messages: Sequence[Message]) -> list[Message]:
    """Without what tells who hung up first: the receiver of a fax is over with it as soon as the sender is."""
    rest = [message for message in messages if get(message, "Event") != "HangupRequest"]
    return [[p for p in m if get(m, "Event") != "Hangup" or not p[0].startswith("Cause")] for m in rest]


def not_dialled(messages: Sequence[Message]) -> list[Message]:
    """Return the rest of a fax that Asterisk dials and softfax does not, there being nothing to send: the variables and the
    end. OriginateResponse tells of a call that was answered or of none, and the channel was up or not."""
    gone = {"DialBegin", "DialState", "DialEnd", "Newstate", "OriginateResponse"}
    return [
        [pair for pair in message if not pair[0].startswith("ChannelState")]
        for message in messages
        if get(message, "Event") not in gone
    ]


def common_commands(both: tuple[Sequence[Message], Sequence[Message]]) -> tuple[list[Message], list[Message]]:
    """Lists of commands cut down to those that both know."""
    known = [{key for message in messages for key, _ in message} for messages in both]
    shared = known[0] & known[1]
    first, second = ([[pair for pair in m if pair[0] in shared] for m in messages] for messages in both)
    return first, second


def events(messages: Sequence[Message]) -> list[str]:
    """The names of events and responses, in order."""
    return [get(message, "Event") or get(message, "Response") for message in messages]


def variables(messages: Sequence[Message]) -> list[tuple[str, str]]:
    """Return what VarSet said, in order."""
    return [(get(m, "Variable"), get(m, "Value")) for m in messages if get(m, "Event") == "VarSet"]
