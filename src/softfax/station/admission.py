# SPDX-License-Identifier: GPL-2.0-or-later
"""Admission of incoming calls, and the account each belongs to. Pure: the configuration, the call and its history come in."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from softfax.station.config import GatewayConfig, StationConfig
from softfax.station.config.mailboxes import MailboxConfig
from softfax.station.polled import PolledDocument

__all__ = [
    "ActiveCall",
    "Admission",
    "CallFacts",
    "CallerHistory",
    "Refusal",
    "Screen",
    "admit",
    "gateway_of",
    "is_anonymous",
    "mailbox_of",
    "mailbox_of_subaddress",
    "polled_of",
]

HOUR_S, DAY_S = 3600.0, 24 * 3600.0
CALLERS_MAX = 10_000
#: What far ends write where they show no number.
_ANONYMOUS = frozenset({"", "anonymous", "unknown", "unavailable", "restricted", "private", "asterisk"})


@dataclass(frozen=True, kw_only=True)
class CallFacts:
    """Facts of a call; numbers as the far end wrote them. `known`: it comes from where its account's calls do."""

    account: str = ""
    known: bool = True
    caller_number: str = ""
    called_number: str = ""


@dataclass(frozen=True)
class ActiveCall:
    """A call under way. One that came in from an unknown source is not `known`, and takes no channel of its account."""

    account: str
    mailbox: str
    incoming: bool = True
    known: bool = True


@dataclass(frozen=True)
class CallerHistory:
    """History of a caller: calls in the last hour, and calls of the last day in which no fax was heard."""

    calls: int = 0
    silent: int = 0


@dataclass(frozen=True)
class Refusal:
    """A call that is not taken."""

    sip_code: int
    reason: str


@dataclass(frozen=True)
class Admission:
    """A call that is taken: whose it is (empty: nobody's in particular), and the identity its caller sees."""

    mailbox: str
    ident: str


def admit(
    config: StationConfig, call: CallFacts, active: Sequence[ActiveCall], history: CallerHistory | None = None
) -> Admission | Refusal:
    """Decides on a call; `active` are all calls under way, in and out."""
    history = history or CallerHistory()
    refusal = _screened(config, call, history)
    if refusal is not None:
        return refusal
    refusal = _no_slot(config, call, active)
    if refusal is not None:
        return refusal
    account = next((a for a in config.account if a.label == call.account), None)
    if (
        account is not None
        and call.known
        and account.max_calls
        and Counter(a.account for a in active if a.known)[call.account] >= account.max_calls
    ):
        return Refusal(486, f"all channel slots of {call.account} are taken")
    mailbox = mailbox_of(config, call.called_number)
    if mailbox is None:
        return Admission("", config.fax.options.ident)
    if mailbox.max_calls and Counter(a.mailbox for a in active)[mailbox.name] >= mailbox.max_calls:
        return Refusal(486, f"all channel slots of the mailbox {mailbox.name} are taken")
    return Admission(mailbox.name, mailbox.ident or config.fax.options.ident)


def _no_slot(config: StationConfig, call: CallFacts, active: Sequence[ActiveCall]) -> Refusal | None:
    """The channel slots: some are kept for faxes that are sent, and unknown sources may have a share of the rest."""
    slots = config.slots()
    if len(active) >= slots.calls:
        return Refusal(486, f"{len(active)} faxes are under way")
    if sum(a.incoming for a in active) >= slots.incoming:
        return Refusal(486, f"{slots.calls - slots.incoming} channel slots are kept for sending")
    if not call.known and not slots.unknown:
        return Refusal(403, "the caller's address belongs to no account")
    if not call.known and sum(not a.known for a in active) >= slots.unknown:
        return Refusal(486, f"{slots.unknown} calls from addresses of no account are under way")
    return None


def is_anonymous(caller_number: str) -> bool:
    """Return True if a caller shows no number (RFC 3323 §4.1.1.3, RFC 3325 §9.1, and what PBXs write)."""
    return caller_number.lower() in _ANONYMOUS or caller_number.lower().endswith(".invalid")


