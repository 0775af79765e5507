# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages about an invalid request for its author: the place, and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from softfax.model import FaxState
from softfax.web.patterns import ANY_FAX_ID, EMAIL, FAX_ID, KINDS, TAG_KEY, UPLOAD_ID, URL

__all__ = ["mistake"]

_MOMENT = "write it as 2026-11-21T09:30:00Z, with a zone"
_PATTERNS: Mapping[str, str] = {
    ANY_FAX_ID: "an id has 24 hexadecimal digits",
    EMAIL: "write it as ada@example.com",
    FAX_ID: "an id has 24 hexadecimal digits",
    TAG_KEY: "the name of a tag has at most 64 letters, digits, dots, dashes and underscores",
    UPLOAD_ID: "the id of an upload has 32 hexadecimal digits",
    URL: "write it as http://HOST/PATH or https://HOST/PATH",
}
#: Query parameters and headers, by name.
_NAMED: Mapping[str, str] = {
    "cursor": "use the one of the list before",
    "Idempotency-Key": "use 1 to 199 visible ASCII characters",
    "Last-Event-ID": "use the number of an event",
    "last_event_id": "use the number of an event",
    "state": f"use one or several, with commas between, of {', '.join(FaxState)}",
    "types": "use kinds of events with commas between, as job,result",
}
_Words = Callable[[Mapping[str, Any]], str]


def _least(context: Mapping[str, Any]) -> str:
    return "it is empty" if context["min_length"] == 1 else f"it has less than {context['min_length']}"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.12g}"


#: By pydantic's type of the error, with its context.
_WORDS: Mapping[str, str | _Words] = {
    "bool_parsing": "use true or false",
    "bool_type": "use true or false",
    "dict_type": "use an object",
    "enum": lambda c: f"use {c['expected']}",
    "extra_forbidden": "there is no such key",
    "float_parsing": "use a number",
    "float_type": "use a number",
    "greater_than_equal": lambda c: f"use {_number(c['ge'])} or more",
    "greater_than": lambda c: f"use more than {_number(c['gt'])}",
    "int_from_float": "use a whole number",
    "int_parsing": "use a whole number",
    "int_parsing_size": "the number is too large",
    "int_type": "use a whole number",
    "less_than_equal": lambda c: f"use {_number(c['le'])} or less",
    "less_than": lambda c: f"use less than {_number(c['lt'])}",
    "list_type": "use a list",
    "literal_error": lambda c: f"use {c['expected']}",
    "missing": "it is missing",
    "model_attributes_type": "use an object",
    "model_type": "use an object",
    "string_too_long": lambda c: f"at most {c['max_length']} characters fit",
    "string_too_short": _least,
    "string_type": "use a text",
    "string_unicode": "it is no text",
    "timezone_aware": _MOMENT,
    "too_long": lambda c: f"at most {c['max_length']} are taken",
    "too_short": _least,
}


def mistake(one: Mapping[str, Any]) -> dict[str, str]:
    """`in` (body, query, header), `at` (the key, as `documents.0.url`) and `detail` of an error of pydantic's.

    The value is never said: it may be a secret.
    """
    place, *rest = one["loc"] or ("body",)
    # Keys are the client's: lone surrogates among them cannot be said in JSON.
    parts = [part for part in rest if part not in KINDS and part != "[key]"]
    path = [str(part).encode("utf-8", "replace").decode()[:80] for part in parts]
    return {"at": ".".join(path) or str(place), "in": str(place), "detail": _detail(one, path)}


def _detail(one: Mapping[str, Any], path: list[str]) -> str:
    kind, context = str(one["type"]), one.get("ctx") or {}
    if kind == "missing" and not path:
        return "there is no body"
    if kind == "string_pattern_mismatch":
        named = _NAMED.get(path[-1] if path else "", "")
        return _PATTERNS.get(str(context.get("pattern")), named) or "it has another form"
    if kind.startswith(("datetime_", "date_")):
        return _MOMENT
    words = _WORDS.get(kind)
    if words is None:
        return str(one["msg"]).removeprefix("Value error, ")
    said = words if isinstance(words, str) else words(context)
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(path[-1], list(context.get("keys", ())), 1, 0.7)
        said += f"; did you mean {near[0]}?" if near else ""
    return said
