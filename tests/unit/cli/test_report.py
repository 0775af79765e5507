# SPDX-License-Identifier: GPL-2.0-or-later
"""A terminal's view of a fax under way."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import cast

import pytest

from softfax.cli.report import Reporter
from softfax.engine.abi import SessionStats
from softfax.fax.outcome import T30_FILE_ERROR, Outcome
from softfax.model import Direction


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def stats(page: int, image_bytes: int) -> SessionStats:
    shown = SimpleNamespace(active=True, page=page, image_bytes=image_bytes, rate_bps=14400)
    return cast(SessionStats, shown)


def test_no_page_is_shown_beyond_the_last(monkeypatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    reporter = Reporter(out=terminal, err=terminal)
    reporter.progress(stats(page=1, image_bytes=900), (1000,), 1)
    reporter.progress(stats(page=2, image_bytes=0), (1000,), 1)
    reporter.close()
    assert "page 1 of 1" in terminal.getvalue()
    assert "page 2" not in terminal.getvalue()
    reporter.progress(stats(page=2, image_bytes=10), (1000,), None)
    reporter.close()
    assert "page 2" in terminal.getvalue(), "where nobody has counted them"


@pytest.mark.parametrize(
    ("text", "remedy", "told"),
    [
        ("a.docx needs LibreOffice", "install it", "a.docx needs LibreOffice; install it"),
        ("a.docx needs LibreOffice; install it", "install it", "a.docx needs LibreOffice; install it"),
        ("a.docx is odd", "", "a.docx is odd; open the document, save it anew and send it again"),
    ],
)
def test_a_failure_is_one_line_with_the_remedy_of_its_document(text: str, remedy: str, told: str) -> None:
    shown = io.StringIO()
    why = Outcome(False, "FILE_ERROR", text, T30_FILE_ERROR, remedy=remedy)
    Reporter(out=shown, err=shown).event(why.result(direction=Direction.SEND, fax_id="0" * 24, duration_s=0.0))
    assert shown.getvalue() == f"softfax: failed: {told}\n"
