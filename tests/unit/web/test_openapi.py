# SPDX-License-Identifier: GPL-2.0-or-later
"""The description is whole: every operation says what it takes and answers, with examples that fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from softfax.model import CallEvent, CallState, Direction, FaxContext, FaxUpdate, JobEvent
from softfax.vocabularies import callbacks
from softfax.web.examples import BODIES, PROBLEMS
from tests.unit.web.fakes import site


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    steps = site(tmp_path_factory.mktemp("site"))
    yield next(steps).app.app.openapi()
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
            for kind, media in response.get("content", {}).items():
                if kind.endswith("json") and "$ref" in str(media):
                    assert media["examples"], f"{name}: {status}"
                if int(status) >= 400 and name != "GET /readyz":
                    assert kind == "application/problem+json", name
                    assert media["examples"]["ProblemOut"]["value"]["status"] == int(status), name
        for kind, media in operation.get("requestBody", {}).get("content", {}).items():
            assert {"example", "examples"} & {*media, *media["schema"]}, f"{name}: {kind}"


def test_callbacks_and_tags_are_described(described: dict[str, Any]) -> None:
    """What a receiver really gets fits the description."""
    schema = described["webhooks"]["faxEvent"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    check = jsonschema_rs.validator_for(schema)
    context = FaxContext(
        fax_id="4b0e7d5a9c1f2e3d4a5b6c7d", direction=Direction.SEND, outgoing=True, session_number=1, unique_id="1.1",
        channel="PJSIP/x-1", tags={"matter": "2026-17"},
    )  # fmt: skip
    for event in (JobEvent(state="queued"), CallEvent(state=CallState.CALLING)):
        for callback in callbacks("json", FaxUpdate(context, event)):
            check.validate(callback.body)
    parameters = described["paths"]["/v1/faxes"]["get"]["parameters"]
    assert {"tags", "state", "number"} <= {one["name"] for one in parameters}


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
