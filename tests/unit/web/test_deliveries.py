# SPDX-License-Identifier: GPL-2.0-or-later
"""Dead letters over HTTP: listed without secrets, and sent once more."""

from __future__ import annotations

import asyncio
from pathlib import Path

from softfax.database.database import Database, database_url
from softfax.delivery.outbox import OutboxSettings
from softfax.delivery.targets import CallbackTarget
from tests.support.outbox import OwnOutbox
from tests.support.receiver import receiver
from tests.unit.delivery.test_outbox import put, until
from tests.unit.web.fakes import READER, Site, site


def test_dead_letters_are_listed_and_sent_once_more(tmp_path: Path) -> None:
    status = [404]

    async def run(made: Site, outbox: OwnOutbox, url: str) -> None:
        async with made.client() as client, made.client(READER) as reader:
            assert (await client.get("/v1/deliveries")).status_code == 404
            made.station.outbox = outbox
            (dead,) = (await client.get("/v1/deliveries")).json()["deliveries"]
            assert dead | {"put": "", "ended": ""} == {
                "number": dead["number"], "state": "dead", "fax_id": "fax1", "event_id": "e1", "url": f"{url}/hook/page",
                "dialect": "json", "attempts": 1, "last_status": 404, "last_error": dead["last_error"], "put": "", "ended": "",
            }  # fmt: skip
            assert dead["put"].endswith("Z")
            assert (await client.get("/v1/deliveries?state=waiting")).json() == {"deliveries": []}
            path = f"/v1/deliveries/{dead['number']}/replay"
            assert (await reader.post(path)).status_code == 403
            status[0] = 204
            assert (await client.post(path)).status_code == 202
            await asyncio.to_thread(until, lambda: not outbox.dead() and outbox.store.list("delivered"))
            assert (await client.post(path)).status_code == 409
            assert (await client.post("/v1/deliveries/999/replay")).status_code == 404

    steps = site(_folder(tmp_path))
    made = next(steps)
    with receiver(lambda request: (status[0], {})) as there:
        outbox = OwnOutbox(Database(database_url(tmp_path)), OutboxSettings(allow_private=True))
        outbox.begin()
        try:
            target = CallbackTarget(url=f"{there.url}/hook?token=secret", secret="shh", style="url-event")
            put(outbox, target, "e1", path_suffix="page")
            until(lambda: outbox.dead())
            asyncio.run(run(made, outbox, there.url))
        finally:
            outbox.stop()
    next(steps, None)


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    return folder
