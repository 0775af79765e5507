# SPDX-License-Identifier: GPL-2.0-or-later
"""The user agent towards far ends of every kind: proxies, gateways, and those that do it wrong."""

from __future__ import annotations

import re
import time

import pytest

from tests.sip.agents import CHALLENGE, SECRET, answerer, caller, check_digest, pbx
from tests.sip.far_end import AUDIO, HERE, T38, Agent, FarEnd

pytestmark = pytest.mark.sip

# ---- calls we place --------------------------------------------------------------------------------------------------------


def test_digest_early_media_t38_refreshes_and_back_to_audio(far: FarEnd) -> None:
    """A whole call through a proxy that authenticates every INVITE."""
    agent = caller(
        far,
        'await a.until("answered"); call.offer_t38()',
        pbx(far),
    )
    far.respond(
        far.expect("INVITE"), "407 Proxy Authentication Required", f"Proxy-Authenticate: {CHALLENGE.format('n')}"
    )
    far.expect("ACK")
    invite = far.expect("INVITE")
    check_digest(invite.header("Proxy-Authorization"), "INVITE", "n")
    assert invite.lines[0].startswith("m=audio # RTP/AVP 0 # 120")
    assert len(invite.lines) == 1
    assert invite.header("User-Agent").startswith("softfax/")
    far.respond(invite, "180 Ringing")
    far.respond(invite, "183 Session Progress", body=AUDIO)
    time.sleep(0.2)
    far.respond(invite, "200 OK", body=AUDIO)
    far.expect("ACK")

    offer = far.expect("INVITE")
    far.respond(offer, "407 Proxy Authentication Required", f"Proxy-Authenticate: {CHALLENGE.format('m')}")
    far.expect("ACK")
    offer = far.expect("INVITE")
    check_digest(offer.header("Proxy-Authorization"), "INVITE", "m")
    assert offer.lines == ["m=image # udptl t38"]
    far.respond(offer, "200 OK", body=T38)
    far.expect("ACK")
    far.tag, far.remote = re.findall(r"tag=(\w+)", offer.header("To"))[0], offer.header("From")

    refreshed = far.invite(body=T38)
    assert refreshed.lines == ["m=image # udptl t38"]
    assert [x for x in refreshed.body.splitlines() if x.startswith(("m=", "a="))] == [
        x for x in offer.body.splitlines() if x.startswith(("m=", "a="))
    ]
    offered_again = far.invite(ack=T38)
    assert offered_again.lines == ["m=image # udptl t38"]
    back = far.invite(body=AUDIO)
    assert back.lines[0].startswith("m=audio # RTP/AVP 0")
    assert far.invite(body=AUDIO).lines == back.lines
    far.bye()

    log = agent.output()
    assert [e for e in log if not e.startswith("calling")] == [
        "ringing 180",
        "early 183",
        "audio PCMU",
        "answered 200",
        *["t38 redundancy 14400"] * 3,
        "audio PCMU",  # told once: the second says nothing new
        "ended 200",
    ]


@pytest.mark.parametrize("status", ["488 Not Acceptable Here", "415 Unsupported Media Type", "606 Not Acceptable"])
def test_a_refused_offer_leaves_the_call_as_it_was(far: FarEnd, status: str) -> None:
    agent = caller(far, 'await a.until("answered"); call.offer_t38(); await a.until("refused")')
    far.answer()
    far.respond(far.expect("INVITE"), status)
    far.expect("ACK")
    assert _hang_up(far, agent)[-2:] == [f"refused {status[:3]}", "ended 200"]


def _hang_up(far: FarEnd, agent: Agent) -> list[str]:
    far.bye()
    return agent.output()


