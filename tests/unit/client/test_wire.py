# SPDX-License-Identifier: GPL-2.0-or-later
"""The client's reading of what comes, and what it asks: without a station."""

from __future__ import annotations

import asyncio
import json
import socket
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.client import (
    AnswerError,
    AsyncSoftfaxClient,
    ConflictError,
    Fax,
    NoStationError,
    NotAllowedError,
    SoftfaxClient,
    ThrottledError,
)
from softfax.client.errors import error_of
from softfax.client.models import order
from softfax.client.wire import EventParser, list_query, settings_of
from softfax.errors import ExitStatus, UsageError
from softfax.web.examples import BODIES


def events(parser: EventParser, text: str) -> list[tuple[int | None, str, Any]]:
    found = [parser.line(line) for line in text.split("\n")]
    return [(one.id, one.kind, one.body) for one in found if one is not None]


def test_events_out_of_lines() -> None:
    parser = EventParser()
    assert events(parser, "id: 7\nretry: 1000\n\n: here\n\n") == []
    assert (parser.last_id, parser.headers) == (7, {"Last-Event-ID": "7"})
    text = 'id: 8\nevent: job\ndata: {"a":\ndata: 1}\n\nevent: progress\ndata:{"b": 2}\n\nid: x\ndata: {}\n\ndata: no json\n\n'
    assert events(parser, text) == [(8, "job", {"a": 1}), (None, "progress", {"b": 2}), (None, "message", {})]
    assert parser.last_id == 8


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\n\r"), max_size=40)))
def test_whatever_comes_is_read(lines: list[str]) -> None:
    parser = EventParser()
    for line in lines:
        parser.line(line)


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=20), max_size=4))
def test_what_is_said_is_what_comes(body: dict[str, Any]) -> None:
    parser = EventParser()
    assert events(parser, f"id: 1\ndata: {json.dumps(body)}\n\n") == [(1, "message", body)]


def test_what_is_asked() -> None:
    when = datetime(2026, 11, 21, tzinfo=UTC)
    assert list_query({"state": ["a", "b"], "tags": {"k": "v"}, "unread": True, "since": when, "q": None, "number": ""}) == {
        "state": "a,b", "tag.k": "v", "unread": "true", "since": "2026-11-21T00:00:00.000000Z",
    }  # fmt: skip
    assert order("1", caller="2", not_before=when, header=None) == {
        "to": "1", "from": "2", "not_before": "2026-11-21T00:00:00.000000Z",
    }  # fmt: skip
    for bad in ("x", "ftp://a", "http://", "http://a:0", "http://a:99999"):
        with pytest.raises(UsageError):
            settings_of(bad, "", 1.0, True)
    # What a newer station says besides is kept, and does no harm.
    fax = Fax.of({**BODIES["FaxOut"], "colour": "blue"})
    assert (fax.id, fax.created.tzinfo is not None, fax.raw["colour"]) == (BODIES["FaxOut"]["id"], True, "blue")
    assert not fax.terminal


def test_errors_have_types_and_exit_statuses() -> None:
    for status, kind, exit_status in (
        (401, NotAllowedError, ExitStatus.CALL_FAILED),
        (409, ConflictError, ExitStatus.USAGE),
        (429, ThrottledError, ExitStatus.USAGE),
    ):
        error = error_of(status, {"detail": "No.", "remedy": "Ask."}, "7")
        remedy = "ask" if status != 401 else "give it the secret of a token, as SOFTFAX_TOKEN"
        assert (type(error), str(error), error.exit_status) == (kind, f"No; {remedy}", exit_status)
        assert error.retry_after_s == 7.0
    assert "502" in str(error_of(502, None))


def test_problem_details_become_one_line() -> None:
    empty = {"title": "The document is empty", "detail": "It has no bytes.", "remedy": "Choose another file."}
    assert str(error_of(422, empty)) == "The document is empty: it has no bytes; choose another file"
    scope = {"title": "Not allowed", "detail": "Erasing takes the scope admin.", "remedy": "Use such a token."}
    assert str(error_of(403, scope)) == "Erasing takes the scope admin; use such a token"


async def _asked(answers: list[httpx.Response | Exception], method: str) -> Any:
    """Return what comes of asking a station that answers so."""

    def answer(request: httpx.Request) -> httpx.Response:
        said = answers.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://station") as inner:
        station = AsyncSoftfaxClient(client=inner)
        try:
            return await (station.get("a" * 24) if method == "GET" else station.send("1", documents=[]))
        except AnswerError as error:
            return error


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_can_be_asked_again_is(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("softfax.client.asynchronous.asyncio.sleep", sleep)
    good = httpx.Response(202, json=BODIES["FaxOut"])
    busy = httpx.Response(429, headers={"Retry-After": "2"}, json={})
    under_way = httpx.Response(409, headers={"Retry-After": "1"}, json={"type": "urn:softfax:problem:idempotency"})
    for answers, kind, waited in (
        ([httpx.ConnectError("no"), good], Fax, [0.5]),
        ([busy, under_way, good], Fax, [2.0, 1.0]),
        ([httpx.ReadTimeout("slow")] * 3, NoStationError, [0.5, 1.0]),
        ([httpx.Response(409, json={})], ConflictError, []),
        ([httpx.Response(429, headers={"Retry-After": "600"}, json={})], ThrottledError, []),
    ):
        waits.clear()
        found = asyncio.run(_asked(list(answers), method))
        assert (type(found), waits) == (kind, waited)


def test_a_station_that_is_not_there_is_told_in_the_words_of_the_system() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with SoftfaxClient(url, tries=1) as client, pytest.raises(NoStationError) as refused:
            client.status()
    assert "(Connection refused)" in refused.value.problem
