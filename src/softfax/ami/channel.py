# SPDX-License-Identifier: GPL-2.0-or-later
"""A fax as a channel of Asterisk: the fields that every channel event carries, and its variables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from softfax.ami.access import Permission, privilege
from softfax.sipstatus import status

__all__ = ["AmiEvent", "Channel", "ChannelState", "cause_of_sip", "cause_text"]

UNKNOWN = "<unknown>"
VARIABLES_MAX = 512


class ChannelState(IntEnum):
    """States of a channel, with Asterisk's numbers."""

    DOWN = 0
    RING = 4
    RINGING = 5
    UP = 6


@dataclass(frozen=True)
class AmiEvent:
    """An event that is pushed: who may see it, and its fields in order."""

    name: str
    classes: Permission
    fields: tuple[tuple[str, str], ...] = ()

    def message(self) -> list[tuple[str, str]]:
        """The fields as they are sent."""
        return [("Event", self.name), ("Privilege", privilege(self.classes)), *self.fields]


@dataclass(kw_only=True)
class Channel:
    """The channel of one fax as Asterisk would know it. `unique_id` is the originator's where it chose one."""

    name: str
    unique_id: str
    state: ChannelState = ChannelState.DOWN
    caller_number: str = ""
    caller_name: str = ""
    connected_number: str = ""
    connected_name: str = ""
    account: str = ""
    context: str = "fax"
    extension: str = "s"
    priority: int = 1
    application: str = ""
    data: str = ""
    variables: dict[str, str] = field(default_factory=dict)

    def snapshot(self, prefix: str = "") -> list[tuple[str, str]]:
        """The fields common to all events of a channel; `prefix` is `Dest` for those of dialling."""
        return [
            (prefix + "Channel", self.name),
            (prefix + "ChannelState", str(int(self.state))),
            (prefix + "ChannelStateDesc", self.state.name.capitalize()),
            (prefix + "CallerIDNum", self.caller_number or UNKNOWN),
            (prefix + "CallerIDName", self.caller_name or UNKNOWN),
            (prefix + "ConnectedLineNum", self.connected_number or UNKNOWN),
            (prefix + "ConnectedLineName", self.connected_name or UNKNOWN),
            (prefix + "Language", "en"),
            (prefix + "AccountCode", self.account),
            (prefix + "Context", self.context),
            (prefix + "Exten", self.extension),
            (prefix + "Priority", str(self.priority)),
            (prefix + "Uniqueid", self.unique_id),
            (prefix + "Linkedid", self.unique_id),
        ]

    def event(
        self, name: str, *fields: tuple[str, str], classes: Permission = Permission.CALL, prefix: str = ""
    ) -> AmiEvent:
        """An event of this channel: the snapshot as it is now, then `fields`."""
        return AmiEvent(name, classes, (*self.snapshot(prefix), *fields))

    def set(self, name: str, value: str) -> list[AmiEvent]:
        """Sets a variable; the VarSet that says so. An empty value of a variable that is not set says nothing."""
        if not value and not self.variables.get(name):
            return []
        return self.say(name, value)

    def say(self, name: str, value: str) -> list[AmiEvent]:
        """Sets a variable and says so in any case."""
        if name in self.variables or len(self.variables) < VARIABLES_MAX:
            self.variables[name] = value
        fields = (("Variable", name), ("Value", _escaped(value)))
        return [self.event("VarSet", *fields, classes=Permission.DIALPLAN)]

    def set_all(self, values: Iterable[tuple[str, str]]) -> list[AmiEvent]:
        """Sets several variables, in order."""
        return [event for name, value in values for event in self.set(name, value)]


def _escaped(value: str) -> str:
    """VarSet writes values as C does in a string."""
    out = value.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'").replace("?", "\\?")
    return out.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")


_CAUSES = {
    0: "Unknown",
    1: "Unallocated (unassigned) number",
    3: "No route to destination",
    16: "Normal Clearing",
    17: "User busy",
    18: "No user responding",
    19: "User alerting, no answer",
    21: "Call Rejected",
    22: "Number changed",
    27: "Destination out of order",
    28: "Invalid number format",
    34: "Circuit/channel congestion",
    38: "Network out of order",
    41: "Temporary failure",
    58: "Bearer capability not available",
    102: "Recover on timer expiry",
    127: "Interworking, unspecified",
}


def cause_of_sip(code: int, q850: int = 0) -> int:
    """The Q.850 cause of a call refused with this SIP status: the far end's, else Asterisk's for it; 0 where there was none."""
    if q850 and code >= 300:
        return q850
    return status(code).q850 if code >= 400 else 0


def cause_text(cause: int) -> str:
    """The text of a cause, as Asterisk has it."""
    return _CAUSES.get(cause, "Unknown")
