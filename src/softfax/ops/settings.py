# SPDX-License-Identifier: GPL-2.0-or-later
"""Every key of a station's configuration, read off its models: as a sample, as a page of the documentation, as it is in force."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from softfax.ops.redact import HIDDEN
from softfax.station.config import StationConfig, state_dir
from softfax.station.config.mistakes import tables_in

__all__ = ["Key", "TableKeys", "documentation", "sample", "shown", "tables", "toml", "toml_value"]

#: What a newcomer fills in. The rest of the sample is commented out: it shows what holds anyway.
_FILL_IN: Mapping[str, Mapping[str, tuple[Any, str]]] = {
    "account": {
        "name": ("pbx", "any name"),
        "server": ("sip:pbx.example", "your PBX or trunk"),
        "user": ("fax", "its extension or user for the fax"),
        "password": ("", "its password"),
        "register": (True, "false for a trunk that knows your address"),
    },
    "sip": {"listen": ("127.0.0.1:5060", "0.0.0.0:5060 where the PBX is another machine")},
    "fax": {"ident": ("", "your fax number as far ends see it, like +49 30 1234567")},
}
_HEAD = """\
# A softfax station. Fill in the lines marked FILL IN; `softfax config check` says what is wrong, `softfax doctor` tries it out.
# A line that is commented out shows what holds without it. Passwords may stand in SOFTFAX_* variables instead (docs/settings.md).
"""
_COLUMN = 44


@dataclass(frozen=True)
class Key:
    """One key. `default` is a plain value, None where there is none; `remark` is the description with what values it takes."""

    name: str
    default: Any
    remark: str
    needed: bool
    placeholder: str


@dataclass(frozen=True)
class TableKeys:
    """One table. `path` is dotted; an `array` may stand several times, an `optional` one is off unless it is there."""

    path: str
    array: bool
    optional: bool
    title: str
    keys: tuple[Key, ...]

    @property
    def heading(self) -> str:
        """Line that begins the table in the file."""
        return f"[[{self.path}]]" if self.array else f"[{self.path}]"


def tables(root: type[BaseModel] = StationConfig) -> list[TableKeys]:
    """The tables of a configuration, each followed by those within it."""
    return [table for name, field in root.model_fields.items() for table in _tables(field.alias or name, field)]


def _tables(path: str, field: FieldInfo) -> Iterator[TableKeys]:
    for model in tables_in(field.annotation):
        inner = {name: f for name, f in model.model_fields.items() if tables_in(f.annotation)}
        yield TableKeys(
            path=path,
            array=_is_array(field.annotation),
            optional=field.default is None,
            title=(model.__doc__ or "").strip().splitlines()[0].partition(": ")[2] or (field.description or ""),
            keys=tuple(_key(n, f) for n, f in model.model_fields.items() if n not in inner),
        )
        for name, f in inner.items():
            yield from _tables(f"{path}.{f.alias or name}", f)


def _is_array(annotation: Any) -> bool:
    return get_origin(annotation) in (tuple, list) or any(
        _is_array(part) for part in get_args(annotation) if get_origin(annotation) in (Union, UnionType)
    )


def _key(name: str, field: FieldInfo) -> Key:
    default = None if field.default is PydanticUndefined else field.default
    made = field.get_default(call_default_factory=True) if field.default_factory is not None else None
    remark = field.description or ""
    values = _values(field.annotation)
    if values and not all(re.search(rf"\b{re.escape(value)}\b", remark) for value in values):
        remark += f" ({', '.join(values)})"
    elif limits := _limits(field):
        remark += f" ({limits})"
    return Key(
        name=field.alias or name,
        default=_plain(default),
        remark=remark,
        needed=field.is_required(),
        placeholder=toml_value(_plain(made)) if made is not None else _placeholder(field.annotation),
    )


def _values(annotation: Any) -> list[str]:
    """The values of an enumeration."""
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    return [value for part in get_args(annotation) for value in _values(part)]


def _limits(field: FieldInfo) -> str:
    low = next((m.ge for m in field.metadata if getattr(m, "ge", None) is not None), None)
    high = next((m.le for m in field.metadata if getattr(m, "le", None) is not None), None)
    if low is not None and high is not None:
        return f"{low} to {high}"
    if low is not None:
        return f"at least {low}"
    return f"at most {high}" if high is not None and not any(hasattr(m, "gt") for m in field.metadata) else ""


def _placeholder(annotation: Any) -> str:
    """Placeholder for a value without a default."""
    if values := _values(annotation):
        return toml_value(values[0])
    kinds = {part for part in (annotation, *get_args(annotation)) if isinstance(part, type)}
    if kinds & {int, float}:
        return "0"
    if bool in kinds:
        return "false"
    if any(issubclass(kind, (tuple, list)) for kind in kinds) or _is_array(annotation):
        return "[]"
    return '"/path"' if Path in kinds else '"..."'


def _plain(value: Any) -> Any:
    """Convert a value to what JSON and TOML know."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (tuple, list, set, frozenset)):
        return [_plain(inner) for inner in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    return value if value is None or isinstance(value, (str, int, float)) else str(value)


def toml_value(value: Any) -> str:
    """A plain value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_bare(str(name))} = {toml_value(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, float):
        return str(int(value)) + ".0" if value.is_integer() else repr(value)
    if isinstance(value, int):
        return str(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _bare(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_value(name)


# ---- the sample --------------------------------------------------------------------------------------------------------


def sample(data_dir: Path | None = None) -> str:
    """A whole configuration file with every key, ready to be filled in.

    It names the folder of the data, so that all verbs find it, whichever user runs them.
    """
    set_already = {"data": {"dir": str(data_dir or state_dir().absolute())}}
    everything = tables()
    first = [table for name in _FILL_IN for table in everything if table.path.partition(".")[0] == name]
    parts, off = [_HEAD], {""}
    for table in (*first, *(table for table in everything if table not in first)):
        above = table.path.rpartition(".")[0]
        if table.path not in _FILL_IN and (table.array or table.optional or (above and above in off)):
            off.add(table.path)
        parts.append(_sample_table(table, set_already.get(table.path, {}), off=table.path in off))
    return "".join(parts)


def _sample_table(table: TableKeys, set_already: Mapping[str, Any], *, off: bool) -> str:
    fill_in = _FILL_IN.get(table.path, {})
    lines = ["", f"# {_sentence(table.title)}", f"{'#' * off}{table.heading}"]
    known = {key.name: key for key in table.keys}
    for name, (value, remark) in fill_in.items():
        if name in known:
            lines.append(_remarked(f"{name} = {toml_value(value)}", f"FILL IN: {remark}"))
    for key in table.keys:
        if key.name in set_already:
            lines.append(_remarked(f"{key.name} = {toml_value(set_already[key.name])}", key.remark))
        elif key.name not in fill_in:
            value = key.placeholder if key.default is None else toml_value(key.default)
            lines.append(_remarked(f"#{key.name} = {value}", f"needed: {key.remark}" if key.needed else key.remark))
    return "\n".join(lines) + "\n"


def _sentence(title: str) -> str:
    return title[:1].upper() + title[1:]


def _remarked(setting: str, remark: str) -> str:
    line = f"{setting:<{_COLUMN}}# {remark}"
    return line if len(line) <= 160 else f"# {remark}\n{setting}"


# ---- the page ----------------------------------------------------------------------------------------------------------


def documentation() -> str:
    """All keys as Markdown: a table for each table."""
    return "\n".join(_page_table(table) for table in tables())


def _page_table(table: TableKeys) -> str:
    lines = [f"`{table.heading}`: {table.title}", "", "| key | default | meaning |", "| --- | --- | --- |"]
    for key in table.keys:
        default = "(needed)" if key.needed else _cell(key.default)
        lines.append(f"| `{key.name}` | {default} | {key.remark.replace('|', '&#124;')} |")
    return "\n".join(lines) + "\n"


def _cell(default: Any) -> str:
    if default is None or default == "":
        return ""
    if isinstance(default, bool):
        return toml_value(default)
    if isinstance(default, float):
        return f"{default:g}"
    if isinstance(default, list):
        return ", ".join(map(str, default))
    return toml_value(default) if isinstance(default, Mapping) else str(default)


# ---- what is in force --------------------------------------------------------------------------------------------------


def shown(config: BaseModel) -> dict[str, Any]:
    """The values in force as plain tables, secrets as `***`, values that are not set left out."""
    out: dict[str, Any] = {}
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if value is None:
            continue
        out[field.alias or name] = HIDDEN if not field.repr and value else _shown(value)
    return out


def _shown(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return shown(value)
    if isinstance(value, (tuple, list)):
        return [_shown(inner) for inner in value]
    return _plain(value)


def toml(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """Plain tables as a TOML file."""
    lines: list[str] = []
    below: list[str] = []
    for name, value in values.items():
        inner = (*path, _bare(name))
        if isinstance(value, Mapping) and len(path) < 2:
            below.append(f"\n[{'.'.join(inner)}]\n{toml(value, inner)}")
        elif isinstance(value, list) and value and len(path) < 2 and all(isinstance(one, Mapping) for one in value):
            below += [f"\n[[{'.'.join(inner)}]]\n{toml(one, inner)}" for one in value]
        else:
            lines.append(f"{_bare(name)} = {toml_value(value)}\n")
    return "".join(lines) + "".join(below)