@pytest.mark.parametrize(
    "body",
    [
        T38.replace("m=image 40000", "m=image 0"),
        T38.replace("T38FaxVersion:0", "T38FaxVersion:x"),
        T38.replace(f"c=IN IP4 {HERE}", "c=IN IP4 0.0.0.0"),
        "v=0\r\nnonsense",
        "",
    ],
)
def test_an_offer_answered_by_nothing_is_refused_and_audio_is_offered_again(far: FarEnd, body: str) -> None:
    agent = caller(far, 'await a.until("answered"); call.offer_t38(); await a.until("refused")')
    far.answer()
    far.respond(far.expect("INVITE"), "200 OK", body=body)
    far.expect("ACK")
    again = far.answer()
    assert any(line.startswith("m=audio #") for line in again.lines)
    assert _hang_up(far, agent)[-3:] == ["refused 488", "audio PCMU", "ended 200"]


def test_glare_is_waited_out_as_the_owner_of_the_call_id_must(far: FarEnd) -> None:
    agent = caller(far, 'await a.until("answered"); call.offer_t38()')
    far.answer()
    far.respond(far.expect("INVITE"), "491 Request Pending")
    far.expect("ACK")
    refused = time.monotonic()
    far.respond(far.expect("INVITE"), "200 OK", body=T38)
    assert time.monotonic() - refused >= 2.0  # RFC 3261 §14.1: 2.1 to 4 s
    far.expect("ACK")
    assert _hang_up(far, agent)[-2:] == ["t38 redundancy 14400", "ended 200"]


def test_an_offer_nobody_answers_is_given_up(far: FarEnd) -> None:
    agent = caller(far, 'await a.until("answered"); call.offer_t38(); await a.until("refused")', "offer_timeout_s=1.0")
    far.answer()
    offer = far.expect("INVITE")
    far.respond(offer, "100 Trying")
    cancel = far.expect("CANCEL")
    far.respond(cancel, "200 OK")
    far.respond(offer, "487 Request Terminated")
    far.expect("ACK")
    assert _hang_up(far, agent)[-2:] == ["refused 408", "ended 200"]


def test_an_offer_taken_after_we_gave_up_still_counts(far: FarEnd) -> None:
    agent = caller(far, 'await a.until("answered"); call.offer_t38(); await a.until("t38")', "offer_timeout_s=1.0")
    far.answer()
    offer = far.expect("INVITE")
    far.respond(offer, "100 Trying")
    far.respond(far.expect("CANCEL"), "200 OK")
    far.respond(offer, "200 OK", body=T38)
    far.expect("ACK")
    assert _hang_up(far, agent)[-3:] == ["refused 408", "t38 redundancy 14400", "ended 200"]


def test_bye_while_our_offer_is_under_way(far: FarEnd) -> None:
    agent = caller(far, 'await a.until("answered"); call.offer_t38()')
    far.answer()
    offer = far.expect("INVITE")
    far.request("BYE")
    far.expect("200", cseq="BYE")
    far.respond(offer, "487 Request Terminated")
    assert agent.output()[-1] == "ended 200"


def test_a_redirection_is_followed(far: FarEnd) -> None:
    elsewhere = FarEnd()
    agent = caller(far)
    far.respond(far.expect("INVITE"), "302 Moved Temporarily", f"Contact: <{elsewhere.uri}>")
    far.expect("ACK")
    elsewhere.answer()
    log = _hang_up(elsewhere, agent)
    assert "answered 200" in log
    elsewhere.close()


def test_no_more_than_five_redirections_are_followed_and_none_by_an_account(far: FarEnd) -> None:
    agent = caller(far)
    for number in range(6):
        far.respond(far.expect("INVITE"), "302 Moved Temporarily", f"Contact: <sip:{number}@{HERE}:{far.port}>")
    assert agent.output()[-1] == "ended 302"
    agent = caller(far, config=pbx(far))
    far.respond(far.expect("INVITE"), "302 Moved Temporarily", f"Contact: <sip:0900123@{HERE}:{far.port}>")
    assert agent.output()[-1] == "ended 302"
    with pytest.raises(AssertionError, match="no INVITE"):
        far.expect("INVITE", 0.5)


