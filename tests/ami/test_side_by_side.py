# SPDX-License-Identifier: GPL-2.0-or-later
"""One script said to the real Asterisk 16 and to softfax: the same transcript, but for ids, times and names, and but
for the differences that docs/ami.md lists, each of which has a function in `tests.ami.compare`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.ami.compare import (
    common_commands,
    events,
    lines,
    not_dialled,
    plain,
    variables,
    whoever_hangs_up,
    without_call_id,
    without_interim,
)
from tests.ami.speaker import Message, get

pytestmark = [pytest.mark.peer, pytest.mark.sip]


def transcripts(heard: dict[str, Any]) -> tuple[list[Message], list[Message]]:
    both = ([[(key, value) for key, value in message] for message in heard[name]] for name in ("asterisk", "softfax"))
    theirs, ours = (plain(messages) for messages in both)
    return theirs, without_call_id(ours)


def same(theirs: Sequence[Message], ours: Sequence[Message]) -> None:
    assert lines(ours) == lines(theirs)


@pytest.mark.parametrize(
    "heard", ["login", "login-bad", "login-md5", "talk", "stats", "originate-wrong"], indirect=True
)
def test_what_is_answered(heard: dict[str, Any]) -> None:
    same(*transcripts(heard))


@pytest.mark.parametrize("heard", ["commands"], indirect=True)
def test_the_commands_both_know(heard: dict[str, Any]) -> None:
    theirs, ours = common_commands(transcripts(heard))
    same(theirs, ours)
    shown = {key for message in ours for key, _ in message}
    assert {"FAXSession", "FAXSessions", "FAXStats", "Originate", "Hangup", "ListCommands"} <= shown


@pytest.mark.parametrize(
    "heard", ["busy", "busy-waiting", "unknown-number", "declined", "congested", "ringing"], indirect=True
)
def test_calls_that_are_not_answered(heard: dict[str, Any]) -> None:
    theirs, ours = transcripts(heard)
    same(theirs, ours)
    assert "Hangup" in events(ours)


@pytest.mark.parametrize("heard", ["send"], indirect=True)
def test_a_fax_over_t38_looked_at_while_it_runs(heard: dict[str, Any]) -> None:
    theirs, ours = transcripts(heard)
    same(without_interim(theirs), ours)
    # So that two empty transcripts do not pass for equal.
    assert events(ours).count("FAXStatus") == 3
    record = next(m for m in ours if get(m, "Event") == "FAXSession")
    assert get(record, "ErrorCorrectionMode") == "Yes"
    assert get(record, "ImageResolution") == "8031x7700"
    assert ("FAXSTATUS", "SUCCESS") in variables(ours)
    assert any(get(m, "Message") == "Session not found" for m in ours)


@pytest.mark.parametrize("heard", ["audio"], indirect=True)
def test_a_fax_sent_over_audio(heard: dict[str, Any]) -> None:
    theirs, ours = transcripts(heard)
    same(without_interim(theirs), ours)
    assert "SendFAX" in events(ours)
    assert ("FAXMODE", "audio") in variables(ours)


@pytest.mark.parametrize("heard", ["receive"], indirect=True)
def test_a_fax_fetched(heard: dict[str, Any]) -> None:
    theirs, ours = (whoever_hangs_up(messages) for messages in transcripts(heard))
    same(without_interim(theirs), ours)
    assert "ReceiveFAX" in events(ours)
    assert ("FAXSTATUS", "SUCCESS") in variables(ours)


@pytest.mark.parametrize("heard", ["hung-up"], indirect=True)
def test_a_fax_hung_up_by_its_manager(heard: dict[str, Any]) -> None:
    theirs, ours = transcripts(heard)
    same(without_interim(theirs), ours)
    assert get(next(m for m in ours if get(m, "Event") == "Hangup"), "Cause-txt") == "User busy"


@pytest.mark.parametrize("heard", ["no-file", "no-arguments", "wrong-rates"], indirect=True)
def test_what_cannot_be_faxed_is_told_by_the_same_variables(heard: dict[str, Any]) -> None:
    theirs, ours = transcripts(heard)
    same(not_dialled(theirs), not_dialled(ours))
    assert "DialBegin" not in events(ours)
    assert get(next(m for m in ours if get(m, "Event") == "OriginateResponse"), "Response") == "Failure"
