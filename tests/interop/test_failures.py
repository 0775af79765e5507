# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that come to no fax: the right error, the right exit status, one clear line."""

from __future__ import annotations

import pytest

from tests.interop.checks import check_failure
from tests.interop.outcome import Outcome

pytestmark = [pytest.mark.peer, pytest.mark.sip]


@pytest.mark.parametrize(
    ("outcome", "sip_code", "says"),
    [
        ("busy", 486, "busy"),
        ("congestion", 503, "congest"),
        ("decline", 403, "403"),
        ("unknown", 404, "no such number"),
        ("wrong-password", 401, "password"),
    ],
    indirect=["outcome"],
)
def test_the_call_is_refused(outcome: Outcome, sip_code: int, says: str) -> None:
    check_failure(outcome, exit_status=3, says=says)
    ended = outcome.events[-2] if outcome.events[-2]["event"] == "call" else None
    calls = [e for e in outcome.events if e["event"] == "call"]
    assert (ended or calls[-1])["state"] == "ended"
    assert calls[-1]["sip_code"] == sip_code


@pytest.mark.parametrize("outcome", ["ring"], indirect=True)
def test_nobody_answers(outcome: Outcome) -> None:
    check_failure(outcome, exit_status=3, says="no answer")
    assert [e["state"] for e in outcome.events if e["event"] == "call"] == ["calling", "ringing", "ended"]
    assert outcome.seconds > 6


@pytest.mark.parametrize("outcome", ["silence", "voice"], indirect=True)
def test_no_fax_answers(outcome: Outcome) -> None:
    check_failure(outcome, exit_status=1, says="no fax was heard")
    assert outcome.result["error"] == "TIMEOUT"
    assert outcome.result["pages"] == 0


@pytest.mark.parametrize("outcome", ["echo"], indirect=True)
def test_we_hear_only_ourselves(outcome: Outcome) -> None:
    check_failure(outcome, exit_status=1, says="")
    assert outcome.result["pages"] == 0


@pytest.mark.parametrize("outcome", ["drop"], indirect=True)
def test_the_far_end_hangs_up_in_the_middle(outcome: Outcome) -> None:
    check_failure(outcome, exit_status=1, says="")
    assert outcome.result["error"] == "HANGUP"
    assert outcome.result["pages"] < 3


@pytest.mark.parametrize("outcome", ["t38only-refused"], indirect=True)
def test_the_far_end_insists_on_t38(outcome: Outcome) -> None:
    check_failure(outcome, exit_status=1, says="")
    assert outcome.result["mode"] == "audio"
    assert outcome.peer["Status"] == "FAILED"


@pytest.mark.parametrize("outcome", ["t38-not-offered"], indirect=True)
def test_we_insist_on_t38(outcome: Outcome) -> None:
    check_failure(outcome, exit_status=1, says="T.38")
    assert outcome.result["error"] == "T38_NEG_ERROR"


@pytest.mark.parametrize("outcome", ["register-refused"], indirect=True)
def test_the_registrar_refuses_us(outcome: Outcome) -> None:
    check_failure(outcome, exit_status=3, says="password")
    assert outcome.events == []


@pytest.mark.parametrize("outcome", ["interrupted-ringing"], indirect=True)
def test_interrupted_while_it_rings(outcome: Outcome) -> None:
    check_failure(outcome, exit_status=130, says="cancelled")
    assert [e["state"] for e in outcome.events if e["event"] == "call"] == ["calling", "ringing", "ended"]


@pytest.mark.parametrize("outcome", ["interrupted-sending"], indirect=True)
def test_interrupted_in_the_middle(outcome: Outcome) -> None:
    check_failure(outcome, exit_status=130, says="cancelled")
    assert outcome.result["pages"] == 0
    # The far end was told, and did not have to wait until it heard nothing more.
    assert outcome.peer["Status"] == "FAILED"


@pytest.mark.parametrize("outcome", ["interrupted-waiting"], indirect=True)
def test_interrupted_while_waiting(outcome: Outcome) -> None:
    assert outcome.exit_status == 130
    assert outcome.events == []
    assert "Traceback" not in outcome.stderr
