# SPDX-License-Identifier: GPL-2.0-or-later
"""The Unicode bidirectional algorithm (UAX #9): which way each character of a paragraph runs. Pure.

Mirroring (L4) and joining are the shaper's; a line's own part (L1, L2) is `line_levels` and `visual_order`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from unicodedata import bidirectional

__all__ = ["embedding_levels", "line_levels", "paragraph_level", "visual_order"]

#: BD2: embeddings beyond this depth are counted, not made.
MAX_DEPTH = 125

_NEEDS_WORK = re.compile(
    "[\u0590-\u08ff\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
_PAIRS = "()[]{}⁅⁆⁽⁾₍₎⌈⌉⌊⌋❨❩❪❫❬❭❮❯❰❱❲❳❴❵⟅⟆⟦⟧⟨⟩⟪⟫⟬⟭⟮⟯⸢⸣⸤⸥〈〉《》「」『』【】〔〕〖〗〘〙〚〛（）［］｛｝"
_CLOSING = dict(zip(_PAIRS[::2], _PAIRS[1::2], strict=True))
_CLOSERS = frozenset(_CLOSING.values())
_ISOLATES = ("LRI", "RLI", "FSI")
_REMOVED = ("RLE", "LRE", "RLO", "LRO", "PDF", "BN")
_NEUTRAL = ("B", "S", "WS", "ON", "LRI", "RLI", "FSI", "PDI")
_BRACKETS_OPEN_MAX = 63  # BD16


def _class(char: str) -> str:
    return bidirectional(char) or "L"


def _isolates(classes: Sequence[str]) -> dict[int, int]:
    """BD9: isolate initiator → the PDI that ends it; the paragraph's end for those that none ends."""
    out: dict[int, int] = {}
    opened: list[int] = []
    for index, kind in enumerate(classes):
        if kind in _ISOLATES:
            out[index] = len(classes)
            opened.append(index)
        elif kind == "PDI" and opened:
            out[opened.pop()] = index
    return out


def _first_strong(classes: Sequence[str], isolates: Mapping[int, int], start: int, end: int) -> int | None:
    index = start
    while index < end:
        kind = classes[index]
        if kind in ("L", "R", "AL"):
            return int(kind != "L")
        index = isolates.get(index, index) + 1
    return None


def paragraph_level(text: str) -> int | None:
    """P2, P3: 0 left to right, 1 right to left, by the first strong character; None if there is none."""
    if not _NEEDS_WORK.search(text):
        return 0 if any(c.isalpha() for c in text) else None
    classes = [_class(c) for c in text]
    return _first_strong(classes, _isolates(classes), 0, len(classes))


def embedding_levels(text: str, base: int | None = None) -> tuple[int, list[int]]:
    """The paragraph's level and each character's (P, X, W, N, I). `base` overrides P2 and P3."""
    if not _NEEDS_WORK.search(text) and not base:
        return 0, [0] * len(text)
    classes = [_class(c) for c in text]
    isolates = _isolates(classes)
    if base is None:
        base = _first_strong(classes, isolates, 0, len(text)) or 0
    kinds, levels = _explicit(classes, isolates, base)
    for sequence in _sequences(classes, isolates, levels, base):
        _weak(sequence, kinds)
        _brackets(sequence, text, kinds, classes)
        _neutral(sequence, kinds)
        for index in sequence.indices:
            if sequence.level % 2:
                levels[index] += kinds[index] != "R"
            else:
                levels[index] += {"R": 1, "AN": 2, "EN": 2}.get(kinds[index], 0)
    _give_removed(levels, classes, base)
    return base, levels


def _give_removed(levels: list[int], classes: Sequence[str], base: int) -> None:
    """§5.2: what X9 removes goes with what stands before it."""
    last = base
    for index, kind in enumerate(classes):
        if kind in _REMOVED:
            levels[index] = last
        last = levels[index]


class _Status(NamedTuple):
    level: int
    override: str
    isolate: bool


