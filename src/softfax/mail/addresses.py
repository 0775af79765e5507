# SPDX-License-Identifier: GPL-2.0-or-later
"""E-mail addresses: the number one stands for, permitted senders, and a trusted mail server's verdict on a sender. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from softfax.errors import UsageError
from softfax.station.config.mail import MailSenderConfig

__all__ = ["Recipient", "is_sender", "matches", "parse_recipient", "passed", "sender_rule"]

ADDRESS_MAX = 320
DIGITS_MAX = 32
#: A number, then perhaps a tag that cannot be taken for the end of one. Neither `*` nor `#`: an e-mail shall not reach what a PBX
#: does for those who dial such codes. Neither `%`, `!`, `/` nor another name: what these mean to others is not guessed.
_LOCAL = re.compile(r"(?:fax=)?(\+?[0-9](?:[.\-]*[0-9]){0,47})(?:\+([A-Za-z][A-Za-z0-9._=-]{0,63}))?", re.I | re.ASCII)
_SEPARATORS = str.maketrans("", "", ".-")
_SENDER = re.compile(r"[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?")
_METHOD = re.compile(r"\s*(dmarc|dkim|spf)\s*(?:/\s*[0-9]+\s*)?=\s*([a-z]+)(?![^\s;])", re.I)
_PROPERTY = re.compile(r"(?<!\S)([a-z]+\.[a-z]+)\s*=\s*([^\s;]{1,320})", re.I)
_WITHIN = re.compile(r"[^A-Za-z0-9.@_+-]")


@dataclass(frozen=True)
class Recipient:
    """A number, and the tag of NUMBER+TAG@DOMAIN."""

    number: str
    tag: str = ""


def parse_recipient(address: str, domains: Sequence[str]) -> Recipient:
    """The number of NUMBER@DOMAIN, NUMBER+TAG@DOMAIN or FAX=NUMBER@DOMAIN (RFC 3192). Raises UsageError."""
    local, _, domain = address[:ADDRESS_MAX].rpartition("@")
    if domains and domain.lower().rstrip(".") not in domains:
        raise UsageError(f"{domain[:80] or 'no domain'} is not ours", f"write to NUMBER@{domains[0]}")
    match = _LOCAL.fullmatch(local[1:-1] if local[:1] == local[-1:] == '"' else local)
    number = match[1].translate(_SEPARATORS) if match else ""
    if match is None or len(number) > DIGITS_MAX:
        home = domains[0] if domains else "DOMAIN"
        raise UsageError(
            f"{local[:80]!r} is not a fax number", f"write to NUMBER@{home}, for example +493012345@{home}"
        )
    return Recipient(number, match[2] or "")


def is_sender(address: str) -> bool:
    """Return True if an address may be a sender's: one name at one host, nothing quoted, nothing that lists hold."""
    return len(address) <= ADDRESS_MAX and address.isprintable() and _SENDER.fullmatch(address) is not None


def matches(pattern: str, address: str) -> bool:
    """Return True if an address matches `name@host`, `@host` or `*`."""
    address = address.lower()
    return pattern in ("*", address) or (pattern.startswith("@") and address.rpartition("@")[2] == pattern[1:])


def sender_rule(address: str, rules: Iterable[MailSenderConfig]) -> MailSenderConfig | None:
    """The most exact rule for a sender; None where nobody lets him in."""
    fitting = [rule for rule in rules if "@" in address and matches(rule.address, address)]
    return max(fitting, key=lambda rule: (rule.address != "*", not rule.address.startswith("@")), default=None)


def passed(results: Iterable[str], authserv_id: str, domain: str) -> bool:
    """Return True if this server's Authentication-Results (RFC 8601) confirm `domain` in From.

    DMARC passed for it, or DKIM by it or a domain above it, or SPF for it. The server has to take out what others wrote in its
    name (RFC 8601 §5).
    """
    domain = domain.lower()
    for value in results:
        said_by, *methods = _plain(value).split(";")
        if (said_by.split() or [""])[0].lower() == authserv_id.lower() and any(_genuine(m, domain) for m in methods):
            return True
    return False


def _plain(value: str) -> str:
    """A header without its comments; what stands in quotes is one word, in which nothing separates anything.

    What a sender chose may be quoted in it, as the name in smtp.mailfrom, and must not read like a result.
    """
    out: list[str] = []
    depth, quoted, escaped = 0, False, False
    for ch in value:
        if escaped:
            escaped = False
            if quoted and not depth:
                out.append(_WITHIN.sub("_", ch))
        elif ch == "\\" and (quoted or depth):
            escaped = True
        elif ch == '"' and not depth:
            quoted = not quoted
        elif quoted:
            out.append(_WITHIN.sub("_", ch))
        elif ch == "(":
            depth += 1
        elif ch == ")" and depth:
            depth -= 1
            out.append(" ")
        elif not depth:
            out.append(ch)
    return "" if quoted or depth else "".join(out)


def _genuine(text: str, domain: str) -> bool:
    match = _METHOD.match(text)
    if match is None or match[2].lower() != "pass":
        return False
    found = [(name.lower(), value.lower()) for name, value in _PROPERTY.findall(text)]
    said: dict[str, str] = dict(found)
    if len(said) != len(found):
        return False
    method = match[1].lower()
    if method == "dmarc":
        return domain == said.get("header.from", "").rpartition("@")[2]
    if method == "spf":
        return domain == said.get("smtp.mailfrom", "").rpartition("@")[2]
    signer = said.get("header.d") or said.get("header.i", "").rpartition("@")[2]
    return "." in signer and (domain == signer or domain.endswith(f".{signer}"))
