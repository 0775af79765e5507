# SPDX-License-Identifier: GPL-2.0-or-later
"""A mistake in the configuration as one line that names the file, the key and what to do."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from softfax.errors import ConfigError

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
    return [_mistake(one, root) for one in error.errors(include_url=False)]


def _mistake(error: Any, root: type[BaseModel]) -> Mistake:
    place = error["loc"]
    key = _key(place)
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        known = _known_keys(root, place[:-1])
        close = difflib.get_close_matches(str(place[-1]), known, n=2)
        known = [*close, *(name for name in known if name not in close)]
        return Mistake(place, key, f"there is no key {key}", f"use one of {', '.join(known)}" if known else "")
    if kind == "missing":
        return Mistake(place, key, f"{key} is missing", "add it")
    if kind in ("model_type", "dict_type"):
        return Mistake(place, key, f"{key} is a table", f"write [{key}] on a line of its own")
    cause = context.get("error")
    if cause is not None:
        return Mistake(place, key, f"{key}: {cause}" if key else str(cause))
    text = str(error["msg"]).removeprefix("Input should be ")
    shown = "is wrong" if re.search(r"secret|password|token|url$", key) else f"cannot be {str(error['input'])[:60]!r}"
    return Mistake(place, key, f"{key} {shown}", f"it has to be {text[:1].lower()}{text[1:]}")


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
