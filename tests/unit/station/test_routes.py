# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers find their way: normal form, longest prefix, cost and priority, what each trunk wants, what comes after a failure."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from softfax.errors import ConfigError, UsageError
from softfax.station import StationConfig
from softfax.station.routes import DialPlan, RewriteRule, Route, RouteEntry, Routing, Trunk, available, fails_over
from softfax.station.rules import Rules

PLAN = DialPlan(country="49", rules=(RewriteRule(r"110|112", r"\g<0>"), RewriteRule(r"\*7(\d+)", r"+4930\1")))


@pytest.mark.parametrize(
    ("dialled", "normal", "national", "international"),
    [
        ("030 1234-56", "+4930123456", "030123456", "004930123456"),
        ("+49 (0)30 123456", "+4930123456", "030123456", "004930123456"),
        ("0049 30 123456", "+4930123456", "030123456", "004930123456"),
        ("+98 21 1234", "+98211234", "0098211234", "0098211234"),
        ("0098211234", "+98211234", "0098211234", "0098211234"),
        ("200", "200", "200", "200"),  # an extension
        ("112", "112", "112", "112"),
        ("0", "0", "0", "0"),  # the operator
        ("*71234", "+49301234", "0301234", "0049301234"),
        ("fax.office", "fax.office", "fax.office", "fax.office"),  # named ones: another name is another extension
        ("recv-audio", "recv-audio", "recv-audio", "recv-audio"),
    ],
)
def test_numbers_as_they_are_dialled_and_as_trunks_want_them(
    dialled: str, normal: str, national: str, international: str
) -> None:
    assert PLAN.normal(dialled) == normal
    assert PLAN.written(normal, "e164") == normal
    assert PLAN.written(normal, "digits") == normal.removeprefix("+")
    assert PLAN.written(normal, "national") == national
    assert PLAN.written(normal, "international") == international


def test_without_a_country_numbers_stay() -> None:
    assert DialPlan().normal("030 1234") == "0301234"
    assert DialPlan().normal("+49 (30) 12-34.5") == "+493012345"


TRUNKS = (
    Trunk(name="pbx", server="sip:pbx.example"),
    Trunk(name="cheap", server="sip:203.0.113.1:5070;transport=tcp", number_format="digits"),
    Trunk(name="home", server="sip:home.example", number_format="national", rules=(RewriteRule(r"0(.+)", r"9\1"),)),
    Trunk(name="raw", server="sip:raw.example", number_format="dialled", everything=False),
)
ROUTING = Routing(
    trunks=TRUNKS,
    routes=(
        RouteEntry(accounts=("pbx",)),
        RouteEntry(prefix="+49", accounts=("home", "pbx"), cost=2),
        RouteEntry(prefix="+49", accounts=("cheap", "pbx"), cost=1),
        RouteEntry(prefix="+4930", accounts=("raw",), cost=9),
    ),
    plan=PLAN,
)


@pytest.mark.parametrize(
    ("dialled", "account", "ways"),
    [
        ("+98 21 1", "", [("pbx", "sip:+98211@pbx.example")]),
        (
            "089 123",
            "",
            [
                ("cheap", "sip:4989123@203.0.113.1:5070;transport=tcp"),
                ("pbx", "sip:+4989123@pbx.example"),
                ("home", "sip:989123@home.example"),
            ],
        ),
        ("030 (123)", "", [("raw", "sip:030123@raw.example")]),
        ("030123", "pbx", [("pbx", "sip:+4930123@pbx.example")]),
        ("*#12", "raw", [("raw", "sip:*%2312@raw.example")]),
        ("sip:a@home.example", "", [("home", "sip:a@home.example")]),
        ("<sip:a@elsewhere.example;transport=tcp>", "", [("pbx", "sip:a@elsewhere.example;transport=tcp")]),
        ("sip:a@elsewhere.example", "raw", [("raw", "sip:a@elsewhere.example")]),
    ],
)
def test_ways(dialled: str, account: str, ways: list[tuple[str, str]]) -> None:
    assert [(c.account, c.uri) for c in ROUTING.routes_to(dialled, account)] == ways


def test_a_station_without_routes_or_without_accounts() -> None:
    assert Routing(trunks=TRUNKS).routes_to("+49301")[0].account == "pbx"
    assert len(Routing(trunks=TRUNKS).routes_to("+49301")) == 1
    assert Routing().routes_to("sip:a@b.example") == (Route("", "sip:a@b.example"),)
    assert Routing(trunks=TRUNKS[3:]).routes_to("sip:a@b.example") == (Route("", "sip:a@b.example"),)


