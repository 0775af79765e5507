# SPDX-License-Identifier: GPL-2.0-or-later
"""Bodies of callbacks in the dialects of other systems, for the OpenAPI description."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel

from softfax.web.answers import Out

__all__ = ["SignalWireOut", "SimotelOut"]

Way = Literal["send", "receive"]


class SignalWirePage(Out):
    """A page that was confirmed."""

    direction: Way
    number: int


class SignalWireEnd(Out):
    """The end of a fax. `result` is T.30's completion code, 0 for success."""

    direction: Way
    identity: str
    remote_identity: str
    document: str = Field(description="a link to the PDF, where the station knows its own URL")
    pages: int
    success: bool
    result: int
    result_text: str
    format: Literal["pdf"]


class SignalWireProblem(Out):
    """The end of a fax that failed, in place of `finished` for an order of SWML."""

    code: int
    message: str


class SignalWirePageFax(Out):
    """A page."""

    type: Literal["page"]
    params: SignalWirePage


class SignalWireFinishedFax(Out):
    """The end."""

    type: Literal["finished"]
    params: SignalWireEnd


class SignalWireErrorFax(Out):
    """The end with an error."""

    type: Literal["error"]
    params: SignalWireProblem


class SignalWireCall(Out):
    """The call that an event is of."""

    call_id: str
    node_id: str
    control_id: str
    fax: Annotated[
        SignalWirePageFax | SignalWireFinishedFax | SignalWireErrorFax,
        Field(discriminator="type"),
    ]


class SignalWireOut(Out):
    """SignalWire's calling.call.fax."""

    event_type: Literal["calling.call.fax"]
    event_channel: str
    timestamp: float = Field(description="seconds since 1970")
    project_id: str
    space_id: str
    params: SignalWireCall


class SimotelDetails(Out):
    """Asterisk's variables of a fax, null where they are not known."""

    FAXSTATUS: Literal["SUCCESS", "FAILED"]
    FAXSTATUSSTRING: str
    FAXERROR: str
    REMOTESTATIONID: str | None
    FAXPAGES: str
    FAXBITRATE: str | None
    FAXRESOLUTION: str | None


class SimotelSent(SimotelDetails):
    """Variables of a fax that is sent, with the reason of a call that failed."""

    REASON: str


class SimotelOutgoing(Out):
    """Simotel's OutgoingFax: when the call is placed, and at the end."""

    fax_id: str
    event_name: Literal["OutgoingFax"]
    state: Literal["SENDING", "SUCCESS", "FAILED"]
    unique_id: str
    info: SimotelSent
    date: str = Field(description="local time, without a zone")


class SimotelIncoming(Out):
    """Simotel's IncomingFax, at the end."""

    fax_id: str
    event_name: Literal["IncomingFax"]
    state: Literal["SUCCESS", "FAILED"]
    unique_id: str
    entry_point: str
    src: str
    dst: str
    description: SimotelDetails
    date: str = Field(description="local time, without a zone")


class SimotelOut(RootModel[Annotated[SimotelOutgoing | SimotelIncoming, Field(discriminator="event_name")]]):
    """Simotel's OutgoingFax and IncomingFax."""
