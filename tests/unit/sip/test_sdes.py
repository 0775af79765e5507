# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys of SRTP in SDP: what is offered, taken, refused, and what no octets can do."""

from __future__ import annotations

import base64
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.errors import UsageError
from softfax.sip import sdes
from softfax.sip.accounts import check_accounts
from softfax.sip.sdes import LocalKeys, crypto_of
from softfax.sip.sdp import SdpError
from softfax.sip.secure import security_of
from softfax.sip.types import SipAccount

Policy = Literal["off", "optional", "required"]
LONG, SHORT = sdes.SUITES
KEY = base64.b64encode(bytes(range(30))).decode()
HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
OURS = f"{HEAD}m=audio 4000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\n"


def audio(transport: str, *cryptos: str) -> str:
    return f"{HEAD}m=audio 5000 {transport} 0 8\r\n" + "".join(f"a=crypto:{c}\r\n" for c in cryptos)


@pytest.mark.parametrize(
    ("value", "tag", "lifetime"),
    [
        (f"1 {LONG} inline:{KEY}", 1, 0),
        (f"7 {SHORT} inline:{KEY}|2^31", 7, 2**31),
        (f"2 {LONG} inline:{KEY}|1048576 WSH=128", 2, 1 << 20),
        (f"2 {LONG} inline:{KEY} -SOMETHING", 2, 0),  # what begins with - may be passed over
    ],
)
def test_keys_that_can_be_used(value: str, tag: int, lifetime: int) -> None:
    crypto = crypto_of(value)
    assert crypto is not None
    assert (crypto.tag, crypto.key, crypto.lifetime) == (tag, bytes(range(30)), lifetime)
    assert KEY not in repr(crypto)


@pytest.mark.parametrize(
    "value",
    [
        f"1 F8_128_HMAC_SHA1_80 inline:{KEY}",
        f"1 {LONG} inline:{KEY[:-4]}",
        f"1 {LONG} inline:{KEY}|2^20|1:4",  # a master key identifier
        f"1 {LONG} inline:{KEY};inline:{KEY}",
        f"1 {LONG} inline:{KEY} UNENCRYPTED_SRTP",
        f"1 {LONG} inline:{KEY} KDR=1",
        f"1 {LONG} inline:{KEY}|2^49",
        f"1 {LONG} inline:{KEY}|0",
        f"1 {LONG} uri:{KEY}",
        "",
    ],
)
def test_keys_that_cannot(value: str) -> None:
    assert crypto_of(value) is None


@pytest.mark.parametrize(("policy", "transport"), [("required", "RTP/SAVP"), ("optional", "RTP/AVP")])
def test_an_offer_has_a_key_for_each_suite(policy: Policy, transport: str) -> None:
    keys = LocalKeys()
    text = sdes.secured(policy, OURS, None, keys)
    assert f"m=audio 4000 {transport} 0 8\r\n" in text
    assert [f"1 {LONG}", f"2 {SHORT}"] == [
        line[9:].partition(" inline:")[0] for line in text.split("\r\n") if "crypto" in line
    ]
    assert len(set(keys.of.values())) == 2
    assert not any(base64.b64encode(key).decode() in repr(keys) for key in keys.of.values())
    # Offered again in the same call, nothing is drawn anew.
    assert sdes.secured(policy, OURS, None, keys) == text


