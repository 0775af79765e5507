# SPDX-License-Identifier: GPL-2.0-or-later
"""One running Asterisk: ports found free now, a configuration of its own, and all that it wrote until it is stopped.

SIP (UDP and TCP) and the manager interface listen on 127.0.0.1 alone. An instance lives in a folder of its own inside
the chroot, so any number of them, of several test runs, can be up at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.peer.ami import Ami, Message
from tests.peer.chroot import SUITES, Chroot, PeerUnavailableError, ensure_chroot

__all__ = ["Asterisk", "PeerAddress", "free_port", "make_certificate", "originate"]

TEMPLATES = Path(__file__).parent / "etc"
START_LIMIT_S = 30.0
STOP_LIMIT_S = 10.0
RTP_PORTS, UDPTL_PORTS = 1000, 600
#: Below those of RTP and UDPTL, and below those that Linux gives to sockets without a port of their own.
OWN_PORTS = range(10240, 12000)


@dataclass(frozen=True)
class PeerAddress:
    """Address of a running instance, as a client needs it; all on 127.0.0.1."""

    sip_port: int
    ami_port: int
    ami_user: str
    ami_secret: str
    register_user: str
    register_password: str
    version: str
    pid: int
    root: str
    """The chroot, as seen from outside."""
    folder: str
    """The instance's folder, as seen from inside the chroot."""
    station_id: str
    tls_port: int
    iax_port: int

    def uri(self, extension: str) -> str:
        return f"sip:{extension}@127.0.0.1:{self.sip_port}"

    def outside(self, path: str) -> Path:
        """The path outside of one that Asterisk names."""
        return Path(self.root + path)

    @property
    def certificate(self) -> Path:
        """Certificate that its TLS is checked with."""
        return self.outside(f"{self.folder}/etc/tls.pem")

    @property
    def faxes(self) -> Path:
        """The folder Asterisk sends from and receives into, seen from outside."""
        return self.outside(f"{self.folder}/fax")

    @property
    def log(self) -> Path:
        return self.outside(f"{self.folder}/log/messages")

    async def manager(self, events: str = "call,user,system") -> Ami:
        return await Ami.connect(self.ami_port, self.ami_user, self.ami_secret, events=events)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> PeerAddress:
        return cls(**json.loads(text))


