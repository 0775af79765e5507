# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests that come twice, too often, or are too large; and who may ask at all. Over a real connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.web.rig import ADMIN, SENDER, over, running, until

MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'


def _letter(text: str = "Dear Ada") -> dict[str, Any]:
    return {"files": {"file": ("letter.txt", text.encode())}, "data": {"to": "sip:ok@far.example"}}


def test_the_same_key_gets_the_same_fax_also_after_a_restart(tmp_path: Path) -> None:
    key = {"Idempotency-Key": "key-1"}
    urgent: dict[str, Any] = {
        "files": {"file": ("a.txt", b"x")},
        "data": {"to": "sip:busy@far.example"},
        "headers": {"Idempotency-Key": "urgent"},
    }

    async def first() -> tuple[str, str]:
        async with running(tmp_path) as r, r.client() as c, r.client(SENDER) as other:
            one = await c.post("/v1/faxes", **_letter(), headers=key)
            urgent["data"]["deadline"] = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
            late = await c.post("/v1/faxes", **urgent)
            assert (one.status_code, late.status_code) == (202, 202), late.text
            assert "idempotency-replayed" not in one.headers
            again = await c.post("/v1/faxes", **_letter(), headers=key)
            assert (again.json()["id"], again.headers["idempotency-replayed"]) == (one.json()["id"], "true")
            different = await c.post("/v1/faxes", **_letter("Dear Bob"), headers=key)
            assert (different.status_code, different.json()["type"]) == (422, "urn:softfax:problem:idempotency")
            # Keys of others are others.
            assert (await other.post("/v1/faxes", **_letter("Dear Bob"), headers=key)).status_code == 202
            many = await asyncio.gather(
                *(c.post("/v1/faxes", **_letter(), headers={"Idempotency-Key": "many"}) for _ in range(8))
            )
            assert {a.status_code for a in many} <= {202, 409}
            assert len({a.json()["id"] for a in many if a.status_code == 202}) == 1
            assert all(a.headers["retry-after"] for a in many if a.status_code == 409)
            # Of what was refused or asked again nothing is left.
            assert len(list(r.queue.folder.iterdir())) == 4
            return str(one.json()["id"]), str(late.json()["id"])

    async def second(one: str, late: str) -> None:
        async with running(tmp_path) as r, r.client() as c:
            again = await c.post("/v1/faxes", **_letter(), headers=key)
            assert (again.status_code, again.json()["id"]) == (202, one)
            await over(c, f"/v1/faxes/{late}")
            deadline = datetime.fromisoformat(urgent["data"]["deadline"])
            await asyncio.sleep(max(0.0, (deadline - datetime.now(UTC)).total_seconds()))
            # Its time is over, and yet it was asked in time.
            assert (await c.post("/v1/faxes", **urgent)).json()["id"] == late
            assert (await c.delete(f"/v1/faxes/{late}?erase=true")).status_code == 204
            gone = await c.post("/v1/faxes", **urgent)
            assert (gone.status_code, gone.json()["type"]) == (410, "urn:softfax:problem:erased")

    asyncio.run(second(*asyncio.run(first())))


