# SPDX-License-Identifier: GPL-2.0-or-later
"""Admission of calls: which are taken, and whose they are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.station import StationConfig
from softfax.station.admission import ActiveCall, Admission, CallerHistory, CallFacts, Refusal, Screen, admit

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
        ({"blocked": ["0900*"]}, "0900123", CallerHistory(), 603),
        ({"blocked": ["+49221*"]}, "0221555", CallerHistory(), 603),
        ({"blocked": ["0221555"], "refuse_with": 486}, "0221555", CallerHistory(), 486),
        ({"blocked": ["0900*"]}, "0221", CallerHistory(), 200),
        ({"anonymous": False}, "anonymous", CallerHistory(), 603),
        ({"anonymous": False}, "", CallerHistory(), 603),
        ({"allowed": ["0221*"]}, "0221555", CallerHistory(), 200),
        ({"allowed": ["0221*"]}, "0222", CallerHistory(), 603),
        ({"allowed": ["0221*"]}, "anonymous", CallerHistory(), 603),
        ({"calls_per_hour": 5}, "0221", CallerHistory(calls=5), 486),
        ({"silent_calls": 3}, "0221", CallerHistory(silent=3), 603),
        ({"silent_calls": 3}, "0221", CallerHistory(silent=2), 200),
    ],
)
def test_callers_are_screened(screening: dict[str, Any], caller: str, history: CallerHistory, code: int) -> None:
    decision = admit(config(**screening), call(caller=caller), (), history)
    assert (decision.sip_code if isinstance(decision, Refusal) else 200) == code


def test_callers_are_remembered_for_an_hour_and_a_day() -> None:
    screen = Screen()
    for at in (0.0, 10.0, 4000.0):
        screen.called("a", at)
    screen.silent("a", 0.0)
    assert screen.history("a", 4000.0) == CallerHistory(1, 1)
    # They who show no number are not one caller.
    for _ in range(5):
        screen.called("anonymous", 0.0)
        screen.silent("anonymous.invalid", 0.0)
    assert screen.history("anonymous", 1.0) == screen.history("anonymous.invalid", 1.0) == CallerHistory(0, 0)
    assert screen.history("a", 90_000.0) == screen.history("b", 0.0) == CallerHistory(0, 0)


@given(st.text(max_size=300), st.text(max_size=300))
def test_whatever_a_far_end_writes_there_is_a_decision(caller: str, called: str) -> None:
    facts = CallFacts(caller_number=caller, called_number=called)
    assert isinstance(admit(config(blocked=["0*"], silent_calls=1), facts, ()), (Admission, Refusal))


def code_of(tables: dict[str, Any], facts: CallFacts, *active: ActiveCall) -> int:
    decision = admit(StationConfig.checked(tables, "the test"), facts, active)
    return decision.sip_code if isinstance(decision, Refusal) else 200


def test_some_channel_slots_are_kept_for_sending_and_strangers_have_half() -> None:
    tables: dict[str, Any] = {"sip": {"max_calls": 10}, "account": [{"name": "trunk", "server": "sip:trunk.example"}]}
    stranger, known = CallFacts(known=False), CallFacts(account="trunk")
    strangers, ours = ActiveCall("", "", known=False), ActiveCall("trunk", "")
    sending = ActiveCall("trunk", "", incoming=False)

    assert [code_of(tables, stranger, *[strangers] * n) for n in (4, 5)] == [200, 486]
    assert [code_of(tables, known, *[strangers] * 5, *[ours] * n) for n in (3, 4)] == [200, 486]
    assert [code_of(tables, known, *[ours] * 5, *[sending] * n) for n in (4, 5)] == [200, 486]

    given = {**tables, "sip": {"max_calls": 10, "sending_calls": 0, "unknown_calls": 1}}
    assert [code_of(given, known, *[ours] * n) for n in (9, 10)] == [200, 486]
    assert [code_of(given, stranger, *[strangers] * n) for n in (0, 1)] == [200, 486]
    nobody = {**tables, "sip": {"unknown_calls": 0}}
    assert (code_of(nobody, stranger), code_of(nobody, known)) == (403, 200)
    # Without accounts there is nobody to keep slots for.
    assert [code_of({"sip": {"max_calls": 4}}, stranger, *[strangers] * n) for n in (3, 4)] == [200, 486]


def test_a_stranger_who_calls_the_number_of_an_account_takes_none_of_its_channel_slots() -> None:
    named = CallFacts(account="trunk", known=False)
    strangers = [ActiveCall("trunk", "", known=False)] * 2
    tables: dict[str, Any] = {"account": [{"name": "trunk", "server": "sip:trunk.example", "max_calls": 2}]}
    assert code_of(tables, CallFacts(account="trunk"), *strangers) == 200
    assert code_of(tables, named, ActiveCall("trunk", ""), ActiveCall("trunk", "")) == 200


def test_where_an_account_says_where_its_calls_come_from_others_are_refused() -> None:
    trunk = {"name": "trunk", "server": "sip:192.0.2.10", "trusted": ["192.0.2.0/28"]}
    tables: dict[str, Any] = {"account": [trunk, {"name": "pbx", "server": "sip:pbx"}]}
    stranger = CallFacts(called_number="0309", known=False)
    assert [code_of(tables, one) for one in (stranger, CallFacts(account="trunk"), CallFacts(account="pbx"))] == [
        403,
        200,
        200,
    ]
    assert code_of({**tables, "sip": {"unknown_calls": 1}}, stranger) == 200
