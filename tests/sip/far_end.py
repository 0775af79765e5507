# SPDX-License-Identifier: GPL-2.0-or-later
"""A SIP far end that does exactly what a test says, right or wrong: one UDP socket, messages as text."""

from __future__ import annotations

import os
import re
import secrets
import select
import socket
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, field

from tests.sip.test_agent import PRELUDE

HERE = "127.0.0.1"
AUDIO = f"v=0\r\no=- 1 1 IN IP4 {HERE}\r\ns=-\r\nc=IN IP4 {HERE}\r\nt=0 0\r\nm=audio 40002 RTP/AVP 0\r\n"
T38 = (
    f"v=0\r\no=- 1 2 IN IP4 {HERE}\r\ns=-\r\nc=IN IP4 {HERE}\r\nt=0 0\r\nm=image 40000 udptl t38\r\n"
    "a=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\na=T38FaxRateManagement:transferredTCF\r\n"
    "a=T38FaxMaxDatagram:400\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n"
)


@dataclass(frozen=True)
class Message:
    """A SIP message: its start line, its headers in order, its body."""

    start: str
    headers: tuple[tuple[str, str], ...]
    body: str
    source: tuple[str, int]

    @property
    def kind(self) -> str:
        """The method of a request, the status of a response."""
        words = self.start.split()
        return words[1] if words[0] == "SIP/2.0" else words[0]

    def all(self, name: str) -> list[str]:
        """The values of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str:
        """The first value of a header, or nothing."""
        return next(iter(self.all(name)), "")

    @property
    def lines(self) -> list[str]:
        """The m= lines of the body, ports left out except 0."""
        return [re.sub(r" [1-9][0-9]* ", " # ", line) for line in self.body.splitlines() if line.startswith("m=")]


def parse(data: bytes, source: tuple[str, int]) -> Message:
    head, _, body = data.decode("latin-1").partition("\r\n\r\n")
    start, *lines = head.split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return Message(start, tuple((name.strip(), value.strip()) for name, _, value in pairs), body, source)


@dataclass
class FarEnd:
    """One user agent at one UDP port; knows one dialog."""

    port_of_agent: int = 0
    host: str = HERE
    sock: socket.socket = field(default_factory=lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    call_id: str = field(default_factory=lambda: secrets.token_hex(8))
    tag: str = field(default_factory=lambda: secrets.token_hex(4))
    remote: str = ""
    target: str = ""
    cseq: int = 100

    def __post_init__(self) -> None:
        if ":" in self.host:
            self.sock.close()
            self.sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        if not self.sock.getsockname()[1]:
            self.sock.bind((self.host, 0))
        self._seen: set[tuple[str, str, str]] = set()

    @property
    def port(self) -> int:
        return int(self.sock.getsockname()[1])

    @property
    def uri(self) -> str:
        return f"sip:far@{self.shown}:{self.port}"

    @property
    def shown(self) -> str:
        """The host as in a URI."""
        return f"[{self.host}]" if ":" in self.host else self.host

    def expect(self, kind: str, seconds: float = 20.0, *, cseq: str = "") -> Message:
        """The next message of that kind, retransmissions and whatever else comes passed over."""
        end, others = time.monotonic() + seconds, []
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.sock], [], [], left)[0]:
                break
            data, source = self.sock.recvfrom(65535)
            if not data.strip():
                continue  # keeps NAT open
            message = parse(data, source)
            key = (message.start, message.header("CSeq"), message.header("Via"))
            if key in self._seen:
                continue
            self._seen.add(key)
            if message.kind == kind and cseq in message.header("CSeq"):
                if kind in ("INVITE", "REGISTER") or not self.remote:
                    self._learn(message)
                return message
            others.append(message.start)
        raise AssertionError(f"no {kind} {cseq} came; instead: {others}")

    def any_of(self, *kinds: str, seconds: float = 20.0) -> Message:
        """The next message of any of these kinds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and select.select([self.sock], [], [], left)[0]:
            data, source = self.sock.recvfrom(65535)
            message = parse(data, source) if data.strip() else None
            if message is None or (key := (message.start, message.header("CSeq"), message.header("Via"))) in self._seen:
                continue
            self._seen.add(key)
            if message.kind in kinds:
                return message
        raise AssertionError(f"none of {kinds} came")

    def _learn(self, message: Message) -> None:
        if message.start.startswith("SIP/2.0"):
            return
        self.call_id, self.remote = message.header("Call-ID"), message.header("From")
        contact = re.search(r"<([^>]+)>", message.header("Contact"))
        self.target = contact[1] if contact else self.target
        self.port_of_agent = message.source[1]

    def _send(self, text: str, body: str | bytes) -> None:
        octets = body if isinstance(body, bytes) else body.encode("latin-1")
        head = f"{text}Content-Length: {len(octets)}\r\n\r\n".encode("latin-1")
        self.sock.sendto(head + octets, ("::1" if ":" in self.host else HERE, self.port_of_agent))

    def respond(self, request: Message, status: str, *headers: str, body: str = "", contact: bool = True) -> None:
        """A response, `status` like "200 OK", with a Contact unless that is not wanted."""
        to = request.header("To")
        if "tag=" not in to and not status.startswith("100"):
            to += f";tag={self.tag}"
        lines = [f"SIP/2.0 {status}", *(f"Via: {v}" for v in request.all("Via"))]
        lines += [f"From: {request.header('From')}", f"To: {to}", f"Call-ID: {request.header('Call-ID')}"]
        lines += [f"CSeq: {request.header('CSeq')}", *headers]
        if contact and not any(h.lower().startswith("contact:") for h in headers):
            lines.append(f"Contact: <{self.uri}>")
        if body:
            lines.append("Content-Type: application/sdp")
        self._send("\r\n".join(lines) + "\r\n", body)

    def request(
        self,
        method: str,
        *headers: str,
        body: str | bytes = "",
        cseq: int = 0,
        branch: str = "",
        kind: str = "application/sdp",
    ) -> str:
        """A request in the dialog, or the one that begins it; returns its CSeq."""
        if method not in ("ACK", "CANCEL") and not cseq:
            self.cseq += 1
        number = cseq or self.cseq
        target = self.target or f"sip:fax@{'[::1]' if ':' in self.host else HERE}:{self.port_of_agent}"
        lines = [
            f"{method} {target} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.shown}:{self.port};branch={branch or 'z9hG4bK' + secrets.token_hex(6)};rport",
            f"From: <{self.uri}>;tag={self.tag}",
            f"To: {self.remote or f'<{target}>'}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {number} {method}",
            f"Contact: <{self.uri}>",
            "Max-Forwards: 70",
            *headers,
        ]
        if body:
            lines.append(f"Content-Type: {kind}")
        self._send("\r\n".join(lines) + "\r\n", body)
        return f"{number} {method}"

    def invite(
        self, *headers: str, body: str | bytes = "", status: str = "200", ack: str = "", kind: str = "application/sdp"
    ) -> Message:
        """An INVITE, its final response, and the ACK of a 200."""
        cseq = self.request("INVITE", *headers, body=body, kind=kind)
        response = self.expect(status, cseq=cseq)
        self.remote = response.header("To")
        contact = re.search(r"<([^>]+)>", response.header("Contact"))
        if contact:
            self.target = contact[1]
        if status == "200":
            self.request("ACK", body=ack, cseq=int(cseq.split()[0]))
        return response

    def answer(self, body: str = AUDIO) -> Message:
        """Takes the agent's call."""
        invite = self.expect("INVITE")
        self.respond(invite, "200 OK", body=body)
        self.expect("ACK")
        return invite

    def bye(self) -> None:
        self.expect("200", cseq=self.request("BYE"))

    def close(self) -> None:
        self.sock.close()


