# SPDX-License-Identifier: GPL-2.0-or-later
"""One thing has one spelling over lists, records, events, callbacks and the client; nothing says where files lie on the station."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import httpx

from softfax.client.models import Fax, order
from softfax.database.database import database_engine
from softfax.fax import outcome
from softfax.model import Attempt, Direction, FaxContext, FaxState, FaxUpdate
from softfax.records import rows, tables
from softfax.records.model import FaxFilter, FaxRequest, RetryRules
from softfax.records.store import QueueStore
from softfax.station import making
from softfax.vocabularies import callbacks
from tests.unit.web.fakes import FakeQueue, a_fax, site

FILE = "/var/lib/softfax/received/20261121T083015Z-030.pdf"
CONTEXT = FaxContext(
    fax_id="4b0e7d5a9c1f2e3d4a5b6c7d", direction=Direction.RECEIVE, outgoing=False, session_number=1, unique_id="1.1",
    channel="PJSIP/x-1", caller_number="030", called_number="089", documents=(FILE,),
)  # fmt: skip


def with_client(tmp_path: Path, work: Callable[[httpx.AsyncClient, FakeQueue], Awaitable[None]]) -> None:
    steps = site(tmp_path)
    made = next(steps)

    async def run() -> None:
        async with made.client() as client:
            await work(client, made.queue)

    asyncio.run(run())
    next(steps, None)


def test_files_have_names_and_no_places(tmp_path: Path) -> None:
    result = dataclasses.replace(making.failed(CONTEXT, outcome.OK, 1.0), documents=[FILE])
    now = datetime.now(UTC)
    attempt = Attempt(number=1, started=now, result=result)
    fax = a_fax(direction=Direction.RECEIVE, documents=(FILE,), result=result, attempts=(attempt,), caller="030")

    async def work(client: httpx.AsyncClient, queue: FakeQueue) -> None:
        queue.add(fax)
        queue.events.add(fax.id, result.to_json())
        for path in ("", f"/{fax.id}", f"/{fax.id}/events"):
            said = await client.get(f"/v1/faxes{path}")
            assert FILE.rpartition("/")[2] in said.text
            assert "/var/lib" not in said.text
        body = (await client.get(f"/v1/faxes/{fax.id}")).json()
        assert (body["caller"], body["links"]["document"]) == ("030", f"/v1/faxes/{fax.id}/document.pdf")
        assert Fax.of(body).caller == "030"

    with_client(tmp_path, work)
    (callback,) = callbacks("json", FaxUpdate(CONTEXT, result))
    assert (callback.body["documents"], callback.body["caller"]) == ([FILE.rpartition("/")[2]], "030")
    assert Fax.of(a_fax(documents=("https://example.com/a/b.pdf",)).to_json()).documents == (
        "https://example.com/a/b.pdf",
    )


def test_what_was_ordered_is_shown_and_lists_have_attempts_and_a_total(tmp_path: Path) -> None:
    engine = database_engine(f"sqlite:///{tmp_path / 'faxes.sqlite'}")
    tables.METADATA.create_all(engine)
    store = QueueStore(engine)
    now = datetime.now(UTC)
    request = FaxRequest(
        to="1", documents=(), ecm=False, max_rate_bps=9600, retry=RetryRules(attempts=3), cover={"to": "A"}
    )
    shown = rows.ordered(vars(request) | {"retry": dataclasses.asdict(request.retry)})
    fax = a_fax(caller="030", ended=now, state=FaxState.FAILED, **shown)
    attempt = Attempt(number=1, started=now, ended=now, result=making.failed(CONTEXT, outcome.OK, 1.0))
    store.submit([(fax, request, CONTEXT), (a_fax(), request, CONTEXT)], "", "")
    with engine.begin() as connection:
        connection.execute(tables.attempts.insert().values(dialled=True, **rows.attempt_columns(fax.id, attempt)))
    found = store.list(FaxFilter(limit=1))
    assert (found.total, len(found.faxes)) == (2, 1)
    last = store.list(FaxFilter(limit=1, cursor=found.cursor))
    assert (last.total, last.faxes[0].attempts[0].number, last.faxes[0].caller) == (None, 1, "030")
    said = last.faxes[0].to_json()
    assert (said["mode"], said["ecm"], said["max_rate"], said["cover"]) == (None, False, 9600, {"to": "A"})
    assert said["retry"] == {"attempts": 3, "wait_s": None, "on_uncertain": None}
    engine.dispose()


def test_times_end_in_z(tmp_path: Path) -> None:
    there = datetime(2026, 11, 21, 9, tzinfo=timezone(timedelta(hours=2)))
    assert order("1", not_before=there)["not_before"] == "2026-11-21T07:00:00.000000Z"


def test_empty_keys_and_stray_parameters_are_refused(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient, queue: FakeQueue) -> None:
        for key in ("", '""'):
            answer = await client.post("/v1/faxes", json={"to": "1"}, headers={"Idempotency-Key": key})
            assert answer.status_code == 422, key
        for body in ({"": 1}, {"tags": {"": "x"}}):
            assert (await client.post("/v1/faxes", json={"to": "1", "cover": {}, **body})).status_code == 422
        for path in ("/v1/status?x=1", "/v1/contacts?tag.a=b", "/v1/faxes?tag.=b", "/v1/faxes?=1"):
            assert (await client.get(path)).status_code == 422, path

    with_client(tmp_path, work)
