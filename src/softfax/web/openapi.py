# SPDX-License-Identifier: GPL-2.0-or-later
"""The OpenAPI 3.1 description: what FastAPI reads off the endpoints, with the errors, headers and tokens that all have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from softfax._version import __version__
from softfax.web.answers import CallbackOut, ProblemOut, ReceivedOut
from softfax.web.dialects import SignalWireOut, SimotelOut
from softfax.web.examples import BODIES, PARAMETERS, PROBLEMS
from softfax.web.problems import MEDIA_TYPE
from softfax.web.requests import FaxIn, PolledIn, SwmlIn
from softfax.web.webhooks import WEBHOOKS

__all__ = ["describe", "problems"]

DESCRIPTION = """\
Faxes out and in, by the station's queue. Times are RFC 3339 in UTC. Errors are problem details (RFC 9457) with a `remedy`.

Tokens are sent as `Authorization: Bearer …`. What an operation takes is its scope: `read`, `send`, `cancel`, `events` or
`metrics`; `admin` is all of them. Without tokens in the configuration the station answers its own machine alone.

Every `GET` but the stream of events answers `HEAD` too.

`POST` requests that take an `Idempotency-Key` do their work once, however often they are sent with the same key and body.
"""
_WORDS: Mapping[int, str] = {
    400: "The body cannot be read",
    401: "No token, or a wrong one",
    403: "The token's scopes do not allow it, or the request came from elsewhere",
    404: "Not found",
    405: "Method not allowed",
    408: "The request took too long to come in",
    409: "Its state does not allow it, or the same request is under way",
    410: "The result for this key was erased",
    413: "Too large",
    415: "Unsupported media type",
    422: "Invalid request",
    429: "Too many requests; see Retry-After",
    500: "The station failed",
    501: "Not set up",
    502: "Failed",
    503: "Unavailable now; see Retry-After",
    507: "The disk is full",
}
TAGS = [
    {"name": "faxes", "description": "Faxes sent and received"},
    {"name": "documents", "description": "Pages, documents and traces of faxes"},
    {"name": "uploads", "description": "Documents made into pages before they are sent"},
    {"name": "events", "description": "Events as they happen"},
    {"name": "station", "description": "Status of the station"},
    {"name": "lists", "description": "Address book, do-not-fax list"},
    {"name": "polled", "description": "Documents that far ends fetch by calling"},
    {"name": "swml", "description": "Runs of SWML documents"},
    {"name": "login", "description": "Sessions of the web page"},
]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation that may fail like this."""
    always = (429, 500, 503, 507)
    return {
        status: {
            "description": _WORDS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}},
        }
        for status in sorted({*statuses, *always})
    }


def describe(app: FastAPI) -> dict[str, Any]:
    """The whole description."""
    found = get_openapi(
        title="softfax",
        version=__version__,
        openapi_version="3.1.0",
        summary="A fax machine that lives on SIP",
        description=DESCRIPTION,
        routes=app.routes,
        tags=TAGS,
        license_info={"name": "GPL-2.0-or-later", "identifier": "GPL-2.0-or-later"},
    )
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    # Bodies that are read by hand, and error answers.
    _, own = models_json_schema(
        [
            (FaxIn, "validation"), (PolledIn, "validation"), (SwmlIn, "validation"), (ProblemOut, "serialization"),
            (CallbackOut, "serialization"), (ReceivedOut, "serialization"),
            (SignalWireOut, "serialization"), (SimotelOut, "serialization"),
        ],
        ref_template="#/components/schemas/{model}",
    )  # fmt: skip
    schemas.update(own["$defs"])
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "A [[http.token]] of the configuration"}
    }
    scopes = _scopes(app)
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            whoever = ("",) if operation["operationId"] in _KNOWN else ()
            wanted = scopes.get((path, method.upper()), whoever)
            # Any of the scopes will do, so each is a way of its own.
            operation["security"] = [{"token": [scope] if scope else []} for scope in wanted]
            if "requestBody" in operation:
                more = {str(status): said for status, said in problems(400, 408, 413, 415, 422).items()}
                operation["responses"] = dict(sorted((more | operation["responses"]).items()))
            _problems_only(operation)
            _conditional(operation)
            _linked(operation)
            _exemplify(operation)
        if "206" in operations.get("get", {}).get("responses", {}):
            operations["head"] = _headers_alone(operations["get"])
    found["servers"] = [{"url": "/"}]
    found["webhooks"] = WEBHOOKS
    return found


def _headers_alone(operation: Mapping[str, Any]) -> dict[str, Any]:
    """The HEAD of a GET. All GETs answer it; it is described where there is a file, and so something to learn by it."""
    responses = {
        status: {key: value for key, value in response.items() if key != "content"}
        for status, response in operation["responses"].items()
        if status != "206"
    }
    name, summary = f"{operation['operationId']}Headers", f"{operation['summary']}: its headers"
    return {**operation, "operationId": name, "summary": summary, "responses": responses}


