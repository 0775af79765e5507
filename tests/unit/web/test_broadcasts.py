# SPDX-License-Identifier: GPL-2.0-or-later
"""A broadcast is one thing over HTTP, and a number one number however it is written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from softfax.model import FaxState
from tests.unit.web.fakes import FakeQueue, Site, a_fax, site

ID = "9d08fa08479c9884bfc825af"


def with_client(tmp_path: Path, work: Callable[[httpx.AsyncClient, FakeQueue], Awaitable[None]], **config: Any) -> None:
    async def run(made: Site) -> None:
        async with made.client() as client:
            await work(client, made.queue)

    steps = site(tmp_path, **config)
    asyncio.run(run(next(steps)))
    next(steps, None)


def test_progress_and_cancelling(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient, queue: FakeQueue) -> None:
        states = (FaxState.DELIVERED, FaxState.FAILED, FaxState.QUEUED, FaxState.WAITING)
        faxes = [queue.add(a_fax(state=state, broadcast_id=ID, pages=1)) for state in states]
        queue.add(a_fax())
        found = (await client.get(f"/v1/broadcasts/{ID}")).json()
        assert found == {
            "broadcast_id": ID,
            "total": 4,
            "by_state": {"delivered": 1, "failed": 1, "queued": 1, "waiting": 1},
            "ended": False,
            "pages": 4,
            "links": {"self": f"/v1/broadcasts/{ID}", "faxes": f"/v1/faxes?broadcast_id={ID}"},
        }
        gone = (await client.delete(f"/v1/broadcasts/{ID}")).json()
        assert gone["by_state"] == {"cancelled": 2, "delivered": 1, "failed": 1}
        assert gone["ended"]
        assert queue.faxes[faxes[0].id].state is FaxState.DELIVERED
        assert (await client.get("/v1/broadcasts/" + "0" * 24)).status_code == 404

    with_client(tmp_path, work)


def test_a_number_that_is_written_twice_is_called_once(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient, queue: FakeQueue) -> None:
        to = ["030 1234567", "+49 30 1234567", "0049301234567", "030 7"]
        body = {"to": to, "cover": {"subject": "once"}}
        answer = await client.post("/v1/faxes", json=body)
        assert answer.status_code == 202, answer.text
        assert [one.to for one in queue.requests] == ["030 1234567", "030 7"]

    with_client(tmp_path, work, dialing={"country": "49"})


def test_a_contact_is_found_by_its_number_in_any_notation(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient, queue: FakeQueue) -> None:
        await client.post("/v1/contacts", json={"name": "Ada", "number": "030 1234567"})
        for q in ("030 1234567", "+49301234567", "+49 30 1234567", "0049301234567"):
            assert len((await client.get("/v1/contacts", params={"q": q})).json()["contacts"]) == 1, q
        # As does what is taken off a list.
        await client.post("/v1/do-not-fax", json={"number": "030/1234567"})
        assert (await client.delete("/v1/do-not-fax/030/1234567")).status_code == 204

    with_client(tmp_path, work, dialing={"country": "49"})


def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient, queue: FakeQueue) -> None:
        page = ("letter.pdf", b"<html><body>Please log in</body></html>")
        for path, fields in (("/v1/faxes", {"to": "030 1"}), ("/v1/uploads", {})):
            answer = await client.post(path, data=fields, files={"file": page})
            assert (answer.status_code, answer.json()["type"]) == (422, "urn:softfax:problem:document"), answer.text
            assert "letter.pdf holds a web page (HTML)" in answer.json()["detail"]
        assert queue.requests == []

    with_client(tmp_path, work)


def test_an_unknown_event_is_a_mistake(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient, queue: FakeQueue) -> None:
        answer = await client.get("/v1/events?types=result,resutl")
        assert answer.status_code == 422
        assert "there is no event 'resutl'" in answer.text

    with_client(tmp_path, work)


def test_runs_are_listed(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient, queue: FakeQueue) -> None:
        document = {"sections": {"main": ["hangup"]}}
        ids = [
            (await client.post("/v1/swml", json={"to": "sip:fax@192.0.2.1", "document": document})).json()["id"]
            for _ in range(3)
        ]
        runs = (await client.get("/v1/swml?limit=2")).json()["runs"]
        assert [run["id"] for run in runs] == [ids[2], ids[1]]

    with_client(tmp_path, work)


def test_a_number_that_is_kept_has_a_digit(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient, queue: FakeQueue) -> None:
        for path in ("/v1/contacts", "/v1/do-not-fax", "/v1/numbers"):
            for number in ("abc", "xx yy zz", " "):
                answer = await client.post(path, json={"number": number})
                assert answer.status_code == 422, (path, number, answer.text)
        for number in ("030 1234567", "sip:fax@pbx.example"):
            assert (await client.post("/v1/contacts", json={"number": number})).status_code == 201

    with_client(tmp_path, work)