def test_a_circle_of_redirections_ends_the_call(far: FarEnd) -> None:
    agent = caller(far)
    for _ in range(2):
        far.respond(far.expect("INVITE"), "302 Moved Temporarily", f"Contact: <{far.uri}>")
        far.expect("ACK")
    assert agent.output()[-1] == "ended 302"


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (AUDIO.replace("AVP 0", "AVP 8"), "audio PCMA"),
        (AUDIO.replace(f"c=IN IP4 {HERE}", "c=IN IP4 fax.invalid"), ""),
        (AUDIO.replace("AVP 0", "AVP 18"), ""),
        ("complete nonsense", ""),
    ],
)
def test_answers_of_every_kind(far: FarEnd, answer: str, seen: str) -> None:
    agent = caller(far)
    invite = far.expect("INVITE")
    far.respond(invite, "200 OK", body=answer)
    if seen:
        far.expect("ACK")
        assert seen in _hang_up(far, agent)
    else:
        far.respond(far.expect("BYE"), "200 OK")
        log = agent.output()
        assert log[-1].startswith("ended")
        assert not any(e.startswith("audio") for e in log)


# ---- calls we answer -------------------------------------------------------------------------------------------------------


def test_an_invite_without_an_offer_gets_ours(far: FarEnd) -> None:
    agent = answerer()
    far.port_of_agent = agent.port
    assert far.invite(ack=AUDIO).lines[0].startswith("m=audio # RTP/AVP 0 # 120")
    assert "audio PCMU" in _hang_up(far, agent)


PTIMES = """
async def main(agent):
    class Callee(Side):
        def on_audio(self, call, media):
            print(media.ptime_ms); os.close(media.fd)
    side = Callee("b")
    def incoming(call):
        call.answer(t38=policy()); return side
    agent.incoming = incoming
    await side.until("ended", 30)
"""


def test_packets_are_as_long_as_the_far_end_says_at_any_time(far: FarEnd) -> None:
    agent = Agent(PTIMES)
    far.port_of_agent = agent.port
    head, line = AUDIO.split("m=")
    far.invite(body=AUDIO + "a=ptime:30\r\n")
    for attributes in ("a=ptime:40\r\na=maxptime:20", "a=PTIME:10", "a=ptime:25", "a=ptime:200", "a=ptime:x"):
        far.invite(body=f"{AUDIO}{attributes}\r\n")
    far.invite(body=f"{head}a=ptime:40\r\nm={line}")
    far.bye()
    assert agent.output() == ["30", "20", "10", "20", "60", "20", "40"]


def test_a_dynamic_payload_type_for_pcma(far: FarEnd) -> None:
    agent = answerer()
    far.port_of_agent = agent.port
    far.invite(body=AUDIO.replace("AVP 0", "AVP 97") + "a=rtpmap:97 PCMA/8000\r\n")
    assert "audio PCMA" in _hang_up(far, agent)


def test_audio_and_image_in_the_first_invite_then_image(far: FarEnd) -> None:
    agent = answerer()
    far.port_of_agent = agent.port
    both = AUDIO + "".join(line + "\r\n" for line in T38.splitlines()[5:])
    assert far.invite(body=both).lines == ["m=audio # RTP/AVP 0", "m=image 0 udptl t38"]
    without_audio = both.replace("m=audio 40002", "m=audio 0")
    assert far.invite(body=without_audio).lines == ["m=audio 0 RTP/AVP 0", "m=image # udptl t38"]
    assert far.invite(body=without_audio).lines == ["m=audio 0 RTP/AVP 0", "m=image # udptl t38"]
    assert [e for e in _hang_up(far, agent) if e.startswith(("audio", "t38"))] == [
        "audio PCMU",
        "t38 redundancy 14400",
        "t38 redundancy 14400",
    ]


def test_where_t38_is_not_wanted_audio_beside_it_is_taken(far: FarEnd) -> None:
    agent = answerer(t38="policy(accept=False)")
    far.port_of_agent = agent.port
    far.invite(body=AUDIO)
    both = AUDIO + "".join(line + "\r\n" for line in T38.splitlines()[5:])
    assert far.invite(body=both).lines == ["m=audio # RTP/AVP 0", "m=image 0 udptl t38"]
    far.invite(body=T38, status="488")
    far.request("ACK")
    assert [e for e in _hang_up(far, agent) if e.startswith(("audio", "t38"))] == ["audio PCMU"]


