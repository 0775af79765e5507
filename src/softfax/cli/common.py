# SPDX-License-Identifier: GPL-2.0-or-later
"""Shared parts of the verbs: options of calls and faxes, addresses, signals, watching an active fax."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import re
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from enum import StrEnum
from typing import Any, get_args

from softfax.cli.options import add_shared_options
from softfax.cli.report import POLL_S, Reporter
from softfax.documents.types import RasterSettings
from softfax.errors import ExitStatus, UsageError
from softfax.fax.active import ActiveFax
from softfax.fax.settings import Polling
from softfax.model import Event, FaxResult
from softfax.options import Rate, check_digits, outside_options
from softfax.sip.listening import host_port
from softfax.sip.types import ONLY_ACCOUNT, SipAccount, SipConfig, local_address_towards, split_uri

__all__ = [
    "ACCOUNT",
    "DEFAULT_LISTEN",
    "add_call_options",
    "add_fax_options",
    "all_but_result",
    "destination_uri",
    "exit_status",
    "fax_options",
    "interruptible",
    "sip_config",
    "sip_table",
    "watch",
]

#: The name of the account that the command line tells of.
ACCOUNT = ONLY_ACCOUNT
#: Where a station listens unless told otherwise: loopback alone.
DEFAULT_LISTEN = "127.0.0.1:5060"
_NUMBER = re.compile(r"^\+?[0-9A-Da-d*#().\- ]{1,40}$")
#: An extension that has a name: the user part of a SIP URI.
_NAME = re.compile(r"^[A-Za-z0-9_.!~*'&=+$-]{1,64}$")
_OF_PAGES = {"header", *(one.name for one in dataclasses.fields(RasterSettings))}
#: Options of a fax that are not those of its pages.
_CALL_OPTIONS = {
    name: option for name, option in outside_options().items() if option.default is not None and name not in _OF_PAGES
}


def add_call_options(parser: argparse.ArgumentParser) -> None:
    """Options of every verb that makes or takes calls."""
    add_shared_options(parser)
    call = parser.add_argument_group("call")
    call.add_argument(
        "--listen",
        metavar="HOST:PORT",
        action="append",
        help="local SIP address; port 0 takes any (default: loopback or towards the far end, any port); again for one of IPv6",
    )
    call.add_argument("--transport", choices=["udp", "tcp", "tls"], default="udp", help="SIP transport (udp)")
    call.add_argument("--user", metavar="NAME", help="user for digest authentication")
    call.add_argument("--password", metavar="SECRET", help="its password; better in SOFTFAX_PASSWORD")
    call.add_argument("--tls-certificate", metavar="FILE", help="our certificate (PEM), to answer calls over TLS")
    call.add_argument("--tls-private-key", metavar="FILE", help="its private key (PEM)")
    call.add_argument(
        "--tls-ca", metavar="FILE", help="certificates that the far end's is checked against (the system's)"
    )
    call.add_argument("--tls-insecure", action="store_true", help="do not check the far end's certificate")
    call.add_argument("--public-address", metavar="HOST", help="our address as the far end sees it (behind NAT)")


def add_fax_options(parser: argparse.ArgumentParser) -> None:
    """The options of a fax that are not those of its pages (`softfax.options`)."""
    group = parser.add_argument_group("fax")
    for option in _CALL_OPTIONS.values():
        if option.kind is bool:
            about = f"without {option.about}" if option.is_on else option.about
            group.add_argument("--" + option.flag.replace("_", "-"), action="store_true", help=about)
            continue
        kind: dict[str, Any] = {"metavar": "TEXT"}
        if option.kind is Rate:
            kind = {"metavar": "BPS", "type": int, "choices": get_args(Rate)}
        elif isinstance(option.kind, type) and issubclass(option.kind, StrEnum):
            kind = {"choices": [one.value for one in option.kind]}
        about = f"{option.about} ({option.default})" if option.default else option.about
        group.add_argument("--" + option.name.replace("_", "-"), default=option.default, help=about, **kind)


def polling(options: argparse.Namespace) -> Polling:
    """Values given for `add_polling_options`. Raises UsageError."""
    return Polling(document=check_digits(options.poll_document), password=check_digits(options.poll_password))


def fax_options(options: argparse.Namespace, **more: Any) -> dict[str, Any]:
    """Values given for `add_fax_options`, by the names of `FaxOptions`, and those named besides."""
    found: dict[str, Any] = {}
    for name, option in _CALL_OPTIONS.items():
        value = getattr(options, option.flag)
        if option.is_on:
            found[name] = not value
        else:
            found[name] = option.kind(value) if isinstance(option.kind, type) else value
    return found | more


def destination_uri(text: str, options: argparse.Namespace) -> str:
    """The SIP URI to call: as given, or a number or an extension's name at the proxy or registrar. Raises UsageError."""
    if re.match(r"<?sips?:", text, re.I):
        split_uri(text)
        return text
    server = getattr(options, "proxy", None) or getattr(options, "register", None) or _registrar(options)
    is_number = bool(_NUMBER.match(text))
    if not is_number and not (server and _NAME.match(text)):
        raise UsageError(f"not a SIP URI or a number: {text!r}", "write sip:NUMBER@HOST, or a number with --proxy")
    if not server:
        raise UsageError(f"no server for the number {text}", "name one with --proxy sip:HOST, or call sip:NUMBER@HOST")
    host = re.sub(r"^sips?:([^@]*@)?", "", server).split(";")[0]
    user = re.sub(r"[().\- ]", "", text) if is_number else text
    return f"sip:{user}@{host}"


