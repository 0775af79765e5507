# SPDX-License-Identifier: GPL-2.0-or-later
"""Routing: the accounts that a number goes through, in order, and the notation each wants. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from softfax.errors import NoRouteError, UsageError
from softfax.sip.headers import number_of
from softfax.sip.types import split_uri
from softfax.sipstatus import status

__all__ = [
    "DialPlan",
    "NumberFormat",
    "RewriteRule",
    "Route",
    "RouteEntry",
    "Routing",
    "Trunk",
    "available",
    "fails_over",
]

NumberFormat = Literal["e164", "digits", "international", "national", "dialled"]
NUMBER_MAX = 64
_WRITTEN = re.compile(r"^\+?[0-9A-Za-z*#().\-_ ]{1,64}$")
_FILLING = re.compile(r"[().\- ]")


def _compact(dialled: str) -> str:
    """A number without what is written for readers alone. A dot or hyphen in the name of an extension is part of it."""
    return re.sub(r"[() ]", "", dialled) if re.search(r"[A-Za-z_]", dialled) else _FILLING.sub("", dialled)


@dataclass(frozen=True)
class RewriteRule:
    """A number that matches as a whole is written otherwise."""

    match: str
    replace: str

    def check(self) -> None:
        """Raises UsageError for what is no regular expression, or a replacement with groups that there are not."""
        try:
            re.compile(self.match)
            re.sub("(?:" + self.match + ")?", self.replace, "", count=1)
        except (re.error, IndexError) as error:
            raise UsageError(f"{self.match!r} → {self.replace!r}: {error}", "see Python's re") from None

    def apply(self, number: str) -> str | None:
        """The number as it is written instead, None where the rule does not match."""
        match = re.fullmatch(self.match, number)
        return match.expand(self.replace)[:NUMBER_MAX] if match is not None else None


@dataclass(frozen=True, kw_only=True)
class DialPlan:
    """Dial plan for numbers. Without a `country` they stay as dialled."""

    country: str = ""
    national_prefix: str = "0"
    international_prefix: str = "00"
    rules: tuple[RewriteRule, ...] = ()

    def normal(self, dialled: str) -> str:
        """A number in E.164 with its +, where it can be derived; else as dialled, without blanks and the like."""
        # +49 (0)30: the zero is for those who dial within the country.
        number = _compact(re.sub(r"^(\+[0-9 ]{1,5})\(0\)", r"\1", dialled))
        number = _by(self.rules, number)
        if number.startswith("+") or not self.country or not number.isdecimal():
            return number
        if self.international_prefix and number.startswith(self.international_prefix):
            return "+" + number[len(self.international_prefix) :]
        # The prefix alone is a number of its own: 0 is the operator.
        if self.national_prefix and number.startswith(self.national_prefix) and number != self.national_prefix:
            return f"+{self.country}{number[len(self.national_prefix) :]}"
        return number

    def written(self, number: str, how: NumberFormat) -> str:
        """A normal number as a trunk wants it. One that is not in E.164 (an extension) stays as it is."""
        if not number.startswith("+") or how == "e164":
            return number
        digits = number[1:]
        if how == "digits":
            return digits
        if how == "national" and self.country and digits.startswith(self.country) and digits != self.country:
            return self.national_prefix + digits[len(self.country) :]
        return self.international_prefix + digits


@dataclass(frozen=True, kw_only=True)
class Trunk:
    """An account as routing sees it. `everything`: it takes calls to SIP URIs elsewhere too. `max_calls` 0 is no limit."""

    name: str
    server: str
    number_format: NumberFormat = "e164"
    rules: tuple[RewriteRule, ...] = ()
    max_calls: int = 0
    everything: bool = True


@dataclass(frozen=True, kw_only=True)
class RouteEntry:
    """Accounts for the numbers that begin with `prefix`, in the order in which they are tried."""

    accounts: tuple[str, ...]
    prefix: str = ""
    cost: float = 0.0


@dataclass(frozen=True)
class Route:
    """One way to a number: through an account (empty: straight) to a SIP URI."""

    account: str
    uri: str


@dataclass(frozen=True, kw_only=True)
class Routing:
    """The tables. Without routes, numbers go through the first trunk."""

    trunks: tuple[Trunk, ...] = ()
    routes: tuple[RouteEntry, ...] = ()
    plan: DialPlan = DialPlan()

    def number_key(self, to: str) -> str:
        """A number as numbers are compared: in E.164 where it can be derived; of a SIP URI, its user."""
        text = number_of(to) if ":" in to else to
        return self.plan.normal(text) or text

    def routes_to(self, destination: str, account: str = "") -> tuple[Route, ...]:
        """The ways to a number or SIP URI, best first; through `account` alone if it is named. Raises UsageError."""
        named = self._trunk(account) if account else None
        text = destination.strip()
        if re.match(r"<?sips?:", text, re.I):
            return (self._straight(text.strip("<>"), named),)
        if not _WRITTEN.match(text) or not _is_number_or_name(text):
            raise UsageError(f"not a SIP URI or a number: {text[:80]!r}", "write sip:NUMBER@HOST, or a number")
        number = self.plan.normal(text)
        if not number.lstrip("+"):
            raise UsageError(f"nothing is left of the number {text!r}", "write it in full, or correct [dialing]")
        if named is not None:
            return (self._by(named, text, number),)
        return tuple(self._by(trunk, text, number) for trunk in self._on_the_way(text, number))

    def _trunk(self, name: str) -> Trunk:
        for trunk in self.trunks:
            if trunk.name == name:
                return trunk
        raise UsageError(f"there is no account {name}", "name one of the configuration")

    def _straight(self, uri: str, named: Trunk | None) -> Route:
        """A SIP URI is called as it is; by the account of its host, else by the first that takes everything."""
        host = split_uri(uri)[2].lower()
        if named is not None:
            return Route(named.name, uri)
        for trunk in self.trunks:
            if split_uri(trunk.server)[2].lower() == host:
                return Route(trunk.name, uri)
        return Route(next((trunk.name for trunk in self.trunks if trunk.everything), ""), uri)

    def _on_the_way(self, text: str, number: str) -> list[Trunk]:
        if not self.trunks:
            raise NoRouteError(f"no account for the number {text}", "configure an [[account]], or call sip:NUMBER@HOST")
        if not self.routes:
            return [self.trunks[0]]
        fitting = [route for route in self.routes if number.startswith(route.prefix)]
        if not fitting:
            raise NoRouteError(f"no route for the number {text}", "add a [[route]] with its prefix, or with none")
        longest = max(len(route.prefix) for route in fitting)
        names: dict[str, None] = {}
        for route in sorted((r for r in fitting if len(r.prefix) == longest), key=lambda r: r.cost):
            names.update(dict.fromkeys(route.accounts))
        return [self._trunk(name) for name in names]

    def _by(self, trunk: Trunk, text: str, number: str) -> Route:
        written = _compact(text) if trunk.number_format == "dialled" else self.plan.written(number, trunk.number_format)
        written = _by(trunk.rules, written)
        scheme, _, host, port, parameters = split_uri(trunk.server)
        uri = f"{scheme}:{_user(written)}@{host}{f':{port}' if port else ''}{parameters}"
        split_uri(uri)
        return Route(trunk.name, uri)


def _is_number_or_name(text: str) -> bool:
    """Return False for several words: an extension's name is one."""
    return not (re.search(r"[A-Za-z_]", text) and re.search(r"[() ]", text))


