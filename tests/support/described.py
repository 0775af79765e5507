# SPDX-License-Identifier: GPL-2.0-or-later
"""Every answer of the API that a test sees is held against its description: no key more, none less."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx
import jsonschema_rs
from fastapi import FastAPI

from softfax.web.app import _ROUTERS
from softfax.web.openapi import describe

__all__ = ["check", "check_async"]

STREAMS = re.compile(r"/v1/events$")


@cache
def _description() -> Mapping[str, Any]:
    app = FastAPI()
    for module in _ROUTERS:
        app.router.routes.extend(module.router.routes)
    return describe(app)


@cache
def _operations() -> list[tuple[re.Pattern[str], str, Mapping[str, Any]]]:
    return [
        (re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path) + "$"), method.upper(), operation)
        for path, methods in _description()["paths"].items()
        for method, operation in methods.items()
    ]


@cache
def _validator(path: str, method: str, status: int, kind: str) -> Any:
    for pattern, verb, operation in _operations():
        if verb == method and pattern.match(path):
            content = operation["responses"].get(str(status), {}).get("content", {})
            if "schema" not in content.get(kind, {}):
                return None
            schema = {**content[kind]["schema"], "components": _description()["components"]}
            return jsonschema_rs.Draft202012Validator(schema)
    return None


def _check(response: httpx.Response) -> None:
    kind = response.headers.get("content-type", "").partition(";")[0]
    request = response.request
    validator = _validator(request.url.path, request.method, response.status_code, kind)
    if kind.endswith("json") and validator is not None:
        found = [f"{'.'.join(map(str, e.instance_path))}: {e.message}" for e in validator.iter_errors(response.json())]
        assert not found, f"{request.method} {request.url.path} {response.status_code}: {found[:5]}"


async def check_async(response: httpx.Response) -> None:
    """A hook of httpx's asynchronous client."""
    if not STREAMS.match(response.request.url.path):
        await response.aread()
        _check(response)


def check(response: httpx.Response) -> None:
    """A hook of httpx's client."""
    if not STREAMS.match(response.request.url.path):
        response.read()
        _check(response)
