# SPDX-License-Identifier: GPL-2.0-or-later
"""Sends a station what no user agent sends: requests of the kinds that RFC 4475 lists, spoilt messages and spoilt SDP.

    python -m tests.fuzz.python.sip [--seconds 10] [--seed 1]      over a station of its own

Whatever comes, the station answers OPTIONS, its processes for calls are those that were there before, and no log has a traceback.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.python.parsers import DESCRIPTION, spoil
from tests.sip.raw import AUDIO, T38
from tests.support.served import Served, get, serving, until

__all__ = ["attack", "survived", "torture"]

GAP_S = 0.002
SDPS = [DESCRIPTION + AUDIO, DESCRIPTION + T38, DESCRIPTION + AUDIO + T38, DESCRIPTION + "m=image 0 udptl t38\r\n"]


class Peer:
    """A UDP socket of an address of its own."""

    def __init__(self, station: str, host: str = "127.0.0.1") -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.settimeout(0.5)
        self.here = "{}:{}".format(*self.socket.getsockname())
        where, _, port = station.rpartition(":")
        self.station = station, (where, int(port))
        self.number = 0

    def send(self, data: bytes) -> None:
        """One datagram."""
        self.socket.sendto(data[:65_000], self.station[1])
        time.sleep(GAP_S)

    def request(
        self,
        method: str = "OPTIONS",
        *more: str,
        uri: str = "",
        body: str = "",
        without: tuple[str, ...] = (),
        **headers: str,
    ) -> bytes:
        """A request that is right but for what is said: headers replaced by name, left out, or added."""
        self.number += 1
        mark = f"{self.here.replace(':', '-').replace('.', '-')}-{self.number}"
        fields = {
            "Via": f"SIP/2.0/UDP {self.here};branch=z9hG4bK{mark};rport",
            "From": f"<sip:fuzz@{self.here}>;tag={mark}",
            "To": f"<sip:100@{self.station[0]}>",
            "Call-ID": mark,
            "CSeq": f"1 {method}",
            "Contact": f"<sip:fuzz@{self.here}>",
            "Max-Forwards": "70",
            **({"Content-Type": "application/sdp"} if body else {}),
            "Content-Length": str(len(body.encode())),
        }
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{name}: {value}" for name, value in fields.items() if name not in without]
        start = f"{method} {uri or f'sip:100@{self.station[0]}'} SIP/2.0"
        return ("\r\n".join([start, *lines, *more]) + "\r\n\r\n" + body).encode("utf-8", "surrogateescape")

    def answered(self, tries: int = 20) -> bool:
        """Return True if OPTIONS is answered with 200, as long as it takes to work off what came before."""
        for _ in range(tries):
            self.send(self.request())
            mark = f"-{self.number}".encode()
            try:
                while True:
                    data = self.socket.recv(65_535)
                    if data.startswith(b"SIP/2.0 200") and mark + b"\r\n" in data:
                        return True
            except TimeoutError:
                continue
        return False

    def close(self) -> None:
        """Ends."""
        self.socket.close()


def torture(peer: Peer) -> list[bytes]:
    """Requests and responses at the edges of the grammar, and beyond them."""
    sdp, ask = DESCRIPTION + AUDIO, peer.request
    here, station = peer.here, peer.station[0]
    return [
        # Odd, but right.
        ask(Via=f"SIP/2.0  /  UDP\r\n {here} ;\r\n\tbranch = z9hG4bKodd{here[-4:]}"),
        ask(without=("From", "To", "Call-ID", "Via")).replace(
            b"CSeq", f"v: SIP/2.0/UDP {here};branch=z9hG4bKshort\r\nf: <sip:a@h>;tag=1\r\nt: <sip:b@h>\r\ni: short\r\nCSeq".encode()
        ),
        ask(From='"quoted \\"name\\" \\\\ ;tag=no" <sip:a;x=y:z@h;maddr=1.2.3.4?h=v>;tag=yes'),
        ask(To="sip:%40%3a%00@h", uri=f"sip:%31%30%30;a=b@{station};lr;x=%00?Subject=a%0d%0ab"),
        ask("X-Unknown: \u00fc\u4e00", "X-Long: " + "x" * 5000, "Accept: */*, application/sdp;q=0.0001"),
        ask("SUBJECT:\t  ", "s:", "K: 100rel, x, y", "Require:"),
        ask(CSeq="0009 OPTIONS", Max_Forwards="00068", Content_Length="00000"),
        ask("INVITE", body=sdp, Content_Type='multipart/mixed;boundary="--b"'),
        ask("NEWMETHOD!%*_+`'~"),
        ask(uri="tel:+49-30-100;phone-context=x"),
        ask(uri="nobodyknows:this@h", To="<isbn:2983792873>", From="<http://h/>;tag=1"),
        ask(*(f"Via: SIP/2.0/UDP 192.0.2.{n % 250}:5060;branch=z9hG4bK{n}" for n in range(60))),
        ask(*(f"Route: <sip:192.0.2.{n};lr>" for n in range(40)), "Record-Route: <sip:h;lr>"),
        # Wrong.
        ask(Content_Length="-999"), ask(Content_Length="9999999999"), ask(Content_Length="1 2"), ask("Content-Length: 5"),
        ask("INVITE", body=sdp, Content_Length=str(len(sdp) + 500)), ask("INVITE", body=sdp, Content_Length="3"),
        ask(CSeq="36893488147419103232 OPTIONS"), ask(CSeq="-1 OPTIONS"), ask(CSeq="1 INVITE"), ask(CSeq="OPTIONS"),
        ask(Max_Forwards="300"), ask(Max_Forwards="0"), ask(Max_Forwards="x"),
        ask(From='"unterminated <sip:a@h>;tag=1'), ask(To='"Bell, <sip:b@h'), ask(From="<sip:a@h>"), ask(From="<sip:a@h>;tag=1;tag=2"),
        ask(Via="SIP/7.0/UDP h;branch=z9hG4bK"), ask(Via="garbage"), ask(Via=f"SIP/2.0/TCP {here}:99999;branch=z9hG4bK"), ask(Via=";;,;,,"),
        ask(Contact="<>"), ask(Contact="*"), ask(Contact="<sip:a@h>;;q=x;expires=1e9"), ask(Contact='"<sip:a@[::1"'),
        *(ask(without=(name,)) for name in ("Via", "From", "To", "Call-ID", "CSeq", "Max-Forwards")),
        ask("From: <sip:c@h>;tag=2", "To: <sip:d@h>", "Call-ID: two", "CSeq: 7 BYE"),
        ask().replace(b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia"), ask().replace(b" sip:100", b"  sip:100"), ask().replace(b"SIP/2.0\r\nVia", b"SIP/2.0  \r\nVia"),
        ask().replace(b"OPTIONS sip", b"OPTIONS <sip", 1), ask(uri="sip:"), ask(uri="sip:@"), ask(uri="sip:[::1%lo]:0"), ask(uri="sip:h:70000"),
        ask("INVITE", Require="nothing, at-all", Proxy_Require="x"), ask("INVITE", Content_Type="audio/x", body="x" * 200),
        ask("INVITE", Accept="text/none", body=sdp), ask("INVITE", Content_Encoding="gzip", body=sdp), ask("INVITE", Expires="-1", body=sdp),
        ask("INVITE", Session_Expires="1;refresher=x", Min_SE="0", Supported="timer", body=sdp), ask("INVITE", Replaces="x;to-tag=1;from-tag=2", body=sdp),
        ask("INVITE", Authorization='Digest username="' + "a" * 3000, body=sdp), ask("INVITE", P_Asserted_Identity='"\x1b[2J\x07" <sip:\udcff@h>', body=sdp),
        ask("REGISTER", Contact="*", Expires="5"), ask("REFER", Refer_To="<sip:1@192.0.2.9>"), ask("SUBSCRIBE", Event="x;y=z"), ask("NOTIFY"),
        ask("BYE", To="<sip:b@h>;tag=none"), ask("CANCEL"), ask("ACK"), ask("PRACK", RAck="1 1 INVITE"), ask("UPDATE", body=sdp), ask("INFO", body="\0" * 50),
        b"SIP/2.0 200 OK\r\n" + ask().partition(b"\r\n")[2], b"SIP/2.0 4294967301 better than nothing\r\n" + ask().partition(b"\r\n")[2],
        b"SIP/2.0 99 x\r\n\r\n", b"SIP/2.0\r\n\r\n", b"\r\n\r\n", b"\0" * 200, b"", b"\xff" * 3000, ask()[:60], ask().rstrip(), ask().replace(b"\r\n", b"\n"),
        ask().replace(b"\r\n", b"\r"), ask() + ask(), b"\r\n" * 500 + ask(),
    ]  # fmt: skip


def attack(station: Served, seed: int, count: int, seconds: float = 0.0) -> int:
    """Sends so many spoilt messages, or as many as the time allows, after all that is in `torture`; returns how many."""
    peers = [Peer(station.host, f"127.0.{n}.{n}") for n in range(1, 6)]
    end, done = time.monotonic() + seconds, 0
    try:
        for message in torture(peers[0]):
            peers[0].send(message)
        while done < count or time.monotonic() < end:
            dice = random.Random(f"{seed}:{done}")
            peer, sdp = dice.choice(peers), dice.choice(SDPS)
            if dice.random() < 0.4:
                spoilt = spoil(sdp.encode(), dice).decode("utf-8", "surrogateescape")
                peer.send(
                    peer.request("INVITE", body=spoilt.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
                )
            else:
                method = dice.choice(
                    ("INVITE", "OPTIONS", "BYE", "CANCEL", "ACK", "REGISTER", "UPDATE", "INFO", "PRACK")
                )
                peer.send(spoil(peer.request(method, body=sdp if dice.random() < 0.5 else ""), dice))
            done += 1
    finally:
        for peer in peers:
            peer.close()
    return done


def survived(station: Served) -> None:
    """Raises AssertionError where the station is not what it was."""
    peer = Peer(station.host, "127.0.9.9")
    try:
        assert peer.answered(), "OPTIONS is not answered any more"
    finally:
        peer.close()
    workers = json.loads(get(f"{station.url}v1/status"))["workers"]
    assert [worker["restarts"] for worker in workers] == [0] * len(workers), workers
    until(lambda: get(f"{station.url}readyz"))
    said = "".join(station.said)
    assert "Traceback" not in said, said[said.find("Traceback") - 200 :][:4000]
    assert "\x1b" not in said


def main() -> int:
    """Attacks a station of its own."""
    parser = argparse.ArgumentParser(description="Sends a station what no user agent sends.")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "station", "FUZZED") as station:
        done = attack(station, options.seed, 0, options.seconds)
        survived(station)
    print(f"{done} messages survived")
    return 0


if __name__ == "__main__":
    sys.exit(main())