def test_what_is_too_large_is_refused_before_it_has_come(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path, http={"max_upload_mb": 1}) as r, r.client() as c:
            # 300 MB are announced: the answer comes before the first of them.
            reader, writer = await asyncio.open_connection(*r.web.address)
            for path in ("/v1/faxes", "/v1/uploads", "/v1/swml"):
                writer.write(
                    f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n"
                    f"Content-Type: {MULTIPART['Content-Type']}\r\nContent-Length: 300000000\r\n\r\n".encode()
                )
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
                assert b" 413 " in head
                assert b"application/problem+json" in head
                writer.close()
                reader, writer = await asyncio.open_connection(*r.web.address)
            writer.close()

            async def endless(piece: bytes) -> AsyncIterator[bytes]:
                yield HEAD
                for _ in range(300):
                    yield piece

            # Nothing is announced: it ends at the limit.
            answer = await c.post("/v1/faxes", content=endless(b"x" * 1_000_000), headers=MULTIPART)
            assert (answer.status_code, answer.json()["type"]) == (413, "urn:softfax:problem:too-large")
            long_header = b'--b\r\nContent-Disposition: form-data; name="' + b"x" * 900_000 + b'"\r\n\r\n'
            answer = await c.post("/v1/faxes", content=long_header, headers=MULTIPART)
            assert (answer.status_code, answer.json()["type"]) == (400, "urn:softfax:problem:no-form")
            answer = await c.post("/v1/faxes", content=HEAD + b"%PDF", headers=MULTIPART)
            assert answer.status_code == 400
            files = [("file", (f"{n}.txt", b"x")) for n in range(60)]
            answer = await c.post("/v1/faxes", data={"to": "sip:ok@far.example"}, files=files)
            assert answer.status_code == 413
            big = {"to": ["sip:ok@far.example"] * 3, "documents": [], "tags": {"a": "x" * 257}}
            assert (await c.post("/v1/faxes", json=big)).status_code == 422
            answer = await c.post("/v1/faxes", json={"to": "1", "header": "x" * 3_000_000})
            assert answer.status_code == 413
            assert list(r.queue.folder.iterdir()) == []

    asyncio.run(run())


def test_a_disk_that_is_nearly_full_takes_no_uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softfax.web.uploads.free_bytes", lambda folder: 600 << 20)

    async def run() -> None:
        async with running(tmp_path, retention={"min_free_mb": 600}) as r, r.client() as c:
            for path in ("/v1/faxes", "/v1/uploads"):
                answer = await c.post(path, **_letter())
                assert (answer.status_code, answer.json()["type"]) == (507, "urn:softfax:problem:disk-full")
            assert list(r.queue.folder.iterdir()) == []

    asyncio.run(run())


def test_who_asks_too_often_or_guesses_has_to_wait(tmp_path: Path) -> None:
    async def run() -> None:
        limits = {"requests_per_minute": 60, "failed_logins_per_minute": 3}
        async with running(tmp_path, http=limits) as r, r.client() as c, r.client("a-wrong-token-0123") as wrong:
            assert (await c.get("/v1/faxes")).status_code == 200
            statuses = [(await wrong.get("/v1/faxes")).status_code for _ in range(5)]
            assert statuses == [401, 401, 401, 429, 429]
            # From the same address: who was right before is not kept out, who comes anew has to wait.
            assert (await c.get("/v1/faxes")).status_code == 200
            async with r.client(SENDER) as anew:
                answer = await anew.get("/v1/faxes")
                assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (429, True)
                login = await anew.post("/v1/login", json={"token": SENDER}, headers={"Authorization": ""})
                assert login.status_code == 429
            answers = [await c.get("/v1/faxes") for _ in range(25)]
            assert answers[-1].status_code == 429
            assert int(answers[-1].headers["retry-after"]) >= 1

    asyncio.run(run())


