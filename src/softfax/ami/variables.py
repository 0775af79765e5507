# SPDX-License-Identifier: GPL-2.0-or-later
"""Getvar: a channel's variables, and the few dialplan functions that make sense for a fax."""

from __future__ import annotations

from softfax.ami.events import FaxChannel
from softfax.model import Direction
from softfax.station import FaxCall

__all__ = ["value"]


def value(call: FaxCall, fax: FaxChannel, name: str) -> str:
    """The value of a variable, of FAXOPT(…), CHANNEL(…) or CALLERID(…); empty where there is none."""
    function, bracket, argument = name.partition("(")
    if bracket:
        functions = {"FAXOPT": _faxopt, "CHANNEL": _channel, "CALLERID": _caller_id}
        read = functions.get(function.upper())
        return read(call, fax).get(argument.rstrip(")").lower(), "") if read else ""
    known = {"UNIQUEID": fax.channel.unique_id, "CHANNEL": fax.channel.name, "EXTEN": fax.channel.extension}
    return known.get(name) or fax.channel.variables.get(name, "")


def _faxopt(call: FaxCall, fax: FaxChannel) -> dict[str, str]:
    said, order, session = fax.channel.variables, call.order, call.session
    ecm = session.error_correction_mode if order is None or order.ecm is None else order.ecm
    return {
        "ecm": "no" if ecm is False else "yes",
        "error": said.get("FAXERROR", ""),
        # A [[gateway]] rule listens before there is a channel. Asterisk says no too once it has heard a fax, or its time is over.
        "faxdetect": "no",
        "gateway": "yes" if call.context.direction is Direction.GATEWAY else "no",
        "negotiate_both": "yes" if call.negotiate_both else "no",
        "filename": fax.files[0] if fax.files else "",
        "filenames": "&".join(fax.files),
        "headerinfo": call.context.header,
        "localstationid": fax.local_station_id,
        "maxrate": str((order.max_rate_bps if order else 0) or 14400),
        "minrate": str((order.min_rate_bps if order else 0) or 4800),
        "modem": ",".join(sorted(order.modems if order and order.modems else ("V17", "V27", "V29"))),
        "pages": said.get("FAXPAGES", ""),
        "rate": said.get("FAXBITRATE", ""),
        "remotestationid": said.get("REMOTESTATIONID", "") or call.remote_station_id,
        "resolution": said.get("FAXRESOLUTION", ""),
        "sessionid": str(session.session_number),
        "status": said.get("FAXSTATUS", ""),
        "statusstr": said.get("FAXSTATUSSTRING", ""),
        "t38timeout": str(round(1000 * (order.t38_timeout_s if order and order.t38_timeout_s else 5.0))),
    }


def _channel(call: FaxCall, fax: FaxChannel) -> dict[str, str]:
    chan = fax.channel
    return {
        "accountcode": chan.account,
        "channeltype": "PJSIP",
        "language": "en",
        "linkedid": chan.unique_id,
        "name": chan.name,
        "state": chan.state.name.capitalize(),
        "uniqueid": chan.unique_id,
    }


def _caller_id(call: FaxCall, fax: FaxChannel) -> dict[str, str]:
    number, name = fax.channel.caller_number, fax.channel.caller_name
    return {"num": number, "number": number, "name": name, "all": f'"{name}" <{number}>'}
