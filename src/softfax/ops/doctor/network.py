# SPDX-License-Identifier: GPL-2.0-or-later
"""Names, routes and NAT towards the servers of the accounts, what they answer, and whether they take our registration."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from ipaddress import ip_address

from softfax.errors import SoftfaxError
from softfax.mailboxes.targets import MailboxError, greet
from softfax.ops.check import is_loopback
from softfax.ops.doctor.findings import CheckArea, Finding, failed, ok, skipped, warning
from softfax.ops.doctor.ports import ask_station
from softfax.ops.doctor.sipping import Answer, probe
from softfax.sip.agent import UserAgent
from softfax.sip.listening import any_port, public_of, version_of
from softfax.sip.stun import public_address
from softfax.sip.types import SipAccount, local_address_towards, split_uri
from softfax.station import making
from softfax.station.config import AccountConfig, StationConfig
from softfax.tlsfront import load_certificate

__all__ = ["account_findings", "mail_findings", "nat_findings", "registration_findings"]

PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}
PROBE_S = 5.0
REGISTER_S = 12.0
CLOCK_S = 60.0


async def account_findings(config: StationConfig) -> list[Finding]:
    """DNS and OPTIONS of each account."""
    if not config.account:
        return [skipped(CheckArea.ACCOUNTS, "there is no account", "add [[account]] with your PBX or trunk")]
    found = await asyncio.gather(*(_one(config, account) for account in config.account))
    return [finding for findings in found for finding in findings]


async def _one(config: StationConfig, account: AccountConfig) -> list[Finding]:
    host, port = _host_port(account.server)
    label = account.label
    try:
        addresses = await _resolve(host, port)
    except OSError as error:
        text = f"{label}: the name {host} is not found ({error.strerror or 'no answer'})"
        return [failed(CheckArea.ACCOUNTS, text, "check the spelling in server, and DNS")]
    transport = account.transport or config.sip.transport
    address = (addresses[0], port or PORTS[transport])
    shown = f"{address[0]}:{address[1]} over {transport}"
    target = f"sip:[{host}]" if ":" in host else f"sip:{host}"
    remedy = "check the server's address and port, and firewalls on the way"
    try:
        tls = partial(_tls, config, account)
        answer = await probe(target, address, transport, tls=tls, server_name=host, timeout_s=PROBE_S)
    except ssl.SSLError as error:
        text = f"{label}: TLS with {shown} fails ({error.reason or error})"
        return [failed(CheckArea.ACCOUNTS, text, "check [sip] tls_ca, or the server's certificate")]
    except TimeoutError:
        return [failed(CheckArea.ACCOUNTS, f"{label}: no answer from {shown}", remedy)]
    except OSError as error:
        return [failed(CheckArea.ACCOUNTS, f"{label}: {shown} cannot be reached ({error.strerror or error})", remedy)]
    software = (answer.headers.get("server") or answer.headers.get("user-agent") or "")[:60]
    answered = f"answers in {answer.took_s * 1000:.0f} ms ({answer.code} {answer.reason})"
    line = f"{label}: {shown} {answered}{', ' + software if software else ''}"
    return [ok(CheckArea.ACCOUNTS, line), *_drift(account, answer)]


def _drift(account: AccountConfig, answer: Answer) -> list[Finding]:
    """A server that says what time it is (RFC 3261 §20.17)."""
    with contextlib.suppress(ValueError, TypeError):
        theirs = parsedate_to_datetime(answer.headers["date"]) if "date" in answer.headers else None
        if theirs is not None:
            off_s = (datetime.now(UTC) - theirs.astimezone(UTC)).total_seconds()
            if abs(off_s) > CLOCK_S:
                return [
                    warning(
                        CheckArea.CLOCK,
                        f"this clock is {off_s:+.0f} s from that of {account.label}",
                        "keep both by NTP: header lines carry the time",
                    )
                ]
            return [ok(CheckArea.CLOCK, f"the clock agrees with that of {account.label}")]
    return []


def _host_port(uri: str) -> tuple[str, int]:
    _, _, host, port, *_ = (*split_uri(uri), 0)
    return host.strip("[]"), int(port or 0) if str(port or "").isdigit() else 0


async def _resolve(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await asyncio.wait_for(loop.getaddrinfo(host, port or 5060, type=socket.SOCK_DGRAM), PROBE_S)
    return [str(one[4][0]) for one in found]


def _tls(config: StationConfig, account: AccountConfig) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=config.sip.tls_ca)
    if not config.sip.tls_verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if account.tls_certificate:
        load_certificate(context, account.tls_certificate, account.tls_private_key)
    return context


# ---- e-mail ------------------------------------------------------------------------------------------------------------


async def mail_findings(config: StationConfig) -> list[Finding]:
    """Check logins to the mail servers for outgoing e-mail: reports and received faxes."""
    if config.mail is None and not any(mailbox.email for mailbox in config.mailbox):
        return []
    smtp = config.smtp.model_copy(update={"timeout_s": min(config.smtp.timeout_s, PROBE_S)})
    try:
        await asyncio.to_thread(greet, smtp)
    except MailboxError as error:
        return [failed(CheckArea.NETWORK, f"e-mail: {error.problem}", error.remedy or "check [smtp]")]
    return [ok(CheckArea.NETWORK, f"e-mail: {smtp.host}:{smtp.port} lets us in")]


# ---- NAT ---------------------------------------------------------------------------------------------------------------


async def nat_findings(config: StationConfig, stun: str = "") -> list[Finding]:
    """Check that far ends see the address we write into SIP and SDP. `stun` is a server to ask."""
    out: list[Finding] = []
    for account in config.account:
        host, port = _host_port(account.server)
        with contextlib.suppress(OSError):
            server = (await _resolve(host, port))[0]
            out.append(await _nat(config, account, server, stun or account.stun))
    if not config.account and stun:
        out.append(
            await _asked(stun, local_address_towards("sip:192.0.2.1"), public_of(config.sip.public_address, 4), "")
        )
    return out


async def _nat(config: StationConfig, account: AccountConfig, server: str, stun: str) -> Finding:
    local = await asyncio.to_thread(local_address_towards, f"sip:[{server}]" if ":" in server else f"sip:{server}")
    version = version_of(server)
    public = public_of(account.public_address, version) or public_of(config.sip.public_address, version)
    if is_loopback(config.sip.listen) and not ip_address(server).is_loopback:
        return failed(
            CheckArea.NETWORK,
            f"{account.label}: SIP is listened for on loopback alone, {server} is elsewhere",
            'write listen = "0.0.0.0:5060" in [sip]',
        )
    if ip_address(server).is_private or not ip_address(local).is_private:
        return ok(CheckArea.NETWORK, f"{account.label}: {server} is reached from {local}, no NAT between")
    if stun:
        return await _asked(stun, local, public, account.label)
    if public:
        return ok(CheckArea.NETWORK, f"{account.label}: behind NAT, shows {public}")
    return warning(
        CheckArea.NETWORK,
        f"{account.label}: {local} is private and {server} public: far ends are given an address they cannot reach",
        "set public_address, or stun, of the account; many trunks find out by themselves",
    )


async def _asked(stun: str, local: str, public: str, label: str) -> Finding:
    name = f"{label}: " if label else ""
    try:
        seen = await public_address(stun, local)
    except SoftfaxError as error:
        return warning(CheckArea.NETWORK, f"{name}{error.problem}", error.remedy)
    if public and seen != public:
        return failed(
            CheckArea.NETWORK, f"{name}we are seen as {seen}, but show {public}", f'write public_address = "{seen}"'
        )
    if seen == local:
        return ok(CheckArea.NETWORK, f"{name}we are seen as {seen}, no NAT")
    if public:
        return ok(CheckArea.NETWORK, f"{name}behind NAT, seen as {seen}, as configured")
    return warning(
        CheckArea.NETWORK,
        f"{name}behind NAT: {local} is seen as {seen}",
        f'write public_address = "{seen}", or keep stun',
    )


# ---- registration ------------------------------------------------------------------------------------------------------


async def registration_findings(config: StationConfig, running: bool) -> list[Finding]:
    """Report a running station's registrations; else register each account, and unregister it again."""
    wanted = [account for account in config.account if account.register_]
    if not wanted:
        return []
    if running:
        return await _told(config)
    accounts = tuple(dataclasses.replace(a, expires_s=60) for a in config.sip_accounts() if a.register)
    sip = dataclasses.replace(making.sip_config(config), listen=any_port(config.sip.listen), accounts=accounts)
    try:
        agent = await UserAgent.start(sip)
    except SoftfaxError as error:
        return [failed(CheckArea.ACCOUNTS, f"SIP cannot start: {error.problem}", error.remedy)]
    try:
        return await asyncio.gather(*(_register(agent, account) for account in accounts))
    finally:
        await agent.close()


