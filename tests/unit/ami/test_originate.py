# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading of an Originate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.ami.originate import Originate, caller_id, read, split_arguments
from softfax.ami.wire import Action, ActionError, Framer


def originate(**headers: str) -> Originate:
    values = {"Channel": "PJSIP/out/sip:a@b", "Application": "SendFAX", "Data": "/a.pdf,f", **headers}
    return read(Action(tuple(values.items())))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", [""]),
        ("a,b", ["a", "b"]),
        ("f(a,b),c", ["f(a,b)", "c"]),
        ('"a,b",c', ["a,b", "c"]),
        ("a\\,b,c\\\\", ["a,b", "c\\"]),
        (")a,b", [")a", "b"]),
    ],
)
def test_arguments_are_split_as_asterisk_does(text: str, parts: list[str]) -> None:
    assert split_arguments(text) == parts


@pytest.mark.parametrize(
    ("text", "number", "name"),
    [
        ('"A B" <123>', "123", "A B"),
        ("A B <123>", "123", "A B"),
        ("<123>", "123", ""),
        ("+49 (30) 123", "+49 (30) 123", ""),
        ("Just Name", "", "Just Name"),
        ("", "", ""),
    ],
)
def test_caller_ids(text: str, number: str, name: str) -> None:
    assert caller_id(text) == (number, name)


@pytest.mark.parametrize(
    ("channel", "destination", "account"),
    [
        ("PJSIP/out/sip:a@b:5060", "sip:a@b:5060", "out"),
        ("PJSIP/sip:a@b", "sip:a@b", ""),
        ("PJSIP/0301@trunk", "0301", "trunk"),
        ("SIP/trunk/0301", "0301", "trunk"),
        ("pjsip/0301", "0301", ""),
    ],
)
def test_channels(channel: str, destination: str, account: str) -> None:
    order = originate(Channel=channel).order
    assert order
    assert (order.destination, order.account) == (destination, account)


def test_a_technology_that_is_not_there() -> None:
    wanted = originate(Channel="DAHDI/1/0301")
    assert (wanted.order, wanted.wrong) == (None, "")


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("FAXOPT(modem)=v27,FAXOPT(maxrate)=14400", "incompatible 'modems' and 'maxrate' settings"),
        ("FAXOPT(modem)=v29,FAXOPT(minrate)=4800", "incompatible 'modems' and 'minrate' settings"),
        ("FAXOPT(maxrate)=4800,FAXOPT(minrate)=9600", "maxrate is less than minrate"),
        ("FAXOPT(maxrate)=1234", "invalid arguments"),
        ("FAXOPT(modem)=v17\\,v90", "invalid arguments"),
        (f"FAXOPT(localstationid)={'x' * 21}", "invalid arguments"),
    ],
)
def test_options_that_do_not_go_together(variable: str, text: str) -> None:
    wanted = originate(Variable=variable)
    assert (wanted.order, wanted.wrong) == (None, text)


_KEYS = st.sampled_from(
    "Channel Application Data Timeout Priority CallerID Variable Async Account ChannelId Exten Context".split()  # noqa: SIM905
)
_VALUES = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "PJSIP/a/b",
            "SendFAX",
            "ReceiveFAX",
            "/a&/b,fF",
            "99999999999999999999",
            "FAXOPT(ecm)=no",
            "FAXOPT(maxrate)=²",
            '"<',
        ],
    ),
)


@given(st.lists(st.tuples(_KEYS, _VALUES), max_size=12))
def test_whatever_comes_is_an_order_or_an_error_that_can_be_said(headers: list[tuple[str, str]]) -> None:
    octets = "".join(f"{key}: {value}\n" for key, value in headers).encode("utf-8", "surrogatepass")
    for action in Framer().feed(octets + b"\n\n"):
        try:
            wanted = read(action)
        except ActionError:
            continue
        assert wanted.order is None or wanted.order.destination
