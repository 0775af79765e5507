# SPDX-License-Identifier: GPL-2.0-or-later
"""The description is whole: every operation says what it takes and answers, with examples that fit."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from fastapi.openapi.utils import get_openapi

from softfax.fax import outcome
from softfax.model import BroadcastEvent, CallEvent, CallState, Direction, FaxContext, FaxUpdate, JobEvent, PageEvent
from softfax.station import making
from softfax.vocabularies import callbacks, signalwire
from softfax.web.examples import BODIES, PROBLEMS
from tests.support.described import _description
from tests.unit.web.fakes import Site, a_fax, site


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    steps = site(tmp_path_factory.mktemp("site"))
    yield next(steps).app.app.openapi()
    next(steps, None)


def test_it_is_made_once_however_often_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Making it takes a good part of a second, in which the loop of the station would do nothing else; anybody may ask."""
    _description()  # of the hook of the tests
    made = Counter[str]()

    def counted(**more: Any) -> dict[str, Any]:
        made["times"] += 1
        return get_openapi(**more)

    monkeypatch.setattr("softfax.web.openapi.get_openapi", counted)

    async def run(one: Site) -> None:
        async with one.client("") as nobody:
            answers = [await nobody.get("/openapi.json") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200] * 3
        assert made == {"times": 1}

    steps = site(tmp_path)
    asyncio.run(run(next(steps)))
    next(steps, None)


def _operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_every_operation_is_described(described: dict[str, Any]) -> None:
    assert described["openapi"].startswith("3.1")
    ids = [operation["operationId"] for _, operation in _operations(described)]
    assert len(ids) == len(set(ids))
    for name, operation in _operations(described):
        assert operation["summary"], name
        assert operation["description"], name
        assert operation["tags"], name
        assert "security" in operation, name
        assert {"429", "500"} <= set(operation["responses"]), name
        for parameter in operation.get("parameters", ()):
            said = {**parameter.get("schema", {}), **parameter}
            assert {"example", "examples"} & set(said), f"{name}: {parameter['name']}"
        for status, response in operation["responses"].items():
            assert "content" not in response or not name.startswith("HEAD"), name
            for kind, media in response.get("content", {}).items():
                if kind.endswith("json") and "$ref" in str(media):
                    assert media["examples"], f"{name}: {status}"
                if int(status) >= 400 and name != "GET /readyz":
                    assert kind == "application/problem+json", name
                    assert media["examples"]["ProblemOut"]["value"]["status"] == int(status), name
        for kind, media in operation.get("requestBody", {}).get("content", {}).items():
            assert {"example", "examples"} & {*media, *media["schema"]}, f"{name}: {kind}"


def test_callbacks_tags_and_head_are_described(described: dict[str, Any]) -> None:
    """The body a receiver really gets has the keys of the description, and no other."""

    def check(webhook: str, body: dict[str, Any]) -> None:
        schema = described["webhooks"][webhook]["post"]["requestBody"]["content"]["application/json"]["schema"]
        jsonschema_rs.validator_for({**schema, "components": described["components"]}).validate(body)

    context = FaxContext(
        fax_id="4b0e7d5a9c1f2e3d4a5b6c7d", direction=Direction.SEND, outgoing=True, session_number=1, unique_id="1.1",
        channel="PJSIP/x-1", tags={"matter": "2026-17"},
    )  # fmt: skip
    session = making.first_session(context)
    failed = making.failed(context, outcome.OK, 1.0)
    page = PageEvent(direction=Direction.SEND, number=1, bytes=1, rows=1, bad_rows=0, seconds=1.0, quality="good")
    end = BroadcastEvent(broadcast_id="b" * 24, total=1, by_state={"failed": 1}, pages=0)
    events = (end, JobEvent(state="queued"), CallEvent(state=CallState.CALLING), session, failed, page)
    for event in events:
        for callback in callbacks("json", FaxUpdate(context, event)):
            check("faxEvent", callback.body)
            with pytest.raises(jsonschema_rs.ValidationError):
                check("faxEvent", callback.body | {"more": 1})
    received = dataclasses.replace(context, direction=Direction.RECEIVE, outgoing=False)
    done = dataclasses.replace(failed, success=True, bitrate=14400, resolution="204x196", remote_station_id="+49 30 1")
    for dialect, webhook, count in (("signalwire", "signalwireFax", 5), ("simotel", "simotelFax", 5)):
        updates = [FaxUpdate(which, event) for which in (context, received) for event in (*events, done)]
        bodies = [callback.body for update in updates for callback in callbacks(dialect, update)]
        assert len(bodies) >= count
        for body in bodies:
            check(webhook, body)
            with pytest.raises(jsonschema_rs.ValidationError):
                check(webhook, body | {"more": 1})
    problem = signalwire.error(FaxUpdate(context, dataclasses.replace(failed, success=False)))
    assert problem is not None
    check("signalwireFax", problem.body)
    check("faxReceived", BODIES["ReceivedOut"] | {"fax": a_fax(direction=Direction.RECEIVE).to_json()})
    parameters = described["paths"]["/v1/faxes"]["get"]["parameters"]
    assert {"tags", "state", "number"} <= {one["name"] for one in parameters}
    head = described["paths"]["/v1/faxes/{id}/document.pdf"]["head"]
    assert all("content" not in response for response in head["responses"].values())


def test_limits_are_described(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    fax, document = schemas["FaxIn"]["properties"], schemas["DocumentIn"]["properties"]
    assert (fax["priority"]["minimum"], fax["priority"]["maximum"]) == (0, 9)
    assert document["url"]["anyOf"][0]["pattern"].startswith("^[Hh]")
    paths = described["paths"]
    # One of the scopes will do.
    assert paths["/v1/faxes/{id}/events"]["get"]["security"] == [{"token": ["read"]}, {"token": ["events"]}]
    assert paths["/v1/login"]["get"]["security"] == [{"token": []}]
    assert paths["/v1/login"]["post"]["security"] == paths["/healthz"]["get"]["security"] == []
    assert {"304", "200"} <= set(paths["/v1/faxes"]["get"]["responses"])
    assert "Content-Range" in paths["/v1/faxes/{id}/document.pdf"]["get"]["responses"]["206"]["headers"]


@pytest.mark.parametrize("status", PROBLEMS)
def test_examples_of_problems_fit(described: dict[str, Any], status: int) -> None:
    schema = {"$ref": "#/components/schemas/ProblemOut", "components": described["components"]}
    jsonschema_rs.Draft202012Validator(schema).validate(PROBLEMS[status])


@pytest.mark.parametrize("name", BODIES)
def test_examples_fit(described: dict[str, Any], name: str) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
    jsonschema_rs.Draft202012Validator(schema).validate(BODIES[name])
    fields = described["components"]["schemas"][name]
    assert set(fields.get("required", ())) <= set(BODIES[name])
