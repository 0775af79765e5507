# SPDX-License-Identifier: GPL-2.0-or-later
"""Accounts as Asterisk's endpoints and registrations: PJSIPShowEndpoints, PJSIPShowRegistrationsOutbound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softfax.ami.wire import Action

if TYPE_CHECKING:
    from softfax.ami.client import Client
    from softfax.ami.server import AmiServer

__all__ = ["show_endpoints", "show_registrations"]

_STATUS = {"registered": "Registered", "failed": "Rejected"}


async def show_endpoints(server: AmiServer, client: Client, action: Action) -> None:
    """PJSIPShowEndpoints: the accounts, with the channels that each has."""
    rows = []
    for view in server.station.registrations():
        channels = [call.context.channel for call in server.station.calls() if call.account == view.account]
        gone = view.state in ("failed", "unreachable")
        rows.append(
            [
                ("Event", "EndpointList"),
                *action.id_line,
                ("ObjectType", "endpoint"),
                ("ObjectName", view.account),
                ("Transport", ""),
                ("Aor", view.account),
                ("Auths", ""),
                ("OutboundAuths", view.account),
                ("Contacts", f"{view.account}/{view.server},"),
                ("DeviceState", "Unavailable" if gone else "In use" if channels else "Not in use"),
                ("ActiveChannels", ",".join(channels)),
            ]
        )
    text = "A listing of Endpoints follows, presented as EndpointList events"
    client.reply_list(action, text, rows, "EndpointListComplete", start="start")


async def show_registrations(server: AmiServer, client: Client, action: Action) -> None:
    """PJSIPShowRegistrationsOutbound: the accounts that register."""
    views = [view for view in server.station.registrations() if view.state in ("registered", "trying", "failed")]
    rows = [
        [
            ("Event", "OutboundRegistrationDetail"),
            *action.id_line,
            ("ObjectType", "registration"),
            ("ObjectName", view.account),
            ("Endpoint", view.account),
            ("OutboundAuth", view.account),
            ("ServerUri", view.server),
            ("Expiration", str(view.expires_s)),
            ("Status", _STATUS.get(view.state, "Unregistered")),
        ]
        for view in views
    ]
    up = sum(view.state == "registered" for view in views)
    client.reply_list(
        action,
        "Following are Events for each Outbound registration",
        rows,
        "OutboundRegistrationDetailComplete",
        start="start",
        more=(("Registered", str(up)), ("NotRegistered", str(len(views) - up))),
    )
