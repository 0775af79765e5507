# SPDX-License-Identifier: GPL-2.0-or-later
"""Texts of e-mails as people see them: plain, flowed, HTML. Pure; looks at each character once, however broken they are."""

from __future__ import annotations

import html
import re

__all__ = ["from_html", "plain", "unflowed"]


def plain(text: str) -> str:
    """Lines without what is not seen."""
    lines = (line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").split("\n"))
    return "\n".join(lines).strip("\n")


def unflowed(text: str, delsp: bool) -> str:
    """Paragraphs as they were before lines were broken for the way (RFC 3676 §4.1); what is quoted stays in its lines."""
    out: list[list[str]] = []
    open_line = False
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.startswith(">"):
            out.append([line])
            open_line = False
            continue
        line = line.removeprefix(" ")
        flows = line.endswith(" ") and line != "-- "
        said = line[:-1] if flows and delsp else line
        if open_line and line != "-- ":
            out[-1].append(said)
        else:
            out.append([said])
        open_line = flows
    return "\n".join(map("".join, out))


_HIDDEN = frozenset({"script", "style", "head", "title", "template"})
_BREAKS = frozenset({"br", "p", "div", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "hr"})
#: As long as before, letter by letter, which `str.lower` is not.
_LOW = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_TAG = re.compile(r"<(?:!--|[!?]|/?([a-z][a-z0-9]*))", re.I)


def from_html(text: str) -> str:
    """The words of an HTML text, with the breaks that people see."""
    out: list[str] = []
    low, at = text.translate(_LOW), 0
    while match := _TAG.search(text, at):
        out.append(_seen(text[at : match.start()]))
        tag, opens = (match[1] or "").lower(), text[match.start() + 1] != "/"
        if match[0] == "<!--":
            end = text.find("-->", match.end())
            at = end + 3
        else:
            end = text.find(">", match.start())
            at = end + 1
            if tag in _HIDDEN and opens:
                at = end = low.find(f"</{tag}", at)
            elif tag in _BREAKS and (opens or tag in ("p", "table", "ul", "ol")):
                out.append("\n")
            elif tag in ("td", "th") and opens:
                out.append("  ")
        if end < 0:
            break
    else:
        out.append(_seen(text[at:]))
    lines = [line.strip() for line in "".join(out).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _seen(text: str) -> str:
    """Text between tags."""
    return re.sub(r"\s+", " ", html.unescape(text))
