# SPDX-License-Identifier: GPL-2.0-or-later
"""Many accounts on one user agent: registered side by side, called through, told apart when they are called, replaced."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.peer.asterisk import PeerAddress
from tests.sip.far_end import AUDIO, HERE, T38, Agent, FarEnd
from tests.sip.test_agent import run

pytestmark = pytest.mark.sip


# ---- a real registrar -------------------------------------------------------------------------------------------------


def test_two_accounts_and_one_with_a_wrong_password_at_asterisk(asterisk: PeerAddress) -> None:
    """Both register, each is called through and called; the third is refused and costs the others nothing."""
    server, password = f"sip:127.0.0.1:{asterisk.sip_port}", asterisk.register_password
    run(f"""
        def account(name, password={password!r}, **more):
            return SipAccount(name=name, server={server!r}, user=more.pop("user", name), password=password, register=True,
                              proxy={server!r}, **more)

        async def call(agent, through, to, codec="PCMU"):
            a, b, got = Side("caller"), Side("called"), []
            def incoming(call):
                got.append(call); call.answer(t38=policy()); return b
            agent.incoming = incoming
            out = agent.call(f"sip:{{to}}@127.0.0.1:{asterisk.sip_port}", a, t38=policy(), account=through)
            await a.until("answered"); await b.until("answered")
            assert out.account == through and got[0].account == to, (through, to, got[0].account)
            assert got[0].source == "127.0.0.1"
            assert f"audio {{codec}}" in a.log, a.log
            return a, b, out

        async def main(agent):
            good = [account("first"), account("second")]
            await agent.set_accounts([*good, account("bad", "wrong", user="first")])
            async def refused():
                try:
                    await agent.register("bad")
                except AuthenticationError as error:
                    assert "rejected the user or password" in str(error) and "account bad" in str(error)
                else:
                    sys.exit("a wrong password was taken")
            await asyncio.gather(agent.register("first"), agent.register("second"), refused())

            a, b, out = await call(agent, "first", "second")
            # A reload in the middle: "second" speaks PCMA alone from now on, "bad" is gone; the call goes on.
            await agent.set_accounts([account("first"), account("second", codecs=("PCMA",))])
            await agent.register("second")
            out.offer_t38()
            await a.until("t38"); await b.until("t38")
            out.hangup()
            await a.until("ended"); await b.until("ended")

            a, b, out = await call(agent, "second", "first", "PCMA")
            out.hangup()
            await a.until("ended"); await b.until("ended")

            # Without its password the PBX does not let us call; the other account still can.
            await agent.set_accounts([account("first", "wrong"), account("second")])
            await agent.register("second")
            side = Side("wrong")
            agent.call(f"sip:second@127.0.0.1:{asterisk.sip_port}", side, t38=policy(), account="first")
            await side.until("ended")
            assert side.log[-1] == "ended 401", side.log
            await agent.unregister("second")
        run(main)
    """)


# ---- what goes over the wire --------------------------------------------------------------------------------------------

MAKE = f"""
def account(name, port, **more):
    return SipAccount(name=name, server=f"sip:{HERE}:{{port}}", **more)

async def called(agent, **more):
    side = Side("a")
    agent.call(more.pop("to"), side, t38=policy(), **more)
    await side.until("ended", 30)
"""


def test_the_contact_registered_says_whose_a_call_is(far: FarEnd) -> None:
    """Two accounts with the same user at the same server: only the contact tells them apart."""
    agent = Agent(
        MAKE
        + """
async def main(agent):
    seen = asyncio.Event()
    def incoming(call):
        print(call.account or "nobody", call.source, flush=True)
        if call.account == "two":
            seen.set()
        return 486
    agent.incoming = incoming
    await agent.register("two")
    await seen.wait()
