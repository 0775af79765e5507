# SPDX-License-Identifier: GPL-2.0-or-later
"""No secret gets into a log."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.ops.redact import Redactor

S = "s3cr3t-Value"


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {S}",
        f'Authorization: Digest username="fax", response="{S}"\r\n more="{S}"',
        f"{{'authorization': 'Basic {S}', 'x': 1}}",
        f"sent with Bearer {S}, refused",
        f"Cookie: session={S}; other={S}",
        f"https://user:{S}@host.example/path",
        f"postgresql+psycopg://softfax:{S}@db/softfax",
        f"sip:fax:{S}@pbx.example",
        f"GET /hook?token={S}&x=1",
        f"https://x.example/?api_key={S}",
        f"password={S} next",
        f"SOFTFAX_PASSWORD={S}",
        f'{{"password": "{S}", "user": "fax"}}',
        json.dumps({"auth_token": S, "n": 1}),
        f"secret: '{S}'",
        f"Action: Login\r\nUsername: crm\r\nSecret: {S}\r\n",
        f"client_secret = {S}",
    ],
)
def test_secrets_are_taken_out(text: str) -> None:
    shown = Redactor()(text)
    assert S not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "text",
    [
        "fax 0123456789abcdef01234567: received 3 pages from +49 30 1234567",
        "https://host.example:8443/v1/faxes?limit=5",
        "there is no key sip.listen; use one of listen, transport",
        "the password of account pbx was rejected (401 Unauthorized)",
        "basic authentication is wanted",
        "call to 1234: state=answered sip_code=200",
        "keepalive=15 token ring",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert Redactor()(text) == text


def test_the_secrets_of_the_configuration_are_known() -> None:
    redact = Redactor(["hunter22", "abc", "hunter22-long"])
    assert redact("I said hunter22-long, then hunter22") == "I said ***, then ***"
    assert redact("abc is too short to look for") == "abc is too short to look for"


@given(st.text(), st.text(alphabet=st.characters(categories=["L", "N"]), min_size=6, max_size=20))
def test_a_known_secret_never_passes(text: str, secret: str) -> None:
    shown = Redactor([secret])(f"{text}{secret}{text}")
    assert secret not in shown or secret in text * 2 or set(secret) <= {"*"}
