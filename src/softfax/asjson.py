# SPDX-License-Identifier: GPL-2.0-or-later
"""Dataclasses as JSON, and back: times as RFC 3339, enumerations as their words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

__all__ = [
    "fields_json",
    "of_json",
    "rfc3339",
    "rfc3339_of",
    "without_paths",
]


def rfc3339(when: datetime) -> str:
    """A time as JSON has it: UTC, with microseconds."""
    return when.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def rfc3339_of(seconds: float) -> str:
    """Seconds since 1970 as JSON has times."""
    return rfc3339(datetime.fromtimestamp(seconds, UTC))


_T = TypeVar("_T")


def of_json(kind: type[_T], body: Mapping[str, Any], **own: Any) -> _T:
    """An instance of a dataclass out of the JSON that is made of it. Keys that it has none for are left out; a word of a newer
    station stays as it is written.
    """
    hints = get_type_hints(kind)
    names = [f.name for f in dataclasses.fields(kind) if f.init]  # type: ignore[arg-type]
    return kind(**{name: _typed(hints[name], body[name]) for name in names if name in body} | own)


def _typed(hint: Any, value: Any) -> Any:
    if value is None or value == "" or hint is Any:
        return value
    kinds = (
        [one for one in get_args(hint) if one is not type(None)] if get_origin(hint) in (Union, UnionType) else [hint]
    )
    kind = kinds[0]
    if kind is datetime:
        return datetime.fromisoformat(value)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind(value) if value in set(kind) else value
    if dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
        return of_json(kind, value)  # type: ignore[arg-type]
    if get_origin(kind) is tuple and isinstance(value, list):
        return tuple(_typed(get_args(kind)[0], one) for one in value)
    return value


def without_paths(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON of a fax or an event as it leaves this machine: of a file its name alone."""
    out = dict(body)
    if out.get("documents"):
        out["documents"] = [_file_name(name) for name in out["documents"]]
    if out.get("file_name"):
        out["file_name"] = _file_name(out["file_name"])
    if out.get("result"):
        out["result"] = without_paths(out["result"])
    if out.get("attempts"):
        out["attempts"] = [without_paths(one) for one in out["attempts"]]
    return out


def _file_name(name: str) -> str:
    return name if "://" in name else name.rstrip("/").rpartition("/")[2]


def fields_json(one: Any) -> dict[str, Any]:
    """Return the fields of a dataclass as JSON."""
    return {f.name: _plain(getattr(one, f.name)) for f in dataclasses.fields(one) if f.name != "raw"}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    if (to_json := getattr(value, "to_json", None)) is not None:
        return to_json()
    if dataclasses.is_dataclass(value):
        return fields_json(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(inner) for inner in value]
    return value
