# SPDX-License-Identifier: GPL-2.0-or-later
"""Actions about the events that a client gets: Filter, WaitEvent, UserEvent."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from softfax.ami.access import Permission
from softfax.ami.channel import AmiEvent
from softfax.ami.filters import Filter
from softfax.ami.wire import Action, ActionError

if TYPE_CHECKING:
    from softfax.ami.client import Client
    from softfax.ami.server import AmiServer

__all__ = ["add_filter", "user_event", "wait_event"]

FILTERS_MAX = 32


async def add_filter(server: AmiServer, client: Client, action: Action) -> None:
    """Filter: events that match are sent, or with `!` are not."""
    if action.get("Operation").lower() != "add":
        raise ActionError("Unknown operation")
    try:
        if len(client.filters) >= FILTERS_MAX:
            raise re.error("too many")
        client.filters.append(Filter(action.get("Filter")))
    except re.error:
        raise ActionError("Filter did not compile.  Check the syntax of the filter given.") from None
    client.success(action, "Success")


async def wait_event(server: AmiServer, client: Client, action: Action) -> None:
    """WaitEvent: events are held until there is one, time is over or another action comes. The connection goes on meanwhile."""
    text = action.get("Timeout")
    client.hold()
    client.wait(_waited(client, action, int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None))


async def _waited(client: Client, action: Action, seconds: int | None) -> None:
    try:
        async with asyncio.timeout(seconds):
            await client.held_any.wait()
    except TimeoutError:
        pass  # it answers all the same
    client.success(action, "Waiting for Event completed.")
    client.let_go()
    client.reply_event(action, "WaitEventComplete")


async def user_event(server: AmiServer, client: Client, action: Action) -> None:
    """UserEvent: an event of the client's own, to all."""
    own = [(key, value) for key, value in action.headers if key.lower() not in ("action", "userevent")]
    client.success(action, "Event Sent")
    server.publish([AmiEvent("UserEvent", Permission.USER, (("UserEvent", action.get("UserEvent")), *own))])
