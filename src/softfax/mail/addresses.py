# SPDX-License-Identifier: GPL-2.0-or-later
"""Which number an address means, who may send, and what a trusted mail server found out about a sender. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from softfax.errors import UsageError
from softfax.station.config.mail import MailSenderConfig

__all__ = ["Recipient", "matches", "parse_recipient", "passed", "sender_rule"]

ADDRESS_MAX = 320
_LOCAL = re.compile(
    r"(?:fax[=+])?(\+?[0-9*#][0-9*#().\-]{0,47})(?:/[A-Za-z0-9=._-]*)?(?:\+([A-Za-z0-9._=-]{1,64}))?", re.I
)
_SEPARATORS = str.maketrans("", "", "().-")
_METHOD = re.compile(r"\s*(dmarc|dkim|spf)\s*(?:/\s*\d+\s*)?=\s*([a-z]+)", re.I)
_PROPERTY = re.compile(r"([a-z]+\.[a-z]+)\s*=\s*\"?([^\s\";]{1,320})", re.I)
_COMMENT = re.compile(r"\([^()]*\)")
COMMENTS_DEEP = 8


@dataclass(frozen=True)
class Recipient:
    """A number, and the tag of NUMBER+TAG@DOMAIN."""

    number: str
    tag: str = ""


def parse_recipient(address: str, domains: Sequence[str]) -> Recipient:
    """The number of NUMBER@DOMAIN, NUMBER+TAG@DOMAIN or fax=NUMBER@DOMAIN (RFC 3192). Raises UsageError."""
    local, _, domain = address[:ADDRESS_MAX].rpartition("@")
    if domains and domain.lower().rstrip(".") not in domains:
        raise UsageError(f"{domain[:80] or 'no domain'} is not ours", f"write to NUMBER@{domains[0]}")
    match = _LOCAL.fullmatch(local.strip('"'))
    number = match[1].translate(_SEPARATORS) if match else ""
    if match is None or not any(ch.isdigit() for ch in number):
        raise UsageError(f"{local[:80]!r} is no fax number", "write to NUMBER@DOMAIN, as +493012345@fax.example.com")
    return Recipient(number, match[2] or "")


def matches(pattern: str, address: str) -> bool:
    """Whether an address fits `name@host`, `@host` or `*`."""
    address = address.lower()
    return pattern in ("*", address) or (pattern.startswith("@") and address.rpartition("@")[2] == pattern[1:])


def sender_rule(address: str, rules: Iterable[MailSenderConfig]) -> MailSenderConfig | None:
    """The most exact rule for a sender; None where nobody lets him in."""
    fitting = [rule for rule in rules if "@" in address and matches(rule.address, address)]
    return max(fitting, key=lambda rule: (rule.address != "*", not rule.address.startswith("@")), default=None)


def passed(results: Iterable[str], authserv_id: str, domain: str) -> bool:
    """Whether Authentication-Results (RFC 8601) of this server say that `domain` in From is genuine.

    DMARC passed for it, or DKIM by it or a domain above it, or SPF for it. The server has to take out what others wrote in its
    name (RFC 8601 §5).
    """
    domain = domain.lower()
    for value in results:
        for _ in range(COMMENTS_DEEP):
            value = _COMMENT.sub(" ", value)
        said_by, *methods = value.split(";")
        if (said_by.split() or [""])[0].lower() == authserv_id.lower() and any(_genuine(m, domain) for m in methods):
            return True
    return False


def _genuine(text: str, domain: str) -> bool:
    match = _METHOD.match(text)
    if match is None or match[2].lower() != "pass":
        return False
    said: dict[str, str] = {name.lower(): value.lower() for name, value in _PROPERTY.findall(text)}
    method = match[1].lower()
    if method == "dmarc":
        return domain == said.get("header.from", "").rpartition("@")[2]
    if method == "spf":
        return domain == said.get("smtp.mailfrom", "").rpartition("@")[2]
    signer = said.get("header.d") or said.get("header.i", "").rpartition("@")[2]
    return "." in signer and (domain == signer or domain.endswith(f".{signer}"))