def _by(rules: Sequence[RewriteRule], number: str) -> str:
    for rule in rules:
        written = rule.apply(number)
        if written is not None:
            return written
    return number


def _user(number: str) -> str:
    """A number as the user of a SIP URI (RFC 3261 §25.1)."""
    return re.sub(
        r"[^0-9A-Za-z+*._\-!~'()&=$,;?/]", lambda ch: "".join(f"%{octet:02X}" for octet in ch[0].encode()), number
    )


def available(
    choices: Sequence[Route],
    *,
    limits: Mapping[str, int],
    active: Mapping[str, int],
    down: Collection[str] = (),
) -> tuple[Route, ...]:
    """The ways that are free now, in order: not those whose account is full; those whose account is down come last.

    `limits` are calls at a time for each account (0 or nothing: no limit), `active` those under way. Nothing is left where all
    are full.
    """
    free = [c for c in choices if not limits.get(c.account) or active.get(c.account, 0) < limits[c.account]]
    return tuple(sorted(free, key=lambda c: c.account in down))


def fails_over(sip_code: int, *, answered: bool, q850: int = 0) -> bool:
    """Return True if the next route is used after a call that ended with this SIP status; never once the far end has answered.

    `q850` is the cause of the telephone network that came with it: a number that is busy is so through any trunk.
    """
    return not answered and status(sip_code, q850).of_trunk
