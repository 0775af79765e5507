# SPDX-License-Identifier: GPL-2.0-or-later
"""Mistakes in a request are named where they stand and in words, never in those of the library that found them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.unit.web.fakes import site

DOCUMENTS = [{"url": "https://example.com/letter.pdf"}]


def test_mistakes_are_named_with_their_place(tmp_path: Path) -> None:
    of_a_fax: list[tuple[dict[str, Any], list[str]]] = [
        ({"to": ""}, ["to: it is empty"]),
        ({"to": []}, ["to: it is empty"]),
        ({"to": ["1", 2]}, ["to.1: use a text"]),
        ({"to": {"a": 1}}, ["to: use a text"]),
        ({"to": "1\n2"}, ["to: use one line"]),
        ({"tp": "1", "document": 1}, [
            "to: it is missing", "tp: there is no such key", "document: there is no such key; did you mean documents?",
        ]),
        ({"to": "1", "documents": ["x", 7]}, [
            "documents.0.url: write it as http://HOST/PATH or https://HOST/PATH", "documents.1: use an object",
        ]),
        ({"to": "1", "documents": [{"url": "ftp://x"}]}, [
            "documents.0.url: write it as http://HOST/PATH or https://HOST/PATH",
        ]),
        ({"to": "1", "documents": [{"url": "http://x:99999/"}]}, [
            "documents.0.url: write it as http://HOST/PATH or https://HOST/PATH",
        ]),
        ({"to": "1", "priority": "high", "retry": {"attempts": 0, "wait": 1}}, [
            "priority: use a whole number", "retry.attempts: use 1 or more", "retry.wait: there is no such key",
        ]),
        ({"to": "1", "ecm": "perhaps", "mode": "fast", "priority": 10}, [
            "mode: use 'auto', 't38' or 'audio'", "ecm: use true or false", "priority: use 9 or less",
        ]),
        ({"to": "1", "not_before": "2026-11-27T10:00"}, ["not_before: write it as 2026-11-21T09:30:00Z, with a zone"]),
        ({"to": "1", "tags": {"a b": "c", "d": 1}}, [
            "tags.a b: the name of a tag has at most 64 letters, digits, dots, dashes and underscores", "tags.d: use a text",
        ]),
    ]  # fmt: skip

    async def run() -> None:
        steps = site(tmp_path)
        async with next(steps).client() as c:
            for body, wanted in of_a_fax:
                answer = await c.post("/v1/faxes", json={"documents": DOCUMENTS, **body} if "to" in body else body)
                said = answer.json()
                assert (answer.status_code, said["type"]) == (422, "urn:softfax:problem:invalid"), answer.text
                assert [f"{one['at']}: {one['detail']}" for one in said["errors"]] == wanted
                assert said["detail"].startswith(wanted[0])
            for path, body, wanted in (
                ("/v1/swml", {"to": "1", "document": 5}, ["document: use a text"]),
                ("/v1/contacts", {"numbr": "1"}, ["number: it is missing", "numbr: there is no such key"]),
                ("/v1/covers", {"template": "x"}, ["template: there is no template 'x'; use one of default, persian, plain"]),
            ):  # fmt: skip
                said = (await c.post(path, json=body)).json()
                assert [f"{one['at']}: {one['detail']}" for one in said["errors"]] == wanted
            for query, wanted in (
                ("cursor=x", ["cursor: use the one of the list before"]),
                ("limit=0", ["limit: use 1 or more"]),
                ("since=yesterday", ["since: write it as 2026-11-21T09:30:00Z"]),
            ):
                said = (await c.get(f"/v1/faxes?{query}")).json()
                assert [f"{one['at']}: {one['detail']}" for one in said["errors"]] == wanted
            other = await c.post("/v1/contacts", content="number=1", headers={"Content-Type": "text/plain"})
            assert (other.status_code, other.json()["type"]) == (415, "urn:softfax:problem:media-type")
            broken = await c.post("/v1/contacts", content=b"\xff", headers={"Content-Type": "application/json"})
            assert (broken.status_code, broken.json()["type"]) == (400, "urn:softfax:problem:no-json")
            assert len({answer.headers["request-id"] for answer in (other, broken)}) == 2
        next(steps, None)

    asyncio.run(run())
