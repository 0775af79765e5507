# SPDX-License-Identifier: GPL-2.0-or-later
"""The terminal: colours and bars of ours, and nothing that a caller, a document or a far end wants it to do."""

from __future__ import annotations

from typing import Any

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment

from softfax.outside import paragraphs

__all__ = ["Terminal"]


class _Cleaned:
    """Something shown, its text cleaned. What rich itself says to the terminal is apart from text."""

    def __init__(self, inner: ConsoleRenderable) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._inner, options):
            yield segment if segment.control else Segment(paragraphs(segment.text), segment.style)


class _Hook(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Cleaned(one) for one in renderables]


class Terminal(Console):
    """A console whose text is cleaned as it is shown."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**{"highlight": False, "emoji": False, **more})
        self.push_render_hook(_Hook())
