# SPDX-License-Identifier: GPL-2.0-or-later
"""The list of `softfax jobs` on a terminal: what is long is cut, and nothing else goes missing."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

import pytest

from softfax.cli.jobs import _list
from softfax.client import Fax


def test_the_list_fits_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = datetime.now(UTC)
    to = "sip:a-very-long-user-name-of-a-fax-machine@far-away.example.company.test:5070"
    faxes = [
        Fax(id="0" * 24, direction="send", state="delivered", created=now, updated=now, to=to, documents=("a.pdf",)),
        Fax(
            id="1" * 24, direction="receive", state="received", created=now, updated=now, to="1", caller="+4930",
            documents=("An offer for the renovation of the house in all its details.pdf",), pages=12, unread=True,
        ),
    ]  # fmt: skip
    options = argparse.Namespace(json=False, all=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    _list(faxes, options)
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    for line, words in zip(
        lines[1:], (["000000000000", "→", "delivered", "a.pdf"], ["←", "+4930", "received *", "12", "…"]), strict=True
    ):
        assert all(word in line for word in words), line
    # Where nobody's width counts, nothing is cut.
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    _list(faxes, options)
    assert to in (whole := capsys.readouterr().out)
    assert "details.pdf" in whole
