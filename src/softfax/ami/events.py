# SPDX-License-Identifier: GPL-2.0-or-later
"""Translation of a fax's events to those of the manager interface, in Asterisk's order and fields. Pure.

A `FaxChannel` takes the updates of one fax and gives the events each one means:

    a fax to send    Newchannel, Newexten, VarSet, NewAccountCode, NewCallerid, NewConnectedLine
    call placed      DialBegin
    call comes in    Newchannel
    ringing          DialState, Newstate
    answered         Newstate, DialEnd, OriginateResponse, VarSet of the FAX variables as they are before a fax
    media settled    FAXStatus, VarSet
    the result       HangupRequest, VarSet, SendFAX or ReceiveFAX, Hangup; without an answer DialEnd, OriginateResponse, Hangup
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from softfax.ami.access import Permission
from softfax.ami.channel import UNKNOWN, AmiEvent, Channel, ChannelState, cause_of_sip, cause_text
from softfax.model import (
    CallEvent,
    CallState,
    Direction,
    Event,
    FaxContext,
    FaxResult,
    Mode,
    NegotiatedEvent,
    SessionEvent,
    SessionState,
)

__all__ = ["FaxChannel", "OriginateAction", "fax_error", "originate_response"]

NORMAL_CLEARING = 16
#: Why nothing was dialled, in Asterisk's words.
NO_FAX = {"FILE_ERROR": "error reading file", "INVALID_ARGUMENTS": "invalid arguments"}
T30_CALLDROPPED = 49
#: What goes wrong before there is a fax: no FAXStatus, and no SendFAX or ReceiveFAX at the end.
EARLY_ERRORS = frozenset({"INIT_ERROR", "T38_NEG_ERROR"})
CALL_DROPPED = "The call dropped prematurely"
REASON_NONE, REASON_RINGING, REASON_ANSWERED = "0", "3", "4"
#: What Dial says of a call that was not answered, where FaxResult has the word.
_DIALLED = frozenset({"BUSY", "NOANSWER", "CONGESTION", "CANCEL"})
_DIAL_STATUS = {17: "BUSY", 34: "CONGESTION"}


@dataclass(frozen=True, kw_only=True)
class OriginateAction:
    """Call details from an Originate. `wants_response`: it was asynchronous, so an OriginateResponse is due."""

    channel: str
    application: str
    data: str
    action_id: str = ""
    unique_id: str = ""
    caller_number: str = ""
    caller_name: str = ""
    account: str = ""
    files: tuple[str, ...] = ()
    local_station_id: str = ""
    status_events: bool = False
    audio_only: bool = False
    wants_response: bool = True
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def dial_string(self) -> str:
        """The channel without its technology."""
        return self.channel.partition("/")[2]


@dataclass
class FaxChannel:
    """The channel of one fax and its manager events."""

    context: FaxContext
    origin: OriginateAction | None = None
    status_events: bool = True
    #: The Asterisk whose fields are shown.
    version: int = 16
    channel: Channel = field(init=False)
    session: SessionEvent | None = None
    mode: Mode = Mode.AUDIO
    ended: bool = False
    #: The cause a manager's Hangup gave; None until there was one.
    hangup_cause: int | None = None

    def __post_init__(self) -> None:
        context, origin = self.context, self.origin
        self.channel = Channel(
            name=context.channel,
            unique_id=(origin.unique_id if origin else "") or context.unique_id,
            state=ChannelState.DOWN if context.outgoing else ChannelState.RING,
            extension="s" if context.outgoing else context.called_number or "s",
            application=origin.application if origin else _application(context.direction),
            data=origin.data if origin else "&".join(context.documents),
        )
        if not context.outgoing:
            self.channel.caller_number, self.channel.caller_name = context.caller_number, context.caller_name
        self._began = False
        self.answered = False
        self._in_progress = False
        self._rang = False
        self._dialled = False
        self._refused_with = 0

    @property
    def _is_gateway(self) -> bool:
        """True for a gateway's call, which Asterisk has no events of its own for, nor variables of its fax."""
        return self.context.direction is Direction.GATEWAY

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the documents: as the originator gave them, else as the station says."""
        if self.origin is not None and self.origin.files:
            return self.origin.files
        return self.context.documents

    @property
    def local_station_id(self) -> str:
        """Our identity in this fax."""
        return (self.origin.local_station_id if self.origin else "") or self.context.ident

    # ---- updates ----------------------------------------------------------------------------------------------------

    def update(self, event: Event, mode: Mode | None = None) -> list[AmiEvent]:
        """Return the manager events for `event`. `mode` is the current transport, None while there is no media."""
        if self.ended:
            return []
        said = [] if self._began else self._begin()
        self.mode = mode or self.mode
        for kind, handler in _HANDLERS.items():
            if isinstance(event, kind):
                said += handler(self, event)
        return said

    def _begin(self) -> list[AmiEvent]:
        self._began = True
        chan, origin = self.channel, self.origin
        said = [chan.event("Newchannel")]
        if self._is_gateway:
            said += self._gateway_variables()
            chan.connected_number = self.context.called_number
            return [*said, chan.event("NewConnectedLine")]
        if not self.context.outgoing:
            return said
        line = (("Extension", chan.extension), ("Application", "AppDial2"), ("AppData", "(Outgoing Line)"))
        said.append(chan.event("Newexten", *line, classes=Permission.DIALPLAN))
        number, name = self.context.caller_number, self.context.caller_name
        if origin is not None:
            for key, value in reversed(origin.variables):
                said += chan.say(key, value)
            number, name = origin.caller_number, origin.caller_name
            if origin.account:
                chan.account = origin.account
                said.append(chan.event("NewAccountCode", ("OldAccountCode", "")))
        if number or name:
            chan.caller_number, chan.caller_name = number, name
            allowed = ("CID-CallingPres", "0 (Presentation Allowed, Not Screened)")
            said.append(chan.event("NewCallerid", allowed))
            chan.connected_number, chan.connected_name = number, name
            said.append(chan.event("NewConnectedLine"))
        return said

    def _dial(self) -> list[AmiEvent]:
        if self._dialled or not self.context.outgoing:
            return []
        self._dialled = True
        line = self.channel.name.partition("/")[2].rpartition("-")[0]
        dial = self.origin.dial_string if self.origin else f"{line}/{self.context.called_number}"
        return [self.channel.event("DialBegin", ("DialString", dial), prefix="Dest")]

    def _on_call(self, event: CallEvent) -> list[AmiEvent]:
        said = [] if event.state is CallState.ENDED else self._dial()
        if event.call_id and "SIPCALLID" not in self.channel.variables:
            said += self.channel.say("SIPCALLID", event.call_id)
        if event.state is CallState.RINGING and self.context.outgoing and not (self._rang or self.answered):
            self._rang = True
            self.channel.state = ChannelState.RINGING
            said.append(self.channel.event("Newstate"))
            said.append(self.channel.event("DialState", ("DialStatus", "RINGING"), prefix="Dest"))
        elif event.state is CallState.ANSWERED and not self.answered:
            said += self._on_answered()
        return said

    def _on_answered(self) -> list[AmiEvent]:
        self.answered = True
        self.channel.state = ChannelState.UP
        said = [self.channel.event("Newstate")]
        if self._is_gateway:
            return said
        if self.context.outgoing:
            said.append(self.channel.event("DialEnd", ("DialStatus", "ANSWER"), prefix="Dest"))
            said += self._originate_response(REASON_ANSWERED)
        return said + self._before_fax("INIT_ERROR", "error starting fax session")

    def _before_fax(self, error: str, text: str) -> list[AmiEvent]:
        """The variables say that it failed until it has begun."""
        said = self.channel.say("FAXSTATUS", "FAILED") + self.channel.say("FAXPAGES", "0")
        said += self._variables("FAILED", error, text)
        if self.context.direction is Direction.RECEIVE and error == "INIT_ERROR":
            said += self.channel.say("FAXERROR", "Channel Problems")
            said += self.channel.say("FAXSTATUSSTRING", "Error before FAX transmission started.")
        return said

    def _on_session(self, event: SessionEvent) -> list[AmiEvent]:
        self.session = event
        if self._is_gateway:
            return []
        if event.state is SessionState.OPEN and (self.mode is Mode.T38 or (self.origin and self.origin.audio_only)):
            return self._progress()
        return []

    def _on_negotiated(self, event: NegotiatedEvent) -> list[AmiEvent]:
        self.mode = event.mode
        return [] if self._is_gateway else self._progress()

    def _progress(self) -> list[AmiEvent]:
        """Asterisk has settled on T.38 or audio when it says this, so it is not said before a fallback can be ruled out."""
        if self._in_progress or not self.answered:
            return []
        self._in_progress = True
        said = self._status("T.38 Negotiated") if self.mode is Mode.T38 else []
        said += self._status("Allocating Resources")
        said += self._variables("", "", "")
        return said + self._status("FAX Transmission In Progress")

    def _status(self, status: str) -> list[AmiEvent]:
        if not (self.status_events or (self.origin and self.origin.status_events)):
            return []
        fields = [("Operation", self.context.direction.value), ("Status", status)]
        fields.append(("LocalStationID", self.local_station_id))
        return [self.channel.event("FAXStatus", *fields, *self._file_names())]

    def _file_names(self) -> list[tuple[str, str]]:
        return [("FileName", name) for name in self.files]

    # ---- the end ----------------------------------------------------------------------------------------------------

    def _on_result(self, result: FaxResult) -> list[AmiEvent]:
        self.ended = True
        self.mode = result.mode
        self._refused_with = result.sip_code if not self.answered and result.sip_code >= 300 else 0
        if self._is_gateway:
            return self._gateway_ended(result)
        if not self.answered:
            return self._not_answered(result)
        early = self.session is None or self.session.data_rate is None or result.error in EARLY_ERRORS
        said = [] if early else self._progress()
        far_end = self._far_end_hung_up(result)
        if far_end:
            said.append(self.channel.event("HangupRequest", ("Cause", str(NORMAL_CLEARING))))
        rate, resolution = self._line_values(result)
        error, text = fax_error(result)
        said += self._variables(
            result.status,
            error,
            text,
            remote=result.remote_station_id,
            rate=rate if self._in_progress else "",
            resolution=resolution if self._in_progress else "",
            pages=result.pages,
        )
        if self._in_progress:
            said.append(self._fax_event(result, rate, resolution))
        if not self.context.outgoing:
            said.append(self.channel.event("SoftHangupRequest", ("Cause", str(NORMAL_CLEARING))))
        # The application of an Originate just ends, which Asterisk knows no cause for, unless the far end had hung up.
        cause = NORMAL_CLEARING if far_end or self.origin is None else 0
        return [*said, self._hangup(cause if self.hangup_cause is None else self.hangup_cause)]

    def _gateway_variables(self) -> list[AmiEvent]:
        """Variables as FAXOPT(gateway) sets them, and again as the gateway leaves the channel, whatever became of the fax."""
        return self._variables("SUCCESS", "NO_ERROR", "gateway operation started successfully")

    def _gateway_ended(self, result: FaxResult) -> list[AmiEvent]:
        """Events of the end: what became of Dial, then the variables once more."""
        word = "ANSWER" if self.answered else result.error if result.error in _DIALLED else "CHANUNAVAIL"
        cause = NORMAL_CLEARING if self.answered else cause_of_sip(result.sip_code, result.q850 or 0)
        said = self.channel.say("DIALSTATUS", word) + self._gateway_variables()
        return [*said, self._hangup(cause if self.hangup_cause is None else self.hangup_cause)]

    def _far_end_hung_up(self, result: FaxResult) -> bool:
        """Return True if the far end hung up: after a fax it received, and whenever it breaks one off."""
        received = result.success and result.direction is Direction.SEND
        return self.hangup_cause is None and (received or result.error == "HANGUP")

    def _line_values(self, result: FaxResult) -> tuple[str, str]:
        """Rate in bit/s, resolution in dots per metre."""
        session = self.session
        rate = result.bitrate or (session.data_rate if session else None) or 0
        return str(rate), (session.image_resolution if session else None) or "0x0"

    def _fax_event(self, result: FaxResult, rate: str, resolution: str) -> AmiEvent:
        return self.channel.event(
            "SendFAX" if result.direction is Direction.SEND else "ReceiveFAX",
            ("LocalStationID", self.local_station_id),
            ("RemoteStationID", result.remote_station_id),
            ("PagesTransferred", str(result.pages)),
            ("Resolution", resolution),
            ("TransferRate", rate),
            *(("FileName", name) for name in self._delivered(result)),
        )

    def _delivered(self, result: FaxResult) -> tuple[str, ...]:
        """A fax that came in is where the station has put it."""
        if self.origin is None and result.direction is Direction.RECEIVE and result.documents:
            return tuple(result.documents)
        return self.files

    def _not_answered(self, result: FaxResult) -> list[AmiEvent]:
        cause = cause_of_sip(result.sip_code, result.q850 or 0)
        if not self.context.outgoing:
            return [self._hangup(cause)]
        if result.error in NO_FAX:
            return self.no_fax(result.error, NO_FAX[result.error])
        if result.error in ("NOANSWER", "CANCEL") or self.hangup_cause is not None or not self._dialled:
            # We gave up, or never dialled; Asterisk knows no cause for that.
            reason = REASON_RINGING if self._rang else REASON_NONE
            return [*self._originate_response(reason), self._hangup(self.hangup_cause or 0)]
        known = [] if cause in (17, 21, 34) else [("Cause", str(cause))]
        said = [self.channel.event("HangupRequest", *known)]
        status = _DIAL_STATUS.get(cause, "NOANSWER")
        said.append(self.channel.event("DialEnd", ("DialStatus", status), prefix="Dest"))
        return [*said, *self._originate_response(REASON_NONE), self._hangup(cause)]

    def no_fax(self, error: str, text: str) -> list[AmiEvent]:
        """Set the variables as after a failed call, for a fax with nothing to send, which is not dialled."""
        self.ended = True
        said = [] if self._began else self._begin()
        said += self._before_fax("INIT_ERROR", "error starting fax session")
        said += self._variables("FAILED", error, text)
        return [*said, *self._originate_response(REASON_NONE), self._hangup(0)]

    def _hangup(self, cause: int) -> AmiEvent:
        fields = [("Cause", str(cause)), ("Cause-txt", cause_text(cause))]
        if self.version >= 22 and self._refused_with:
            fields.append(("TechCause", str(self._refused_with)))
        return self.channel.event("Hangup", *fields)

    def _originate_response(self, reason: str) -> list[AmiEvent]:
        origin = self.origin
        if origin is None or not origin.wants_response:
            return []
        success = reason == REASON_ANSWERED
        channel = self.channel if success else None
        return [originate_response(origin, reason, channel)]

    def _variables(
        self,
        status: str,
        error: str,
        text: str,
        *,
        remote: str = "",
        rate: str = "",
        resolution: str = "",
        pages: int = 0,
    ) -> list[AmiEvent]:
        """The FAX variables, in Asterisk's order; some are said even when they are empty."""
        chan = self.channel
        said = chan.set_all((("FAXSTATUS", status), ("FAXERROR", error), ("FAXSTATUSSTRING", text)))
        said += chan.say("REMOTESTATIONID", remote) + chan.say("LOCALSTATIONID", self.local_station_id)
        said += chan.set_all((("FAXBITRATE", rate), ("FAXRESOLUTION", resolution)))
        return said + chan.say("FAXMODE", self.mode.value) + chan.say("FAXPAGES", str(pages))


