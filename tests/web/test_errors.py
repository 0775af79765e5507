# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers when something is wrong: always a problem (RFC 9457), never our inside."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

import httpx
import pytest

from tests.web.rig import READER, SENDER, running

FAX = "0123456789abcdef01234567"


def _problem(answer: httpx.Response, status: int) -> dict[str, object]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body: dict[str, object] = answer.json()
    assert (body["status"], bool(body["title"]), bool(body["type"])) == (status, True, True)
    assert "Traceback" not in answer.text
    return body


def test_whatever_is_wrong_is_a_problem(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with running(tmp_path) as r, r.client() as admin, r.client(READER) as reader, r.client("") as nobody:
            _problem(await admin.get("/nothing"), 404)
            _problem(await admin.get("/v1/faxes/"), 404)
            _problem(await admin.get(f"/v1/faxes/{FAX}"), 404)
            _problem(await admin.get("/v1/faxes/..%2f..%2fetc%2fpasswd"), 404)
            _problem(await admin.get(f"/v1/faxes/{FAX}/document.pdf"), 404)
            wrong_method = await admin.put(f"/v1/faxes/{FAX}")
            _problem(wrong_method, 405)
            assert wrong_method.headers["allow"] == "DELETE, GET, HEAD, PATCH"
            _problem(await admin.get("/v1/faxes?stat=queued"), 422)
            said = _problem(await admin.get("/v1/faxes?state=quiet"), 422)
            assert said["errors"][0]["at"] == "state"  # type: ignore[index]
            _problem(await admin.post("/v1/faxes", content=b"{", headers={"Content-Type": "application/json"}), 400)
            _problem(await admin.post("/v1/faxes", content=b"x", headers={"Content-Type": "text/plain"}), 415)
            nothing = {"to": "sip:ok@far.example", "documents": []}
            _problem(await admin.post("/v1/faxes", json=nothing), 422)
            deep = b'{"to":' + b"[" * 50_000
            _problem(await admin.post("/v1/faxes", content=deep, headers={"Content-Type": "application/json"}), 400)
            # Who may not is told so before anything of the body is looked at.
            _problem(await nobody.get("/v1/faxes"), 401)
            assert (await nobody.get("/v1/faxes")).headers["www-authenticate"].startswith("Bearer")
            _problem(await nobody.get("/v1/nothing"), 401)
            _problem(await reader.post("/v1/faxes", json=nothing), 403)
            async with r.client(SENDER) as sender:
                _problem(await sender.get("/v1/faxes"), 403)

            async def broken() -> None:
                raise RuntimeError("the password is hunter2")

            r.queue.counts = broken  # type: ignore[assignment, method-assign]
            with caplog.at_level(logging.CRITICAL, "softfax.web"):
                failed = await admin.get("/v1/status")
            _problem(failed, 500)
            assert "hunter2" not in failed.text
            # The connection goes on.
            assert (await admin.get("/healthz")).status_code == 200

    asyncio.run(run())


def test_what_is_no_http_is_a_problem_too(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as r:
            for sent in (b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n"):
                reader, writer = await asyncio.open_connection(*r.web.address)
                writer.write(sent)
                answer = await asyncio.wait_for(reader.read(), 5)
                writer.close()
                head, _, body = answer.partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 400 ")
                assert b"application/problem+json" in head
                assert json.loads(body)["status"] == 400
            # A length said twice is how a second request is smuggled past a proxy: neither is read.
            reader, writer = await asyncio.open_connection(*r.web.address)
            writer.write(
                b"POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
            )
            answer = await asyncio.wait_for(reader.read(), 5)
            writer.close()
            assert (answer[:13], answer.count(b"HTTP/1.1 ")) == (b"HTTP/1.1 400 ", 1)

    asyncio.run(run())