def test_image_alone_where_it_is_not_wanted(far: FarEnd) -> None:
    agent = answerer(t38="policy(accept=False)")
    far.port_of_agent = agent.port
    far.invite(body=T38, status="488")
    assert agent.output()[-1].startswith("ended")


def test_session_timer_and_a_refresh_by_update(far: FarEnd) -> None:
    agent = answerer()
    far.port_of_agent = agent.port
    far.remote = ""
    answer = far.invite("Supported: timer", "Session-Expires: 1800;refresher=uac", body=AUDIO)
    assert answer.header("Session-Expires").startswith("1800")
    far.invite(body=T38)
    far.expect("200", cseq=far.request("UPDATE", "Supported: timer", "Session-Expires: 1800;refresher=uac"))
    update = far.request("UPDATE", "Supported: timer", "Session-Expires: 1800;refresher=uac", body=T38)
    assert far.expect("200", cseq=update).lines == ["m=image # udptl t38"]
    log = _hang_up(far, agent)
    assert [e for e in log if e.startswith(("audio", "t38"))] == ["audio PCMU", *["t38 redundancy 14400"] * 2]


def test_what_is_no_call_gets_an_answer_and_nobody_makes_us_call(far: FarEnd) -> None:
    target = FarEnd()
    agent = answerer()
    far.port_of_agent = agent.port
    options = far.expect("200", cseq=far.request("OPTIONS"))
    assert set(options.header("Allow").split(", ")) == {
        "INVITE",
        "ACK",
        "BYE",
        "CANCEL",
        "UPDATE",
        "PRACK",
        "OPTIONS",
        "INFO",
    }
    assert options.header("Accept") == "application/sdp"
    for method in ("REFER", "NOTIFY", "SUBSCRIBE", "MESSAGE", "REGISTER", "FOO"):
        assert "INVITE" in far.expect("405", cseq=far.request(method)).header("Allow")
    for method in ("BYE", "UPDATE", "INFO"):
        far.expect("481", cseq=far.request(method))
    # Within a call too; a server that asks whether it is there must not believe that it is not.
    far.invite("Replaces: nobody@nowhere;to-tag=1;from-tag=2", body=AUDIO)
    far.expect("200", cseq=far.request("OPTIONS"))
    far.expect("200", cseq=far.request("INFO"))
    far.expect("405", cseq=far.request("REFER", f"Refer-To: <{target.uri}>"))
    far.expect("415", cseq=far.request("INFO", body="v=0"))
    assert _hang_up(far, agent)[-1].startswith("ended")
    with pytest.raises(AssertionError, match="no INVITE"):
        target.expect("INVITE", 0.2)
    target.close()


def test_an_offer_among_several_parts_of_a_body(far: FarEnd) -> None:
    agent = answerer()
    far.port_of_agent = agent.port
    isup = "Content-Type: application/isup;version=itu-t92+\r\nContent-Disposition: signal;handling=optional\r\n\r\n\x01\x10"
    body = f"--b1\r\n{isup}\r\n--b1\r\nContent-Type: application/sdp\r\n\r\n{AUDIO}\r\n--b1--\r\n"
    assert far.invite(body=body, kind='multipart/mixed; boundary="b1"').lines == ["m=audio # RTP/AVP 0"]
    assert "audio PCMU" in _hang_up(far, agent)


def test_cancel_before_the_answer(far: FarEnd) -> None:
    agent = Agent("""
        async def main(agent):
            b = Side("far")
            def incoming(call):
                call.ring(); return b
            agent.incoming = incoming
            await b.until("ended"); print(*b.log)
    """)
    far.port_of_agent = agent.port
    cseq = far.request("INVITE", body=AUDIO, branch="z9hG4bKcancelled")
    far.expect("180", cseq=cseq)
    far.request("CANCEL", cseq=int(cseq.split()[0]), branch="z9hG4bKcancelled")
    far.expect("487", cseq=cseq)
    assert agent.output()[-1].endswith("ended 487")


