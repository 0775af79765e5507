# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents that are put out for polling over HTTP, and taken back."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.web.rig import READER, SENDER, running

WANTED = {"name": "prices", "numbers": ["030 4711"], "poll_document": "17", "poll_password": "99"}
PARTS = {"file": ("prices.txt", b"Prices", "text/plain")}


def test_documents_that_are_put_out_are_listed_without_their_passwords(tmp_path: Path) -> None:
    past, out = {"until": datetime(2026, 1, 1, tzinfo=UTC)}, {"poll_password": "4711", "poll_document": "17"}
    tables = [
        {"name": name, "numbers": ["030*"], "documents": ["/srv/prices.pdf"], **more}
        for name, more in (("now", out), ("before", past))
    ]

    async def run() -> None:
        async with running(tmp_path, polled=tables) as r, r.client(READER) as reader:
            answer = await reader.get("/v1/polled")
            assert "4711" not in answer.text
            now, before = answer.json()["polled"]
            assert (now["documents"], now["poll_document"], now["has_password"]) == (["prices.pdf"], "17", True)
            assert (now["out"], now["until"]) == (True, None)
            assert (before["out"], before["until"]) == (False, "2026-01-01T00:00:00.000000Z")

    asyncio.run(run())


def test_a_document_is_put_out_for_polling_and_taken_back(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as r, r.client() as c, r.client(READER) as reader, r.client(SENDER) as sender:
            form, key = {"request": json.dumps(WANTED)}, {"Idempotency-Key": "k1"}
            assert (await sender.post("/v1/polled", json=WANTED)).status_code == 403
            answer = await c.post("/v1/polled", data=form, files=PARTS, headers=key)
            assert answer.status_code == 201, answer.text
            out = answer.json()
            assert "99" not in answer.text.replace(out["id"], "").replace(out["created"], "")
            assert (out["documents"], out["pages_total"], out["numbers"]) == (["prices.txt"], 1, ["0304711"])
            assert (out["out"], out["has_password"], out["fetched"]) == (True, True, 0)
            again = await c.post("/v1/polled", data=form, files=PARTS, headers=key)
            assert (again.json(), again.headers["Idempotency-Replayed"]) == (out, "true")
            assert (await reader.get("/v1/polled")).json() == {"polled": [out]}
            plain = {"name": "times", "numbers": "0304711", "poll_document": "18"}
            assert (await c.post("/v1/polled", data=plain, files=PARTS)).status_code == 201
            for changed, status in (
                ({"name": "prices"}, 422),  # the name is taken
                ({"name": "same"}, 422),  # nothing tells the two apart
                ({"name": "over", "until": "2026-01-01T00:00:00Z"}, 422),
                ({"name": "bad", "poll_document": "abc"}, 422),
                ({"name": "none", "poll_document": "19", "documents": []}, 422),
            ):
                files = PARTS if changed["name"] != "none" else None
                body = json.dumps(WANTED | changed)
                failed = await c.post("/v1/polled", data={"request": body}, files=files or {"x": ("", b"")})
                assert failed.status_code == status, (changed, failed.text)
            listed = (await c.get("/v1/polled")).json()["polled"]
            assert [one["name"] for one in listed] == ["prices", "times"]
            assert len(list(r.queue.folder.iterdir())) == 2
            path = f"/v1/polled/{out['id']}"
            assert (await reader.get(path)).json() == out
            assert (await sender.delete(path)).status_code == 403
            assert [(await c.delete(path)).status_code for _ in range(2)] == [204, 404]
            assert (await c.post("/v1/polled", data=form, files=PARTS, headers=key)).status_code == 410

    asyncio.run(run())


def test_a_form_says_each_thing_once(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as r, r.client() as c:
            for form in (
                {"request": "[]"},
                {"request": "17"},
                {"request": json.dumps(WANTED), "name": "other"},
                {"name": ["prices", "times"], "numbers": "0304711"},
                {"name": "prices", "numbers": "0304711", "priority": "5"},
            ):
                answer = await c.post("/v1/polled", data=form, files=PARTS)
                assert (answer.status_code, answer.json()["type"]) == (422, "urn:softfax:problem:invalid"), form
            assert list(r.queue.folder.iterdir()) == []
            several = {"name": "prices", "numbers": ["030 4711", "0304712"], "callers": "+4930*", "until": ""}
            answer = await c.post("/v1/polled", data=several, files=PARTS)
            assert answer.status_code == 201, answer.text
            assert (answer.json()["numbers"], answer.json()["callers"]) == (["0304711", "0304712"], ["+4930*"])

    asyncio.run(run())


def test_documents_stay_where_their_row_is_written_and_what_follows_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken() -> None:
        raise RuntimeError("the station cannot be told")

    async def first() -> None:
        async with running(tmp_path) as r, r.client() as c:
            r.queue.polled.look = broken  # type: ignore[method-assign]
            with caplog.at_level(logging.CRITICAL, "softfax.web"):
                assert (await c.post("/v1/polled", json=WANTED | {"documents": []})).status_code == 422
                failed = await c.post("/v1/polled", data={"request": json.dumps(WANTED)}, files=PARTS)
            assert failed.status_code == 500

    async def second() -> None:
        async with running(tmp_path) as r, r.client() as c:
            (out,) = (await c.get("/v1/polled")).json()["polled"]
            assert (out["name"], out["pages_total"]) == ("prices", 1)
            assert [folder.name for folder in r.queue.folder.iterdir()] == [out["id"]]

    asyncio.run(first())
    asyncio.run(second())
