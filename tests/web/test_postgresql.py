# SPDX-License-Identifier: GPL-2.0-or-later
"""The queue and the API on PostgreSQL: the same code as on SQLite, with a PostgreSQL server of Debian's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgresql import postgresql
from tests.web.rig import running
from tests.web.test_faxes import ended, sent


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgresql() as url:
        yield url


def test_faxes_on_postgresql(tmp_path: Path, database: str) -> None:
    data = {"dir": tmp_path / "data", "url": database}

    async def first() -> dict[str, str]:
        async with running(tmp_path, data=data) as r, r.client() as c:
            faxes = {to: await sent(c, to, **{"tag.kind": to}) for to in ("ok", "busy", "cut2", "crash1")}
            done = {to: await ended(c, fax["id"]) for to, fax in faxes.items()}
            assert {to: (fax["state"], fax["pages"], len(fax["attempts"])) for to, fax in done.items()} == {
                "ok": ("delivered", 3, 1),
                "busy": ("failed", 0, 3),
                "cut2": ("delivered", 3, 2),
                "crash1": ("uncertain", 1, 1),
            }
            key = {"Idempotency-Key": "k"}
            waiting = await c.post(
                "/v1/faxes", headers=key, files={"file": ("a.txt", b"x")},
                data={"to": "sip:ok-later@far.example", "not_before": "2027-01-01T00:00:00Z",
                      "deadline": "2027-01-02T00:00:00Z"},
            )  # fmt: skip
            assert waiting.status_code == 202, waiting.text
            for query, count in (
                ("state=delivered", 2), ("tag.kind=busy", 1), ("q=letter", 4), ("unread=false", 5),
                ("number=sip:ok@far.example", 1), ("limit=2", 2),
            ):  # fmt: skip
                assert len((await c.get(f"/v1/faxes?{query}")).json()["faxes"]) == count, query
            await c.post("/v1/do-not-fax", json={"number": "+49 30 1", "reason": "asked"})
            await c.post("/v1/contacts", json={"name": "Ada", "number": "+49 30 1"})
            assert (await c.get("/v1/status")).json()["success"]["day"]["delivered"] == 2
            return {"done": done["ok"]["id"], "waiting": waiting.json()["id"]}

    async def second(done: str, waiting: str) -> None:
        async with running(tmp_path, data=data) as r, r.client() as c:
            assert (await c.get(f"/v1/faxes/{done}")).json()["state"] == "delivered"
            assert (await c.delete(f"/v1/faxes/{waiting}")).json()["state"] == "cancelled"
            events = (await c.get(f"/v1/faxes/{done}/events")).json()["events"]
            assert events[-1]["state"] == "delivered"
            assert (await c.get("/v1/contacts?q=ada")).json()["contacts"]
            assert (await c.delete(f"/v1/faxes/{done}?erase=true")).status_code == 204

    asyncio.run(second(**asyncio.run(first())))
