# SPDX-License-Identifier: GPL-2.0-or-later
"""The actions of the manager interface. The table at the end is the whole list; texts are Asterisk's."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from softfax.ami import variables
from softfax.ami.access import Permission, event_mask, privilege
from softfax.ami.auth import new_challenge
from softfax.ami.channel import AmiEvent
from softfax.ami.client import Client
from softfax.ami.console import output
from softfax.ami.endpoints import show_endpoints, show_registrations
from softfax.ami.events import FaxChannel
from softfax.ami.originate import read
from softfax.ami.watching import add_filter, user_event, wait_event
from softfax.ami.wire import ASTERISK_VERSIONS, Action, ActionError
from softfax.station import FaxCall
from softfax.vocabularies.asterisk import session_fields

if TYPE_CHECKING:
    from softfax.ami.server import AmiServer

__all__ = ["ACTIONS", "BEFORE_LOGIN", "Command", "perform"]

P = Permission


async def perform(server: AmiServer, client: Client, action: Action) -> None:
    """Carries out what a client sent, or says why not."""
    await client.stop_waiting()
    try:
        await _command_of(client, action).run(server, client, action)
    except ActionError as error:
        client.error(action, str(error))


def _command_of(client: Client, action: Action) -> Command:
    if action.problem:
        raise ActionError(action.problem)
    if not action.name:
        raise ActionError("Missing action in request")
    command = ACTIONS.get(action.name.lower())
    if client.user is None and (command is None or command.name not in BEFORE_LOGIN):
        raise ActionError("Permission denied")
    if command is None:
        raise ActionError(
            f"Invalid/unknown command: {action.name}. Use Action: ListCommands to show available commands."
        )
    if not client.may(command.needs):
        raise ActionError("Permission denied")
    return command


def _call(server: AmiServer, channel: str) -> FaxCall:
    call = server.find(channel)
    if call is None:
        raise ActionError("No such channel")
    return call


# ---- the connection -------------------------------------------------------------------------------------------------------


async def _login(server: AmiServer, client: Client, action: Action) -> None:
    if client.user is not None:
        client.success(action, "Already authenticated")
        return
    now = time.monotonic()
    user = None
    if not server.throttle.refuses(client.host, now):
        name = action.get("Username")
        if action.get("AuthType").lower() == "md5":
            user = server.users.with_key(name, action.get("Key"), client.challenge, client.host)
        else:
            user = server.users.with_secret(name, action.get("Secret"), client.host)
    if user is None:
        server.throttle.failed(client.host, now)
        server.log_failure(client, action.get("Username"))
        await asyncio.sleep(server.settings.failure_delay_s)
        client.error(action, "Authentication failed")
        client.closing = True
        return
    server.throttle.succeeded(client.host)
    server.logged_in(client, user)
    mask = event_mask(action.get("Events"))
    client.mask = P.ALL if mask is None else mask
    client.success(action, "Authentication accepted")
    uptime = str(int(time.monotonic() - server.started))
    fields = (("Uptime", uptime), ("LastReload", uptime), ("Status", "Fully Booted"))
    client.push(AmiEvent("FullyBooted", P.SYSTEM, fields))


async def _challenge(server: AmiServer, client: Client, action: Action) -> None:
    if action.get("AuthType").lower() != "md5":
        raise ActionError("Must specify AuthType")
    client.challenge = client.challenge or new_challenge()
    client.respond(action, "Success", ("Challenge", client.challenge))


async def _logoff(server: AmiServer, client: Client, action: Action) -> None:
    client.respond(action, "Goodbye", ("Message", "Thanks for all the fish."))
    client.closing = True


async def _ping(server: AmiServer, client: Client, action: Action) -> None:
    client.respond(action, "Success", ("Ping", "Pong"), ("Timestamp", f"{time.time():.6f}"))


async def _events(server: AmiServer, client: Client, action: Action) -> None:
    mask = event_mask(action.get("EventMask"))
    if mask is None:
        raise ActionError("Invalid event mask")
    client.mask = mask
    client.respond(action, "Success", ("Events", "On" if mask else "Off"))


async def _list_commands(server: AmiServer, client: Client, action: Action) -> None:
    known = [command for command in ACTIONS.values() if client.may(command.needs)]
    rows = [(command.name, f"{command.summary}  (Priv: {privilege(command.needs)})") for command in known]
    client.respond(action, "Success", *rows)


# ---- the system -----------------------------------------------------------------------------------------------------------


async def _core_settings(server: AmiServer, client: Client, action: Action) -> None:
    client.respond(
        action,
        "Success",
        ("AMIversion", ASTERISK_VERSIONS[server.settings.version][0]),
        ("AsteriskVersion", server.asterisk_version),
        ("SystemName", ""),
        ("CoreMaxCalls", "0"),
        ("CoreMaxLoadAvg", "0.000000"),
        ("CoreRunUser", ""),
        ("CoreRunGroup", ""),
        ("CoreMaxFilehandles", str(resource.getrlimit(resource.RLIMIT_NOFILE)[0])),
        ("CoreRealTimeEnabled", "No"),
        ("CoreCDRenabled", "No"),
        ("CoreHTTPenabled", "No"),
    )


async def _core_status(server: AmiServer, client: Client, action: Action) -> None:
    began = server.began.astimezone()
    date, clock = began.strftime("%Y-%m-%d"), began.strftime("%H:%M:%S")
    client.respond(
        action,
        "Success",
        ("CoreStartupDate", date),
        ("CoreStartupTime", clock),
        ("CoreReloadDate", date),
        ("CoreReloadTime", clock),
        ("CoreCurrentCalls", str(len(server.station.calls()))),
    )


async def _core_show_channels(server: AmiServer, client: Client, action: Action) -> None:
    def entry(call: FaxCall, fax: FaxChannel) -> list[tuple[str, str]]:
        hours, seconds = divmod(_age_s(call), 3600)
        return [
            ("Event", "CoreShowChannel"),
            *action.id_line,
            *fax.channel.snapshot(),
            ("Application", fax.channel.application),
            ("ApplicationData", fax.channel.data),
            ("Duration", f"{hours:02}:{seconds // 60:02}:{seconds % 60:02}"),
            ("BridgeId", ""),
        ]

    rows = [entry(call, server.channel_of(call)) for call in server.station.calls()]
    client.reply_list(action, "Channels will follow", rows, "CoreShowChannelsComplete", start="start")


async def _core_show_channel_map(server: AmiServer, client: Client, action: Action) -> None:
    """No channel is connected to another here: the leg that a gateway's call goes on by is none of its own."""
    _call(server, action.get("Channel"))
    client.reply_list(action, "Channel map will follow", [], "CoreShowChannelMapComplete", start="start")


