# SPDX-License-Identifier: GPL-2.0-or-later
"""The doctor's report on a machine that is well, and on one that is not."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.cli.main import main
from softfax.diskspace import DiskFloor
from softfax.model import Direction, Mode, ProgressEvent
from softfax.ops.doctor import examine, local, network
from softfax.ops.doctor.findings import CheckArea, Finding, Status
from softfax.ops.doctor.ports import is_station, owner, port_findings
from softfax.ops.doctor.sipping import options_request, read_answer
from softfax.ops.doctor.trial import verdict
from softfax.station import StationConfig
from tests.unit.ops.test_logs import RESULT


def config(folder: Path, **tables: object) -> StationConfig:
    return StationConfig.checked({"data": {"dir": folder}, "http": {"enabled": False}, **tables}, "")


class Server(asyncio.DatagramProtocol):
    """A SIP server that answers every request the same way."""

    def __init__(self, *headers: str, status: str = "200 OK") -> None:
        self.headers = headers
        self.status = status
        self.got: list[str] = []

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        text = data.decode()
        self.got.append(text)
        via = next(line for line in text.split("\r\n") if line.startswith("Via:"))
        self.transport.sendto("\r\n".join([f"SIP/2.0 {self.status}", via, *self.headers, "", ""]).encode(), addr)


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[int]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: server, local_addr=("127.0.0.1", 0)
    )
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


def accounts(folder: Path, server: str) -> list[Finding]:
    return asyncio.run(network.account_findings(config(folder, account=[{"name": "pbx", "server": server}])))


def test_a_server_that_answers(tmp_path: Path) -> None:
    late = format_datetime(datetime.now(UTC) - timedelta(minutes=10), usegmt=True)
    server = Server("Server: Testbox 1.0", f"Date: {late}", status="404 Not Found")

    async def ask() -> list[Finding]:
        async with serving(server) as port:
            wanted = config(tmp_path, account=[{"name": "pbx", "server": f"sip:127.0.0.1:{port}"}])
            return await network.account_findings(wanted)

    answered, clock = asyncio.run(ask())
    assert answered.status is Status.OK
    assert "(404 Not Found), Testbox 1.0" in answered.text
    assert clock.status is Status.WARNING
    assert "+60" in clock.text
    assert server.got[0].startswith("OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:")


def test_servers_that_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "PROBE_S", 0.3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        (silent,) = accounts(tmp_path, f"sip:127.0.0.1:{deaf.getsockname()[1]}")
        closed_port = deaf.getsockname()[1]
    assert "no answer from 127.0.0.1" in silent.text
    (closed,) = accounts(tmp_path, f"sip:127.0.0.1:{closed_port}")
    assert closed.status is Status.FAILED
    assert "cannot be reached (Connection refused)" in closed.text
    monkeypatch.setattr(network, "PROBE_S", 5.0)
    (unknown,) = accounts(tmp_path, "sip:pbx.invalid")
    assert "the name pbx.invalid is not found" in unknown.text


@given(st.binary(max_size=300))
def test_any_answer_is_read_or_left(data: bytes) -> None:
    read_answer(data, "x")
    read_answer(b"SIP/2.0 200 OK\r\nVia: z9hG4bKx\r\n" + data, "x")


def test_only_the_answer_to_our_request_counts() -> None:
    request = options_request("sip:x", ("::1", 5060), "tcp", "abc").decode()
    assert "Via: SIP/2.0/TCP [::1]:5060;branch=z9hG4bKabc;rport" in request
    answer = read_answer(b"SIP/2.0 200 OK\r\nv: SIP/2.0/UDP x;branch=z9hG4bKabc\r\ns: a subject\r\n\r\n", "abc")
    assert answer is not None
    assert "server" not in answer.headers, "`s` is short for Subject (RFC 3261 §20)"
    assert read_answer(b"SIP/2.0 200 OK\r\nv: SIP/2.0/UDP x;branch=z9hG4bKother\r\n\r\n", "abc") is None
    assert read_answer(b"SIP/2.0 100 Trying\r\nv: z9hG4bKabc\r\n\r\n", "abc") is None


def test_ports(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert ", pid " in owner(port, "tcp")
        wanted = config(
            tmp_path,
            sip={"listen": "127.0.0.1:0"},
            ami={"listen": f"127.0.0.1:{port}", "tls_listen": "192.0.2.1:5039", "tls_certificate": "x.pem"},
        )
        sip, ami, tls = asyncio.run(port_findings(wanted, running=False))
    assert sip.status is Status.OK
    assert ami.status is Status.FAILED
    assert "tcp port taken by " in ami.text, "a test is no station, wherever it lies"
    assert "no address of this machine" in tls.text
    assert owner(port, "udp") == ""


def test_a_program_in_a_folder_of_that_name_is_not_the_station(tmp_path: Path) -> None:
    script = tmp_path / "softfax" / "listen.py"
    script.parent.mkdir()
    script.write_text(
        "import socket, sys\n"
        "s = socket.create_server(('127.0.0.1', 0))\n"
        "print(s.getsockname()[1], flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, str(script), "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        wanted = config(tmp_path, sip={"listen": "127.0.0.1:0"}, ami={"listen": f"127.0.0.1:{port}"})
        _, ami = asyncio.run(port_findings(wanted, running=True))
        other.communicate()
    assert ami.status is Status.FAILED
    assert f"pid {other.pid}" in ami.text


@pytest.mark.parametrize(
    ("line", "station"),
    [
        ("/usr/lib/softfax/bin/python3 /usr/bin/softfax serve --config /etc/softfax/softfax.toml", True),
        ("python3.11 -u -X dev /root/.local/bin/softfax serve", True),
        ("/opt/softfax/bin/python3 -m softfax.ops.worker 7", True),
        ("python3 -m softfax.cli.main serve", True),
        ("/home/me/softfax/.venv/bin/python -m pytest tests/serve", False),
        ("/srv/softfax/bin/asterisk -f", False),
        ("python3 /usr/bin/softfax receive --listen 0.0.0.0:5060", False),
        ("nc -l softfax serve", False),
        ("python3 -m http.server softfax", False),
        ("python3", False),
        ("", False),
    ],
)
def test_the_command_line_of_a_station(line: str, station: bool) -> None:
    assert is_station(line.split()) is station


def test_nat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def seen(server: str, local: str) -> str:
        return "198.51.100.7"

    monkeypatch.setattr(network, "local_address_towards", lambda uri: "10.0.0.5")
    monkeypatch.setattr(network, "public_address", seen)

    def look(server: str, stun: str = "", listen: str = "0.0.0.0:5060", **account: object) -> str:
        wanted = config(tmp_path, sip={"listen": listen}, account=[{"name": "t", "server": server, **account}])
        (finding,) = asyncio.run(network.nat_findings(wanted, stun))
        return f"{finding.status}: {finding.text}; {finding.remedy}"

    assert look("sip:10.0.0.9").startswith("ok: t: 10.0.0.9 is reached from 10.0.0.5, no NAT")
    assert look("sip:8.8.8.8").startswith("warning: t: 10.0.0.5 is private and 8.8.8.8 public")
    assert look("sip:8.8.8.8", public_address="198.51.100.7").startswith("ok: t: behind NAT, shows 198.51.100.7")
    assert 'public_address = "198.51.100.7"' in look("sip:8.8.8.8", "stun.example")
    assert look("sip:8.8.8.8", "stun.example", public_address="203.0.113.1").startswith("failed: t: we are seen as")
    assert look("sip:8.8.8.8", listen="127.0.0.1:5060").startswith("failed: t: SIP is listened for on loopback alone")


def test_what_a_result_says_of_the_line() -> None:
    good = dataclasses.replace(RESULT, success=True, status_string="OK", result_code=0)
    assert [one.status for one in verdict(good, None)] == [Status.OK]
    assert "over T.38, 14400 bit/s, ECM" in verdict(good, None)[0].text
    poor = dataclasses.replace(good, mode=Mode.AUDIO, bitrate=4800)
    progress = ProgressEvent(direction=Direction.SEND, page=1, bytes=1, packets=98, lost=2)
    said = [one.text for one in verdict(poor, progress)]
    assert len(said) == 4
    assert "T.38 was not agreed on" in said[1]
    assert "2 of 100 packets were lost" in said[3]
    (refused,) = verdict(dataclasses.replace(RESULT, result_code=1403, sip_code=403, status_string="forbidden"), None)
    assert refused.status is Status.FAILED
    assert "user and password" in refused.remedy


def test_a_disk_that_is_full() -> None:
    free, now = [300 << 20], [0.0]
    floor = DiskFloor([Path("/data")], 200, free=lambda folder: free[0], now=lambda: now[0])
    assert floor.problem() == ""
    free[0] = 100 << 20
    assert floor.problem() == "", "remembered for a moment"
    now[0] = 3.0
    assert floor.problem() == "the disk is full: 100 MB are left at /data, 200 MB are wanted"
    assert DiskFloor([Path("/")], 0).problem() == ""
    assert DiskFloor([Path("/nowhere/at/all")], 1).problem() == ""


def test_a_machine_that_is_well(tmp_path: Path) -> None:
    file = tmp_path / "softfax.toml"
    file.write_text(f'[sip]\nlisten = "127.0.0.1:0"\n[http]\nenabled = false\n[data]\ndir = "{tmp_path}"\n')

    async def look() -> list[Finding]:
        return [finding async for finding in examine(file, environ={})]

    found = asyncio.run(look())
    assert not [one for one in found if one.status is Status.FAILED]
    assert {str(one.area) for one in found} >= {
        "configuration",
        "libraries",
        "ports",
        "disk",
        "documents",
        "limits",
        "call",
    }
    assert all(one.remedy for one in found if one.status is Status.WARNING)


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "softfax.toml"
    file.write_text("[sip]\nlissten = 1\n")
    assert main(["doctor", "--config", str(file)]) == 1
    out = capsys.readouterr().out
    assert "✗ line 2: there is no key sip.lissten" in out
    assert "→ did you mean listen?" in out
    assert main(["doctor", "--config", str(file), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is False
    assert said["findings"][0]["area"] == "configuration"


def test_what_looks_no_further_leaves_nothing_behind(recwarn: pytest.WarningsRecorder) -> None:
    """`softfax doctor | head`: what was not looked at yet is not complained about."""

    async def first() -> str:
        async for finding in examine(None, environ={}):
            if finding.area is CheckArea.LIBRARIES:
                return finding.text
        return ""

    assert "its engine loads" in asyncio.run(first())
    gc.collect()
    assert [str(one.message) for one in recwarn if issubclass(one.category, RuntimeWarning)] == []


def test_programs_that_documents_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "draws_web_pages", lambda: False)
    for there, missing in ((False, "no WeasyPrint: "), (True, "no Pango: ")):
        monkeypatch.setattr(local, "is_installed", lambda module, there=there: there)
        (said,) = [one for one in local.document_findings() if "web pages" in one.text]
        assert said.text.startswith(missing)
        assert ("pip install weasyprint" in said.remedy, "libpango" in said.remedy) == (not there, there)
