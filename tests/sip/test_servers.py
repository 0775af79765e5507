# SPDX-License-Identifier: GPL-2.0-or-later
"""Several servers of one name: the next is asked where one is silent, refuses (503) or is unreachable, for REGISTER, OPTIONS
and calls alike (RFC 3263 §4.3); calls from any of them are the account's. In a network of its own, with a name server of its own.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.sip.test_names import run_apart

pytestmark = pytest.mark.sip

#: Servers at addresses of their own, which answer as each is told: a status for every request, or nothing.
SERVERS = """
import re
class Server:
    def __init__(self, address, status=None, *headers):
        self.status, self.headers, self.seen = status, headers, []
        self.sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((address, 5060))
        threading.Thread(target=self.serve, daemon=True).start()
    def serve(self):
        while True:
            data, far = self.sock.recvfrom(65535)
            text = data.decode()
            method = text.partition(" ")[0]
            if method in ("ACK", "SIP/2.0") or not text.strip(): continue
            self.seen.append(method)
            if self.status is None: continue
            lines = [l for l in text.split("\\r\\n") if re.match("(Via|From|Call-ID|CSeq):", l)]
            to = re.search("^To:.*", text, re.M)[0].strip() + ";tag=t"
            contact = re.search("^Contact:.*", text, re.M)
            bound = [contact[0].strip() + ";expires=300"] if method == "REGISTER" and self.status[:3] == "200" else []
            answer = [f"SIP/2.0 {self.status}", *lines, to, *bound, *self.headers, "Content-Length: 0", "", ""]
            self.sock.sendto("\\r\\n".join(answer).encode(), far)
def zone(*addresses):
    ZONE["_sip._udp.trunk.example", 33] = [srv(n, 1, 5060, f"s{n}.example") for n, _ in enumerate(addresses)]
    for n, address in enumerate(addresses):
        host(f"s{n}.example", address)
def host(name, *addresses):
    ZONE[name, 1] = [socket.inet_aton(one) for one in addresses if ":" not in one]
    ZONE[name, 28] = [socket.inet_pton(socket.AF_INET6, one) for one in addresses if ":" in one]
def account(**more): return SipAccount(name="trunk", server="sip:trunk.example", user="fax", **more)
class Told(Side):
    def on_state(self, call, state, code, reason): self.note(f"{state} {code} {reason}")
async def ended(agent, account="trunk"):
    side = Told("call")
    agent.call("sip:1@trunk.example", side, t38=policy(), account=account)
    await side.until("ended", 40)
    return side.log
"""
FAILURES = {
    "silent": 'first = Server("127.0.0.2")',
    "refusing": 'first = Server("127.0.0.2", "503 Service Unavailable", "Retry-After: 60")',
    # Nothing listens there, and the kernel says so.
    "unreachable": 'first = Side("nothing"); first.seen = []',
}


def run(tmp_path: Path, main: str) -> str:
    return run_apart(tmp_path, SERVERS + textwrap.dedent(main) + "\nrun(main)\n", 90)


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("method", ["REGISTER", "OPTIONS", "INVITE"])
def test_the_next_server_is_asked_and_the_failed_one_left_alone(tmp_path: Path, failure: str, method: str) -> None:
    asked = {
        "REGISTER": 'assert await agent.register("trunk") == 300',
        "OPTIONS": 'assert (await agent.probe("trunk")).code == 200',
        "INVITE": 'log = await ended(agent); assert log == ["calling 0 ", "ended 486 Busy Here"], log',
    }[method]
    run(
        tmp_path,
        f"""
    async def main(agent):
        {FAILURES[failure]}
        second = Server("127.0.0.3", "200 OK" if {method!r} != "INVITE" else "486 Busy Here")
        zone("127.0.0.2", "127.0.0.3")
        await agent.set_accounts([account(register=True)])
        {asked}
        assert second.seen == [{method!r}], second.seen
        before = list(first.seen)
        assert set(before) <= {{{method!r}}} and len(before) <= 5, before
        # What has failed comes last from here on, for all.
        second.status = "486 Busy Here"
        log = await ended(agent)
        assert log[-1] == "ended 486 Busy Here", log
        assert list(first.seen) == before, first.seen
    """,
    )


def test_all_have_failed_and_one_comes_back(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
    async def main(agent):
        first, second = Server("127.0.0.2", "503 No"), Server("127.0.0.3", "503 No")
        zone("127.0.0.2", "127.0.0.3")
        await agent.set_accounts([account(register=True)])
        log = await ended(agent)
        assert log == ["calling 0 ", "ended 503 No"], log
        assert (first.seen, second.seen) == (["INVITE"], ["INVITE"])
        # Both have failed: they are asked in the order of their names again, and the second only where the first fails.
        first.status = "200 OK"
        assert await agent.register("trunk") == 300
        assert (first.seen[1:], second.seen[1:]) == (["REGISTER"], [])
    """,
    )


def test_a_call_that_rang_is_not_placed_elsewhere(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
    class Ringing(Server):
        def serve(self):
            data, far = self.sock.recvfrom(65535)
            lines = [l for l in data.decode().split("\\r\\n") if re.match("(Via|From|Call-ID|CSeq):", l)]
            to = re.search("^To:.*", data.decode(), re.M)[0].strip() + ";tag=t"
            for status in ("180 Ringing", "503 No"):
                self.sock.sendto("\\r\\n".join([f"SIP/2.0 {status}", *lines, to, "Content-Length: 0", "", ""]).encode(), far)
    async def main(agent):
        first, second = Ringing("127.0.0.2"), Server("127.0.0.3", "486 Busy Here")
        zone("127.0.0.2", "127.0.0.3")
        await agent.set_accounts([account()])
        log = await ended(agent)
        assert log[-1] == "ended 503 No" and second.seen == [], (log, second.seen)
    """,
    )


def test_calls_from_each_server_are_the_accounts(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
    async def main(agent):
        zone("127.0.0.2", "127.0.0.3")
        await agent.set_accounts([account(numbers=("4930",))])
        seen = asyncio.Queue()
        def incoming(call):
            seen.put_nowait((call.source, call.account, call.known))
            return 486
        agent.incoming = incoming
        for address in ("127.0.0.2", "127.0.0.3", "127.0.0.4"):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
                far.bind((address, 5060))
                far.sendto(
                    f"INVITE sip:4930@127.0.0.1 SIP/2.0\\r\\nVia: SIP/2.0/UDP {address}:5060;branch=z9hG4bK{address}\\r\\n"
                    f"From: <sip:1@elsewhere.example>;tag=a\\r\\nTo: <sip:4930@127.0.0.1>\\r\\nCall-ID: {address}\\r\\nCSeq: 1 INVITE\\r\\n"
                    f"Contact: <sip:1@{address}>\\r\\nMax-Forwards: 70\\r\\nContent-Length: 0\\r\\n\\r\\n".encode(),
                    agent.bound_address,
                )
                got = await asyncio.wait_for(seen.get(), 10)
                assert got == (address, *(("", False) if address == "127.0.0.4" else ("trunk", True))), got
    """,
    )
