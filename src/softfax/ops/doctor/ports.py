# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of a configuration's ports, the programs that hold them, and a running station."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any, Literal

from softfax.errors import SoftfaxError
from softfax.ops.doctor.findings import CheckArea, Finding, failed, ok
from softfax.sip.listening import listen_of
from softfax.sip.types import parse_listen
from softfax.station.config import StationConfig

__all__ = ["ask_station", "is_station", "owner", "port_findings", "station_runs"]

ANSWER_S = 3.0
#: The owner of a port, where it is a station.
STATION = "softfax serve"
Protocol = Literal["udp", "tcp"]


async def station_runs(config: StationConfig) -> bool:
    """Return True if a station answers at [http] listen."""
    return (await ask_station(config, "/healthz")) is not None


async def ask_station(config: StationConfig, path: str) -> Any:
    """Return the running station's answer to GET, as JSON or text; None where there is none. Sends SOFTFAX_TOKEN."""
    if not config.http.enabled:
        return None
    return await asyncio.to_thread(_get, config, path)


def _get(config: StationConfig, path: str) -> Any:
    host, port = parse_listen(config.http.listen)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    shown = f"[{host}]" if ":" in host else host
    scheme = "http" if config.http.tls_certificate is None else "https"
    request = urllib.request.Request(f"{scheme}://{shown}:{port}{path}")
    if token := os.environ.get("SOFTFAX_TOKEN"):
        request.add_header("Authorization", f"Bearer {token}")
    # It is asked on this machine, by whatever name its certificate has.
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls))
    try:
        with opener.open(request, timeout=ANSWER_S) as answer:
            text = answer.read(1 << 20).decode("utf-8", "replace")
    except (OSError, ValueError, urllib.error.URLError):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


async def port_findings(config: StationConfig, running: bool) -> list[Finding]:
    """One finding a port."""
    return [await asyncio.to_thread(_look, *wanted, running) for wanted in _wanted(config)]


def _wanted(config: StationConfig) -> Iterator[tuple[str, str, tuple[Protocol, ...]]]:
    tls = config.sip.transport == "tls"
    for number in range(config.processes):
        name = "SIP" if not number else f"SIP of process {number + 1}"
        for listen in listen_of(config.sip.listen, number):
            yield name, listen, ("tcp",) if tls else ("udp", "tcp")
    if config.http.enabled:
        yield "HTTP", config.http.listen, ("tcp",)
    if config.ami is not None:
        for name, listen in (("AMI", config.ami.listen), ("AMI over TLS", config.ami.tls_listen)):
            if listen:
                yield name, listen, ("tcp",)
    if config.mail is not None and config.mail.listen:
        yield "SMTP", config.mail.listen, ("tcp",)


def _look(name: str, listen: str, protocols: tuple[Protocol, ...], running: bool) -> Finding:
    try:
        host, port = parse_listen(listen)
    except SoftfaxError as error:
        return failed(CheckArea.PORTS, f"{name}: {error.problem}", error.remedy)
    for protocol in protocols:
        problem = _binds(host, port, protocol)
        if problem is None:
            continue
        if problem == errno.EADDRINUSE:
            who = owner(port, protocol)
            if who.startswith(STATION) or (running and not who):
                return ok(CheckArea.PORTS, f"{name} at {listen}: the station listens there{f' ({who})' if who else ''}")
            remedy = f"stop it, or give {name.split()[0]} another port"
            return failed(
                CheckArea.PORTS, f"{name} at {listen}: {protocol} port taken by {who or 'another program'}", remedy
            )
        if problem == errno.EADDRNOTAVAIL:
            return failed(
                CheckArea.PORTS,
                f"{name} at {listen}: no address of this machine",
                "use one of `ip address`, or 0.0.0.0",
            )
        if problem == errno.EACCES:
            return failed(CheckArea.PORTS, f"{name} at {listen}: ports below 1024 are for root", "use a higher port")
        return failed(CheckArea.PORTS, f"{name} at {listen}: {os.strerror(problem)}", "use another address")
    return ok(CheckArea.PORTS, f"{name} at {listen} is free ({', '.join(protocols)})")


def _binds(host: str, port: int, protocol: Protocol) -> int | None:
    """Try to bind a port: None where it is free, else the errno."""
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    try:
        family, _, _, _, address = socket.getaddrinfo(host or "127.0.0.1", port, type=kind, flags=socket.AI_PASSIVE)[0]
    except OSError:
        return errno.EADDRNOTAVAIL
    with socket.socket(family, kind) as sock:
        if protocol == "tcp":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(address)
            if protocol == "tcp":
                sock.listen(1)
        except OSError as error:
            return error.errno
    return None


def owner(port: int, protocol: Protocol) -> str:
    """Return `name, pid 12` of the process that has a port, for a station `softfax serve, pid 12`.

    Empty where that cannot be seen, as for other users' processes.
    """
    inodes = set()
    for table in (protocol, f"{protocol}6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            # Listening (0A) for TCP; UDP has no such state.
            if int(fields[1].rpartition(":")[2], 16) == port and (protocol == "udp" or fields[3] == "0A"):
                inodes.add(f"socket:[{fields[9]}]")
    return _holder(inodes) if inodes else ""


def _holder(inodes: set[str]) -> str:
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if any(os.readlink(fd) in inodes for fd in (process / "fd").iterdir()):
                words = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                name = STATION if is_station(words) else (process / "comm").read_text().strip()
                return f"{name}, pid {process.name}"
        except OSError:
            continue
    return ""


def is_station(words: Sequence[str]) -> bool:
    """Return whether a command line is that of a station, or of one of its processes for calls."""
    program, *rest = words or [""]
    if re.fullmatch(r"python[\d.]*", PurePath(program).name):
        while rest and rest[0].startswith("-") and rest[0] != "-m":
            # These two options take a word of their own.
            rest = rest[2 if rest[0] in ("-X", "-W") else 1 :]
        if rest[:1] == ["-m"]:
            module = "".join(rest[1:2])
            if module in ("softfax.ops.worker", "softfax.station.worker"):
                return True
            program, rest = "softfax" if module == "softfax.cli.main" else module, rest[2:]
        else:
            program, rest = "".join(rest[:1]), rest[1:]
    return PurePath(program).name == "softfax" and rest[:1] == ["serve"]
