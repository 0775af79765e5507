# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls of other stations of a group: listed with their station, and their picture fetched from it for who asks here."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace

from softfax.model import Direction, FaxContext
from softfax.queue.elsewhere import GroupCall
from softfax.station import making
from tests.support.http_server import Server, answer
from tests.unit.web.fakes import a_fax, site

PNG = b"\x89PNG of the other station"


def test_a_call_of_another_station_is_listed_and_its_picture_comes_from_there(tmp_path: Path) -> None:
    async def run() -> None:
        steps, there = site(tmp_path), Server()
        made = next(steps)
        fax = made.queue.add(a_fax(direction=Direction.RECEIVE))
        context = FaxContext(
            fax_id=fax.id, direction=Direction.RECEIVE, outgoing=False, session_number=(2 << 24) + 1,
            unique_id="1795255200.33554432", channel="PJSIP/pbx-02000000",
        )  # fmt: skip
        call = GroupCall(
            context=context, session=making.first_session(context), result=asyncio.get_running_loop().create_future(),
            station="fax-2", url=there.url(""),
        )  # fmt: skip
        made.queue.elsewhere = SimpleNamespace(calls=lambda: [call])
        path = f"/v1/faxes/{fax.id}/live.png"
        async with made.client() as client:
            (session,) = (await client.get("/v1/sessions")).json()["sessions"]
            assert (session["fax_id"], session["station"]) == (fax.id, "fax-2")
            assert (await client.get(path)).status_code == 404
            there.answers[path] = answer(PNG)
            assert (await client.get(path)).content == PNG
            # With the credentials of who asks, and not passed on once more by a station that is asked so.
            asked = there.requests[-1].lower()
            assert f"authorization: {client.headers['authorization']}".lower() in asked
            assert "softfax-passed-on: 1" in asked
            count = len(there.requests)
            assert (await client.get(path, headers={"Softfax-Passed-On": "1"})).status_code == 404
            assert len(there.requests) == count
        next(steps, None)

    asyncio.run(run())
