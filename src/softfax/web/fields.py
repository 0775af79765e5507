# SPDX-License-Identifier: GPL-2.0-or-later
"""A fax out of the fields of a form, and other values of requests that no model reads."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from softfax.documents.ranges import parse_ranges
from softfax.errors import said
from softfax.options import outside_options
from softfax.web.body import Form, whole
from softfax.web.guard import JSON_MAX, too_large
from softfax.web.patterns import TAG_KEY
from softfax.web.problems import Problem, invalid

__all__ = ["JSON_FIELDS", "PLAIN_FIELDS", "form_values", "read_json", "tags_of", "take_file_fields", "valid"]

_Model = TypeVar("_Model", bound=BaseModel)
#: Fields of a form: those whose value is the text as it is, and those whose value is JSON.
PLAIN_FIELDS = frozenset(
    {option.name for option in outside_options().values()} | {"priority", "not_before", "deadline"}
)
FILE_FIELD_MAX = 200
JSON_FIELDS = frozenset({"cover", "retry", "callbacks", "tags", "documents"})


def valid(model: type[_Model], values: Any) -> _Model:
    """The values as a model. Raises RequestValidationError."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        # What the body may have, to guess what was meant by what it may not.
        keys = {"keys": [field.alias or name for name, field in model.model_fields.items()]}
        found = error.errors(include_url=False, include_input=False)
        raise RequestValidationError(
            [
                {**one, "loc": ("body", *one["loc"]), "ctx": keys if len(one["loc"]) == 1 else {}}
                if one["type"] == "extra_forbidden"
                else {**one, "loc": ("body", *one["loc"])}
                for one in found
            ]
        ) from None


async def read_json(request: Request) -> Any:
    """The body as JSON, at most 2 MB. Raises Problem."""
    data = await whole(request.stream(), JSON_MAX, too_large(JSON_MAX))
    try:
        return json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "The body is not JSON", str(error)[:200], kind="no-json") from None


def _json(data: str, field: str) -> Any:
    try:
        return json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise invalid(field, f"it is not JSON ({str(error)[:200]})") from None


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def take_file_fields(form: Form) -> None:
    """Put `pages` and `password` of a form with its files, the first with the first. Raises RequestValidationError."""
    for name in ("pages", "password"):
        values = form.all(name)
        if len(values) > len(form.files):
            raise invalid(name, "there are more of them than files")
        for file, value in zip(form.files, values, strict=False):
            if len(value) > FILE_FIELD_MAX:
                raise invalid(name, "it is too long")
            if name == "pages" and value:
                try:
                    said(partial(parse_ranges, value))
                except ValueError as error:
                    raise invalid(name, str(error)) from None
            setattr(file, name, value)
    form.fields = [one for one in form.fields if one[0] not in ("pages", "password")]


def form_values(form: Form, plain: Collection[str] = PLAIN_FIELDS, several: Collection[str] = ("to",)) -> Any:
    """An order from a form, as the JSON has it. Raises Problem, RequestValidationError.

    Either a field `request` with the JSON, or fields with its keys: `plain` ones are texts, `several`, `url` and `upload` may
    come several times, `tag.NAME` and `cover.NAME` name parts, and `cover`, `retry`, `callbacks`, `tags`, `documents` may be
    JSON.
    """
    requests = form.all("request")
    if requests:
        if len(form.fields) > 1:
            raise invalid("request", "no other field goes with it")
        if not isinstance(body := _json(requests[0], "request"), dict):
            raise invalid("request", "use an object")
        return body
    out: dict[str, Any] = {}
    for key, value in form.fields:
        if key in several:
            out.setdefault(key, []).append(value)
        else:
            _put(out, key, value, plain)
    if len(to := out.get("to", [])) == 1:
        out["to"] = to[0]
    return out


def _put(out: dict[str, Any], key: str, value: str, plain: Collection[str]) -> None:
    table, _, part = key.partition(".")
    if key in ("url", "upload"):
        out.setdefault("documents", []).append({key: value})
    elif key == "callback":
        out.setdefault("callbacks", []).append({"url": value})
    elif part and table in ("tag", "cover", "retry"):
        out.setdefault("tags" if table == "tag" else table, {})[part] = value
    elif key in out:
        raise invalid(key, "it stands there twice")
    elif key in JSON_FIELDS:
        out[key] = _json(value, key)
    elif key in plain:
        # An empty field of a form is one that was not filled in.
        out.update({key: value} if value else {})
    else:
        raise invalid(key[:40], "there is no such field")


def tags_of(request: Request) -> Mapping[str, str]:
    """The tags asked for as `tag.NAME=VALUE`. Raises RequestValidationError."""
    out = {}
    for key, value in request.query_params.multi_items():
        name = key.removeprefix("tag.")
        if name == key:
            continue
        if not re.fullmatch(TAG_KEY, name) or len(value) > 256 or not value.isprintable():
            raise invalid(key[:80], "this is not a tag", "query")
        out[name] = value
    if len(out) > 10:
        raise invalid("tag", "at most 10 tags", "query")
    return out