@pytest.mark.parametrize("code", [486, 480, 603])
def test_refusals(far: FarEnd, code: int) -> None:
    agent = Agent(f"""
        async def main(agent):
            done = asyncio.Event()
            b = Side("far")
            def incoming(call):
                call.hangup({code}); return b
            agent.incoming = incoming
            await b.until("ended")
    """)
    far.port_of_agent = agent.port
    far.invite(body=AUDIO, status=str(code))
    far.request("ACK")
    agent.output()


def test_names_that_are_no_utf8(far: FarEnd) -> None:
    agent = answerer(
        'await b.until("answered"); import json; print(json.dumps([calls[0].headers, calls[0].remote_uri]))'
    )
    far.port_of_agent = agent.port
    far.invite('Diversion: "B\xfcro" <sip:1@x>', "User-Agent: caf\xe9", body=AUDIO)
    output = _hang_up(far, agent)
    assert "B?ro" in output[0]
    assert output[0].isascii()


def test_an_owner_that_fails_refuses_the_call(far: FarEnd) -> None:
    agent = Agent("""
        async def main(agent):
            def incoming(call):
                raise UsageError("not today")
            agent.incoming = incoming
            await asyncio.sleep(1.5)
    """)
    far.port_of_agent = agent.port
    far.invite(body=AUDIO, status="480")
    far.request("ACK")
    agent.output()


# ---- what a log may show -----------------------------------------------------------------------------------------------------


def test_messages_can_be_logged_and_show_no_secret(far: FarEnd) -> None:
    agent = caller(
        far,
        "agent.on_message = lambda sent, far, text: print(sent, far, text)",
        f"{pbx(far)}, trace=True",
    )
    far.respond(far.expect("INVITE"), "401 Unauthorized", f"WWW-Authenticate: {CHALLENGE.format('n')}")
    far.expect("ACK")
    far.answer()
    far.bye()
    text = "\n".join(agent.output())
    assert f"True {HERE}:{far.port} INVITE {far.uri} SIP/2.0" in text
    assert f"False {HERE}:{far.port} SIP/2.0 401 Unauthorized" in text
    assert "Authorization: Digest ***" in text
    assert SECRET not in text
    assert "response=" not in text


def test_who_calls_is_shown_without_an_account_as_from(far: FarEnd) -> None:
    from_code = (
        'async def main(agent):\n    from softfax.sip.types import CallerId\n    a = Side("caller")\n'
        f'    call = agent.call("{far.uri}", a, t38=policy(), caller=CallerId("+49 30/123#4", \'Dr. "No" <x>\'))\n'
        '    await a.until("ended", 30)\n    print(*a.log, sep="\\n")\n'
    )
    agent = Agent(from_code, "")
    invite = far.expect("INVITE")
    shown = r'"Dr. \"No\" <x>" <sip:+4930123%234@127.0.0.1'
    assert invite.header("From").startswith(shown), "what cannot stand in a SIP user is left out, the rest is escaped"
    far.respond(invite, "486 Busy Here")
    assert "ended" in agent.output()[-1]


def test_who_calls_is_asserted_where_a_pbx_knows_us_by_a_user(far: FarEnd) -> None:
    from_code = (
        'async def main(agent):\n    from softfax.sip.types import CallerId\n    a = Side("caller")\n'
        f'    call = agent.call("{far.uri}", a, t38=policy(), account="pbx", caller=CallerId("+49301234", "Clinic"))\n'
        '    await a.until("ended", 30)\n    print(*a.log, sep="\\n")\n'
    )
    agent = Agent(from_code, pbx(far))
    invite = far.expect("INVITE")
    assert invite.header("From").startswith('"Clinic" <sip:fax@')
    assert re.fullmatch(r'"Clinic" <sip:\+49301234@[^>]+>', invite.header("P-Asserted-Identity"))
    far.respond(invite, "486 Busy Here")
    agent.output()
