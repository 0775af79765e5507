# SPDX-License-Identifier: GPL-2.0-or-later
"""Action Command: the few commands of Asterisk's console that fax programs give, with Asterisk's output."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from softfax import _version
from softfax.ami.channel import Channel, ChannelState
from softfax.fax import outcome
from softfax.model import FaxResult, Mode, Operation, SessionEvent
from softfax.vocabularies.asterisk import present

if TYPE_CHECKING:
    from softfax.ami.server import AmiServer

__all__ = ["Results", "output"]

DRIVER = "Spandsp FAX Driver"
_OPERATIONS = {
    Operation.SEND: "Transmit",
    Operation.RECEIVE: "Receive",
    Operation.GATEWAY: "Gateway",
    Operation.V21: "V.21 Detect",
}
_COUNTED = (
    "Success", "Switched to T.38", "Call Dropped", "No FAX", "Negotiation Failed", "Train Failure", "Retries Exceeded",
    "Protocol Error", "TX Protocol Error", "RX Protocol Error", "File Error", "Memory Error", "Unknown Error",
)  # fmt: skip


class Results:
    """Results of faxes by transport, in the words of `fax show stats`."""

    def __init__(self) -> None:
        self._counts: dict[tuple[Mode, str], int] = {}

    def add(self, result: FaxResult) -> None:
        """Count a fax whose call was answered."""
        key = result.mode, _result_word(result)
        self._counts[key] = self._counts.get(key, 0) + 1

    def lines(self, mode: Mode) -> list[str]:
        """The table of a transport."""
        title = "Spandsp G.711" if mode is Mode.AUDIO else "Spandsp T.38"
        words = [word for word in _COUNTED if mode is Mode.AUDIO or word != "Switched to T.38"]
        return [f"{title:<20.20}", *(_row(word, self._counts.get((mode, word), 0)) for word in words), ""]


def _result_word(result: FaxResult) -> str:
    if result.success:
        return "Success"
    code = result.result_code
    if result.error in ("FILE_ERROR", "T38_NEG_ERROR"):
        return "File Error" if result.error == "FILE_ERROR" else "Negotiation Failed"
    if code in outcome.T30_SILENCE:
        return "No FAX"
    return {6: "Train Failure", 48: "Retries Exceeded", outcome.T30_CALLDROPPED: "Call Dropped"}.get(
        code, "Unknown Error"
    )


def output(server: AmiServer, line: str) -> tuple[bool, list[str]]:
    """Lines that a command prints, and whether it is one."""
    words = line.split()
    for names, run in _COMMANDS.items():
        if [word.lower() for word in words[: len(names)]] == list(names):
            lines = run(server, words[len(names) :])
            if lines is not None:
                return True, lines
    if words[:3] == ["fax", "show", "session"]:
        return False, ["Usage: fax show session <session number>", "       Shows status of the named FAX session"]
    return False, [f"No such command '{line}' (type 'core show help {line}' for other possible commands)"]


def _row(name: str, value: object, width: int = 20) -> str:
    return f"{name:<{width}} : {value}"


def _fax_sessions(server: AmiServer, rest: Sequence[str]) -> list[str] | None:
    def row(*fields: str) -> str:
        *short, files = fields
        cut = [f"{text:<{width}.{width}}" for text, width in zip(short, (30, 10, 10, 5, 10, 15), strict=True)]
        return " ".join([*cut, f"{files:<30}"])

    rows = [
        row(view.channel, view.technology, str(view.session_number), view.session_type, view.operation.value,
            view.state.value, ",".join(server.files_of(view)))
        for view in server.sessions()
    ]  # fmt: skip
    head = row("Channel", "Tech", "FAXID", "Type", "Operation", "State", "File(s)")
    return None if rest else ["", "Current FAX Sessions:", "", head, *rows, "", f"{len(rows)} FAX sessions", ""]


def _fax_session(server: AmiServer, rest: Sequence[str]) -> list[str] | None:
    if len(rest) != 1:
        return None
    if not re.fullmatch(r"-?\d{1,9}", rest[0]):
        return [""]
    head = ["", "FAX Session Details:", "--------------------", ""]
    found = server.session(int(rest[0]))
    return [*head, *_details(*found)] if found is not None else [*head, "", ""]


def _details(channel: str, record: SessionEvent, file_name: str) -> list[str]:
    session, width = present(record), 22
    lines = [
        _row("channel", channel, width),
        _row("session", session.session_number, width),
        _row("operation", _OPERATIONS.get(session.operation, "Unknown"), width),
        _row("state", session.state.value, width),
    ]
    if session.data_rate is not None:
        fax = session.file_name is not None
        lines += [_row("Last Status", "OK", width)] if fax else []
        lines.append(_row("ECM Mode", "Yes" if session.error_correction_mode else "No", width))
        lines.append(_row("Data Rate", session.data_rate, width))
        lines += [_row("Image Resolution", session.image_resolution, width)] if fax else []
        lines.append(_row("Page Number", session.page_number, width))
        if fax:
            lines += [_row("File Name", file_name or session.file_name, width), "", "Data Statistics:"]
            lines += [
                _row("Tx Pages", session.pages_transmitted, width),
                _row("Rx Pages", session.pages_received, width),
            ]
            lines += [_row("Longest Bad Line Run", 0, width), _row("Total Bad Lines", session.total_bad_lines, width)]
    return [*lines, "", "", "", ""]


def _fax_stats(server: AmiServer, rest: Sequence[str]) -> list[str] | None:
    stats = server.station.stats()
    counted = (
        ("Current Sessions", stats.current_sessions),
        ("Reserved Sessions", stats.reserved_sessions),
        ("Transmit Attempts", stats.transmit_attempts),
        ("Receive Attempts", stats.receive_attempts),
        ("Completed FAXes", stats.completed_faxes),
        ("Failed FAXes", stats.failed_faxes),
    )
    head = ["", "FAX Statistics:", "---------------", "", *(_row(name, count) for name, count in counted), ""]
    return None if rest else [*head, *server.results.lines(Mode.AUDIO), *server.results.lines(Mode.T38), ""]


def _fax_capabilities(server: AmiServer, rest: Sequence[str]) -> list[str] | None:
    can = (("Type", "Spandsp"), ("Description", DRIVER), ("Capabilities", "SEND RECEIVE T.38 G.711 GATEWAY"))
    lines = [_row(name, text, 15) for name, text in can]
    return None if rest else ["", "", "Registered FAX Technology Modules:", "", *lines, "", "1 registered modules", ""]


def _fax_settings(server: AmiServer, rest: Sequence[str]) -> list[str] | None:
    if rest:
        return None
    return [
        "FAX For Asterisk Settings:",
        "\tECM: Enabled",
        f"\tStatus Events: {'On' if server.settings.status_events else 'Off'}",
        "\tMinimum Bit Rate: 4800",
        "\tMaximum Bit Rate: 14400",
        "\tModem Modulations Allowed: V17,V27,V29",
        "\tT.38 Negotiation Timeout: 5000",
        "",
        "",
        "FAX Technology Modules:",
        "",
        f"Spandsp ({DRIVER}) Settings:",
    ]


def _fax_version(server: AmiServer, rest: Sequence[str]) -> list[str] | None:
    lines = ["FAX For Asterisk Components:", f"\tApplications: {server.asterisk_version}", f"\t{DRIVER}: 0.0.6", ""]
    return None if rest else lines


def _channels(server: AmiServer, rest: Sequence[str]) -> list[str] | None:
    calls = server.station.calls()
    if list(rest) not in ([], ["verbose"], ["count"], ["concise"]):
        return None
    if list(rest) == ["concise"]:
        return [_concise(server.channel_of(call).channel, int(call.age_s)) for call in calls] or [""]
    many = "" if len(calls) == 1 else "s"
    done = server.calls_processed
    totals = [f"{len(calls)} active channel{many}", f"{len(calls)} active call{many}",
              f"{done} call{'' if done == 1 else 's'} processed"]  # fmt: skip
    rows = []
    for call in calls:
        chan = server.channel_of(call).channel
        place = f"{chan.extension}@{chan.context}:{chan.priority}"
        rows.append(_channel_row(chan.name, place, _state(chan.state), f"{chan.application}({chan.data})"))
    head = _channel_row("Channel", "Location", "State", "Application(Data)")
    return totals if list(rest) == ["count"] else [head, *rows, *totals]


def _state(state: ChannelState) -> str:
    return state.name.capitalize()


def _channel_row(name: str, place: str, state: str, application: str) -> str:
    return f"{name:<20.20} {place:<20.20} {state:<7.7} {application:<30.30}"


def _concise(chan: Channel, age_s: int) -> str:
    fields = (chan.name, chan.context, chan.extension, chan.priority, _state(chan.state), chan.application, chan.data,
              chan.caller_number, chan.account, "", "3", age_s, "(None)", chan.unique_id)  # fmt: skip
    return "!".join(str(one) for one in fields)


def _version_of(server: AmiServer, rest: Sequence[str]) -> list[str] | None:
    return None if rest else [f"Asterisk {server.asterisk_version} (softfax {_version.__version__})"]


def _uptime(server: AmiServer, rest: Sequence[str]) -> list[str] | None:
    seconds = int(time.monotonic() - server.started)
    return None if rest else [f"System uptime: {seconds} seconds", f"Last reload: {seconds} seconds"]


_COMMANDS: dict[tuple[str, ...], Callable[[AmiServer, Sequence[str]], list[str] | None]] = {
    ("fax", "show", "sessions"): _fax_sessions,
    ("fax", "show", "session"): _fax_session,
    ("fax", "show", "stats"): _fax_stats,
    ("fax", "show", "capabilities"): _fax_capabilities,
    ("fax", "show", "settings"): _fax_settings,
    ("fax", "show", "version"): _fax_version,
    ("core", "show", "channels"): _channels,
    ("core", "show", "version"): _version_of,
    ("core", "show", "uptime"): _uptime,
}
