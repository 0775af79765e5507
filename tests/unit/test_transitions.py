# SPDX-License-Identifier: GPL-2.0-or-later
"""State machines refuse what their tables do not have; every state is reached, and the tables of docs/ are those of the code."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from softfax.errors import TransitionError
from softfax.model import TERMINAL, FaxState, SessionState
from softfax.transitions import CALL_PHASES, FAXES, SESSIONS, Phase, Transitions

REPOSITORY = Path(__file__).resolve().parents[2]
FIRST: dict[str, set[Any]] = {
    CALL_PHASES.name: {Phase.CALLING},
    SESSIONS.name: {SessionState.RESERVED},
    FAXES.name: {FaxState.QUEUED, FaxState.RECEIVING},
}


@pytest.mark.parametrize("machine", [CALL_PHASES, SESSIONS, FAXES], ids=lambda machine: machine.name)
def test_every_state_is_in_the_table_and_reached(machine: Transitions[Any]) -> None:
    states = set(type(next(iter(machine.table))))
    assert set(machine.table) == states
    reached = FIRST[machine.name].union(*(line.to for line in machine.table.values()))
    assert reached == states
    for before, line in machine.table.items():
        for after in states:
            if after is before or after in line.to:
                assert machine.move(before, after) is after
            else:
                with pytest.raises(TransitionError):
                    machine.move(before, after)


def test_what_has_ended_is_only_sent_once_more() -> None:
    for state in TERMINAL - {FaxState.UNCERTAIN}:
        assert set(FAXES.table[state].to) <= {FaxState.WAITING}
    assert not FAXES.table[FaxState.DELIVERED].to
    assert not FAXES.table[FaxState.RECEIVED].to


def test_the_pages_have_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "tools"))
    states = importlib.import_module("states")
    for name in states.TABLES:
        text = (REPOSITORY / "docs" / name).read_text()
        assert states.page(name, text) == text, f"docs/{name} is not what tools/states.py writes; run make docs"
