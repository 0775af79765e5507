# SPDX-License-Identifier: GPL-2.0-or-later
"""Which calls are taken, and whose they are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.station import StationConfig
from softfax.station.admission import ActiveCall, Admission, CallFacts, History, Refusal, Screen, admit

TABLES: dict[str, Any] = {
    "fax": {"ident": "HOUSE"},
    "sip": {"max_calls": 3},
    "dialing": {"country": "49"},
    "account": [{"name": "trunk", "server": "sip:trunk.example", "max_calls": 2}],
    "mailbox": [
        {"name": "sales", "numbers": ["03012*"], "ident": "SALES", "max_calls": 1},
        {"name": "law", "numbers": ["0301234", "+4930777"]},
        {"name": "rest", "numbers": ["*"]},
    ],
}


def config(**screening: Any) -> StationConfig:
    return StationConfig.checked({**TABLES, "screening": screening}, "the test")


def call(called: str = "0309", caller: str = "0221555", account: str = "") -> CallFacts:
    return CallFacts(account=account, caller_number=caller, called_number=called)


@pytest.mark.parametrize(
    ("called", "mailbox", "ident"),
    [
        ("0301299", "sales", "SALES"),
        ("0301234", "law", "HOUSE"),
        ("030777", "law", "HOUSE"),
        ("004930777", "law", "HOUSE"),
        ("(030) 12-99", "sales", "SALES"),
        ("fax", "rest", "HOUSE"),
    ],
)
def test_the_longest_pattern_that_fits_has_the_fax(called: str, mailbox: str, ident: str) -> None:
    assert admit(config(), call(called), ()) == Admission(mailbox, ident)


def test_lines_are_counted_for_all_for_an_account_and_for_a_mailbox() -> None:
    def code(facts: CallFacts, *active: ActiveCall) -> int:
        decision = admit(config(), facts, active)
        return decision.sip_code if isinstance(decision, Refusal) else 200

    other, trunk, sales = ActiveCall("", "rest"), ActiveCall("trunk", "rest"), ActiveCall("", "sales")
    assert [code(call(), *[other] * n) for n in range(4)] == [200, 200, 200, 486]
    assert (code(call(account="trunk"), trunk, trunk), code(call(), trunk, trunk)) == (486, 200)
    assert (code(call("030125"), sales), code(call("0301234"), sales)) == (486, 200)


@pytest.mark.parametrize(
    ("screening", "caller", "history", "code"),
    [
        ({"blocked": ["0900*"]}, "0900123", History(), 603),
        ({"blocked": ["+49221*"]}, "0221555", History(), 603),
        ({"blocked": ["0221555"], "refuse_with": 486}, "0221555", History(), 486),
        ({"blocked": ["0900*"]}, "0221", History(), 200),
        ({"anonymous": False}, "anonymous", History(), 603),
        ({"anonymous": False}, "", History(), 603),
        ({"allowed": ["0221*"]}, "0221555", History(), 200),
        ({"allowed": ["0221*"]}, "0222", History(), 603),
        ({"allowed": ["0221*"]}, "anonymous", History(), 603),
        ({"calls_per_hour": 5}, "0221", History(calls=5), 486),
        ({"silent_calls": 3}, "0221", History(silent=3), 603),
        ({"silent_calls": 3}, "0221", History(silent=2), 200),
    ],
)
def test_callers_are_screened(screening: dict[str, Any], caller: str, history: History, code: int) -> None:
    decision = admit(config(**screening), call(caller=caller), (), history)
    assert (decision.sip_code if isinstance(decision, Refusal) else 200) == code


def test_callers_are_remembered_for_an_hour_and_a_day() -> None:
    screen = Screen()
    for at in (0.0, 10.0, 4000.0):
        screen.called("a", at)
    screen.silent("a", 0.0)
    assert screen.history("a", 4000.0) == History(1, 1)
    # They who show no number are not one caller.
    for _ in range(5):
        screen.called("anonymous", 0.0)
        screen.silent("anonymous.invalid", 0.0)
    assert screen.history("anonymous", 1.0) == screen.history("anonymous.invalid", 1.0) == History(0, 0)
    assert screen.history("a", 90_000.0) == screen.history("b", 0.0) == History(0, 0)


@given(st.text(max_size=300), st.text(max_size=300))
def test_whatever_a_far_end_writes_there_is_a_decision(caller: str, called: str) -> None:
    facts = CallFacts(caller_number=caller, called_number=called)
    assert isinstance(admit(config(blocked=["0*"], silent_calls=1), facts, ()), (Admission, Refusal))
