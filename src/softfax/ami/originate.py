# SPDX-License-Identifier: GPL-2.0-or-later
"""Originate: pure functions from the action's headers to an order for the station."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from softfax.ami.events import OriginateAction
from softfax.ami.wire import Action, ActionError
from softfax.errors import UsageError
from softfax.model import Direction
from softfax.options import ModePolicy, check_ident
from softfax.outside import clean
from softfax.station import FaxOrder

__all__ = ["BadArgumentsError", "Originate", "caller_id", "read", "split_arguments"]

TIMEOUT_MS, TIMEOUT_MAX_MS = 30_000, 3_600_000
UNIQUE_ID_MAX = 149
FILES_MAX = 100

_TRUE = frozenset({"yes", "true", "y", "t", "1", "on"})
_APPLICATIONS = {"sendfax": Direction.SEND, "receivefax": Direction.RECEIVE}
_FAXOPT = re.compile(r"FAXOPT\(([A-Za-z0-9_]+)\)$", re.IGNORECASE)
# Which modems reach a rate, as Asterisk checks it.
_MODEMS_OF_RATE = {
    2400: {"V27"},
    4800: {"V27"},
    7200: {"V17", "V29"},
    9600: {"V17", "V29"},
    12000: {"V17"},
    14400: {"V17"},
}
_LEADING_INTEGER = re.compile(r"[ \t]*([+-]?[0-9]+)")
_ENDPOINT = re.compile(r"[A-Za-z0-9_.\-]{1,64}$")


class BadArgumentsError(Exception):
    """The arguments of SendFAX or ReceiveFAX are wrong: FAXERROR INVALID_ARGUMENTS with this text."""


class NoChannelError(Exception):
    """Unknown channel."""


@dataclass(frozen=True)
class Originate:
    """An Originate understood. `order` is None where no fax is to be made: `wrong` says why SendFAX or ReceiveFAX
    would refuse; it is empty where there is no such channel to call.
    """

    origin: OriginateAction
    direction: Direction
    order: FaxOrder | None = None
    wrong: str = ""


def read(action: Action) -> Originate:
    """Reads the headers in Asterisk's order. Raises ActionError."""
    channel, application, data = action.get("Channel"), action.get("Application"), action.get("Data")
    unique_id = action.get("ChannelId")
    if len(unique_id) > UNIQUE_ID_MAX:
        raise ActionError(f"Uniqueid length exceeds maximum of {UNIQUE_ID_MAX}")
    if not channel:
        raise ActionError("Channel not specified")
    _integer(action.get("Priority"), 1, "Invalid priority")
    timeout_ms = _integer(action.get("Timeout"), TIMEOUT_MS, "Invalid timeout")
    if "/" not in channel:
        raise ActionError("Invalid channel")
    if not application:
        complete = all(action.get(key) for key in ("Exten", "Context", "Priority"))
        raise ActionError(
            "Extension does not exist." if complete else "Originate with 'Exten' requires 'Context' and 'Priority'"
        )
    direction = _APPLICATIONS.get(application.lower())
    if direction is None:
        raise ActionError("Originate failed")
    number, name = caller_id(action.get("CallerID"))
    options, variables = _variables(action)
    files, letters = _arguments(data)
    origin = OriginateAction(
        channel=channel,
        application=application,
        data=data,
        action_id=action.action_id,
        unique_id=unique_id,
        caller_number=number,
        caller_name=name,
        account=action.get("Account"),
        files=files,
        local_station_id=options.get("localstationid", ""),
        status_events="s" in letters,
        audio_only="F" in letters,
        wants_response=action.get("Async").lower() in _TRUE,
        variables=tuple(variables),
    )
    try:
        order = _order(origin, direction, letters, options, timeout_ms)
    except NoChannelError:
        return Originate(origin, direction)
    except BadArgumentsError as error:
        return Originate(origin, direction, None, str(error))
    return Originate(origin, direction, order)


def _order(
    origin: OriginateAction, direction: Direction, letters: str, options: dict[str, str], timeout_ms: int
) -> FaxOrder:
    destination, account = destination_of(origin.channel)
    if not origin.files or len(origin.files) > FILES_MAX or (direction is Direction.RECEIVE and len(origin.files) > 1):
        raise BadArgumentsError("invalid arguments")
    modems, maximum, minimum = _rates(options)
    ecm = options.get("ecm")
    try:
        ident = check_ident(options.get("localstationid", ""))
    except UsageError:
        raise BadArgumentsError("invalid arguments") from None
    sending = direction is Direction.SEND
    return FaxOrder(
        destination=destination,
        direction=direction,
        documents=origin.files if sending else (),
        receive_into=None if sending else Path(origin.files[0]),
        account=account,
        mode=ModePolicy.AUDIO if "F" in letters else ModePolicy.AUTO if "f" in letters else ModePolicy.T38,
        ident=ident,
        header=clean(options.get("headerinfo", "")),
        ecm=None if ecm is None else ecm.lower() in _TRUE,
        max_rate_bps=maximum,
        min_rate_bps=minimum,
        modems=modems,
        caller_number=clean(origin.caller_number),
        caller_name=clean(origin.caller_name),
        answer_timeout_s=(min(timeout_ms, TIMEOUT_MAX_MS) if timeout_ms > 0 else TIMEOUT_MS) / 1000,
        t38_timeout_s=_milliseconds(options.get("t38timeout", "")) / 1000,
        variables={name: clean(value) for name, value in origin.variables},
    )