async def _register(agent: UserAgent, account: SipAccount) -> Finding:
    try:
        await agent.register(account.name, REGISTER_S)
    except SoftfaxError as error:
        return failed(CheckArea.ACCOUNTS, f"{account.name}: {error.problem}", error.remedy or "check user and password")
    await agent.unregister(account.name)
    return ok(CheckArea.ACCOUNTS, f"{account.name}: registers as {account.user or 'nobody'}")


async def _told(config: StationConfig) -> list[Finding]:
    status = await ask_station(config, "/v1/status")
    views = status.get("registrations") if isinstance(status, dict) else None
    if not isinstance(views, list):
        return [
            skipped(
                CheckArea.ACCOUNTS, "registrations: the station runs and wants a token to tell", "set SOFTFAX_TOKEN"
            )
        ]
    out = []
    for view in views:
        if not isinstance(view, dict) or view.get("state") == "unregistered":
            continue
        name, problem = view.get("account"), view.get("problem") or view.get("state")
        if view.get("state") == "reachable":
            out.append(ok(CheckArea.ACCOUNTS, f"{name}: its server answers the station"))
        elif view.get("state") == "registered":
            out.append(ok(CheckArea.ACCOUNTS, f"{name}: is registered by the station"))
        else:
            out.append(failed(CheckArea.ACCOUNTS, f"{name}: {problem}", "check user, password and server"))
    return out