def _registrar(options: argparse.Namespace) -> str | None:
    """The server of the configuration file's registrar or account, whose user and password then count too."""
    known: dict[str, str] = getattr(options, "registrar", {})
    if "server" in known and not options.user:
        options.user, options.password = known.get("user"), options.password or known.get("password")
    return known.get("server")


def sip_config(options: argparse.Namespace, towards: str | None = None) -> SipConfig:
    """The user agent's configuration. Without --listen: any port of the address that reaches `towards`, else loopback."""
    register = getattr(options, "register", None)
    listen = DEFAULT_LISTEN
    if towards:
        listen = host_port(local_address_towards(getattr(options, "proxy", None) or towards), 0)
    return SipConfig(
        listen=tuple(options.listen or (listen,)),
        transport=options.transport,
        accounts=tuple(filter(None, [_account(options, register, towards)])),
        public_address=options.public_address,
        tls_certificate=options.tls_certificate,
        tls_private_key=options.tls_private_key,
        tls_ca=options.tls_ca,
        tls_verify=not options.tls_insecure,
    )


def sip_table(options: argparse.Namespace, listen: Sequence[str]) -> dict[str, Any]:
    """[sip] of a station that one command runs."""
    return {
        "listen": listen,
        "transport": options.transport,
        "public_address": options.public_address or "",
        "tls_certificate": options.tls_certificate,
        "tls_private_key": options.tls_private_key,
        "tls_ca": options.tls_ca,
        "tls_verify": not options.tls_insecure,
    }


def _account(options: argparse.Namespace, register: str | None, towards: str | None) -> SipAccount | None:
    """The account of the command line, if its options describe one."""
    proxy, from_uri = getattr(options, "proxy", None), getattr(options, "from_uri", None)
    server = register or proxy or towards
    if server is None or not (register or proxy or from_uri or options.user):
        return None
    return SipAccount(
        name=ACCOUNT,
        server=server,
        user=options.user or "",
        password=options.password or "",
        register=bool(register),
        proxy=proxy or "",
        from_uri=from_uri or "",
        transport=options.transport,
    )


def exit_status(result: FaxResult, *, reached: bool) -> int:
    """The contract's exit status of one fax."""
    if result.success:
        return int(ExitStatus.OK)
    return int(ExitStatus.FAX_FAILED if reached else ExitStatus.CALL_FAILED)


@contextlib.asynccontextmanager
async def interruptible(stop: Callable[[], None]) -> AsyncIterator[Callable[[], bool]]:
    """SIGINT and SIGTERM call `stop`, so that calls end properly. Yields a function that tells whether one came."""
    loop = asyncio.get_running_loop()
    came = False

    def on_signal() -> None:
        nonlocal came
        came = True
        stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    try:
        yield lambda: came
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def all_but_result(reporter: Reporter) -> Callable[[Event], None]:
    """Report the events of a fax whose result is reported once its document is there."""

    def sink(event: Event) -> None:
        if not isinstance(event, FaxResult):
            reporter.event(event)

    return sink


async def watch(active: ActiveFax, reporter: Reporter) -> FaxResult:
    """Awaits a fax's end and keeps the progress bar moving."""
    if not reporter.console.is_terminal:
        return await active.result
    while not active.result.done():
        await asyncio.wait([active.result], timeout=POLL_S)
        if not active.result.done():
            reporter.progress(active.progress(), active.page_bytes, active.session.pages_total)
    reporter.close()
    return active.result.result()
