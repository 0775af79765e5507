# SPDX-License-Identifier: GPL-2.0-or-later
"""Strangers in a crowd: calls that they do not acknowledge, connections that they leave idle. Others are served all the same."""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
from collections.abc import Iterator

import pytest

from tests.sip.far_end import AUDIO, Agent, Message, parse
from tests.support.served import until

pytestmark = pytest.mark.sip

HERE, STRANGER, NEIGHBOUR, OTHER = "127.0.0.1", "127.0.0.9", "127.0.0.10", "127.0.7.1"
#: Answers every call; the account's server is where the tests' known calls come from.
ANSWERS = """
async def main(agent):
    side = Side("answerer")
    def incoming(call):
        call.answer(t38=policy()); return side
    agent.incoming = incoming
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
"""
ACCOUNT = 'accounts=(SipAccount(name="pbx", server="sip:127.0.0.1:9"),)'


class Caller:
    """INVITEs from one address, each a call of its own."""

    def __init__(self, host: str, port: int) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.sock.settimeout(10)
        self.host, self.port = host, port

    def _send(self, method: str, call: str, to_tag: str, branch: str, body: str = "") -> None:
        here = f"{self.host}:{self.sock.getsockname()[1]}"
        kind = "Content-Type: application/sdp\r\n" if body else ""
        text = (
            f"{method} sip:fax@{HERE}:{self.port} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch={branch}\r\n"
            f"From: <sip:a@{here}>;tag={call}\r\nTo: <sip:fax@{HERE}>{to_tag}\r\nCall-ID: {call}\r\nCSeq: 1 {method}\r\n"
            f"Contact: <sip:a@{here}>\r\nMax-Forwards: 70\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        )
        self.sock.sendto(text.encode(), (HERE, self.port))

    def invite(self) -> tuple[str, Message]:
        """A call that is not acknowledged, and its final response."""
        call = secrets.token_hex(6)
        self._send("INVITE", call, "", f"z9hG4bK{call}", AUDIO)
        while True:
            answer = parse(*self.sock.recvfrom(65535))
            if answer.header("Call-ID") == call and not answer.kind.startswith("1"):
                return call, answer

    def ack(self, call: str, to_tag: str) -> None:
        self._send("ACK", call, f";tag={to_tag}", f"z9hG4bK{secrets.token_hex(6)}")


def tag_of(answer: Message) -> str:
    return answer.header("To").rpartition("tag=")[2]


def connect(host: str, port: int) -> socket.socket:
    sock = socket.socket()
    sock.bind((host, 0))
    sock.settimeout(10)
    # One that is refused may be reset before connect returns: it is closed, then.
    with contextlib.suppress(ConnectionResetError):
        sock.connect((HERE, port))
    return sock


def is_answered(sock: socket.socket) -> bool:
    """Return True if OPTIONS over the connection get a 200."""
    call = secrets.token_hex(6)
    try:
        sock.sendall(
            f"OPTIONS sip:fax@{HERE} SIP/2.0\r\nVia: SIP/2.0/TCP {HERE}:9;branch=z9hG4bK{call}\r\nFrom: <sip:a@b>;tag={call}\r\n"
            f"To: <sip:fax@b>\r\nCall-ID: {call}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n".encode()
        )
        return b" 200 " in sock.recv(4096)
    except OSError:
        return False


def is_closed(sock: socket.socket, seconds: float) -> bool:
    sock.settimeout(seconds)
    try:
        return sock.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


@contextlib.contextmanager
def agent(config: str) -> Iterator[Agent]:
    one = Agent(ANSWERS, config)
    try:
        yield one
        one.say("enough")
        one.output()
    finally:
        one.kill()


def test_calls_without_an_ack_take_no_call_from_others() -> None:
    with agent(f"unacknowledged=8, {ACCOUNT}") as ours:
        stranger, neighbour = Caller(STRANGER, ours.port), Caller(NEIGHBOUR, ours.port)
        first = [stranger.invite() for _ in range(6)]
        answers = [answer.kind for _, answer in first]
        assert answers == ["200"] * 4 + ["503"] * 2, "an address has half of what there is"
        assert int(first[-1][1].header("Retry-After")) > 0
        assert [neighbour.invite()[1].kind for _ in range(3)] == ["200"] * 2 + ["503"], "a network three quarters"
        assert [Caller(OTHER, ours.port).invite()[1].kind for _ in range(2)] == ["200"] * 2
        assert [Caller("127.0.8.1", ours.port).invite()[1].kind] == ["503"], "all is taken"
        assert [Caller(HERE, ours.port).invite()[1].kind for _ in range(10)] == ["200"] * 10, (
            "accounts are not in the budget"
        )

        call, answer = first[0]
        stranger.ack(call, "made-up")
        assert stranger.invite()[1].kind == "503", "that ACK was of one who had not read the answer"
        stranger.ack(call, tag_of(answer))
        assert stranger.invite()[1].kind == "200"


def test_a_call_without_an_ack_is_over_after_half_a_minute_whether_its_bye_is_answered_or_not() -> None:
    ours = Agent(
        """
        async def main(agent):
            side = Side("answerer")
            def incoming(call):
                call.answer(t38=policy()); return side
            agent.incoming = incoming
            await side.until("ended", 50)
            print(side.log[-1])
        """
    )
    assert Caller(STRANGER, ours.port).invite()[1].kind == "200"
    # 32 s for its ACK, and 4 s for an answer to our BYE.
    time.sleep(20)
    assert ours.output() == ["ended 408"]


def test_idle_connections_of_one_address_leave_the_others_their_place() -> None:
    with agent(f"connections=64, {ACCOUNT}") as ours:
        idle = [connect(STRANGER, ours.port) for _ in range(12)]
        # Each may be looked at before it was accepted: those of a busy machine are shut down a moment later.
        until(lambda: sum(not is_closed(sock, 0.2) for sock in idle) <= 4, 20)
        kept = [sock for sock in idle if not is_closed(sock, 0.2)]
        assert len(kept) == 4, "an address has a sixteenth"
        assert is_answered(connect(OTHER, ours.port))
        known = [connect(HERE, ours.port) for _ in range(20)]
        assert all(is_answered(sock) for sock in known), "an account's server has as many as it wants"
        assert all(is_closed(sock, 30) for sock in kept), "they never said anything"
        assert all(is_answered(sock) for sock in known)


def test_a_crowd_of_idle_connections_gives_way_to_a_newcomer() -> None:
    with agent("connections=16") as ours:
        crowd = [connect(f"127.0.{n}.1", ours.port) for n in range(20, 36)]
        assert is_answered(crowd[0])
        assert is_answered(connect(OTHER, ours.port))
        assert is_answered(connect("127.0.8.1", ours.port))
        assert is_closed(crowd[1], 10), "the one silent for longest"
        assert is_answered(crowd[0])


def test_a_far_end_that_does_not_read_is_cut_off() -> None:
    with agent("connections=64") as ours:
        sock = connect(STRANGER, ours.port)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = (
            f"OPTIONS sip:fax@{HERE} SIP/2.0\r\nVia: SIP/2.0/TCP {HERE}:9;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=x\r\n"
            "To: <sip:fax@b>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        ).encode() * 20
        end = time.monotonic() + 30
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() < end:
                sock.sendall(request)
            raise AssertionError("it may send as much as it wants")
        assert is_answered(connect(STRANGER, ours.port))


def test_an_order_beyond_what_the_process_can_have_ends_with_a_reason() -> None:
    one = Agent(
        """
        async def main(agent):
            sides = [Side("caller") for _ in range(3)]
            for side in sides: agent.call("sip:fax@127.0.0.1:9", side, t38=policy())
            for side in sides[1:]: await side.until("ended")
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
            print(*(side.log[-1] for side in sides[1:]), sep=",")
        """,
        "max_calls=1",
    )
    one.say("and what became of them")
    assert one.output() == ["ended 0,ended 0"]
