# SPDX-License-Identifier: GPL-2.0-or-later
"""`python -m tests.ami.clients.panoramisk_fax PORT USER SECRET CHANNEL FILE`: a fax by way of panoramisk; what came of it
is printed as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from panoramisk import Manager

LIMIT_S = 150


async def fax(port: str, user: str, secret: str, channel: str, file: str) -> dict[str, Any]:
    """Logs in, originates, lists the sessions during the fax, and waits for the end of the channel."""
    name = f"panoramisk-{os.getpid()}"
    heard: dict[str, Any] = {"statuses": [], "sessions": [], "session": {}, "variables": {}, "events": []}
    over = asyncio.Event()
    manager = Manager(
        loop=asyncio.get_running_loop(),
        host="127.0.0.1",
        port=port,
        username=user,
        secret=secret,
        ping_delay=2,
        ping_interval=5,
    )

    async def on_event(manager: Manager, event: Any) -> None:
        if event.event == "FAXSession":
            heard["session"] = dict(event)
        if name not in (event.uniqueid, event.destuniqueid):
            return
        heard["events"].append(event.event)
        if event.event == "VarSet":
            heard["variables"][event.variable] = event.value
        elif event.event == "SendFAX":
            heard["sendfax"] = dict(event)
        elif event.event == "FAXStatus":
            heard["statuses"].append(event.status)
            if event.status == "FAX Transmission In Progress":
                await list_sessions(event.channel)
        elif event.event == "Hangup":
            heard["hangup"] = dict(event)
            over.set()

    async def list_sessions(channel: str) -> None:
        answers = await manager.send_action({"Action": "FAXSessions"})
        heard["complete"] = dict(answers[-1])
        for row in answers[1:-1]:
            heard["sessions"].append(dict(row))
            if row.channel == channel:
                action = {"Action": "FAXSession", "SessionNumber": row.sessionnumber}
                heard["session_answer"] = dict(await manager.send_action(action, as_list=False))

    manager.register_event("*", on_event)
    await manager.connect()
    async with asyncio.timeout(LIMIT_S):
        while not manager.authenticated:
            await asyncio.sleep(0.02)
        answers = await manager.send_action(
            {
                "Action": "Originate",
                "Channel": channel,
                "Application": "SendFAX",
                "Data": f"{file},fzs",
                "Async": "true",
                "ChannelId": name,
                "CallerID": '"Panoramisk" <0301234567>',
                "Variable": ["FAXOPT(localstationid)=PANORAMISK", "FAXOPT(headerinfo)=From panoramisk"],
            }
        )
        heard["queued"], heard["originated"] = answers[0].message, dict(answers[-1])
        await over.wait()
        heard["ping"] = (await manager.send_action({"Action": "Ping"})).ping
    manager.close()
    return heard


if __name__ == "__main__":
    print(json.dumps(asyncio.run(fax(*sys.argv[1:6]))))
