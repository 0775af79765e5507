# SPDX-License-Identifier: GPL-2.0-or-later
"""A far end written by hand: one SIP dialogue over UDP, every message chosen by the test."""

from __future__ import annotations

import re
import socket

T38 = "m=image 40000 udptl t38\r\na=T38FaxVersion:0\r\na=T38FaxRateManagement:transferredTCF\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n"
AUDIO = "m=audio 40002 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"


class RawPeer:
    """Sends requests in one dialogue and reads what comes back."""

    def __init__(self, port: int = 0) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.settimeout(8)
        self.here = self.sock.getsockname()[1]
        self.port = port
        self.cseq = 0
        self.to_tag = ""
        self.version = 0

    def __enter__(self) -> RawPeer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.sock.close()

    def sdp(self, *lines: str) -> str:
        self.version += 1
        return f"v=0\r\no=- 9 {self.version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" + "".join(
            lines
        )

    def request(self, method: str, body: str = "", *, cseq: int | None = None, extra: str = "") -> None:
        if cseq is None:
            self.cseq += 1
        number = cseq or self.cseq
        content = (
            f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}"
            if body
            else "Content-Length: 0\r\n\r\n"
        )
        self.sock.sendto(
            (
                f"{method} sip:fax@127.0.0.1:{self.port} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP 127.0.0.1:{self.here};branch=z9hG4bK{method}{number}\r\n"
                f"From: <sip:raw@127.0.0.1>;tag=raw\r\nTo: <sip:fax@127.0.0.1>{self.to_tag}\r\nCall-ID: raw-{self.here}\r\n"
                f"CSeq: {number} {method}\r\nContact: <sip:raw@127.0.0.1:{self.here}>\r\nMax-Forwards: 70\r\n{extra}{content}"
            ).encode(),
            ("127.0.0.1", self.port),
        )

    def final(self) -> str:
        """The final response to the last request; a 2xx to an INVITE is not acknowledged here."""
        while True:
            text = self.sock.recv(8192).decode()
            if text.startswith("SIP/2.0 1") or not text.startswith("SIP/2.0"):
                continue
            if not self.to_tag and (tag := re.search(r"^To:.*(;tag=[^\s;]+)", text, re.M | re.I)):
                self.to_tag = tag[1]
            if f"CSeq: {self.cseq} " in text:
                return text

    def invite(self, body: str = "", *, answer: str = "", extra: str = "") -> str:
        """An INVITE and its ACK (with `answer` where the offer came in the 200); returns the final response."""
        self.request("INVITE", body, extra=extra)
        text = self.final()
        self.request("ACK", answer, cseq=self.cseq)
        return text

    def incoming(self, method: str) -> str:
        """The next request of that method from the other side."""
        while True:
            data, address = self.sock.recvfrom(8192)
            text = data.decode()
            if text.startswith(method):
                self.port = address[1]
                return text

    def reply(self, request: str, status: str, *, body: str = "", extra: str = "") -> None:
        """Answers a request."""
        headers = "".join(
            line + "\r\n" for line in request.split("\r\n") if re.match(r"(Via|From|Call-ID|CSeq)\s*:", line, re.I)
        )
        to = next(line for line in request.split("\r\n") if line.lower().startswith("to:"))
        tag = "" if "tag=" in to else ";tag=rawpeer"
        content = (
            f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}"
            if body
            else "Content-Length: 0\r\n\r\n"
        )
        contact = "" if "Contact:" in extra else f"Contact: <sip:raw@127.0.0.1:{self.here}>\r\n"
        self.sock.sendto(
            f"SIP/2.0 {status}\r\n{headers}{to}{tag}\r\n{contact}{extra}{content}".encode(),
            ("127.0.0.1", self.port),
        )
