# SPDX-License-Identifier: GPL-2.0-or-later
"""Kamailio as deploy/kamailio ships it before two stations: faxes from the trunk reach them page for page, one that drains gets none,
and the trunk sees one registration."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from softfax.documents.tiff import read_pages
from tests.support.background import REPOSITORY
from tests.support.command import SoftfaxProcess
from tests.support.debian import unpacked
from tests.support.pages import draw_page, write_fax_tiff
from tests.support.served import CONFIG, Served, serving, until

pytestmark = pytest.mark.sip

LIMIT_S = 180.0
STATION = """
[[account]]
name = "edge"
server = "sip:{edge}"
user = "fax"
register = false
"""


@contextmanager
def edge(folder: Path, port: int, trunk: str, stations: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Kamailio, started by what is shipped."""
    root = unpacked("kamailio")
    (libraries,) = root.glob("usr/lib/*/kamailio")
    log = folder / "kamailio.log"
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(libraries),
        "KAMAILIO": str(root / "usr/sbin/kamailio"),
        "MODULES": f"{libraries}/modules/",
        "RUN_DIR": str(folder / "run"),
        "STATIONS": " ".join(stations),
        "TRUNK": trunk,
        "TRUNK_SOURCES": "127[.]0[.]0[.]1",
        "TRUNK_USER": "100",
        "TRUNK_PASSWORD": "se:cret",
        "CONTACT": f"127.0.0.1:{port}",
        "LISTEN": f"udp:127.0.0.1:{port} tcp:127.0.0.1:{port}",
        "PING_S": "1",
    }
    with log.open("wb") as file:
        process = subprocess.Popen(
            [REPOSITORY / "deploy" / "kamailio" / "start.sh"], env=environment, stdout=file, stderr=file
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def options(address: str) -> str:
    """The status that an address answers OPTIONS with; empty for none in a second."""
    host, _, port = address.partition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        far.settimeout(1.0)
        here, mark = f"127.0.0.1:{far.getsockname()[1]}", time.monotonic_ns()
        far.sendto(
            f"OPTIONS sip:fax@{address} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{mark}\r\nFrom: <sip:a@{here}>;tag={mark}\r\n"
            f"To: <sip:fax@{address}>\r\nCall-ID: {mark}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n".encode(),
            (host, int(port)),
        )
        try:
            return far.recv(65535).decode().split(" ")[1]
        except TimeoutError:
            return ""


def received(folder: Path) -> list[Path]:
    return sorted((folder / "received").glob("2*.tif"))


def test_a_group_behind_its_edge(tmp_path: Path) -> None:
    page = write_fax_tiff(tmp_path / "page.tif", [draw_page("to the group")])
    long = write_fax_tiff(tmp_path / "long.tif", [draw_page(f"page {n}") for n in range(3)])
    folders = [tmp_path / "one", tmp_path / "two"]
    with ExitStack() as stack, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Held until Kamailio takes it: the stations look for ports too.
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
        trunk = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        trunk.bind(("127.0.0.1", 0))
        trunk.settimeout(30.0)
        for folder in folders:
            folder.mkdir()
            config = CONFIG.replace("[fax]", "keep_tiff = true\n[fax]").format(folder=folder, name=folder.name)
            (folder / "softfax.toml").write_text(config + STATION.format(edge=f"127.0.0.1:{port}"))
        stations: list[Served] = [stack.enter_context(serving(folder, folder.name)) for folder in folders]
        hosts, registrar = [one.host for one in stations], f"127.0.0.1:{trunk.getsockname()[1]}"
        probe.close()
        stack.enter_context(edge(tmp_path, port, registrar, hosts))
        request = trunk.recv(65535).decode()
        assert request.startswith(f"REGISTER sip:{registrar.partition(':')[0]}"), request
        assert f"Contact: <sip:trunk@127.0.0.1:{port}>" in request
        until(lambda: options(f"127.0.0.1:{port}") == "200", 30)

        # A call of a station's goes to the trunk, with the trunk's name.
        body = json.dumps({"to": "0301", "cover": {"subject": "out"}}).encode()
        order = urllib.request.Request(
            f"{stations[0].url.rstrip('/')}/v1/faxes", body, {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(order, timeout=30).close()
        while not (request := trunk.recv(65535).decode()).startswith("INVITE"):
            pass
        assert request.startswith(f"INVITE sip:0301@{registrar} SIP/2.0"), request
        kept = [line for line in request.split("\r\n") if re.match("(Via|From|To|Call-ID|CSeq):", line, re.I)]
        answer = "\r\n".join(["SIP/2.0 404 Not Found", *kept, "Content-Length: 0", "", ""])
        trunk.sendto(answer.encode(), ("127.0.0.1", port))

        async def send(number: str, document: Path, mode: str = "t38") -> SoftfaxProcess:
            to = f"sip:{number}@127.0.0.1:{port}"
            return await SoftfaxProcess.start("send", to, str(document), "--mode", mode, cwd=tmp_path)

        async def arrives(number: str) -> None:
            """A station that is busy for a moment says so, and the call comes again."""
            for _ in range(5):
                one = await send(number, page)
                if await one.wait(LIMIT_S) == 0:
                    return
                assert one.results[0]["sip_code"] == 503, one.stderr
                await asyncio.sleep(2)
            raise AssertionError(one.stderr)

        async def run() -> None:
            # In turn.
            await asyncio.gather(arrives("100"), arrives("101"))
            await asyncio.to_thread(until, lambda: [len(received(folder)) for folder in folders] == [1, 1])
            # One drains while it still has a fax, which takes its time in audio.
            under_way = await send("102", long, "audio")
            assert await under_way.wait_event(60, event="page"), under_way.stderr
            drained = next(n for n, folder in enumerate(folders) if list((folder / "received").glob(".*.tif")))
            stations[drained].process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(until, lambda: options(hosts[drained]) == "503", 30)
            await asyncio.gather(arrives("103"), arrives("104"))
            assert await under_way.wait(LIMIT_S) == 0, under_way.stderr
            assert await asyncio.to_thread(stations[drained].process.wait, 60) == 0
            counts = {drained: 2, 1 - drained: 3}
            await asyncio.to_thread(until, lambda: [len(received(f)) for f in folders] == [counts[0], counts[1]])
            # Nobody is left: the trunk is told so, and may call elsewhere.
            stations[1 - drained].process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(stations[1 - drained].process.wait, 60) == 0
            await asyncio.to_thread(until, lambda: options(f"127.0.0.1:{port}") == "503", 30)
            refused = await send("105", page)
            assert await refused.wait(60) != 0
            assert refused.results[0]["sip_code"] == 503

        asyncio.run(run())
    sent, all_sent = list(read_pages(page)), list(read_pages(long))
    for tiff in (path for folder in folders for path in received(folder)):
        pages = list(read_pages(tiff))
        assert [rows.tobytes() for _, rows in pages] == [
            rows.tobytes() for _, rows in (sent if len(pages) == 1 else all_sent)
        ], tiff
