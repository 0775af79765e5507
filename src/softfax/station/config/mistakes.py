# SPDX-License-Identifier: GPL-2.0-or-later
"""A mistake in the configuration as one line that names the file, the key and what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from softfax.errors import ConfigError
from softfax.station.config.base import Unfit

__all__ = ["Mistake", "config_error", "mistakes", "tables_in"]


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong. `place` leads to the key, with indices from 0; `key` is how people write it."""

    place: tuple[int | str, ...]
    key: str
    problem: str
    remedy: str = ""


def config_error(origin: str, error: ValidationError, root: type[BaseModel]) -> ConfigError:
    """The first mistake, in one line. What was written is left out where it may be a secret."""
    first, *others = mistakes(error, root)
    more = f" (and {len(others)} more)" if others else ""
    return ConfigError(f"{origin}: {first.problem}{more}", first.remedy)


def mistakes(error: ValidationError, root: type[BaseModel]) -> list[Mistake]:
    """Everything that is wrong, in the order of the tables. What was written is left out where it may be a secret."""
    found = [_mistake(one, root) for one in error.errors(include_url=False)]
    # A list that is too short because what is in it is wrong, or a type that a value could have had instead: said once.
    inner = {one.place[:count] for one in found for count in range(1, len(one.place))}
    kept: dict[tuple[int | str, ...], Mistake] = {}
    for one in found:
        if one.place not in inner or not one.place:
            kept.setdefault((*one.place, one.problem) if not one.place else one.place, one)
    return list(kept.values())


def _mistake(error: Any, root: type[BaseModel]) -> Mistake:
    kind, context = error["type"], error.get("ctx", {})
    cause = context.get("error")
    # Where a value may be of several types, pydantic names the type last.
    place = tuple(part for part in error["loc"] if part not in ("bool", "str") and "[" not in str(part))
    place = (*place, *getattr(cause, "place", ()))
    key = _key(place)
    if kind == "extra_forbidden":
        return _unknown(place, key, _known_keys(root, place[:-1]))
    if kind == "missing":
        return Mistake(place, key, f"{key} is missing", "add it")
    field = _field(root, place)
    shown = "is wrong" if _hidden(place, field) else f"cannot be {_shown(error['input'])}"
    if isinstance(cause, Unfit):
        return Mistake(place, key, f"{key} {shown}", str(cause))
    if cause is not None:
        return Mistake(place, key, f"{key}: {cause}" if key else str(cause))
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        array = isinstance(place[-1], int) or (field is not None and get_origin(field.annotation) is tuple)
        name = ".".join(str(part) for part in place if not isinstance(part, int))
        return Mistake(
            place, key, f"{key} is a table", f"write {f'[[{name}]]' if array else f'[{name}]'} on a line of its own"
        )
    if kind == "tuple_type" and field is not None and tables_in(field.annotation):
        name = ".".join(str(part) for part in place if not isinstance(part, int))
        return Mistake(place, key, f"there may be several of {key}", f"write [[{name}]] above each")
    return Mistake(place, key, f"{key} {shown}", f"it has to be {_wanted(kind, context, error, field)}")


def _unknown(place: tuple[int | str, ...], key: str, known: Sequence[str]) -> Mistake:
    if close := difflib.get_close_matches(str(place[-1]), known, n=1):
        return Mistake(place, key, f"there is no key {key}", f"did you mean {close[0]}?")
    return Mistake(place, key, f"there is no key {key}", f"use one of {', '.join(known)}" if known else "")


def _wanted(kind: str, context: Mapping[str, Any], error: Any, field: FieldInfo | None) -> str:
    """Text of what a value has to be."""
    plain = _PLAIN.get(kind)
    if kind == "tuple_type":
        return f"a list, as [{_quoted(error['input'])}]"
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number"):
        return _range(field) or str(error["msg"]).removeprefix("Input should be ")
    if kind == "string_too_long":
        return f"{context['max_length']} characters at most"
    if kind == "string_too_short":
        return f"{context['min_length']} characters or more" if context["min_length"] > 1 else "filled in"
    if kind == "too_short":
        return "a list with at least one value"
    if kind == "too_long":
        return f"a list of {context['max_length']} at most"
    text = str(error["msg"]).removeprefix("Input should be ")
    return plain or f"{text[:1].lower()}{text[1:]}"


_PLAIN = {
    "string_type": 'text in quotes, as "49301234"',
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "path_type": 'a path in quotes, as "/var/lib/softfax"',
}


def _range(field: FieldInfo | None) -> str:
    """`1 to 2000`, from the limits of a number."""
    limits: dict[str, float] = {}
    for one in field.metadata if field is not None else ():
        for name in ("ge", "gt", "le"):
            if (limit := getattr(one, name, None)) is not None:
                limits[name] = limit
    most = f"{limits['le']:.15g}" if "le" in limits else ""
    if "ge" in limits:
        return f"{limits['ge']:g} to {most}" if most else f"{limits['ge']:g} or more"
    if "gt" in limits:
        return f"more than {limits['gt']:g}" + (f", {most} at most" if most else "")
    return f"{most} at most" if most else ""


def _quoted(value: Any) -> str:
    return f'"{value[:40]}"' if isinstance(value, str) else str(value)[:40]


def _shown(value: Any) -> str:
    """A value as it stands in the file, or nearly so."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)[:60]


def _hidden(place: tuple[int | str, ...], field: FieldInfo | None) -> bool:
    """Return True if the value written may be a secret."""
    name = next((part for part in reversed(place) if isinstance(part, str)), "")
    return (field is not None and field.repr is False) or bool(re.search(r"secret|password|token|url$", name))


def _field(root: type[BaseModel], place: tuple[int | str, ...]) -> FieldInfo | None:
    """The key at a place."""
    model: Any = root
    found = None
    for part in place:
        if isinstance(part, int):
            continue
        fields = getattr(model, "model_fields", {})
        found = next((field for name, field in fields.items() if part in (name, field.alias)), None)
        model = next(iter(tables_in(found.annotation)), None) if found is not None else None
    return found


def _key(location: tuple[int | str, ...]) -> str:
    """A place in the file as people write it: `callbacks.target[2].url`, counted from 1."""
    text = ""
    for part in location:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _known_keys(root: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys a table has."""
    model: Any = root
    for part in location:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        if field is None:
            return []
        model = next((m for m in tables_in(field.annotation)), None)
        if model is None:
            return []
    return [field.alias or name for name, field in model.model_fields.items()]


def tables_in(annotation: Any) -> list[Any]:
    """The tables in a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in tables_in(inner)]