def _explicit(classes: Sequence[str], pairs: Mapping[int, int], base: int) -> tuple[list[str], list[int]]:
    """X1 to X8: kinds after overrides, and explicit levels."""
    kinds = list(classes)
    levels = [base] * len(classes)
    stack = [_Status(base, "", False)]
    isolates_over = embeddings_over = isolates = 0
    for index, kind in enumerate(classes):
        top = stack[-1]
        levels[index] = top.level
        if kind in ("RLE", "LRE", "RLO", "LRO") or kind in _ISOLATES:
            isolate = kind in _ISOLATES
            if isolate and top.override:
                kinds[index] = top.override
            if kind == "FSI":
                kind = "RLI" if _first_strong(classes, pairs, index + 1, pairs[index]) else "LRI"
            new = (top.level + 1) | 1 if kind[0] == "R" else (top.level + 2) & ~1
            if new <= MAX_DEPTH and not isolates_over and not embeddings_over:
                override = {"RLO": "R", "LRO": "L"}.get(kind, "")
                isolates += isolate
                stack.append(_Status(new, override, isolate))
            elif isolate:
                isolates_over += 1
            elif not isolates_over:
                embeddings_over += 1
        elif kind == "PDI":
            if isolates_over:
                isolates_over -= 1
            elif isolates:
                embeddings_over = 0
                while not stack[-1].isolate:
                    stack.pop()
                stack.pop()
                isolates -= 1
            top = stack[-1]
            levels[index] = top.level
            kinds[index] = top.override or kind
        elif kind == "PDF":
            if isolates_over:
                pass
            elif embeddings_over:
                embeddings_over -= 1
            elif not top.isolate and len(stack) > 1:
                stack.pop()
        elif kind == "B":
            levels[index] = base
        elif kind != "BN" and top.override:
            kinds[index] = top.override
    return kinds, levels


class _Sequence(NamedTuple):
    """An isolating run sequence (BD13) with what stands before and after it."""

    indices: list[int]
    level: int
    before: str
    after: str


def _sequences(classes: Sequence[str], pairs: Mapping[int, int], levels: Sequence[int], base: int) -> list[_Sequence]:
    kept = [i for i, kind in enumerate(classes) if kind not in _REMOVED]
    runs: list[list[int]] = []
    for index in kept:
        if runs and levels[runs[-1][-1]] == levels[index]:
            runs[-1].append(index)
        else:
            runs.append([index])
    by_first = {run[0]: run for run in runs}
    closers = {pdi for pdi in pairs.values() if pdi < len(classes)}
    place = {index: position for position, index in enumerate(kept)}
    out = []
    for run in runs:
        if run[0] in closers:
            continue
        indices = list(run)
        while pairs.get(indices[-1]) in by_first:
            indices += by_first[pairs[indices[-1]]]
        level = levels[indices[0]]
        first, last = place[indices[0]], place[indices[-1]]
        before = levels[kept[first - 1]] if first else base
        open_end = classes[indices[-1]] in _ISOLATES
        after = base if open_end or last + 1 == len(kept) else levels[kept[last + 1]]
        out.append(_Sequence(indices, level, "LR"[max(level, before) % 2], "LR"[max(level, after) % 2]))
    return out