def originate_response(origin: OriginateAction, reason: str, channel: Channel | None = None) -> AmiEvent:
    """OriginateResponse for an asynchronous Originate; `channel` is the answered one, None for a failure."""
    fields = [("ActionID", origin.action_id)] if origin.action_id else []
    fields += [
        ("Response", "Success" if channel else "Failure"),
        ("Channel", channel.name if channel else origin.channel),
        ("Application", origin.application),
        ("Data", origin.data),
        ("Reason", reason),
        ("Uniqueid", channel.unique_id if channel else origin.unique_id or UNKNOWN),
        ("CallerIDNum", origin.caller_number or UNKNOWN),
        ("CallerIDName", origin.caller_name or UNKNOWN),
    ]
    return AmiEvent("OriginateResponse", Permission.CALL, tuple(fields))


def fax_error(result: FaxResult) -> tuple[str, str]:
    """FAXERROR and FAXSTATUSSTRING. A call that either side cut off has spandsp's text in both, as in Asterisk."""
    if result.success:
        return "", result.status_string
    if result.error == "T38_NEG_ERROR":
        return result.error, "error negotiating T.38"
    if result.error in ("HANGUP", "CANCEL") and result.result_code == T30_CALLDROPPED:
        return CALL_DROPPED, CALL_DROPPED
    return result.error, result.status_string


def _application(direction: Direction) -> str:
    return {Direction.SEND: "SendFAX", Direction.GATEWAY: "Dial"}.get(direction, "ReceiveFAX")


_HANDLERS: dict[type[Event], Callable[..., list[AmiEvent]]] = {
    CallEvent: FaxChannel._on_call,
    SessionEvent: FaxChannel._on_session,
    NegotiatedEvent: FaxChannel._on_negotiated,
    FaxResult: FaxChannel._on_result,
}
