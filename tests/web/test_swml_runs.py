# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs of SWML over HTTP: a fax of one is one of the queue's, and a server that is asked what is next has heard how the fax ended."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import httpx

from tests.support.http_server import Server, answer
from tests.support.receiver import Request, receiver
from tests.web.rig import SENDER, over, running

DOCUMENT = """
sections:
  main:
    - send_fax: {document: "%s/letter.txt", status_url: "%s/status"}
    - execute: {dest: "%s/next", params: {result: "%%{send_fax_result}"}}
"""


def test_execute_comes_after_finished_with_the_id_of_the_call(tmp_path: Path) -> None:
    tried = threading.Event()

    def answers(request: Request) -> tuple[int, dict[str, str]]:
        # The first try fails: what follows has to wait for the second.
        first = request.path == "/status" and b'"finished"' in request.body and not tried.is_set()
        if first:
            tried.set()
        return (503 if first else 200), {}

    async def main() -> None:
        files = Server()
        files.answers["/letter.txt"] = answer(b"One line.\n", Content_Type="text/plain")
        with receiver(answers) as seen:
            callbacks = {"allow_private": True, "retry_first_s": 0.2}
            async with (
                running(tmp_path, fax={"allow_private_documents": True}, callbacks=callbacks) as r,
                r.client() as c,
            ):
                text = DOCUMENT % (files.url(""), seen.url, seen.url)
                begun = await c.post(
                    "/v1/swml?to=sip:ok@far.example", content=text, headers={"Content-Type": "text/yaml"}
                )
                assert begun.status_code == 202, begun.text
                run = await over(c, begun.headers["location"])
                (fax_id,) = run["faxes"]
                fax = (await c.get(f"/v1/faxes/{fax_id}")).json()
                assert (fax["state"], len(fax["attempts"]), fax["retry"]["attempts"]) == ("delivered", 1, 1)
                assert (await c.get(fax["links"]["document"])).content.startswith(b"%PDF")
        files.close()
        assert [request.path for request in seen.requests].index("/next") == len(seen.requests) - 1
        asked = json.loads(seen.requests[-1].body)
        finished = json.loads(seen.requests[-2].body)["params"]
        assert (asked["call"]["call_id"], finished["fax"]["type"]) == (finished["call_id"], "finished")
        assert asked["params"] == {"result": "success"}
        assert run["variables"]["send_fax_document"] == files.url("/letter.txt")

    asyncio.run(main())


def test_variables_are_json_whatever_they_hold(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as r, r.client() as c:
            nines = "9" * 300
            text = f"sections: {{main: [{{set: {{a: .inf, b: .nan, c: '${{{nines} * {nines}}}', d: 1.5, e: \"\\uD800\"}}}}]}}"
            begun = await c.post("/v1/swml?to=sip:ok@far.example", content=text, headers={"Content-Type": "text/yaml"})
            assert begun.status_code == 202, begun.text
            run = await over(c, begun.headers["location"])
            assert run["state"] == "ended"
            assert run["variables"] == {"a": None, "b": None, "c": None, "d": 1.5, "e": "?"}

    asyncio.run(main())


def test_a_swml_document_runs(tmp_path: Path) -> None:
    document = """
version: 1.0.0
sections:
  main:
    - send_fax: {document: "%s"}
    - execute: {dest: other}
  other:
    - hangup
"""

    async def run(c: httpx.AsyncClient, body: str, kind: str) -> dict[str, Any]:
        answer = await c.post("/v1/swml?to=sip:ok@far.example", content=body, headers={"Content-Type": kind})
        assert answer.status_code == 202, answer.text
        done = await over(c, answer.headers["location"])
        assert (await c.delete(answer.headers["location"])).status_code == 409
        return done

    async def main() -> None:
        async with running(tmp_path) as r, r.client() as c:
            # A file of this machine is none of a stranger's documents.
            for url in ("/etc/passwd", "file:///etc/passwd"):
                done = await run(c, document % url, "application/yaml")
                assert (done["state"], "URL" in done["problem"]) == ("failed", True), done
            assert r.far_ends.calls == []
            sections = {"main": [{"send_fax": {"document": "file:///etc/passwd"}}]}
            done = await run(c, json.dumps({"version": "1.0.0", "sections": sections}), "application/json")
            assert "URL" in done["problem"]
            bad = await c.post("/v1/swml", json={"to": "sip:ok@far.example", "document": {"sections": {}}})
            assert bad.status_code == 422

    asyncio.run(main())


def test_a_swml_document_runs_once_for_each_key(tmp_path: Path) -> None:
    order = {"to": "sip:ok@far.example", "document": {"sections": {"main": [{"set": {"odd": "\ud800!"}}, "hangup"]}}}
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}

    async def first() -> str:
        async with running(tmp_path) as r, r.client() as c, r.client(SENDER) as other:
            answers = await asyncio.gather(
                *(c.post("/v1/swml", content=json.dumps(order), headers=headers) for _ in range(4))
            )
            assert {answer.status_code for answer in answers} <= {202, 409}
            (run_id,) = {answer.json()["id"] for answer in answers if answer.status_code == 202}
            different = await c.post("/v1/swml", content=json.dumps({**order, "to": "sip:1@a"}), headers=headers)
            assert (different.status_code, different.json()["type"]) == (422, "urn:softfax:problem:idempotency")
            own = await other.post("/v1/swml", content=json.dumps(order), headers=headers)
            assert own.json()["id"] != run_id
            return str(run_id)

    async def second(run_id: str) -> None:
        async with running(tmp_path) as r, r.client() as c:
            again = await c.post("/v1/swml", content=json.dumps(order), headers=headers)
            assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
            assert (again.json()["id"], again.json()["state"]) == (run_id, "ended")
            assert again.json()["variables"]["odd"] == "?!"

    asyncio.run(second(asyncio.run(first())))