""",
        f'accounts=[SipAccount(name=n, server="sip:{HERE}:{far.port}", user="fax", register=True, trusted=("192.0.2.1",), '
        'public_address="192.0.2.7") for n in ("one", "two")]',
    )
    register = far.expect("REGISTER")
    contact = register.header("Contact")
    assert f"sip:fax@192.0.2.7:{agent.port};line=" in contact
    far.respond(register, "200 OK", f"Contact: {contact};expires=300")

    def invite(target: str) -> None:
        far.target, far.remote, far.call_id = target, "", f"{far.call_id}x"
        request = far.request("INVITE")
        far.expect("486", cseq=request)
        far.request("ACK", cseq=int(request.split()[0]))

    far.port_of_agent = agent.port
    invite(f"sip:fax@{HERE}:{agent.port}")  # from an address that neither trusts
    invite(contact[contact.index("<") + 1 : contact.index(">")])
    last = far.expect("REGISTER")
    assert last.header("Expires") == "0"
    far.respond(last, "200 OK")
    assert agent.output() == [f"nobody {HERE}", f"two {HERE}"]


def test_a_trunk_is_asked_for_and_nat_is_kept_open(far: FarEnd) -> None:
    """OPTIONS with its proxy's way and our own URI, any answer; CRLF while another account is registered."""
    agent = Agent(
        MAKE
        + """
async def main(agent):
    for name, seconds in (("trunk", 8), ("trunk", 0.7), ("nobody", 8)):
        answer = await agent.probe(name, seconds)
        print(answer.code, answer.answered, answer.retry_after_s)
    await agent.set_accounts([*agent.accounts, account("pbx", agent.accounts[0].server[14:], user="fax", register=True, keepalive_s=1)])
    await agent.register("pbx")
    await asyncio.to_thread(sys.stdin.readline)
""",
        f'accounts=[SipAccount(name="trunk", server="sip:{HERE}:{far.port}", from_uri="sip:+49301@{HERE}", options_s=30)]',
    )
    options = far.expect("OPTIONS")
    assert options.header("User-Agent").startswith("softfax/")
    assert options.start == f"OPTIONS sip:{HERE}:{far.port} SIP/2.0"
    assert "sip:+49301@" in options.header("From")
    far.port_of_agent = agent.port
    far.respond(options, "404 Not Found", "Retry-After: 77 (later);duration=5")
    unanswered = far.expect("OPTIONS")
    register = far.expect("REGISTER")
    far.respond(register, "200 OK", f"Contact: {register.header('Contact')};expires=300")
    far.sock.settimeout(5)
    while (packet := far.sock.recv(2048)).strip():
        assert packet.startswith(unanswered.start.encode())
    agent.say("enough")
    far.respond(far.expect("REGISTER"), "200 OK")
    assert agent.output() == ["404 True 77", "408 False 0", "503 False 0"]


@pytest.mark.parametrize(
    ("policy", "shown"),
    [
        ("remote-party-id", ("sip:fax@", "Remote-Party-ID", '"Clinic" <sip:+49301@')),
        ("from", ("sip:+49301@", "", "")),
        ("p-asserted-identity", ("sip:fax@", "P-Asserted-Identity", '"Clinic" <sip:+49301@')),
    ],
)
def test_a_caller_is_shown_as_the_account_says(
    far: FarEnd,
    policy: str,
    shown: tuple[str, str, str],
) -> None:
    agent = Agent(
        MAKE
        + f"""
async def main(agent):
    await called(agent, to="sip:123@192.0.2.99", account="x", caller=CallerId("+49301", "Clinic"))
    try:
        await called(agent, to="sip:1@{HERE}", account="y")
    except UsageError as error:
        print(error)
""",
        f'accounts=[SipAccount(name="x", server="sip:{HERE}:{far.port}", user="fax", proxy="sip:{HERE}:{far.port}", '
        f'caller={policy!r}, codecs=("PCMA",))], user_agent="Our Fax 1"',
    )
    invite = far.expect("INVITE")
    assert invite.start.startswith("INVITE sip:123@192.0.2.99"), "it came here by the proxy"
    assert invite.header("User-Agent") == "Our Fax 1"
    assert re.search(r"^m=audio [0-9]+ RTP/AVP 8 120 127\r?$", invite.body, re.M)
    assert f"<{shown[0]}" in invite.header("From")
    if shown[1]:
        assert invite.header(shown[1]).startswith(shown[2])
    far.respond(invite, "486 Busy Here")
    assert agent.output() == ["there is no account y; name one of the configuration"]


def test_of_what_is_offered_the_codec_preferred_is_answered(far: FarEnd) -> None:
    agent = Agent(
        """
async def main(agent):
    b = Side("b")
    def incoming(call):
        print(call.account); call.answer(t38=policy()); return b
    agent.incoming = incoming
    await b.until("ended", 30)
    print(*b.log)
""",
        f'accounts=[SipAccount(name="x", server="sip:{HERE}", codecs=("PCMA", "PCMU"))]',
    )
    far.port_of_agent = agent.port
    body = f"v=0\r\no=- 1 1 IN IP4 {HERE}\r\ns=-\r\nc=IN IP4 {HERE}\r\nt=0 0\r\nm=audio 40002 RTP/AVP 0 8 18\r\n"
    assert re.search(r"^m=audio [0-9]+ RTP/AVP 8\b(?! 0)", far.invite(body=body).body, re.M)
    far.bye()
    out = agent.output()
    assert out[0] == "x"
    assert "audio PCMA" in out[1]


