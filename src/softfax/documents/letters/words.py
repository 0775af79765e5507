# SPDX-License-Identifier: GPL-2.0-or-later
"""Texts of e-mails as people see them: plain, flowed, HTML. Pure; looks at each character once, however broken they are."""

from __future__ import annotations

import html
import re

__all__ = ["TEXT_MAX", "from_html", "plain", "unflowed"]

TEXT_MAX = 400_000


def plain(text: str) -> str:
    """Lines without what is not seen."""
    lines = (line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").split("\n"))
    return "\n".join(lines).strip("\n")[:TEXT_MAX]


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
_TAG = re.compile(r"</?([a-z][a-z0-9]*)", re.I)


def from_html(text: str) -> str:
    """The words of an HTML text, with the breaks that people see. Looks at every character once, however broken it is."""
    out: list[str] = []
    low, at = text.translate(_LOW), 0
    while at < len(text):
        start = text.find("<", at)
        out.append(re.sub(r"\s+", " ", html.unescape(text[at : start if start >= 0 else len(text)])))
        if start < 0:
            break
        if text.startswith("<!--", start):
            end = text.find("-->", start + 4)
            at = end + 3
        else:
            match = _TAG.match(text, start)
            if match is None and text[start + 1 : start + 2] not in ("!", "?"):
                out.append("<")
                at = start + 1
                continue
            end = text.find(">", start)
            at = end + 1
            tag = match[1].lower() if match else ""
            if tag in _HIDDEN and text[start + 1] != "/":
                end = low.find(f"</{tag}", at)
                at = end
            elif tag in _BREAKS and (text[start + 1] != "/" or tag in ("p", "table", "ul", "ol")):
                out.append("\n")
            elif tag in ("td", "th") and text[start + 1] != "/":
                out.append("  ")
        if end < 0:
            break
    lines = [line.strip() for line in "".join(out).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