@pytest.mark.parametrize(
    ("policy", "offer", "answered"),
    [
        (
            "required",
            audio("RTP/SAVP", f"3 {SHORT} inline:{KEY}", f"4 {LONG} inline:{KEY}"),
            ("RTP/SAVP", f"a=crypto:3 {SHORT}"),
        ),
        (
            "required",
            audio("RTP/SAVP", f"3 NULL inline:{KEY}", f"4 {LONG} inline:{KEY}"),
            ("RTP/SAVP", f"a=crypto:4 {LONG}"),
        ),
        ("required", audio("RTP/AVP", f"1 {LONG} inline:{KEY}"), ("RTP/AVP", f"a=crypto:1 {LONG}")),
        ("optional", audio("RTP/SAVP", f"1 {LONG} inline:{KEY}"), ("RTP/SAVP", f"a=crypto:1 {LONG}")),
        ("optional", audio("RTP/AVP", f"1 {LONG} inline:{KEY}"), ("RTP/AVP", f"a=crypto:1 {LONG}")),
        ("optional", audio("RTP/AVP", "1 NULL inline:x"), ("RTP/AVP", "")),
        ("optional", audio("RTP/AVP"), ("RTP/AVP", "")),
        ("off", audio("RTP/AVP", f"1 {LONG} inline:{KEY}"), ("RTP/AVP", "")),
        ("required", audio("RTP/AVP"), None),
        ("required", audio("RTP/SAVP"), None),
        ("optional", audio("RTP/SAVP", "1 NULL inline:x"), None),
        ("off", audio("RTP/SAVP", f"1 {LONG} inline:{KEY}"), None),
        ("optional", audio("RTP/SAVPF", f"1 {LONG} inline:{KEY}"), None),
    ],
)
def test_answers(policy: Policy, offer: str, answered: tuple[str, str] | None) -> None:
    keys = LocalKeys()
    if answered is None:
        with pytest.raises(SdpError):
            sdes.secured(policy, OURS, offer, keys)
        return
    text = sdes.secured(policy, OURS, offer, keys)
    assert f"m=audio 4000 {answered[0]} 0 8\r\n" in text
    assert [line.partition(" inline")[0] for line in text.split("\r\n") if "crypto" in line] == [answered[1]] * bool(
        answered[1]
    )
    agreed = sdes.agreed(policy, text, offer)
    assert (agreed is not None) == bool(answered[1])
    if agreed is not None:
        assert (agreed.ours, agreed.theirs) == (keys.of[agreed.suite], bytes(range(30)))


def test_an_answer_is_held_to_what_was_offered() -> None:
    offer = sdes.secured("required", OURS, None, LocalKeys())
    assert sdes.agreed("required", offer, audio("RTP/SAVP", f"2 {SHORT} inline:{KEY}")) is not None
    for answer in (
        audio("RTP/SAVP"),
        audio("RTP/SAVP", f"2 {LONG} inline:{KEY}"),
        audio("RTP/SAVP", f"9 {LONG} inline:{KEY}"),
        offer,  # our own keys
        HEAD,
    ):
        with pytest.raises(SdpError):
            sdes.agreed("required", offer, answer)
    plain = sdes.secured("optional", OURS, None, LocalKeys())
    assert sdes.agreed("optional", plain, audio("RTP/AVP")) is None


def test_t38_beside_audio_is_left_alone() -> None:
    image = f"{HEAD}m=image 4000 udptl t38\r\na=T38FaxVersion:0\r\n"
    assert sdes.secured("required", image, None, LocalKeys()) == image


def account(**more: object) -> SipAccount:
    return SipAccount(name="a", server="sip:a.example", **more)  # type: ignore[arg-type]


def test_keys_go_over_tls_unless_that_is_said_otherwise() -> None:
    with pytest.raises(UsageError, match="srtp_without_tls"):
        check_accounts([account(srtp="optional")])
    check_accounts(
        [
            account(srtp="optional", transport="tls"),
            SipAccount(name="b", server="sip:b", srtp="required", srtp_without_tls=True),
        ]
    )
    assert security_of(account(srtp="optional"), by_tls=False).policy == "off"
    assert security_of(account(srtp="required"), by_tls=False).refuse
    assert not security_of(account(srtp="required"), by_tls=True).refuse
    assert security_of(account(srtp="optional", srtp_without_tls=True), by_tls=False).policy == "optional"


@given(
    st.sampled_from(["off", "optional", "required"]),
    st.text(alphabet="am=crypto:1 2^|inlRTP/SAVud50\r\n" + KEY, max_size=300),
)
def test_no_text_does_harm(policy: Policy, text: str) -> None:
    for offer in (text, HEAD + text, audio("RTP/SAVP", text.replace("\r", "").replace("\n", ""))):
        try:
            sdes.secured(policy, OURS, offer, LocalKeys())
            sdes.agreed(policy, OURS, offer)
        except SdpError:
            pass
