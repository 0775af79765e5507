# SPDX-License-Identifier: GPL-2.0-or-later
"""The FAXSession record: its eight states at the right moments of a fax, and what is absent from it when."""

from __future__ import annotations

from typing import Any

import pytest

from softfax.engine.abi import EventType
from softfax.fax.ports import AudioPath
from softfax.fax.settings import Role
from softfax.model import CallState, Direction, Operation, SessionEvent, SessionState
from softfax.vocabularies.asterisk import present, session_fields
from tests.unit.fax.test_session import _fd, rig

STATISTICS = ("error_correction_mode", "data_rate", "image_resolution", "page_number", "file_name", "pages_transmitted",
              "pages_received", "total_bad_lines")  # fmt: skip


def records(r: Any) -> list[SessionEvent]:
    return [e for e in r.events if isinstance(e, SessionEvent)]


def test_the_states_of_a_fax_over_t38() -> None:
    r = rig()
    r.answered()
    assert r.states() == ["Reserved", "Uninitialized", "Initialized", "Open"]
    r.t38()
    assert r.states()[4:] == ["Open"]
    r.negotiated()
    assert r.states()[5:] == ["Active"]
    r.page(1)
    r.page(2)
    r.happens(EventType.COMPLETE, 0, (2, 2))
    r.session.call_state(CallState.ENDED, 200, "")
    assert r.states()[6:] == ["Active", "Active", "Complete"]


def test_a_far_end_that_leaves_t38_makes_the_session_inactive_until_audio_runs() -> None:
    r = rig()
    r.answered()
    r.t38()
    r.session.audio_up(AudioPath(_fd(), ("127.0.0.1", 4000), "PCMU", 0))
    assert r.states()[-2:] == ["Inactive", "Open"]


def test_a_call_cut_in_the_middle_leaves_the_session_unknown_before_it_completes() -> None:
    r = rig()
    r.answered()
    r.t38()
    r.negotiated()
    r.session.call_state(CallState.ENDED, 200, "")
    assert r.states()[-2:] == ["Unknown", "Complete"]
    assert not r.result().success


def test_all_eight_states_occur() -> None:
    seen = set()
    for leave_t38 in (True, False):
        r = rig()
        r.answered()
        r.t38()
        if leave_t38:
            r.session.audio_up(AudioPath(_fd(), ("127.0.0.1", 4000), "PCMU", 0))
        r.negotiated()
        r.session.call_state(CallState.ENDED, 200, "")
        seen |= set(r.states())
    assert seen == {state.value for state in SessionState}


@pytest.mark.parametrize("direction", [Direction.SEND, Direction.RECEIVE])
def test_what_the_record_says_as_the_fax_goes_on(direction: Direction) -> None:
    r = rig(direction, Role.CALLER if direction is Direction.SEND else Role.ANSWERER)
    r.answered()
    r.t38()
    first = records(r)
    assert all(getattr(first[1], name) is None for name in STATISTICS), "nothing of what is Uninitialized"
    opened = first[2]
    assert (opened.error_correction_mode, opened.image_resolution, opened.page_number) == (False, "0x0", 1)
    r.negotiated()
    r.page(1, bad_rows=3)
    last = records(r)[-1]
    assert (last.error_correction_mode, last.data_rate, last.image_resolution) == (True, 14400, "8031x7700")
    assert (last.page_number, last.total_bad_lines) == (2, 3)
    sent, received = (1, 0) if direction is Direction.SEND else (0, 1)
    assert (last.pages_transmitted, last.pages_received) == (sent, received)
    assert {k for k in last.to_json() if k not in ("event", "time", "fax_id")} == {
        "session_number", "operation", "state", *STATISTICS,
    }  # fmt: skip


@pytest.mark.parametrize("state", list(SessionState))
@pytest.mark.parametrize("operation", list(Operation))
def test_the_rules_of_absence(state: SessionState, operation: Operation) -> None:
    record = SessionEvent(
        session_number=7, operation=operation, state=state, error_correction_mode=True, data_rate=14400,
        image_resolution="8031x7700", page_number=2, file_name="x.tif", pages_transmitted=1, pages_received=0, total_bad_lines=0,
    )  # fmt: skip
    fields = dict(session_fields(record))

    assert list(fields)[:3] == ["SessionNumber", "Operation", "State"]
    assert fields["Operation"] == operation.value
    assert fields["State"] == state.value
    faxing = operation in (Operation.SEND, Operation.RECEIVE)
    set_up = state is not SessionState.UNINITIALIZED
    for name in ("ErrorCorrectionMode", "DataRate", "PageNumber"):
        assert (name in fields) == (set_up and operation in (Operation.SEND, Operation.RECEIVE, Operation.GATEWAY)), (
            name
        )
    for name in ("ImageResolution", "FileName", "PagesTransmitted", "PagesReceived", "TotalBadLines"):
        assert (name in fields) == (set_up and faxing), name
    assert session_fields(present(record)) == session_fields(record)
    if "ErrorCorrectionMode" in fields:
        assert fields["ErrorCorrectionMode"] == ("Yes" if faxing else "yes")
