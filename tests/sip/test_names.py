# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers are found by name: SRV by priority, hosts of the system; a name server that is silent holds up nobody else.

In a network of its own, whose only name server is the test's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.sip.test_agent import PRELUDE
from tests.support.absent import absent

pytestmark = pytest.mark.sip

APART = ["unshare", "--net", "--mount", "sh", "-c"]
#: Brings the loopback up without any tool of its own (SIOCGIFFLAGS, SIOCSIFFLAGS), and takes the system's settings of names away.
NETWORK = """
import fcntl, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    flags = struct.unpack("16sh", fcntl.ioctl(s, 0x8913, struct.pack("16sh", b"lo", 0)))[1]
    fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", flags | 1))
"""
SERVER = """
import threading
def labels(name): return b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\\0"
ZONE = {}  # (name, type) -> list of rdata; None: no answer at all
def serve():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); sock.bind(("127.0.0.1", 53))
    while True:
        data, far = sock.recvfrom(512)
        parts, at = [], 12
        while data[at]: parts.append(data[at + 1 : at + 1 + data[at]].decode()); at += 1 + data[at]
        kind = int.from_bytes(data[at + 1 : at + 3], "big")
        name = ".".join(parts).lower()
        if any(name.endswith(end) for end in ("silent.example",)): continue
        found = ZONE.get((name, kind), [])
        known = any(n == name for n, _ in ZONE)
        head = data[:2] + (b"\\x85\\x80" if known else b"\\x85\\x83") + b"\\0\\1" + len(found).to_bytes(2, "big") + bytes(4)
        body = data[12 : at + 5] + b"".join(b"\\xc0\\x0c" + kind.to_bytes(2, "big") + b"\\0\\1" + bytes(4) + len(r).to_bytes(2, "big") + r for r in found)
        sock.sendto(head + body, far)
threading.Thread(target=serve, daemon=True).start()
def srv(priority, weight, port, target): return struct.pack("!HHH", priority, weight, port) + labels(target)
"""
MAIN = """
async def main(agent):
    port = agent.bound_address[1]
    dead = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); dead.bind(("127.0.0.1", 0))
    for name in ("pbx.example", "trunk.example"):
        ZONE[name, 1] = [bytes((127, 0, 0, 1))]
    ZONE["_sip._udp.trunk.example", 33] = [srv(20, 1, dead.getsockname()[1], "pbx.example"), srv(10, 1, port, "pbx.example")]
    agent.incoming = lambda call: 486
    agent.call("sip:1@silent.example:5060", Side("silent"), t38=policy())
    started = asyncio.get_running_loop().time()
    for uri in (f"sip:1@pbx.example:{port}", "sip:1@trunk.example", f"sip:1@localhost:{port}", f"sip:1@127.0.0.1:{port}"):
        side = Side(uri)
        agent.call(uri, side, t38=policy())
        await side.until("ended 486")
    assert asyncio.get_running_loop().time() - started < 3, "the name that nobody answers for held up the others"
    side = Side("nowhere")
    agent.call("sip:1@nowhere.example", side, t38=policy())
    await side.until("ended 502")
    # An account by name is told by its server's address.
    await agent.set_accounts([SipAccount(name="x", server=f"sip:pbx.example:{port}")])
    seen = asyncio.get_running_loop().create_future()
    def incoming(call):
        seen.set_result(call.account)
        return 486
    agent.incoming = incoming
    agent.call(f"sip:1@127.0.0.1:{port}", Side("again"), t38=policy())
    assert await seen == "x"
run(main)
"""


def run_apart(tmp_path: Path, text: str, limit_s: float) -> str:
    """Runs a script in a network of its own, whose name server is on loopback; what it printed."""
    resolv, script = tmp_path / "resolv.conf", tmp_path / "apart.py"
    resolv.write_text("nameserver 127.0.0.1\noptions timeout:2 attempts:2\n")
    script.write_text(PRELUDE + NETWORK + SERVER + text)
    if subprocess.run([*APART, "true"], check=False, capture_output=True).returncode:
        absent("no network of its own can be made here (unshare, as root)")
    done = subprocess.run(
        [*APART, f"mount --bind {resolv} /etc/resolv.conf && exec {sys.executable} {script}"],
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-1000:]
    assert "Traceback" not in done.stderr
    return done.stdout


def test_names_of_servers(tmp_path: Path) -> None:
    run_apart(tmp_path, textwrap.dedent(MAIN), 60)
