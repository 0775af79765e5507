# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes and attempts as rows of the tables, and filters as conditions on them. Pure."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from softfax.model import Attempt, Cause, Direction, Fax, FaxResult, FaxState
from softfax.records import tables
from softfax.records.model import FaxFilter, FaxRequest

__all__ = [
    "attempt_columns",
    "attempt_of",
    "columns",
    "conditions",
    "fax_of",
    "ordered",
    "request_of",
    "request_text",
    "result_of",
    "result_text",
    "stamp",
    "when_of",
]

_RESULT: TypeAdapter[FaxResult] = TypeAdapter(FaxResult)
_REQUEST: TypeAdapter[FaxRequest] = TypeAdapter(FaxRequest)
#: What of a fax is a column of its own; the rest is JSON.
_OWN = ("id", "direction", "state", "to", "caller", "account", "mailbox", "broadcast_id", "unread", "priority",
        "pages", "pages_total", "created", "updated", "ended", "next_attempt", "deadline")  # fmt: skip
_TIMES = ("created", "updated", "ended", "next_attempt", "deadline")
_NUMERIC = frozenset({"unread", "priority", "pages", "pages_total", *_TIMES})
#: What is a whole number, and how large it may be.
_WHOLE = {"unread": 1, "priority": 9, "pages": 2**31, "pages_total": 2**31}
_NULLABLE = frozenset({"pages_total", "ended", "next_attempt", "deadline"})
_DATA_KINDS: dict[str, type] = {
    "tags": dict, "documents": tuple, "bad_pages": tuple, "warnings": tuple, "reason": str, "remedy": str, "header": str,
    "ident": str, "caller_name": str, "remote_station_id": str, "retried_after": int, "resolution": str,
    "poll": bool, "poll_document": str,
}  # fmt: skip
_ORDERED = ("mode", "ecm", "max_rate", "scan", "retry", "cover")
_KEPT_ELSEWHERE = frozenset({"attempts", "raw", "result", *_ORDERED})
_ATTEMPT_KINDS: dict[str, Any] = {
    "number": int, "account": str, "destination": str, "unique_id": str, "joined": str, "first_page": int, "pages": int,
}  # fmt: skip


def columns(fax: Fax) -> dict[str, Any]:
    """The columns of a fax that are its own."""
    whole = {f.name: getattr(fax, f.name) for f in dataclasses.fields(fax) if f.name not in _KEPT_ELSEWHERE}
    own = {name: whole.pop(name) for name in _OWN}
    for name in _TIMES:
        own[name] = stamp(own[name])
    whole["not_before"] = stamp(whole["not_before"])
    words = [fax.to, fax.caller, fax.caller_name, fax.remote_station_id, *fax.documents, *fax.tags.values()]
    # Numbers also as their digits alone, between marks: they are found in any notation.
    numbers = {f"#{digits}#" for n in (fax.to, fax.caller) if (digits := _digits(n))}
    own["search"] = " ".join(word for word in (*sorted(numbers), *words) if word).lower()[:2000]
    own["data"] = json.dumps(whole, ensure_ascii=False, default=list)
    return own


def result_text(result: FaxResult | None) -> str:
    """A result as it is kept: its JSON; empty for none."""
    return json.dumps(result.to_json(), ensure_ascii=False) if result is not None else ""


def result_of(text: str) -> FaxResult | None:
    """And back. Raises ValueError for what is none."""
    return _RESULT.validate_json(text) if text else None


def request_text(request: FaxRequest) -> str:
    """A request as it is kept: its folder and the files in it by name, wherever a station has them."""
    if request.folder is not None:
        request = _moved(request, Path(request.folder.name))
    return _REQUEST.dump_json(request).decode()


def request_of(text: str, folder: Path) -> FaxRequest | None:
    """And back, with the files in `folder` of this station; also of a station of before, which kept whole paths."""
    request = _REQUEST.validate_json(text) if text else None
    return _moved(request, folder / request.folder.name) if request is not None and request.folder else request


def _moved(request: FaxRequest, folder: Path) -> FaxRequest:
    """A request with its files in another folder."""
    assert request.folder is not None
    documents = tuple(
        dataclasses.replace(one, path=folder / one.path.name)
        if one.path is not None and one.path.parent == request.folder
        else one
        for one in request.documents
    )
    return dataclasses.replace(request, folder=folder, documents=documents)