async def _command(server: AmiServer, client: Client, action: Action) -> None:
    line = action.get("Command")
    if not line:
        raise ActionError("No command provided")
    known, lines = output(server, line)
    head = ("Message", "Command output follows")
    client.respond(action, "Success" if known else "Error", head, *(("Output", text) for text in lines))


async def _status(server: AmiServer, client: Client, action: Action) -> None:
    name = action.get("Channel")
    calls = [_call(server, name)] if name else server.station.calls()

    def entry(call: FaxCall, fax: FaxChannel) -> list[tuple[str, str]]:
        chan = fax.channel
        return [
            ("Event", "Status"),
            ("Privilege", "Call"),
            *chan.snapshot(),
            ("Type", "PJSIP"),
            ("DNID", "" if call.context.outgoing else call.context.called_number),
            ("EffectiveConnectedLineNum", chan.connected_number or "<unknown>"),
            ("EffectiveConnectedLineName", chan.connected_name or "<unknown>"),
            ("TimeToHangup", "0"),
            ("BridgeID", ""),
            ("Application", chan.application),
            ("Data", chan.data),
            ("Nativeformats", "(ulaw)"),
            ("Readformat", "ulaw"),
            ("Readtrans", ""),
            ("Writeformat", "ulaw"),
            ("Writetrans", ""),
            ("Callgroup", "0"),
            ("Pickupgroup", "0"),
            ("Seconds", str(_age_s(call))),
            *action.id_line,
        ]

    rows = [entry(call, server.channel_of(call)) for call in calls]
    client.reply_list(action, "Channel status will follow", rows, "StatusComplete", start="start", extra="Items")


def _age_s(call: FaxCall) -> int:
    return max(0, int((datetime.now(call.began.tzinfo) - call.began).total_seconds()))


# ---- faxes ----------------------------------------------------------------------------------------------------------------


async def _fax_sessions(server: AmiServer, client: Client, action: Action) -> None:
    def rows() -> list[list[tuple[str, str]]]:
        head = [("Event", "FAXSessionsEntry"), *action.id_line]
        return [
            [
                *head,
                ("Channel", view.channel),
                ("Technology", view.technology),
                ("SessionNumber", str(view.session_number)),
                ("SessionType", view.session_type),
                ("Operation", view.operation.value),
                ("State", view.state.value),
                ("Files", ",".join(server.files_of(view))),
            ]
            for view in server.sessions()
        ]

    text = "FAXSessionsEntry event list will follow"
    client.reply_list(action, text, rows(), "FAXSessionsComplete", extra="Total")


async def _fax_session(server: AmiServer, client: Client, action: Action) -> None:
    number = _session_number(action.get("SessionNumber"))
    if number is None:
        raise ActionError("Invalid session ID")
    found = server.session(number)
    if found is None:
        raise ActionError("Session not found")
    client.success(action, "FAXSession event will follow")
    _, session, file_name = found
    client.reply_event(action, "FAXSession", *session_fields(session, file_name))


def _session_number(text: str) -> int | None:
    """A number as C's scanf reads it: what follows the digits does not count."""
    digits = ""
    for ch in text.strip():
        if not (ch in "0123456789" or (ch == "-" and not digits)) or len(digits) > 9:
            break
        digits += ch
    return int(digits) if digits.strip("-") else None


