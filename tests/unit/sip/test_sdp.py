# SPDX-License-Identifier: GPL-2.0-or-later
"""T.38 in SDP: what real peers send, what we answer, and any garbage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.errors import UsageError
from softfax.sip import sdp
from softfax.sip.sdp import SdpError, T38Parameters
from softfax.sip.types import parse_listen, split_uri

ASTERISK = """v=0
o=- 436596278 436596281 IN IP4 127.0.0.1
s=Asterisk
c=IN IP4 127.0.0.1
t=0 0
m=image 17745 udptl t38
a=T38FaxVersion:0
a=T38MaxBitRate:14400
a=T38FaxRateManagement:transferredTCF
a=T38FaxMaxDatagram:1400
a=T38FaxUdpEC:t38UDPRedundancy
"""
MIXED = """v=0
o=- 1 2 IN IP4 192.0.2.9
s=-
t=0 0
m=audio 0 RTP/AVP 0 8
m=video 4000 RTP/AVP 99
m=image 4002 udptl t38
c=IN IP4 192.0.2.10
a=t38faxversion: 3
a=T38MaxBitRate:33600
a=T38FaxRateManagement:localTCF
a=T38FaxUdpEC:t38UDPFEC
a=T38FaxFillBitRemoval
a=T38FaxTranscodingMMR:0
"""


def test_asterisks_offer_is_understood() -> None:
    description = sdp.parse(ASTERISK)
    line = sdp.t38_line(description)

    assert line is not None
    assert sdp.t38_remote(description, line) == ("127.0.0.1", 17745)
    assert sdp.t38_parameters(line) == T38Parameters(
        version=0, max_bitrate_bps=14400, max_datagram=1400, error_correction="redundancy"
    )


def test_lines_are_found_by_type_and_not_by_place() -> None:
    description = sdp.parse(MIXED)
    line = sdp.t38_line(description)

    assert line is not None
    assert sdp.t38_remote(description, line) == ("192.0.2.10", 4002)
    parameters = sdp.t38_parameters(line)
    assert parameters.version == 3
    assert parameters.max_bitrate_bps == 14400  # V.34 is not ours
    assert parameters.rate_management == "localTCF"
    assert parameters.error_correction == "fec"
    assert parameters.max_datagram is None
    assert parameters.fill_bit_removal
    assert not parameters.transcoding_mmr


def test_an_answer_has_one_line_for_each_of_the_offer() -> None:
    text, said = sdp.answer_t38(sdp.parse(MIXED), ("192.0.2.1", 5000), T38Parameters(version=0))
    answer = sdp.parse(text)

    assert [(m.media, m.port) for m in answer.media] == [("audio", 0), ("video", 0), ("image", 5000)]
    assert said.version == 0
    assert said.rate_management == "localTCF"
    assert said.error_correction == "fec"


def test_without_error_correction_no_line_says_so() -> None:
    offer = sdp.parse(ASTERISK.replace("a=T38FaxUdpEC:t38UDPRedundancy\n", ""))

    text, said = sdp.answer_t38(offer, ("192.0.2.1", 5000), T38Parameters())

    assert said.error_correction == "none"
    assert "UdpEC" not in text


def test_our_offer_is_read_as_it_was_meant() -> None:
    parameters = T38Parameters(max_bitrate_bps=9600, error_correction="fec", max_datagram=300)
    description = sdp.parse(sdp.offer_t38(("2001:db8::1", 6000), parameters))
    line = sdp.t38_line(description)

    assert line is not None
    assert sdp.t38_remote(description, line) == ("2001:db8::1", 6000)
    assert sdp.t38_parameters(line) == parameters


@pytest.mark.parametrize(
    "bad",
    [
        ASTERISK.replace("17745", "70000"),
        ASTERISK.replace("m=image 17745 udptl t38", "m=image"),
        ASTERISK.replace("c=IN IP4 127.0.0.1", "c=IN IP4"),
        "garbage",
        "v=0\n" * 300,
        "m=image 1 udptl t38\n" * 20,
        "v=0" + "x" * 9000,
    ],
)
def test_broken_descriptions_are_refused(bad: str) -> None:
    with pytest.raises(SdpError):
        sdp.parse(bad)


@pytest.mark.parametrize("address", ["0.0.0.0", "224.0.0.1", "fax.example", "::"])
def test_unusable_addresses_are_refused(address: str) -> None:
    text = ASTERISK.replace("127.0.0.1", address).replace("IP4 ::", "IP6 ::")

    with pytest.raises(SdpError):
        sdp.answer_t38(sdp.parse(text), ("127.0.0.1", 1), T38Parameters())


@pytest.mark.parametrize("attribute", ["T38MaxBitRate:x", "T38FaxVersion:-1", "T38FaxMaxDatagram:99999999999"])
def test_nonsense_numbers_are_refused(attribute: str) -> None:
    description = sdp.parse(ASTERISK.split("a=", 1)[0] + f"a={attribute}\n")
    line = sdp.t38_line(description)

    assert line is not None
    with pytest.raises(SdpError):
        sdp.t38_parameters(line)


@pytest.mark.parametrize(
    ("attribute", "name", "value"),
    [
        ("T38FaxMaxDatagram:0", "max_datagram", 0),
        ("T38FaxMaxDatagram:4294967295", "max_datagram", 65535),
        ("T38FaxMaxBuffer:4294967295", "max_buffer", 1 << 30),
        ("T38MaxBitRate:0", "max_bitrate_bps", 14400),
        ("T38MaxBitRate:4294967295", "max_bitrate_bps", 14400),
        ("T38MaxBitRate:13000", "max_bitrate_bps", 12000),
        ("T38FaxVersion:65536", "version", 255),
        ("T38FAXUDPEC:T38UDPREDUNDANCY", "error_correction", "redundancy"),
        ("T38FaxUdpEC:t38UDPNoEC", "error_correction", "none"),
        ("T38FaxTranscodingJBIG", "transcoding_jbig", True),
        ("T38MaxIFP:40", "max_datagram", None),
    ],
)
def test_what_some_say_is_taken_for_what_it_can_mean(attribute: str, name: str, value: object) -> None:
    line = sdp.t38_line(sdp.parse(ASTERISK.split("a=", 1)[0] + f"a={attribute}\n"))

    assert line is not None
    assert getattr(sdp.t38_parameters(line), name) == value


def test_t38_may_be_described_above_the_media() -> None:
    head, tail = ASTERISK.split("m=image", 1)
    line = sdp.t38_line(sdp.parse(f"{head}a=T38FaxVersion:2\na=T38FaxMaxBuffer:800\na=sendrecv\nm=image{tail}"))

    assert line is not None
    assert line.attribute("sendrecv") is None
    parameters = sdp.t38_parameters(line)
    assert (parameters.version, parameters.max_buffer) == (0, 800)


@given(
    st.text(max_size=400)
    | st.lists(st.sampled_from([*ASTERISK.splitlines(), *MIXED.splitlines(), "a=", "m=", "c=IN"])).map("\n".join)
)
def test_any_text_is_answered_or_refused(text: str) -> None:
    try:
        answer, _ = sdp.answer_t38(sdp.parse(text), ("127.0.0.1", 4000), T38Parameters())
    except SdpError:
        return
    assert sum(m.port > 0 for m in sdp.parse(answer).media) == 1


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("sip:recv@127.0.0.1:5070", ("sip", "recv", "127.0.0.1", 5070, "")),
        ("sips:+1555@[2001:db8::1];transport=tls", ("sips", "+1555", "[2001:db8::1]", None, ";transport=tls")),
        ("sip:pbx.example", ("sip", "", "pbx.example", None, "")),
    ],
)
def test_uris(uri: str, parts: tuple[object, ...]) -> None:
    assert split_uri(uri) == parts


@pytest.mark.parametrize("uri", ["", "sip:", "http://x", "sip:a b@c", "sip:a@b:99999", "sip:a@b\r\nVia: x", "tel:+1"])
def test_bad_uris(uri: str) -> None:
    with pytest.raises(UsageError):
        split_uri(uri)


def test_listening_addresses() -> None:
    assert parse_listen("127.0.0.1:0") == ("127.0.0.1", 0)
    assert parse_listen("[::1]:5060") == ("::1", 5060)
    assert parse_listen(":5060") == ("", 5060)
    for bad in ("5060", "host", "host:99999", "a b:1"):
        with pytest.raises(UsageError):
            parse_listen(bad)


@pytest.mark.parametrize(("said", "answered"), [("sendonly", "recvonly"), ("inactive", "inactive")])
def test_t38_on_hold_goes_to_nobody(said: str, answered: str) -> None:
    offer = sdp.parse(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=image 4000 udptl t38\r\n"
        f"a={said}\r\n"
    )
    line = sdp.t38_line(offer)
    assert line is not None
    assert sdp.t38_remote(offer, line) == ("0.0.0.0", 4000)
    text, _ = sdp.answer_t38(offer, ("192.0.2.2", 5000), sdp.T38Parameters())
    assert f"a={answered}\r\n" in text


def direct(text: str) -> bool:
    description = sdp.parse(text)
    line = sdp.t38_line(description)
    assert line is not None
    return sdp.is_direct(description, line)


def test_a_far_end_is_direct_where_its_media_are_at_the_address_that_it_names() -> None:
    offer = sdp.offer_t38(("192.0.2.1", 5000), T38Parameters(direct=True))
    assert direct(offer)
    assert direct(sdp.offer_t38(("2001:db8::1", 5000), T38Parameters(direct=True)))
    # A relay or gateway puts its own address or port in, and one of T.38 leaves out what it does not know.
    assert not direct(offer.replace("c=IN IP4 192.0.2.1", "c=IN IP4 192.0.2.7"))
    assert not direct(offer.replace("m=image 5000", "m=image 6000"))
    assert not direct(sdp.offer_t38(("192.0.2.1", 5000), T38Parameters()))
    assert not direct(ASTERISK)


def test_an_answer_is_direct_only_to_an_offer_that_is() -> None:
    ours = T38Parameters(direct=True)
    offer = sdp.offer_t38(("192.0.2.1", 5000), ours)
    relayed = offer.replace("m=image 5000", "m=image 6000")

    assert direct(sdp.answer_t38(sdp.parse(offer), ("192.0.2.2", 7000), ours)[0])
    assert not direct(sdp.answer_t38(sdp.parse(offer), ("192.0.2.2", 7000), T38Parameters())[0])
    assert "direct" not in sdp.answer_t38(sdp.parse(relayed), ("192.0.2.2", 7000), ours)[0]
    assert "direct" not in sdp.answer_t38(sdp.parse(ASTERISK), ("192.0.2.2", 7000), ours)[0]