@pytest.mark.parametrize(
    ("routing", "dialled", "account", "problem"),
    [
        (Routing(), "0301", "", "no account for the number 0301; configure an"),
        (ROUTING, "0301", "x", "there is no account x"),
        (ROUTING, "ä", "", "not a SIP URI or a number: 'ä'"),
        (ROUTING, "sip:", "", "not a SIP URI: 'sip:'"),
        (ROUTING, "()", "", "nothing is left of the number"),
        (ROUTING, "xx yy zz", "", "not a SIP URI or a number: 'xx yy zz'"),
        (ROUTING, "fax 2", "", "not a SIP URI or a number: 'fax 2'"),
        (Routing(trunks=TRUNKS, plan=PLAN), "00", "", "nothing is left of the number"),
        (
            Routing(trunks=TRUNKS, routes=(RouteEntry(prefix="+1", accounts=("pbx",)),)),
            "+49",
            "",
            "no route for the number",
        ),
    ],
)
def test_what_has_no_way(routing: Routing, dialled: str, account: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        routing.routes_to(dialled, account)


numbers = st.from_regex(r"\+?[0-9 ().-]{1,20}", fullmatch=True).filter(lambda text: any(ch.isdigit() for ch in text))
prefixes = st.from_regex(r"(\+?[0-9]{0,4})?", fullmatch=True)
route_tables = st.lists(
    st.builds(
        RouteEntry,
        prefix=prefixes,
        accounts=st.lists(st.sampled_from([t.name for t in TRUNKS]), min_size=1, max_size=3).map(tuple),
        cost=st.sampled_from([0.0, 1.0, 2.5]),
    ),
    max_size=6,
)


@given(numbers, route_tables)
def test_the_longest_prefix_counts_then_cost_then_the_order_given(dialled: str, routes: list[RouteEntry]) -> None:
    routing = Routing(trunks=TRUNKS, routes=(*routes, RouteEntry(accounts=("pbx",), cost=99)), plan=PLAN)
    number = PLAN.normal(dialled)
    assume(number != "+")
    ways = [c.account for c in routing.routes_to(dialled)]
    assert len(set(ways)) == len(ways)
    fitting = [r for r in routing.routes if number.startswith(r.prefix)]
    longest = [r for r in fitting if len(r.prefix) == max(len(f.prefix) for f in fitting)]
    assert set(ways) == {name for r in longest for name in r.accounts}
    assert ways[0] == min(longest, key=lambda r: r.cost).accounts[0]
    for choice in routing.routes_to(dialled):
        assert re.fullmatch(r"sip:[^@\s]+@[^@\s]+", choice.uri)


@given(numbers)
def test_a_normal_number_stays_normal_and_comes_back_from_every_way_of_writing_it(dialled: str) -> None:
    number = DialPlan(country="49").normal(dialled)
    if number.startswith("+"):
        plan = DialPlan(country="49")
        assert plan.normal(number) == number
        assert plan.normal(plan.written(number, "international")) == number
        if number.startswith("+49") and not number.startswith("+490"):
            assert plan.normal(plan.written(number, "national")) == number


@given(st.text(max_size=80), st.sampled_from(["", *(t.name for t in TRUNKS)]))
def test_whatever_is_dialled_has_ways_or_a_reason(dialled: str, account: str) -> None:
    with contextlib.suppress(UsageError):
        assert ROUTING.routes_to(dialled, account)


# ---- what is free, and what comes after a failure ------------------------------------------------------------------------

WAYS = tuple(Route(name, f"sip:1@{name}") for name in ("a", "b", "c"))


def test_a_full_account_is_left_out_and_one_that_is_down_comes_last() -> None:
    def left(**more: object) -> str:
        return "".join(c.account for c in available(WAYS, **{"limits": {"a": 2}, "active": {}, **more}))  # type: ignore[arg-type]

    assert left() == "abc"
    assert left(active={"a": 2, "b": 99}) == "bc"
    assert left(active={"a": 1}, down={"a"}) == "bca"
    assert left(limits={"a": 1, "b": 1, "c": 1}, active={"a": 1, "b": 1, "c": 1}) == ""


@pytest.mark.parametrize("code", [0, 401, 403, 407, 408, 500, 502, 503, 504, 580])
def test_what_is_the_trunks_fault_is_tried_elsewhere_unless_somebody_answered(code: int) -> None:
    assert fails_over(code, answered=False)
    assert not fails_over(code, answered=True)


@pytest.mark.parametrize("code", [200, 302, 404, 480, 484, 486, 487, 488, 600, 603])
def test_what_the_far_end_says_is_the_end(code: int) -> None:
    assert not fails_over(code, answered=False)


# ---- the tables of the configuration --------------------------------------------------------------------------------------

TABLES = """
[dialing]
country = "49"
[[dialing.rule]]
match = '\\*7(\\d+)'
replace = '+4930\\1'

[[account]]
name = "pbx"
server = "sip:pbx.example"
user = "fax"
register = true
[account.t38]
use = "accept"
version = 3
error_correction = "fec"
max_datagram = 1400
max_rate = 9600

[[account]]
name = "trunk-1"
server = "sip:192.0.2.1"
trusted = ["192.0.2.0/28"]
numbers = ["+49301234"]
codecs = ["PCMA"]
transport = "tcp"
proxy = false
number_format = "national"
max_calls = 4
[[account.rule]]
match = "0(.*)"
replace = '9\\1'

[[route]]
accounts = ["pbx"]
[[route]]
prefix = "+49"
accounts = ["trunk-1", "pbx"]
cost = 1.5
"""


def load(tmp_path: Path, text: str, **environ: str) -> StationConfig:
    path = tmp_path / "softfax.toml"
    path.write_text(text)
    return StationConfig.load(path, environ)


def test_tables_become_accounts_and_ways(tmp_path: Path) -> None:
    config = load(tmp_path, TABLES, SOFTFAX_PASSWORD_TRUNK_1="s1", SOFTFAX_PASSWORD="of the one that has none")
    pbx, trunk = config.sip_accounts()
    assert (pbx.proxy, pbx.transport, pbx.register, pbx.password) == (
        "sip:pbx.example",
        "udp",
        True,
        "of the one that has none",
    )
    assert (trunk.proxy, trunk.transport, trunk.codecs, trunk.password) == ("", "tcp", ("PCMA",), "s1")
    assert [(c.account, c.uri) for c in config.routing().routes_to("*7123")] == [
        ("trunk-1", "sip:930123@192.0.2.1"),
        ("pbx", "sip:+4930123@pbx.example"),
    ]
    assert config.routing().trunks[1].max_calls == 4
    wanted = config.account[0].t38.preferences()
    assert (wanted.offer, wanted.accept, wanted.version, wanted.error_correction) == (False, True, 3, "fec")
    assert (wanted.max_datagram, wanted.max_rate_bps) == (1400, 9600)
    assert not config.account[1].t38.model_copy(update={"use": "never"}).preferences().accept


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[[account]]\nserver = "sip:a"\n[[account]]\nserver = "sip:a"', "another account is called a too"),
        ('[[route]]\naccounts = ["x"]', r"route\[1\].accounts\[1\]: there is no account x"),
        ("[[route]]\naccounts = []", r"route\[1\]\.accounts"),
        ('[[route]]\nprefix = "a"\naccounts = ["x"]', r"route\[1\]\.prefix cannot be 'a'"),
        ('[[account]]\nserver = "sip:a"\ntrusted = ["b.example"]', r"account\[1\]\.trusted: not an address or network"),
        ('[[account]]\nserver = "sip:a"\nproxy = "b"', r"account\[1\]\.proxy.*: not a SIP URI: 'b'"),
        ('[[account]]\nserver = "sip:a"\nstun = "b:c"', r"account\[1\]\.stun: not a STUN server: 'b:c'"),
        ('[[account]]\nserver = "sip:a"\ncodecs = ["G729"]', r"account\[1\]\.codecs\[1\] cannot be 'G729'"),
        ('[[account]]\nserver = "sip:a"\ncodecs = []', r"account\[1\]: account a has no use for these codecs"),
        ('[[account]]\nserver = "sip:a"\ntls_certificate = "x"', r"account\[1\]: account a has half of a TLS certif"),
        ('[[account]]\nserver = "sip:a"\n[[account.rule]]\nmatch = "("\nreplace = ""', r"rule\[1\]: '\(' → ''"),
        ('[[account]]\nserver = "sip:a"\n[[account.rule]]\nmatch = "0"\nreplace = \'\\1\'', r"invalid group reference"),
        ('[[account]]\nserver = "sip:a"\n[account.t38]\nversion = 4', r"account\[1\]\.t38\.version cannot be '?4"),
        ('[dialing]\ncountry = "+49"', r"dialing\.country cannot be '\+49'"),
        ('[sip]\nuser_agent = "Fax\\r\\nX: y"', r"sip\.user_agent: use printable ASCII"),
    ],
)
def test_a_wrong_table_is_named(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        load(tmp_path, text)


def test_a_number_is_found_in_every_notation() -> None:
    rules = Rules(lambda: StationConfig.checked({"dialing": {"country": "49"}}, "the test"))
    assert {"+4930123", "030123", "004930123", "4930123"} <= set(rules.notations("030 123"))
    assert rules.notations("030 123")[0] == "030 123"