class Agent:
    """Our user agent in a process of its own, running `main(agent)` of a script; says its port first."""

    def __init__(self, script: str, config: str = "", seconds: float = 40) -> None:
        runner = f"""
async def outer():
    agent = await UserAgent.start(SipConfig(**{{"listen": "127.0.0.1:0", **dict({config})}}))
    try:
        running = asyncio.ensure_future(main(agent))
        await asyncio.sleep(0)  # it has said what becomes of calls before one can come
        print(agent.bound_address[1], flush=True)
        await asyncio.wait_for(running, {seconds})
    except Exception:
        # A thread that waits for standard input would keep the process from its end.
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    finally:
        await agent.close()
asyncio.run(outer())
"""
        self._process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + textwrap.dedent(script) + runner],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.strip():
            raise AssertionError(self._process.communicate()[1][-3000:])
        self.port = int(line)

    def say(self, line: str) -> None:
        """A line for the script's standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def hear(self, text: str) -> str:
        """Waits for a line that the script prints."""
        assert self._process.stdout is not None
        while text not in (line := self._process.stdout.readline()):
            assert line, f"no {text} came"
        return line

    def output(self, seconds: float = 30) -> list[str]:
        """Waits for the end; the lines printed. The agent must end well and without a traceback."""
        try:
            out, errors = self._process.communicate(timeout=seconds)
        finally:
            self._process.kill()
        assert self._process.returncode == 0, errors[-3000:] + out
        assert "Traceback" not in errors, errors[-3000:]
        return out.splitlines()

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()