def _weak(sequence: _Sequence, kinds: list[str]) -> None:
    """W1 to W7."""
    order = sequence.indices
    previous = strong = sequence.before
    for index in order:
        kind = kinds[index]
        if kind == "NSM":
            kind = "ON" if previous in _ISOLATES or previous == "PDI" else previous
        elif kind in ("L", "R", "AL"):
            strong = kind
        previous = kind
        kinds[index] = "AN" if kind == "EN" and strong == "AL" else kind
    for index in order:
        if kinds[index] == "AL":
            kinds[index] = "R"
    for position in range(1, len(order) - 1):
        left, kind, right = (kinds[order[position + step]] for step in (-1, 0, 1))
        if left == right and ((kind in ("ES", "CS") and left == "EN") or (kind == "CS" and left == "AN")):
            kinds[order[position]] = left
    for direction in (order, order[::-1]):  # W5, from both sides
        after_number = False
        for index in direction:
            if kinds[index] == "ET" and after_number:
                kinds[index] = "EN"
            after_number = kinds[index] == "EN"
    strong = sequence.before
    for index in order:
        if kinds[index] in ("ES", "ET", "CS"):
            kinds[index] = "ON"
        elif kinds[index] in ("L", "R"):
            strong = kinds[index]
        elif kinds[index] == "EN" and strong == "L":
            kinds[index] = "L"


def _strong(kind: str) -> str:
    return "R" if kind in ("R", "AN", "EN") else kind if kind == "L" else ""


def _brackets(sequence: _Sequence, text: str, kinds: list[str], classes: Sequence[str]) -> None:
    """N0: brackets take the direction of what they enclose, or of what stands before them."""
    order = sequence.indices
    embedding = "LR"[sequence.level % 2]
    for first, last in _pairs(order, text, kinds):
        inside = {_strong(kinds[i]) for i in order[first + 1 : last]}
        if embedding in inside:
            direction = embedding
        elif inside - {""}:
            before = (_strong(kinds[i]) for i in reversed(order[:first]))
            direction = next((s for s in before if s), sequence.before)
        else:
            continue
        for position in (first, last):
            kinds[order[position]] = direction
            for index in order[position + 1 :]:
                if classes[index] != "NSM":
                    break
                kinds[index] = direction


def _pairs(order: Sequence[int], text: str, kinds: Sequence[str]) -> list[tuple[int, int]]:
    opened: list[tuple[str, int]] = []
    pairs: list[tuple[int, int]] = []
    for position, index in enumerate(order):
        char = text[index]
        if kinds[index] != "ON":
            continue
        if char in _CLOSING:
            if len(opened) == _BRACKETS_OPEN_MAX:
                return []
            opened.append((_CLOSING[char], position))
        elif char in _CLOSERS:
            for depth in range(len(opened) - 1, -1, -1):
                if opened[depth][0] == char:
                    pairs.append((opened[depth][1], position))
                    del opened[depth:]
                    break
    return sorted(pairs)


def _neutral(sequence: _Sequence, kinds: list[str]) -> None:
    """N1, N2."""
    order = sequence.indices
    embedding = "LR"[sequence.level % 2]
    position = 0
    while position < len(order):
        if kinds[order[position]] not in _NEUTRAL:
            position += 1
            continue
        end = position
        while end < len(order) and kinds[order[end]] in _NEUTRAL:
            end += 1
        left = _strong(kinds[order[position - 1]]) if position else sequence.before
        right = _strong(kinds[order[end]]) if end < len(order) else sequence.after
        for index in order[position:end]:
            kinds[index] = left if left == right else embedding
        position = end


def line_levels(text: str, levels: Sequence[int], base: int) -> list[int]:
    """L1 for one line: its tabs and its trailing space have the paragraph's level. `text` and `levels` are the line's."""
    out = list(levels)
    blank_from = len(text.rstrip(" \t\u2028\u2029\u2066\u2067\u2068\u2069\u202a\u202b\u202c\u202d\u202e\u200b"))
    for index, char in enumerate(text):
        if index >= blank_from or char == "\t":
            out[index] = base
    return out


def visual_order(levels: Sequence[int]) -> list[int]:
    """L2: the order, from the left, in which things of these levels stand."""
    order = list(range(len(levels)))
    if not levels:
        return order
    for level in range(max(levels), 0, -1):
        start = None
        for position in range(len(order) + 1):
            high = position < len(order) and levels[order[position]] >= level
            if high and start is None:
                start = position
            elif not high and start is not None:
                order[start:position] = reversed(order[start:position])
                start = None
    return order