def test_the_page_logs_in_and_no_other_site_does(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as r, r.client("") as browser:
            refused = await browser.post(
                "/v1/login", json={"token": SENDER}, headers={"Origin": "https://evil.example"}
            )
            assert refused.status_code == 403
            assert (await browser.post("/v1/login", json={"token": "wrong"})).status_code == 401
            entered = await browser.post("/v1/login", json={"token": SENDER})
            cookie = entered.headers["set-cookie"]
            assert (entered.status_code, entered.json()["name"]) == (200, "sender")
            assert all(word in cookie for word in ("HttpOnly", "SameSite=Strict", "Path=/"))
            assert (await browser.get("/v1/login")).json()["kind"] == "login"
            # With the cookie alone a browser may be led by anybody.
            order = {"files": {"file": ("a.txt", b"x")}, "data": {"to": "sip:ok@far.example"}}
            for headers in ({}, {"Sec-Fetch-Site": "cross-site", "X-Softfax": "1"}, {"Origin": "null"}):
                answer = await browser.post("/v1/faxes", **order, headers=headers)  # type: ignore[arg-type]
                assert (answer.status_code, answer.json()["type"]) == (403, "urn:softfax:problem:cross-site")
            answer = await browser.post("/v1/faxes", **order, headers={"X-Softfax": "1"})  # type: ignore[arg-type]
            assert answer.status_code == 202
            assert (await browser.get("/v1/faxes")).status_code == 403  # scope read
        # A login outlives the station, and ends with a logout.
        async with running(tmp_path) as r, r.client("") as anew:
            name, _, value = cookie.partition(";")[0].partition("=")
            anew.cookies.set(f"softfax-{r.web.address[1]}", value)
            assert name.startswith("softfax-")
            assert (await anew.get("/v1/login")).json()["name"] == "sender"
            assert (await anew.post("/v1/logout", headers={"X-Softfax": "1"})).status_code == 204
            anew.cookies.set(f"softfax-{r.web.address[1]}", value)
            assert (await anew.get("/v1/login")).status_code == 401

    asyncio.run(run())


def test_too_many_connections_are_turned_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softfax.web.server.connections_max", lambda: 3)
    monkeypatch.setattr("softfax.web.server.CONNECTIONS_OVER", 2)

    async def run() -> None:
        async with running(tmp_path) as r:
            opened = [await asyncio.open_connection(*r.web.address) for _ in range(7)]
            await asyncio.sleep(0.1)
            answers = []
            for reader, writer in opened:
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                with contextlib.suppress(ConnectionError):
                    answers.append((await asyncio.wait_for(reader.read(), 5))[9:12])
                writer.close()
            assert b"200" in answers
            assert answers.count(b"503") >= 1
            assert len([a for a in answers if a]) <= 5
            # What was turned away has left room.
            async with r.client() as c:
                assert (await c.get("/healthz")).status_code == 200

    asyncio.run(run())


def test_one_address_leaves_half_of_the_connections_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softfax.web.server.connections_max", lambda: 6)
    monkeypatch.setattr("softfax.web.server.CONNECTIONS_OVER", 1)

    async def ask(host: str, port: int, source: str) -> bytes:
        reader, writer = await asyncio.open_connection(host, port, local_addr=(source, 0))
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        with contextlib.suppress(ConnectionError):
            answer = (await asyncio.wait_for(reader.read(), 30))[9:12]
        writer.close()
        return answer

    async def run() -> None:
        async with running(tmp_path) as r:
            silent = [await asyncio.open_connection(*r.web.address) for _ in range(8)]
            # Four are there, one more than its half; the others were cut.
            assert [await asyncio.wait_for(reader.read(), 30) for reader, _ in silent[4:]] == [b""] * 4
            assert await ask(*r.web.address, "127.0.0.1") in (b"", b"503")
            assert await ask(*r.web.address, "127.0.0.9") == b"200"
            for _, writer in silent:
                writer.close()

    asyncio.run(run())


def test_an_upload_that_breaks_off_leaves_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with running(tmp_path) as r:
            _, writer = await asyncio.open_connection(*r.web.address)
            writer.write(
                f"POST /v1/faxes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n"
                f"Content-Type: {MULTIPART['Content-Type']}\r\nContent-Length: 1000000\r\n\r\n".encode()
                + HEAD
                + b"x" * 100_000
            )
            await until(lambda: list(r.queue.folder.iterdir()))
            writer.close()
            await until(lambda: not list(r.queue.folder.iterdir()))

    with caplog.at_level("ERROR"):
        asyncio.run(run())
    assert not caplog.records


def test_a_slow_head_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softfax.web.server.HEAD_S", 0.3)
    monkeypatch.setattr("softfax.web.guard.JSON_S", 0.3)

    async def run() -> None:
        async with running(tmp_path) as r:
            reader, writer = await asyncio.open_connection(*r.web.address)
            writer.write(b"GET / HTTP/1.1\r\nHost: ")
            assert await asyncio.wait_for(reader.read(), 3) == b""
            reader, writer = await asyncio.open_connection(*r.web.address)
            writer.write(
                f"POST /v1/contacts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n"
                "Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{".encode()
            )
            answer = await asyncio.wait_for(reader.readuntil(b"}"), 3)
            assert b" 408 " in answer
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 408
            writer.close()

    asyncio.run(run())
