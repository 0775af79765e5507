# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses that are fax numbers, those who may send, and what Authentication-Results prove."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.errors import ConfigError, UsageError
from softfax.mail.addresses import is_sender, parse_recipient, passed, sender_rule
from softfax.station import StationConfig
from softfax.station.config.mail import MailSenderConfig

DOMAINS = ("fax.example", "fax2.example")
ID = "mx.example"


@pytest.mark.parametrize(
    ("local", "number", "tag"),
    [
        ("+493012345", "+493012345", ""),
        ("03012345", "03012345", ""),
        ("030-123.45", "03012345", ""),
        ("112", "112", ""),
        ("fax=+493012345", "+493012345", ""),
        ("FAX=03012345", "03012345", ""),
        ("03012345+invoice-7", "03012345", "invoice-7"),
        ('"+493012345"', "+493012345", ""),
    ],
)
def test_a_number(local: str, number: str, tag: str) -> None:
    recipient = parse_recipient(f"{local}@FAX.example.", DOMAINS)
    assert (recipient.number, recipient.tag) == (number, tag)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "03012345",
        "03012345@elsewhere.example",
        "@fax.example",
        "anna@fax.example",
        "name=03012345@fax.example",
        "fax=@fax.example",
        "*21*0900@fax.example",
        "03012345#@fax.example",
        "%230301@fax.example",
        "0301%elsewhere.example@fax.example",
        "elsewhere.example!0301@fax.example",
        "@relay.example:0301@fax.example",
        "0301/T33S=12@fax.example",
        "+49+30@fax.example",
        "03012345+@fax.example",
        "+49(0)3012345@fax.example",
        '"0301@evil.example"@fax.example',
        "sip:0301@fax.example",
        "0301;phone-context=1@fax.example",
        "٠٣٠١@fax.example",
        "1" * 33 + "@fax.example",
        "0" * 10_000 + "@fax.example",
        "0301-@fax.example",
        "03 01@fax.example",
        "0301\r\nRCPT@fax.example",
    ],
)
def test_no_number(address: str) -> None:
    with pytest.raises(UsageError):
        parse_recipient(address, DOMAINS)


@given(st.text(max_size=60))
def test_what_is_dialled_is_digits(local: str) -> None:
    try:
        number = parse_recipient(f"{local}@fax.example", DOMAINS).number
    except UsageError:
        return
    assert number.isascii()
    assert number.removeprefix("+").isdigit()


def test_only_plain_addresses_are_senders() -> None:
    assert is_sender("anna.o'neil+fax@clinic.example")
    assert is_sender("müller@clinic.example")
    for odd in (
        "",
        "<>",
        "a,b@x.example",
        "a@b@x.example",
        '"a"@x.example',
        "a@x.example>",
        "a @x.example",
        "a:b@x",
        "a\n@x",
    ):
        assert not is_sender(odd)
    assert not is_sender("a" * 65 + "@x.example")


def test_the_most_exact_rule_counts() -> None:
    everybody, clinic, anna = (MailSenderConfig(address=one) for one in ("*", "@clinic.example", "Anna@clinic.example"))
    rules = (everybody, anna, clinic)
    assert sender_rule("ANNA@clinic.example", rules) is anna
    assert sender_rule("ben@clinic.example", rules) is clinic
    assert sender_rule("ben@sub.clinic.example", rules) is everybody
    assert sender_rule("ben@sub.clinic.example", (clinic, anna)) is None
    assert sender_rule("nobody", rules) is None


@pytest.mark.parametrize(
    "results",
    [
        "mx.example; dmarc=pass header.from=clinic.example",
        "mx.example 1; spf=fail smtp.mailfrom=x.example; dmarc=pass (p=reject; dis=none) header.from=Clinic.Example",
        "mx.example; dkim=pass (2048-bit key) header.d=clinic.example header.i=@clinic.example header.b=abc",
        'mx.example; dkim=pass reason="good signature" header.i=@clinic.example',
        "mx.example; spf=pass smtp.mailfrom=anna@clinic.example",
        "mx.example; spf=pass smtp.mailfrom=clinic.example",
        'mx.example; spf=pass smtp.mailfrom="anna o"@clinic.example',
    ],
)
def test_what_proves_a_sender(results: str) -> None:
    assert passed([results], ID, "clinic.example")


@pytest.mark.parametrize(
    "results",
    [
        "",
        "mx.example; none",
        "mx.example; dmarc=fail header.from=clinic.example",
        "mx.example; dmarc=passed header.from=clinic.example",
        "other.example; dmarc=pass header.from=clinic.example",
        "mx.example.evil.example; dmarc=pass header.from=clinic.example",
        "mx.example; dmarc=pass header.from=evil.example",
        "mx.example; dkim=pass header.d=example",
        "mx.example; dkim=pass header.d=evil.example header.i=@clinic.example",
        "mx.example; spf=pass smtp.mailfrom=anna@sub.clinic.example",
        "mx.example; spf=pass smtp.helo=clinic.example",
        # What the sender chose reads like a result.
        'mx.example; spf=pass smtp.mailfrom="x; dmarc=pass header.from=clinic.example"@evil.example',
        'mx.example; spf=pass smtp.mailfrom="x\\"; dmarc=pass header.from=clinic.example"@evil.example',
        "mx.example; dkim=fail (; dmarc=pass header.from=clinic.example) header.d=evil.example",
        "mx.example; dkim=fail (a\\); dmarc=pass header.from=clinic.example) header.d=evil.example",
        'mx.example; dkim=fail reason="; dmarc=pass header.from=clinic.example',
        "mx.example; spf=pass smtp.mailfrom=header.from=clinic.example smtp.mailfrom=clinic.example",
        "mx.example (; x; dmarc=pass header.from=clinic.example",
    ],
)
def test_what_proves_nothing(results: str) -> None:
    assert not passed([results], ID, "clinic.example")


@given(st.text(max_size=200))
def test_results_of_any_kind_are_read(text: str) -> None:
    assert not passed(
        [f'{ID}; spf=pass smtp.mailfrom="{text!r}"@evil.example'.replace("clinic", "")], ID, "clinic.example"
    )


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"listen": "0.0.0.0:25"}, "nobody who reaches 0.0.0.0:25 is known"),
        ({"listen": "[::]:25", "trusted_networks": ["127.0.0.0/8"]}, "nobody who reaches"),
        ({"trusted_networks": ["0.0.0.0/0"]}, "is everybody"),
        ({"trusted_networks": ["::/0"]}, "is everybody"),
        ({"user": [{"name": "a", "password": "12345678"}]}, "over TLS only"),
        ({"tls_certificate": "x"}, "go together"),
        ({"sender": []}, "nobody may send"),
        ({"sender": [{"address": "clinic.example"}]}, "write name@host"),
        ({"domains": ["a b"]}, "is not a domain"),
    ],
)
def test_a_configuration_that_lets_in_nobody_or_everybody_is_a_mistake(more: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        StationConfig.checked({"mail": {"sender": [{"address": "@clinic.example"}], **more}}, "the configuration")


def test_beyond_loopback_for_a_known_mail_server() -> None:
    table = {"listen": "0.0.0.0:25", "trusted_networks": ["192.0.2.25"], "sender": [{"address": "*"}]}
    assert StationConfig.checked({"mail": table}, "the configuration").mail is not None