def _screened(config: StationConfig, call: CallFacts, history: CallerHistory) -> Refusal | None:
    s = config.screening
    anonymous = is_anonymous(call.caller_number)
    forms = _forms(config, call.caller_number)
    if anonymous and not s.anonymous:
        return Refusal(s.refuse_with, "the caller shows no number")
    if not anonymous and any(_fit(pattern, forms) is not None for pattern in s.blocked):
        return Refusal(s.refuse_with, "the caller is blocked")
    if s.allowed and (anonymous or not any(_fit(pattern, forms) is not None for pattern in s.allowed)):
        return Refusal(s.refuse_with, "the caller is not among those allowed")
    if s.calls_per_hour and history.calls >= s.calls_per_hour:
        return Refusal(486, f"{history.calls} calls of this number in an hour")
    if s.silent_calls and history.silent >= s.silent_calls:
        return Refusal(s.refuse_with, f"no fax was heard in {history.silent} calls of this number")
    return None


def mailbox_of(config: StationConfig, called_number: str) -> MailboxConfig | None:
    """The mailbox of a called number: the longest pattern that fits, the first of equal ones."""
    forms = _forms(config, called_number)
    best: tuple[int, MailboxConfig] | None = None
    for mailbox in config.mailbox:
        for pattern in mailbox.numbers:
            fit = _fit(pattern, forms)
            if fit is not None and (best is None or fit > best[0]):
                best = (fit, mailbox)
    return best[1] if best else None


def mailbox_of_subaddress(config: StationConfig, subaddress: str | None) -> MailboxConfig | None:
    """The mailbox that a sender named by a subaddress (SUB), the first that has it."""
    wanted = (subaddress or "").strip()
    return next((one for one in config.mailbox if wanted and wanted in one.subaddresses), None)


def polled_of(
    config: StationConfig, out: Sequence[PolledDocument], call: CallFacts, now: datetime
) -> tuple[PolledDocument, ...]:
    """The documents that a call may fetch; none where its number is for receiving."""
    called, caller = _forms(config, call.called_number), _forms(config, call.caller_number)
    return tuple(
        one for one in out if one.is_out(now) and _any_fits(one.numbers, called) and _any_fits(one.callers, caller)
    )


def gateway_of(config: StationConfig, call: CallFacts) -> GatewayConfig | None:
    """The gateway by which a call goes on, None where it is for this station. Calls from addresses of no account never do."""
    if not call.known or not call.account:
        return None
    called, caller = _forms(config, call.called_number), _forms(config, call.caller_number)
    return next(
        (
            one
            for one in config.gateway
            if call.account in one.from_ and _any_fits(one.numbers, called) and _any_fits(one.callers, caller)
        ),
        None,
    )


def _any_fits(patterns: Sequence[str], forms: Sequence[str]) -> bool:
    return not patterns or any(_fit(pattern, forms) is not None for pattern in patterns)


def _forms(config: StationConfig, number: str) -> tuple[str, ...]:
    """A number as it came, and in international form where the dial plan knows how."""
    plain = re.sub(r"[\s()/.-]", "", number[:128]) or number[:128]
    return tuple(dict.fromkeys((number[:128], plain, config.routing().plan.normal(plain) or plain)))


def _fit(pattern: str, forms: Sequence[str]) -> int | None:
    """Match of a number with a pattern: the longer the better; None where it does not match."""
    stem = pattern.removesuffix("*")
    for form in forms:
        if form == pattern:
            return 2 * len(pattern) + 1
        if stem != pattern and form.startswith(stem):
            return 2 * len(stem)
    return None


class Screen:
    """Calls of each caller, for `CallerHistory`; of one process, since it began."""

    def __init__(self) -> None:
        self._calls: dict[str, deque[float]] = {}
        self._silent: dict[str, deque[float]] = {}

    def history(self, caller: str, now: float) -> CallerHistory:
        """History of a caller; `now` in seconds."""
        return CallerHistory(
            sum(now - at < HOUR_S for at in self._calls.get(caller, ())),
            sum(now - at < DAY_S for at in self._silent.get(caller, ())),
        )

    def called(self, caller: str, now: float) -> None:
        """A call was taken."""
        self._note(self._calls, caller, now)

    def silent(self, caller: str, now: float) -> None:
        """No fax was heard in it."""
        self._note(self._silent, caller, now)

    @staticmethod
    def _note(table: dict[str, deque[float]], caller: str, now: float) -> None:
        if is_anonymous(caller):
            return  # they are not one caller
        if caller not in table and len(table) >= CALLERS_MAX:
            table.pop(next(iter(table)))
        table.setdefault(caller, deque(maxlen=10_000)).append(now)
