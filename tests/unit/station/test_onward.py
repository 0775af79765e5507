# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that a gateway passes on, and where to: rules, no way back, the do-not-fax list, channel slots."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from softfax.errors import ConfigError, DoNotFaxError, LocalError, UsageError
from softfax.model import CallState, Direction, FaxContext, FaxResult
from softfax.station import StationConfig, making, wire
from softfax.station.admission import CallFacts, gateway_of
from softfax.station.call import FaxCall
from softfax.station.onward import ANSWERED_CIRCLE, CIRCLE, going_on, routes_onward
from softfax.station.rules import Rules

TABLES: dict[str, Any] = {
    "dialing": {"country": "49"},
    "account": [
        {"name": "pbx", "server": "sip:10.0.0.2"},
        {"name": "trunk", "server": "sip:trunk.example", "max_calls": 1},
        {"name": "spare", "server": "sip:spare.example", "number_format": "national"},
    ],
    "route": [{"accounts": ["pbx", "spare"]}],
    "gateway": [
        {
            "name": "few",
            "from": ["pbx"],
            "numbers": ["+4930*"],
            "callers": ["+4989123"],
            "accounts": ["trunk", "spare"],
        },
        {"name": "in", "from": ["trunk", "spare"], "to": "200", "accounts": ["pbx"]},
        {"name": "routed", "from": ["pbx"], "numbers": ["0221*"]},
    ],
}


def config(**tables: Any) -> StationConfig:
    return StationConfig.checked({**TABLES, **tables}, "the test")


def facts(account: str, called: str, caller: str = "089123", known: bool = True) -> CallFacts:
    return CallFacts(account=account, known=known, caller_number=caller, called_number=called)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (facts("pbx", "030555"), "few"),
        (facts("pbx", "+4930555"), "few"),
        (facts("pbx", "030555", caller="089124"), None),
        (facts("pbx", "0221555"), "routed"),
        (facts("pbx", "040555"), None),
        (facts("trunk", "anything", caller=""), "in"),
        (facts("trunk", "anything", known=False), None),
        (facts("", "030555"), None),
    ],
)
def test_the_first_rule_that_fits(call: CallFacts, name: str | None) -> None:
    found = gateway_of(config(), call)
    assert (found.name if found else None) == name


def ways(name: str, account: str, called: str, active: dict[str, int] | None = None, **forbidden: Any) -> list[str]:
    made = config()
    rules = Rules(lambda: made)
    rules.do_not_fax.update(forbidden)
    rule = next(one for one in made.gateway if one.name == name)
    return [f"{r.account} {r.uri}" for r in routes_onward(made, rules, rule, account, called, active or {})]


def test_numbers_are_written_as_each_account_wants_them() -> None:
    assert ways("few", "pbx", "+4930555") == ["trunk sip:+4930555@trunk.example", "spare sip:030555@spare.example"]
    assert ways("few", "pbx", "reception")[0] == "trunk sip:reception@trunk.example"
    assert ways("in", "trunk", "+4930123") == ["pbx sip:200@10.0.0.2"]


def test_no_call_goes_back() -> None:
    assert ways("routed", "pbx", "0221555") == ["spare sip:0221555@spare.example"]
    with pytest.raises(UsageError):
        ways("in", "pbx", "1")
    with pytest.raises(ConfigError, match="go back"):
        config(gateway=[{"name": "circle", "from": ["pbx"], "accounts": ["pbx"]}])


def test_the_do_not_fax_list_holds() -> None:
    with pytest.raises(DoNotFaxError):
        ways("few", "pbx", "+4930555", **{"+4930555": ("asked", 0.0)})


def test_full_accounts_are_passed_over() -> None:
    assert ways("few", "pbx", "+4930555", {"trunk": 1}) == ["spare sip:030555@spare.example"]
    made = config(gateway=[{"name": "one", "from": ["pbx"], "accounts": ["trunk"]}])
    with pytest.raises(LocalError):
        routes_onward(made, Rules(lambda: made), made.gateway[0], "pbx", "1", {"trunk": 1})


async def _calls(count: int, state: CallState | None) -> list[wire.Message]:
    made = config()
    calls: list[FaxCall] = []
    orders: list[wire.Message] = []
    for number in range(count):
        context = FaxContext(
            fax_id=str(number), direction=Direction.GATEWAY, outgoing=False, session_number=number, unique_id="",
            channel="", caller_number="089123", called_number="030555", entry_point="pbx",
        )  # fmt: skip
        result: asyncio.Future[FaxResult] = asyncio.get_running_loop().create_future()
        calls.append(FaxCall(context=context, session=making.first_session(context), result=result))
        orders.append(going_on(made, Rules(lambda: made), "few", calls[-1], calls, ()))
        calls[-1].call_state = state
    return orders


@pytest.mark.parametrize(("count", "state"), [(CIRCLE, CallState.RINGING), (ANSWERED_CIRCLE, CallState.ANSWERED)])
def test_calls_in_a_circle_end(count: int, state: CallState) -> None:
    *passed, last = asyncio.run(_calls(count + 1, state))
    assert all(isinstance(order, wire.Bridge) for order in passed)
    assert isinstance(last, wire.Refuse)
    assert last.sip_code == 482


@pytest.mark.parametrize(
    "rule",
    [
        {"from": ["nobody"]},
        {"from": ["pbx"], "accounts": ["nobody"]},
        {"from": []},
        {"from": ["pbx"], "name": ""},
        {"from": ["pbx"], "listen": "early", "hand_on": "refer"},
        {"from": ["pbx"], "listen": "answer", "hand_on": "redirect"},
        {"from": ["pbx"], "listen": "always"},
        {"from": ["pbx"], "swml": "fax.yaml", "to": "200"},
    ],
)
def test_mistakes_are_found(rule: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        config(gateway=[{"name": "x", **rule}])