def test_an_offer_without_the_accounts_codec_is_refused(far: FarEnd) -> None:
    agent = Agent(
        """
async def main(agent):
    def incoming(call):
        call.answer(t38=policy()); return Side("b")
    agent.incoming = incoming
    await asyncio.to_thread(sys.stdin.readline)
""",
        f'accounts=[SipAccount(name="x", server="sip:{HERE}", codecs=("PCMA",))]',
    )
    far.port_of_agent = agent.port
    body = f"v=0\r\no=- 1 1 IN IP4 {HERE}\r\ns=-\r\nc=IN IP4 {HERE}\r\nt=0 0\r\nm=audio 40002 RTP/AVP 0\r\n"
    far.invite(body=body, status="488")
    agent.say("")
    agent.output()


# ---- TLS with a certificate of the account ------------------------------------------------------------------------------


def test_an_account_over_tls_shows_its_certificate(tmp_path: Path) -> None:
    def made(name: str) -> tuple[Path, Path]:
        certificate, key = tmp_path / f"{name}.pem", tmp_path / f"{name}.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
            check=True,
            capture_output=True,
        )  # fmt: skip
        return certificate, key

    (server, server_key), (client, client_key) = made("server"), made("client")
    output = run(f"""
        import ssl
        async def main(agent):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain({str(server)!r}, {str(server_key)!r})
            context.load_verify_locations({str(client)!r})
            context.verify_mode = ssl.CERT_REQUIRED
            done = asyncio.Event()
            async def serve(reader, writer):
                subject = writer.get_extra_info("ssl_object").getpeercert()["subject"]
                print("certificate", subject, (await reader.readline()).decode().strip(), flush=True)
                done.set(); writer.close()
            listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
            port = listener.sockets[0].getsockname()[1]
            accounts = [SipAccount(name=name, server=f"sip:127.0.0.1:{{port}}", transport="tls", **more) for name, more in
                        [("with", dict(tls_certificate={str(client)!r}, tls_private_key={str(client_key)!r})), ("without", {{}})]]
            await agent.set_accounts(accounts)
            try:
                bad = SipAccount(name="bad", server="sip:127.0.0.1", transport="tls", tls_certificate="/nowhere", tls_private_key="/nowhere")
                await agent.set_accounts([*accounts, bad])
            except UsageError as error:
                print(error)
            await agent.set_accounts(accounts)
            side = Side("without")
            agent.call(f"sip:1@127.0.0.1:{{port}}", side, t38=policy(), account="without")
            await side.until("ended", 30)
            assert not done.is_set()
            agent.call(f"sip:1@127.0.0.1:{{port}}", Side("with"), t38=policy(), account="with")
            await asyncio.wait_for(done.wait(), 60)
            listener.close()
        async def outer():
            agent = await UserAgent.start(SipConfig(tls_ca={str(server)!r}))
            try:
                await asyncio.wait_for(main(agent), 50)
            finally:
                await agent.close()
        asyncio.run(outer())
    """)
    assert "account bad cannot use the certificate /nowhere (No such file or directory); name a certificate" in output
    assert output.count("certificate ((") == 1
    assert "'client'" in output
    assert "INVITE sip:1@127.0.0.1" in output


# ---- T.38 in the first INVITE -------------------------------------------------------------------------------------------

FIRST = """
async def main(agent):
    from dataclasses import replace
    a = Side("a")
    call = agent.call("{uri}", a, t38=replace(policy(), first_invite=True, may_be_audio={audio}))
    await a.until("ended", 30)
    print(*a.log, sep="\\n")
"""


def test_t38_alone_is_offered_first_and_audio_may_come_later(far: FarEnd) -> None:
    agent = Agent(FIRST.format(uri=far.uri, audio=True))
    invite = far.answer(T38)
    assert invite.lines == ["m=image # udptl t38"]
    assert far.invite(body=AUDIO).lines == ["m=audio # RTP/AVP 0"]
    assert far.invite(body=T38).lines == ["m=image # udptl t38"]
    far.bye()
    log = agent.output()
    assert [e.split()[0] for e in log if e.split()[0] in ("audio", "t38")] == ["t38", "audio", "t38"]
    assert log[-1] == "ended 200"


def test_t38_refused_first_the_call_is_placed_again_with_audio(far: FarEnd) -> None:
    agent = Agent(FIRST.format(uri=far.uri, audio=True))
    first = far.expect("INVITE")
    far.respond(first, "100 Trying")
    far.respond(first, "488 Not Acceptable Here")
    second = far.answer(AUDIO)
    assert second.header("Call-ID") != first.header("Call-ID")
    assert second.lines[0].startswith("m=audio")
    far.bye()
    assert agent.output() == ["calling 0", "audio PCMU", "answered 200", "ended 200"]


def test_t38_or_nothing_refused_first_is_the_end(far: FarEnd) -> None:
    agent = Agent(FIRST.format(uri=far.uri, audio=False))
    far.respond(far.expect("INVITE"), "488 Not Acceptable Here")
    assert agent.output()[-1] == "ended 488"