def fax_of(row: Any, attempts: tuple[Attempt, ...]) -> Fax:
    """A fax of its row. Its result is its own, or that of its last attempt.

    Raises ValueError, TypeError, KeyError and the like where the row is damaged.
    """
    data = json.loads(row.data)
    data.pop("deadline", None)  # a station of before kept it here
    values = {name: getattr(row, name) for name in _OWN}
    for name, value in values.items():
        if not isinstance(value, (int, float) if name in _NUMERIC else str) and not (
            value is None and name in _NULLABLE
        ):
            raise TypeError(f"{name} is {value!r}")
    for name, most in _WHOLE.items():
        if values[name] is not None and not (isinstance(values[name], int) and 0 <= values[name] <= most):
            raise ValueError(f"{name} is {values[name]!r}")
    for name in _TIMES:
        values[name] = when_of(values[name])
    data["not_before"] = when_of(data["not_before"])
    for name in ("documents", "bad_pages", "warnings"):
        data[name] = tuple(data.get(name, ()))
    data["cause"] = Cause(data["cause"]) if data["cause"] else None
    values["direction"], values["state"] = Direction(values["direction"]), FaxState(values["state"])
    for name, kind in _DATA_KINDS.items():
        if not isinstance(data.get(name, kind()), kind):
            raise TypeError(f"{name} is {data[name]!r}")
    of_attempts = next((one.result for one in reversed(attempts) if one.result is not None), None)
    result = result_of(row.result_event) or of_attempts
    return Fax(**values, **data, **_ordered(row.request), attempts=attempts, result=result)


def ordered(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was ordered of a fax, as it is shown: None for what the order left to the station."""
    return {name: request.get(name) for name in _ORDERED} | {"max_rate": request.get("max_rate_bps") or None}


def _ordered(request: str) -> dict[str, Any]:
    try:
        return ordered(json.loads(request)) if request else {}
    except (ValueError, AttributeError):
        return {}  # no reason not to show the rest


def attempt_columns(fax_id: str, attempt: Attempt) -> dict[str, Any]:
    """The columns of an attempt."""
    values = {f.name: getattr(attempt, f.name) for f in dataclasses.fields(attempt)}
    values["fax_id"] = fax_id
    values["started"], values["ended"] = stamp(attempt.started), stamp(attempt.ended)
    values["result"] = result_text(attempt.result)
    values["cause"] = attempt.cause or ""
    return values


def attempt_of(row: Any) -> Attempt:
    """An attempt of its row. Raises as `fax_of` does."""
    values = {f.name: getattr(row, f.name) for f in dataclasses.fields(Attempt)}
    for name, kind in _ATTEMPT_KINDS.items():
        if not isinstance(values[name], kind):
            raise TypeError(f"{name} is {values[name]!r}")
    started = when_of(row.started)
    if started is None:
        raise ValueError("it has no beginning")
    values |= {"started": started, "ended": when_of(row.ended), "cause": Cause(row.cause) if row.cause else None}
    values["result"] = result_of(row.result)
    return Attempt(**values)


def conditions(wanted: FaxFilter) -> Iterable[sa.ColumnElement[bool]]:
    """Conditions that the rows have to meet, all of them."""
    f = tables.faxes.c
    if wanted.direction is not None:
        yield f.direction == wanted.direction
    if wanted.states:
        yield f.state.in_([str(state) for state in wanted.states])
    for name in ("mailbox", "broadcast_id"):
        if getattr(wanted, name):
            yield f[name] == getattr(wanted, name)
    if wanted.unread is not None:
        yield f.unread.is_(wanted.unread)
    if wanted.since is not None:
        yield f.created >= wanted.since.timestamp()
    if wanted.until is not None:
        yield f.created < wanted.until.timestamp()
    if wanted.number:
        same = []
        for number in wanted.notations or (wanted.number,):
            same += [f.to == number, f.caller == number]
            if digits := _digits(number):
                same.append(f.search.contains(f"#{digits}#", autoescape=True))
        yield sa.or_(*same)
    for word in wanted.text.lower().split()[:10]:
        yield f.search.contains(word, autoescape=True)
    for key, value in wanted.tags.items():
        yield f.data.contains(json.dumps({key: value}, ensure_ascii=False)[1:-1], autoescape=True)


def _digits(number: str) -> str:
    """The digits of a number, or of the user of a SIP URI; empty where it has letters."""
    user = number.partition(":")[2].partition("@")[0] if re.match(r"sips?:", number, re.I) else number
    found = re.sub(r"[\s()./+-]", "", user)
    return found if found.isdigit() and found.isascii() else ""


def stamp(when: datetime | None) -> float | None:
    """A time as it is kept: seconds since 1970."""
    return when.timestamp() if when is not None else None


def when_of(stamp: float | None) -> datetime | None:
    """And back, in UTC."""
    return datetime.fromtimestamp(stamp, UTC) if stamp is not None else None