async def _fax_stats(server: AmiServer, client: Client, action: Action) -> None:
    stats = server.station.stats()
    client.success(action, "FAXStats event will follow")
    client.reply_event(
        action,
        "FAXStats",
        ("CurrentSessions", str(stats.current_sessions)),
        ("ReservedSessions", str(stats.reserved_sessions)),
        ("TransmitAttempts", str(stats.transmit_attempts)),
        ("ReceiveAttempts", str(stats.receive_attempts)),
        ("CompletedFAXes", str(stats.completed_faxes)),
        ("FailedFAXes", str(stats.failed_faxes)),
    )


async def _originate(server: AmiServer, client: Client, action: Action) -> None:
    wanted = read(action)
    if wanted.origin.unique_id and server.find(wanted.origin.unique_id) is not None:
        raise ActionError("Originate failed")
    if wanted.origin.wants_response:
        client.success(action, "Originate successfully queued")
        server.originate(wanted)
    elif await server.originate(wanted):
        client.success(action, "Originate successfully queued")
    else:
        raise ActionError("Originate failed")


async def _hangup(server: AmiServer, client: Client, action: Action) -> None:
    name = action.get("Channel")
    if not name:
        raise ActionError("No channel specified")
    call = _call(server, name)
    client.success(action, "Channel Hungup")
    cause = _session_number(action.get("Cause")) or 0
    server.hangup(call, cause if 0 < cause < 128 else 0)


async def _getvar(server: AmiServer, client: Client, action: Action) -> None:
    name, channel = action.get("Variable"), action.get("Channel")
    if not name:
        raise ActionError("No variable specified")
    if not channel:
        value = server.variables.get(name, "")
    else:
        call = _call(server, channel)
        value = variables.value(call, server.channel_of(call), name)
    client.respond(action, "Success", ("Variable", name), ("Value", value))


async def _setvar(server: AmiServer, client: Client, action: Action) -> None:
    name, channel, value = action.get("Variable"), action.get("Channel"), action.get("Value")
    if not name:
        raise ActionError("No variable specified")
    if not channel:
        server.set_variable(name, value)
    else:
        call = _call(server, channel)
        if not name.endswith(")"):
            server.set_variable_of(call, name, value)
    client.success(action, "Variable Set")


# ---- the table ------------------------------------------------------------------------------------------------------------

Run = Callable[["AmiServer", Client, Action], Awaitable[None]]


@dataclass(frozen=True)
class Command:
    """One action: its name and summary as ListCommands shows them, and what one must be allowed to use it."""

    name: str
    summary: str
    needs: Permission
    run: Run


_COMMANDS = (
    Command("Challenge", "Generate Challenge for MD5 Auth.", P(0), _challenge),
    Command("Command", "Execute Asterisk CLI Command.", P.COMMAND, _command),
    Command("CoreSettings", "Show PBX core settings (version etc).", P.SYSTEM | P.REPORTING, _core_settings),
    Command(
        "CoreShowChannelMap",
        "List all channels connected to the specified channel.",
        P.SYSTEM | P.REPORTING,
        _core_show_channel_map,
    ),
    Command("CoreShowChannels", "List currently active channels.", P.SYSTEM | P.REPORTING, _core_show_channels),
    Command("CoreStatus", "Show PBX core status variables.", P.SYSTEM | P.REPORTING, _core_status),
    Command("Events", "Control Event Flow.", P(0), _events),
    Command("FAXSession", "Responds with a detailed description of a single FAX session", P.CALL, _fax_session),
    Command("FAXSessions", "Lists active FAX sessions", P.CALL, _fax_sessions),
    Command("FAXStats", "Responds with fax statistics", P.REPORTING, _fax_stats),
    Command("Filter", "Dynamically add filters for the current manager session.", P.SYSTEM, add_filter),
    Command("Getvar", "Gets a channel variable or function value.", P.CALL | P.REPORTING, _getvar),
    Command("Hangup", "Hangup channel.", P.SYSTEM | P.CALL, _hangup),
    Command("ListCommands", "List available manager commands.", P(0), _list_commands),
    Command("Login", "Login Manager.", P(0), _login),
    Command("Logoff", "Logoff Manager.", P(0), _logoff),
    Command("Originate", "Originate a call.", P.ORIGINATE, _originate),
    Command("Ping", "Keepalive command.", P(0), _ping),
    Command("PJSIPShowEndpoints", "Lists PJSIP endpoints.", P.SYSTEM, show_endpoints),
    Command("PJSIPShowRegistrationsOutbound", "Lists PJSIP outbound registrations.", P.SYSTEM, show_registrations),
    Command("Setvar", "Sets a channel variable or function value.", P.CALL, _setvar),
    Command("Status", "List channel status.", P.SYSTEM | P.CALL | P.REPORTING, _status),
    Command("UserEvent", "Send an arbitrary event.", P.USER, user_event),
    Command("WaitEvent", "Wait for an event to occur.", P(0), wait_event),
)

ACTIONS = {command.name.lower(): command for command in _COMMANDS}
BEFORE_LOGIN = frozenset({"Login", "Logoff", "Challenge"})
