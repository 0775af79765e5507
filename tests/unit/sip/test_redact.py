# SPDX-License-Identifier: GPL-2.0-or-later
"""Secrets do not stay in a logged SIP message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.sip.redact import redact


@pytest.mark.parametrize(
    "header",
    [
        'Authorization: Digest username="fax", response="SECRET"',
        'proxy-authorization : Digest username="fax",\r\n\tresponse="SECRET"',
        'AUTHORIZATION:\r\n Digest response="SECRET"',
        'Authentication-Info: rspauth="SECRET"',
        "Contact: <sip:fax:SECRET@192.0.2.1>",
    ],
)
def test_secrets_are_taken_out(header: str) -> None:
    message = f"INVITE sip:x@y SIP/2.0\r\nVia: v\r\n{header}\r\nCSeq: 1 INVITE\r\n\r\nv=0\r\n"

    shown = redact(message)

    assert "SECRET" not in shown
    assert "***" in shown
    assert shown.startswith("INVITE sip:x@y SIP/2.0\r\nVia: v\r\n")
    assert shown.endswith("CSeq: 1 INVITE\r\n\r\nv=0\r\n")


def test_the_rest_stays() -> None:
    message = "SIP/2.0 401 No\r\nWWW-Authenticate: Digest nonce=1\r\nTo: <sip:a@b:5060>;tag=c@d\r\n\r\n"

    assert redact(message) == message


@given(st.text(max_size=300))
def test_any_text_is_taken(text: str) -> None:
    assert isinstance(redact(text), str)


def test_keys_of_media_are_taken_out() -> None:
    sdp = "m=audio 1 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0|2^20;inline:b3RoZXI=\r\na=sendrecv\r\n"
    assert redact(sdp) == "m=audio 1 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***\r\na=sendrecv\r\n"
