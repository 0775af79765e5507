# SPDX-License-Identifier: GPL-2.0-or-later
"""Headers in which far ends write who calls whom, in all the ways they write it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.sip.headers import display_name, headers_of, is_private, number_of, sdp_of
from softfax.station import StationConfig, making


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ('"A \\"B\\"" <sip:+4930@pbx.example;user=phone>;tag=1', "+4930"),
        ("sip:pbx.example:5060", "pbx.example:5060"),
        ("<tel:+4930777;phone-context=example>;tag=1", "+4930777"),
        ('"Fax" <sip:+4930777@h>, <tel:+4930778>', "+4930777"),
        ('"sip:+4911@x" <sip:+4930777@h>', "+4930777"),
        ('"a, <sip:+4911@x>" <sip:+4930777@h>', "+4930777"),
        ("<sip:%2B4930777@h>", "+4930777"),
        ("<sip:a%0d%0ab@h>", "a%0d%0ab"),
        ("<sip:+4930777;npdi;rn=+4999@h;user=phone>", "+4930777"),
        ("SIPS:+4930777:secret@h", "+4930777"),
        ("sip:+4930777@h;tag=1", "+4930777"),
        ("nonsense", ""),
        ("", ""),
    ],
)
def test_the_number_in_a_header(said: str, number: str) -> None:
    assert number_of(said) == number


def test_names_in_a_header() -> None:
    assert display_name('"A \\"B\\"" <sip:x@y>') == 'A "B"'
    assert display_name("Fax Office <sip:x@y>;tag=2") == "Fax Office"
    assert display_name("<sip:x@y>") == display_name("sip:x@y") == ""


def test_headers_folded_compact_and_repeated() -> None:
    found = headers_of(
        'INVITE sip:fax@h SIP/2.0\r\nf: "A"\r\n <sip:1@h>\r\n\t;tag=1\r\nT : <sip:2@h>\r\nto: <sip:3@h>\r\np-called-party-id: <sip:4@h>\r\nEmpty:\r\n'
    )
    assert found == {
        "From": '"A" <sip:1@h> ;tag=1',
        "To": "<sip:2@h>",
        "P-Called-Party-Id": "<sip:4@h>",
        "Request-URI": "sip:fax@h",
    }


@pytest.mark.parametrize(
    ("account", "request_uri", "headers", "called"),
    [
        # The number is in the request; what else is said does not count.
        ({}, "sip:+4930777@here", {"To": "<sip:+4930888@h>", "Diversion": "<sip:+4930999@h>"}, "+4930777"),
        # Called by the name that was registered.
        ({"register": True}, "sip:fax@here", {"To": "<sip:+4930888@h>"}, "+4930888"),
        ({"register": True}, "sip:fax@here", {"To": "<sip:1@h>", "P-Called-Party-Id": "<tel:+4930777>"}, "+4930777"),
        ({"register": True}, "sip:+4930777@here", {"To": "<sip:+4930888@h>"}, "+4930777"),
        ({"register": True}, "sip:fax@here", {}, "fax"),
        # As the account says; the request where that header is missing.
        ({"called": "to"}, "sip:+4930777@here", {"To": "<sip:+4930888@h>"}, "+4930888"),
        ({"called": "diversion"}, "sip:+4930777@here", {"Diversion": "<sip:+4930999@h>;reason=x"}, "+4930999"),
        ({"called": "X-DID"}, "sip:+4930777@here", {"X-Did": "tel:+4930666"}, "+4930666"),
        ({"called": "request-uri", "register": True}, "sip:fax@here", {"To": "<sip:+4930888@h>"}, "fax"),
        ({"called": "diversion"}, "sip:+4930777@here", {}, "+4930777"),
    ],
)
def test_which_number_was_called(
    account: dict[str, Any], request_uri: str, headers: dict[str, str], called: str
) -> None:
    tables = {"account": [{"name": "pbx", "server": "sip:pbx.example", "user": "fax", **account}]}
    config = StationConfig.checked(tables, "the test")
    call: Any = SimpleNamespace(
        account="pbx",
        known=True,
        remote_uri="<sip:a@b>",
        local_uri="",
        headers={"Request-URI": request_uri, **headers},
    )
    assert number_of(making.arrived(config, call, "f").called) == called


@given(st.text(max_size=700), st.text(max_size=300))
def test_whatever_stands_there(head: str, body: str) -> None:
    for text in (head, body):
        assert len(number_of(text)) <= 128
        assert "\n" not in number_of(text)
    assert isinstance(headers_of(head), dict)
    sdp_of(f"x\r\nContent-Type: multipart/mixed;boundary={body[:9]}", head)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("<sip:30123;phone-context=+49@gw.example;user=phone>", "+4930123"),
        ("tel:30-123;phone-context=+49;x=1", "+4930123"),
        ("<tel:30123;phone-context=example.com>", "30123"),
        ("tel:+4930;phone-context=+1", "+4930"),
        ("sip:fax;phone-context=+49@gw.example", "fax"),
    ],
)
def test_a_local_number_with_a_global_context_is_what_it_stands_for(text: str, number: str) -> None:
    assert number_of(text) == number


def test_a_caller_that_wants_to_stay_unknown() -> None:
    assert is_private({"Privacy": "critical; ID"})
    assert not is_private({"Privacy": "none"})
    assert not is_private({})
