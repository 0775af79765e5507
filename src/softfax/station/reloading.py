# SPDX-License-Identifier: GPL-2.0-or-later
"""A configuration read while a station runs: what of it holds at once, and what waits for a restart. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from softfax.station.config import StationConfig

__all__ = ["FIXED", "Reloading", "changed_keys", "reloading"]

#: What takes a restart: tables, and keys of tables. A table that is optional takes one to come or go.
FIXED = frozenset(
    {
        "sip",
        "data",
        "workers",
        "inbox.dir",
        "queue.calls",
        "http.enabled",
        "http.listen",
        "http.conversions",
        "http.uploads_hours",
        "http.page_cache_mb",
        "ami.listen",
        "ami.tls_listen",
        "mail.listen",
        "mail.conversions",
        "callbacks.enabled",
        "callbacks.workers",
        "callbacks.workers_per_target",
    }
)
_OPTIONAL = frozenset({"ami", "mail"})
#: HTTPS comes and goes with these; another certificate is taken at once.
_HTTPS = ("tls_certificate", "tls_private_key")


@dataclass(frozen=True)
class Reloading:
    """`config` is what holds now; of the keys that differ, `applied` do so at once and `waiting` after a restart."""

    config: StationConfig
    applied: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"changed: {', '.join(self.applied)}"] if self.applied else []
        if self.waiting:
            parts.append(f"{', '.join(self.waiting)} wait{'s' * (len(self.waiting) == 1)} for a restart")
        return "; ".join(parts) or "nothing changed"


def changed_keys(old: BaseModel, new: BaseModel) -> Iterator[str]:
    """Yield the dotted keys in which two configurations differ; a table that comes or goes, and an array, as a whole."""
    for name, field in type(old).model_fields.items():
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        shown = field.alias or name
        if isinstance(before, BaseModel) and isinstance(after, BaseModel):
            yield from (f"{shown}.{inner}" for inner in changed_keys(before, after))
        else:
            yield shown


def reloading(running: StationConfig, wanted: StationConfig) -> Reloading:
    """Return what becomes of `wanted` while a station runs with `running`. Raises ConfigError where no mixture makes sense."""
    changed = tuple(changed_keys(running, wanted))
    https = running.http.https != wanted.http.https
    waiting = tuple(key for key in changed if _is_fixed(key) or (https and key in {f"http.{name}" for name in _HTTPS}))
    config = wanted
    for key in waiting:
        table, _, leaf = key.partition(".")
        value: Any = getattr(running, table)
        if leaf:
            # Nested tables are as fixed as the table they are in.
            name = leaf.partition(".")[0]
            value = getattr(config, table).model_copy(update={name: getattr(value, name)})
        config = config.model_copy(update={table: value})
    if waiting:
        StationConfig.checked(config.model_dump(mode="json", by_alias=True), "the configuration")
    applied = tuple(key for key in changed if key not in waiting)
    return Reloading(config, applied, waiting)


def _is_fixed(key: str) -> bool:
    return key in FIXED or key in _OPTIONAL or key.partition(".")[0] in FIXED