def _problems_only(operation: dict[str, Any]) -> None:
    """Every error is a problem; those FastAPI adds of its own accord too."""
    for status, response in operation["responses"].items():
        if int(status) >= 400 and MEDIA_TYPE not in response.get("content", {}):
            response["description"] = _WORDS.get(int(status), response.get("description", ""))
            response["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}


_HEADERS: Mapping[str, Any] = {
    "Accept-Ranges": {"description": "bytes", "schema": {"type": "string"}},
    "Content-Disposition": {"description": "What to call the file", "schema": {"type": "string"}},
    "Content-Range": {"description": "Which part of how much", "schema": {"type": "string"}},
    "ETag": {"description": "For If-None-Match", "schema": {"type": "string"}},
    "Idempotency-Replayed": {"description": "true, where an earlier request is answered", "schema": {"type": "string"}},
    "Location": {"description": "Where it is", "schema": {"type": "string"}},
    "Request-Id": {"description": "As the station's log names the request", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds until it is worth trying again", "schema": {"type": "integer"}},
    "Set-Cookie": {"description": "The login", "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "Bearer", "schema": {"type": "string"}},
}
_SAYING: Mapping[str, tuple[str, ...]] = {
    "401": ("WWW-Authenticate",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
    "304": ("ETag",),
    "416": ("Content-Range",),
}
_OF_FILES = ("ETag", "Accept-Ranges", "Content-Disposition")
_GOOD: Mapping[str, str] = {"200": "What was asked for", "201": "It is made", "202": "It is taken", "204": "It is done"}
#: For every authenticated client, of any scope.
_KNOWN = frozenset({"whoAmI", "logOut"})
#: Answered with an entity tag, of which If-None-Match can be asked.
_TAGGED = frozenset({"listFaxes", "getFax", "getBroadcast", "getFaxPage", "getUploadPage"})
#: What an answer's id is good for: the schema of the answer, and the operations on what it names.
_LINKS: Mapping[str, tuple[str, ...]] = {
    "sendFax": (
        "getFax",
        "cancelFax",
        "changeFax",
        "retryFax",
        "forwardFax",
        "getFaxEvents",
        "getFaxPdf",
        "getFaxTrace",
    ),
    "retryFax": ("getFax", "cancelFax"),
    "upload": ("getUpload", "deleteUpload"),
    "previewCover": ("getUpload", "deleteUpload"),
    "putContact": ("getContact", "deleteContact"),
    "runSwml": ("getSwml", "cancelSwml"),
    "putOut": ("getPolled", "takeBack"),
}
_ID = {"getContact": "contact_id", "deleteContact": "contact_id"}


def _linked(operation: dict[str, Any]) -> None:
    """Add links: operations that take the id in an answer."""
    for status, response in operation["responses"].items():
        if status in ("201", "202") and operation["operationId"] in _LINKS:
            response["links"] = {
                name: {"operationId": name, "parameters": {_ID.get(name, "id"): "$response.body#/id"}}
                for name in _LINKS[operation["operationId"]]
            }


def _conditional(operation: dict[str, Any]) -> None:
    """Answers that depend on what the client has already."""
    if "206" in operation["responses"] or operation["operationId"] in _TAGGED:
        operation["responses"]["304"] = {"description": "Not changed: the ETag is one of If-None-Match"}


def _named(operation: dict[str, Any], status: str) -> tuple[str, ...]:
    """The headers of an answer."""
    is_file, keyed = (
        "206" in operation["responses"],
        any(one["name"] == "Idempotency-Key" for one in operation.get("parameters", ())),
    )
    names = _SAYING.get(status, ())
    if status in ("201", "202") and operation["operationId"] not in ("forbid", "linkFax", "replayDelivery"):
        names = ("Location", "Idempotency-Replayed") if keyed else ("Location",)
    elif status in ("200", "206") and is_file:
        names = _OF_FILES if status == "200" else (*_OF_FILES, "Content-Range")
    elif status == "200" and operation["operationId"] in _TAGGED:
        names = ("ETag",)
    elif status in ("200", "204") and operation["operationId"] in ("logIn", "logOut"):
        names = ("Set-Cookie",)
    return (*names, "Request-Id")


def _exemplify(operation: dict[str, Any]) -> None:
    """Adds examples, and the headers of answers."""
    for status, response in operation["responses"].items():
        if response["description"] == "Successful Response":
            response["description"] = _GOOD[status]
        response["headers"] = {name: _HEADERS[name] for name in _named(operation, status)}
        _example_of(response.get("content", {}), status)
    _example_of(operation.get("requestBody", {}).get("content", {}), "")
    for parameter in operation.get("parameters", ()):
        if not {"example", "examples"} & {*parameter, *parameter.get("schema", {})}:
            parameter["example"] = PARAMETERS[parameter["name"]]


def _example_of(content: dict[str, Any], status: str) -> None:
    for kind, media in content.items():
        if kind == MEDIA_TYPE:
            media["examples"] = {"ProblemOut": {"value": PROBLEMS[int(status)]}}
            continue
        schema = media.get("schema") or {}
        refs = [schema, *schema.get("anyOf", ())]
        names = [str(one["$ref"]).rpartition("/")[2] for one in refs if "$ref" in one]
        if kind.endswith("json") and names and not {"example", "examples"} & set(media):
            media["examples"] = {name: {"value": BODIES[name]} for name in names}


def _scopes(app: FastAPI) -> dict[tuple[str, str], tuple[str, ...]]:
    """Scopes of each operation."""
    out = {}
    for route in app.routes:
        if isinstance(route, APIRoute):
            for dependency in route.dependencies:
                scopes = getattr(dependency.dependency, "scopes", None)
                for method in (route.methods or ()) if scopes is not None else ():
                    out[route.path_format, method] = tuple(scopes or ())
    return out