def _integer(text: str, default: int, problem: str) -> int:
    if not text:
        return default
    found = _LEADING_INTEGER.match(text)
    if not found:
        raise ActionError(problem)
    return max(-(2**31), min(int(found[1][:20]), 2**31 - 1))


def _milliseconds(text: str) -> int:
    return min(int(text[:9]), TIMEOUT_MAX_MS) if text.isascii() and text.isdigit() else 0


def destination_of(channel: str) -> tuple[str, str]:
    """Return destination and account of `TECHNOLOGY/RESOURCE`. PJSIP and SIP are known; the account may be empty.

    `PJSIP/account/sip:user@host`, `PJSIP/sip:user@host`, `PJSIP/number@account`, `SIP/account/number`. Raises NoChannelError.
    """
    technology, _, resource = channel.partition("/")
    if technology.upper() not in ("PJSIP", "SIP"):
        raise NoChannelError
    account, slash, rest = resource.partition("/")
    if slash and _ENDPOINT.match(account):
        return rest, account
    number, at, endpoint = resource.partition("@")
    if at and not resource.lower().startswith(("sip:", "sips:")) and _ENDPOINT.match(endpoint):
        return number, endpoint
    return resource, ""


def caller_id(text: str) -> tuple[str, str]:
    """Number and name of `"Name" <number>`, `number` or `Name`."""
    name, bracket, rest = text.partition("<")
    if bracket:
        return rest.partition(">")[0].strip(), name.strip().strip('"').strip()
    text = text.strip()
    if text and all(ch in "0123456789*#+-.() " for ch in text):
        return text, ""
    return "", text.strip('"')


def split_arguments(text: str) -> list[str]:
    """Splits at commas as Asterisk does: not inside quotes or parentheses, a backslash takes what follows as it is."""
    parts, part, depth, quoted, escaped = [], "", 0, False, False
    for ch in text:
        if escaped:
            part, escaped = part + ch, False
        elif ch == "\\":
            escaped = True
        elif ch == '"':
            quoted = not quoted
        elif ch == "," and not quoted and not depth:
            parts.append(part)
            part = ""
        else:
            depth = max(0, depth + (ch == "(") - (ch == ")"))
            part += ch
    return [*parts, part]


def _variables(action: Action) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """FAXOPT's options by name, and the other variables in order."""
    options: dict[str, str] = {}
    variables: list[tuple[str, str]] = []
    for header in action.all("Variable"):
        option = ""
        for part in split_arguments(header):
            name, equals, value = part.partition("=")
            if not equals:
                # v29 of FAXOPT(modem)=v17,v29: what is meant is plain, though Asterisk wants the comma escaped.
                if option == "modem" and part.strip().upper() in ("V17", "V27", "V29"):
                    options[option] += f",{part}"
                continue
            found = _FAXOPT.match(name.strip())
            option = found.group(1).lower().replace("modems", "modem") if found else ""
            if option:
                options[option] = value
            elif not name.endswith(")"):
                variables.append((name.strip(), value))
    return options, variables


def _arguments(data: str) -> tuple[tuple[str, ...], str]:
    """The files and the option letters of SendFAX and ReceiveFAX."""
    names, letters = [*split_arguments(data), ""][:2]
    return tuple(name for name in names.split("&") if name), letters


def _rates(options: dict[str, str]) -> tuple[frozenset[str], int, int]:
    """Modems, highest and lowest rate in bit/s, checked against each other as Asterisk does."""
    asked = {name.strip().upper().replace("V27TER", "V27") for name in options.get("modem", "").split(",")} - {""}
    if asked - {"V17", "V27", "V29", "V34"}:
        raise BadArgumentsError("invalid arguments")
    modems = frozenset(asked - {"V34"})
    if asked and not modems:
        raise BadArgumentsError("incompatible 'modems' and 'maxrate' settings")
    maximum, minimum = (_milliseconds(options.get(key, "")) for key in ("maxrate", "minrate"))
    for word, rate in (("maxrate", maximum), ("minrate", minimum)):
        if rate and rate not in _MODEMS_OF_RATE:
            raise BadArgumentsError("invalid arguments")
        if rate and modems and not modems & _MODEMS_OF_RATE[rate]:
            raise BadArgumentsError(f"incompatible 'modems' and '{word}' settings")
    if maximum and maximum < minimum:
        raise BadArgumentsError("maxrate is less than minrate")
    return modems, maximum, minimum
