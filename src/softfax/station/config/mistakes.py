# SPDX-License-Identifier: GPL-2.0-or-later
"""A mistake in the configuration as one line that names the file, the key and what to do."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ValidationError

from softfax.errors import ConfigError

__all__ = ["config_error", "tables_in"]


def config_error(origin: str, error: ValidationError, root: type[BaseModel]) -> ConfigError:
    """The first mistake, in one line. What was written is left out where it may be a secret."""
    first = error.errors(include_url=False)[0]
    key = _key(first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    kind, context = first["type"], first.get("ctx", {})
    if kind == "extra_forbidden":
        known = _known_keys(root, first["loc"][:-1])
        return ConfigError(f"{origin}: there is no key {key}{more}", f"use one of {', '.join(known)}" if known else "")
    if kind == "missing":
        return ConfigError(f"{origin}: {key} is missing{more}", "add it")
    if kind in ("model_type", "dict_type"):
        return ConfigError(f"{origin}: {key} is a table{more}", f"write [{key}] on a line of its own")
    cause = context.get("error")
    if cause is not None:
        return ConfigError(f"{origin}: {key}: {cause}{more}".replace(": :", ":"))
    text = str(first["msg"]).removeprefix("Input should be ")
    shown = "is wrong" if re.search(r"secret|password|url$", key) else f"cannot be {str(first['input'])[:60]!r}"
    return ConfigError(f"{origin}: {key} {shown}{more}", f"it has to be {text[:1].lower()}{text[1:]}")


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
