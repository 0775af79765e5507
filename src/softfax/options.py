# SPDX-License-Identifier: GPL-2.0-or-later
"""Options of a fax: each once, with its type, limits, external name and the station's default.

From here come the bodies of requests and the fields of forms (`softfax.web.requests`), `[fax]` of the configuration, the flags
of the command line, the rows of the queue, the orders of a station, the messages to a process for calls, and the settings of the
engine. A new option is a line here, and what is done about it where it takes effect.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, StringConstraints

from softfax.errors import UsageError, said

__all__ = [
    "STANDARD",
    "Digits",
    "FaxOptions",
    "Ident",
    "ModePolicy",
    "Option",
    "Rate",
    "Resolution",
    "Scan",
    "check_digits",
    "check_ident",
    "options_of",
    "outside_options",
    "passing",
]

IDENT_MAX = 20
_DIGITS = re.compile(f"[0-9 +*#]{{0,{IDENT_MAX}}}")
Resolution = Literal["standard", "fine", "superfine", "300", "400"]
#: Whether scans are straightened, and cleaned of the dark around the paper and of the paper's grey.
Scan = Literal["auto", "on", "off"]
#: Rates of V.27ter, V.29 and V.17, in bit/s.
Rate = Literal[2400, 4800, 7200, 9600, 12000, 14400]


class ModePolicy(StrEnum):
    """Permitted transports: T.38 with G.711 as fallback, T.38 alone, G.711 alone."""

    AUTO = "auto"
    T38 = "t38"
    AUDIO = "audio"


def check_ident(text: str) -> str:
    """A station identity as T.30 can carry it: at most 20 printable ASCII characters. Raises UsageError."""
    if len(text) > IDENT_MAX or not all(" " <= ch <= "~" for ch in text):
        raise UsageError(
            f"the station identity {text!r} cannot be sent",
            f"use at most {IDENT_MAX} letters, digits, blanks and +-.*#",
        )
    return text


def check_digits(text: str) -> str:
    """A subaddress or password as T.30 can carry it (§5.3.6.2.4). Raises UsageError."""
    if not _DIGITS.fullmatch(text):
        raise UsageError(f"T.30 cannot carry {text!r}", f"use at most {IDENT_MAX} of the digits 0 to 9, +, * and #")
    return text


@dataclass(frozen=True, kw_only=True)
class Option:
    """An option outside of Python: its name in JSON and TOML, its type with limits, its description. `default` is the
    station's, where `[fax]` may name another."""

    name: str
    kind: Any
    about: str
    default: Any = None

    @property
    def flag(self) -> str:
        """Name of the flag of the command line: an option that is on unless it is said is switched off by `no_NAME`."""
        return f"no_{self.name}" if self.is_on else self.name

    @property
    def is_on(self) -> bool:
        """True for a switch that is on where nobody sets it."""
        return self.kind is bool and self.default is True


def _outside(kind: Any, about: str, *, name: str = "", default: Any = None) -> Mapping[str, Any]:
    return {"outside": (name, kind, about, default)}


def _text(most: int) -> Any:
    return Annotated[str, StringConstraints(max_length=most)]


def passing(check: Callable[[Any], object]) -> AfterValidator:
    """A value that passes a check of ours, whose UsageError becomes an error with a place in what was written."""

    def passed(value: Any) -> Any:
        said(lambda: check(value))
        return value

    return AfterValidator(passed)


Ident = Annotated[str, passing(check_ident)]
Digits = Annotated[str, passing(check_digits)]
_O = TypeVar("_O", bound="FaxOptions")


@dataclass(frozen=True, kw_only=True)
class FaxOptions:
    """Options of a fax. None, 0 or an empty text stands for the value in the station's configuration."""

    mode: ModePolicy | None = field(
        default=None,
        metadata=_outside(
            ModePolicy, "auto: T.38, else G.711; t38: T.38 alone; audio: G.711 alone", default=ModePolicy.AUTO
        ),
    )
    ident: str = field(
        default="", metadata=_outside(Ident, "station identity (CSI/TSI), at most 20 characters", default="")
    )
    header: str = field(default="", metadata=_outside(_text(80), "header line on each page sent", default=""))
    ecm: bool | None = field(default=None, metadata=_outside(bool, "error correction mode", default=True))
    max_rate_bps: int = field(
        default=0, metadata=_outside(Rate, "highest rate in bit/s", name="max_rate", default=14400)
    )
    resolution: Resolution | None = field(
        default=None,
        metadata=_outside(Resolution, "204x98, 204x196, 204x391, 300x300 or 408x391 dpi", default="fine"),
    )
    scan: Scan | None = field(
        default=None,
        metadata=_outside(Scan, "straighten and clean scans: auto where certain, on, off", default="auto"),
    )
    account: str = field(default="", metadata=_outside(_text(80), "account to call through"))
    caller_number: str = field(default="", metadata=_outside(_text(80), "the number the far end is shown", name="from"))
    caller_name: str = field(
        default="", metadata=_outside(_text(80), "the name the far end is shown", name="from_name")
    )
    subaddress: str = field(
        default="", metadata=_outside(Digits, "subaddress at the far end, sending (SUB)", default="")
    )
    sender_id: str = field(
        default="",
        metadata=_outside(Digits, "sender's identity, sending (SID)", default=""),
    )
    poll: bool | None = field(
        default=None,
        metadata=_outside(
            bool,
            "fetch what the far end has put out (polling); with documents, after them in the same call",
        ),
    )
    poll_document: str = field(
        default="", metadata=_outside(Digits, "which of its documents is fetched, of several (SEP)")
    )
    poll_password: str = field(default="", repr=False, metadata=_outside(Digits, "password of what is fetched (PWD)"))
    #: The fields of `softfax.documents.cover.CoverFields` and, if wished, `template`.
    cover: Mapping[str, Any] | None = None
    #: What the sender knows it by.
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def drawn_at(self) -> Resolution:
        """Resolution at which the pages are drawn."""
        return self.resolution or "fine"

    def with_defaults(self: _O, defaults: FaxOptions) -> _O:
        """Return the options, with those left out taken from `defaults`."""
        open_ = {name: getattr(defaults, name) for name in outside_options() if self._is_open(name)}
        return dataclasses.replace(self, **open_) if open_ else self

    def _is_open(self, name: str) -> bool:
        value = getattr(self, name)
        return value is None or value == "" or (value == 0 and value is not False)

    def _settle(self) -> None:
        """Give options that were left open the station's default. Classes without open options call it as they are made."""
        for name, option in outside_options().items():
            if self._is_open(name) and option.default is not None:
                object.__setattr__(self, name, option.default)


_OUTSIDE: dict[str, Option] = {}


def outside_options() -> Mapping[str, Option]:
    """The options that have a name outside, by their name here."""
    return _OUTSIDE


def options_of(asked: FaxOptions, into: type = FaxOptions) -> dict[str, Any]:
    """The options among the fields of another class, by name: what is carried from one to the other."""
    names = {f.name for f in dataclasses.fields(into)}
    return {f.name: getattr(asked, f.name) for f in dataclasses.fields(FaxOptions) if f.name in names}


for _field in dataclasses.fields(FaxOptions):
    if "outside" in _field.metadata:
        _name, _kind, _about, _default = _field.metadata["outside"]
        _OUTSIDE[_field.name] = Option(name=_name or _field.name, kind=_kind, about=_about, default=_default)

#: What holds where neither a fax nor a configuration says otherwise.
STANDARD = FaxOptions(**{name: option.default for name, option in _OUTSIDE.items() if option.default is not None})