class Asterisk:
    """Starts one instance and stops it: `with Asterisk() as address: …`."""

    def __init__(
        self, *, send_file: Path | None = None, log_copy: Path | None = None, suites: Sequence[str] = SUITES
    ) -> None:
        self._suites = suites
        self.send_file = send_file
        self.log_copy = log_copy
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None

    def __enter__(self) -> PeerAddress:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> PeerAddress:
        """Returns once Asterisk is fully booted. Raises PeerUnavailableError."""
        chroot = ensure_chroot(self._suites)
        log = ""
        # A port found free may be taken before Asterisk binds it: then again with others.
        for _ in range(3):
            try:
                address = self._launch(chroot)
                if asyncio.run(_booted(address, START_LIMIT_S)):
                    return address
                log = address.log.read_text(errors="replace")[-2000:] if address.log.exists() else ""
            except BaseException:
                self.stop()
                raise
            self.stop()
        raise PeerUnavailableError(f"Asterisk did not come up; the end of its log:\n{log}")

    def stop(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._folder:
            log = self._folder / "log" / "messages"
            if self.log_copy and log.exists():
                self.log_copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(log, self.log_copy)
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _launch(self, chroot: Chroot) -> PeerAddress:
        name = f"{os.getpid()}-{secrets.token_hex(3)}"
        inside = f"/peer/{name}"
        self._folder = folder = Path(str(chroot.root) + inside)
        for part in ("etc", "log", "run", "spool", "lib", "fax"):
            (folder / part).mkdir(parents=True)
        # Schema and documentation belong to the distribution; the database is this instance's.
        for shared in (chroot.root / "var/lib/asterisk").iterdir():
            if shared.name != "astdb.sqlite3":
                (folder / "lib" / shared.name).symlink_to(f"/var/lib/asterisk/{shared.name}")
        if self.send_file:
            shutil.copy(self.send_file, folder / "fax" / "send.tif")
        sip_port, ami_port, tls_port = free_port(udp=True), free_port(udp=False), free_port(udp=False)
        iax_port = free_port(udp=True)
        address = PeerAddress(
            sip_port=sip_port,
            ami_port=ami_port,
            ami_user="fax",
            ami_secret=secrets.token_hex(8),
            register_user="station",
            register_password=secrets.token_hex(8),
            version=chroot.version,
            pid=0,
            root=str(chroot.root),
            folder=inside,
            station_id=f"ASTERISK {chroot.major}",
            tls_port=tls_port,
            iax_port=iax_port,
        )
        make_certificate(folder / "etc" / "tls.pem", folder / "etc" / "tls.key")
        _configure(folder / "etc", address, chroot)
        with (folder / "log" / "console").open("wb") as console:
            self._process = subprocess.Popen(
                ["chroot", str(chroot.root), "/usr/sbin/asterisk", "-f", "-n", "-C", f"{inside}/etc/asterisk.conf"],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        return PeerAddress(**{**asdict(address), "pid": self._process.pid})


def _configure(folder: Path, address: PeerAddress, chroot: Chroot) -> None:
    # Media ports may overlap with others': Asterisk takes the next one where a port is in use. Below the range that
    # Linux gives to sockets without a port of their own, so they meet nobody by chance.
    first = random.randrange(12000, 32000 - RTP_PORTS - UDPTL_PORTS, 2)
    values = {
        "INST": address.folder,
        "MODDIR": chroot.modules,
        "VERSION": chroot.major,
        "SIP": address.sip_port,
        "TLS": address.tls_port,
        "IAX": address.iax_port,
        "AMI": address.ami_port,
        "AMI_USER": address.ami_user,
        "AMI_SECRET": address.ami_secret,
        "REG_USER": address.register_user,
        "REG_PASSWORD": address.register_password,
        "STATIONID": address.station_id,
        "RTP_FIRST": first,
        "RTP_LAST": first + RTP_PORTS - 1,
        "UDPTL_FIRST": first + RTP_PORTS,
        "UDPTL_LAST": first + RTP_PORTS + UDPTL_PORTS - 1,
    }
    for template in TEMPLATES.glob("*.conf"):
        text = template.read_text()
        for key, value in values.items():
            text = text.replace(f"@{key}@", str(value))
        (folder / template.name).write_text(text)


def make_certificate(certificate: Path, key: Path) -> None:
    """A certificate for 127.0.0.1 that signs itself."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=softfax test peer", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-days", "30"]
    subprocess.run([*command, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)


async def _booted(address: PeerAddress, limit_s: float) -> bool:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if not Path(f"/proc/{address.pid}").exists():
            return False
        with suppress(OSError, EOFError, asyncio.TimeoutError):
            ami = await address.manager()
            try:
                up = ami.expect(lambda m: m.get("Event") == "FullyBooted")
                if not any(m.get("Event") == "FullyBooted" for m in ami.history):
                    await asyncio.wait_for(up, max(0.1, end - time.monotonic()))
                # An instance whose port of SIP or IAX was taken boots all the same.
                return {address.sip_port, address.iax_port} <= _udp_ports(address.pid)
            finally:
                await ami.close()
        await asyncio.sleep(0.1)
    return False


def free_port(*, udp: bool) -> int:
    """A TCP port of 127.0.0.1 that is free now, for UDP as well if asked. Sockets without a port of their own do not take it
    before who asked does: Linux gives them others."""
    for _ in range(50):
        port = random.choice(OWN_PORTS)
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dgram,
        ):
            try:
                tcp.bind(("127.0.0.1", port))
                if udp:
                    dgram.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise PeerUnavailableError("no free port on 127.0.0.1")


def _udp_ports(pid: int) -> set[int]:
    """The local UDP ports of a process."""
    mine = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            mine.add(os.readlink(descriptor))
    sockets = [line.split() for line in Path(f"/proc/{pid}/net/udp").read_text().splitlines()[1:]]
    return {int(fields[1].rpartition(":")[2], 16) for fields in sockets if f"socket:[{fields[9]}]" in mine}


async def originate(
    ami: Ami,
    direction: str,
    uri: str,
    tag: str,
    *,
    endpoint: str = "out",
    options: str = "",
    file: str = "",
    ecm: bool = True,
    rate: int = 0,
    answer_limit_s: float = 60,
) -> asyncio.Future[Message]:
    """Has Asterisk call `uri` (empty: who is registered as `endpoint`) and send or receive a fax there; `tag` names the call.

    `options` are those of SendFAX and ReceiveFAX, `file` is a path inside the chroot. The future gives the FaxResult
    event, or the OriginateResponse of a call that was not answered.
    """
    variables = {"FAXTAG": tag, "FAXOPTS": options}
    if file:
        variables["FAXFILE"] = file
    if not ecm:
        variables["FAXECM"] = "no"
    if rate:
        variables["FAXRATE"] = str(rate)
    ended = ami.expect(
        lambda m: (
            (m.get("UserEvent") == "FaxResult" and m.get("Tag") == tag)
            or (m.get("Event") == "OriginateResponse" and m.get("ActionID") == tag and m.get("Response") == "Failure")
        )
    )
    await ami.action(
        "Originate",
        variables,
        ActionID=tag,
        Channel=f"PJSIP/{endpoint}/{uri}" if uri else f"PJSIP/{endpoint}",
        Context="out",
        Exten="sendfax" if direction == "send" else "receivefax",
        Priority="1",
        CallerID=f'"{tag}" <{tag}>',
        Async="true",
        Timeout=str(int(answer_limit_s * 1000)),
    )
    return ended
