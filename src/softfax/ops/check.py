# SPDX-License-Identifier: GPL-2.0-or-later
"""Check of a configuration file: every mistake with its line, and warnings about what is unwise on this machine."""

from __future__ import annotations

import os
import re
import ssl
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from softfax.errors import ConfigError
from softfax.ops.toml_lines import Place, key_lines, line_of
from softfax.settings_file import TomlError, read_text
from softfax.sip.listening import host_port, listen_addresses, shown, texts_of, version_of
from softfax.sip.types import PublicAddress, is_numeric, parse_listen, split_uri
from softfax.station.config import StationConfig
from softfax.station.config.mistakes import mistakes
from softfax.tlsfront import load_certificate

__all__ = ["Checked", "ConfigProblem", "check_config", "is_loopback", "load_config", "secrets_in"]

#: The sample's own values.
_EXAMPLES = re.compile(r"(^|[.@])example(\.(com|net|org))?$")
_EVERYWHERE = {"0.0.0.0", "::", "[::]"}
_CERTIFICATE = re.compile(r"(certificate|private_key|_ca)$")


@dataclass(frozen=True)
class ConfigProblem:
    """A mistake, or a warning. `line` is 0 where it has none."""

    mistake: bool
    line: int
    key: str
    problem: str
    remedy: str = ""

    def text(self, file: str) -> str:
        """One line, as compilers write it."""
        kind = "" if self.mistake else "warning: "
        at = f"{file}:{self.line}" if self.line else file
        return f"{at}: {kind}{self.problem}" + (f"; {self.remedy}" if self.remedy else "")


@dataclass
class Checked:
    """Result of a check. `config` is None where the file cannot be read as one."""

    config: StationConfig | None
    findings: list[ConfigProblem] = field(default_factory=list)

    @property
    def mistaken(self) -> bool:
        """True if the station would not start with it."""
        return self.config is None or any(finding.mistake for finding in self.findings)


def check_config(path: Path | None, environ: Mapping[str, str] = os.environ) -> Checked:
    """Reads and checks a file, or the defaults. Raises nothing for what is wrong with its contents."""
    lines: Mapping[Place, int] = {}
    try:
        table = StationConfig.plain(path, environ)
        if path is not None:
            lines = key_lines(read_text(path))
        config = StationConfig(**table)
    except ValidationError as error:
        found = [
            ConfigProblem(True, line_of(lines, one.place) if lines else 0, one.key, one.problem, one.remedy)
            for one in mistakes(error, StationConfig)
        ]
        return Checked(None, sorted(found, key=lambda one: one.line))
    except TomlError as error:
        return Checked(None, [ConfigProblem(True, error.line, "", error.what, error.remedy)])
    except ConfigError as error:
        return Checked(None, [ConfigProblem(True, 0, "", error.problem.removeprefix(f"{path} "), error.remedy)])
    said = [(True, *one) for one in _mistakes(config)] + [(False, *one) for one in _warnings(config, path)]
    return Checked(
        config,
        [
            ConfigProblem(mistake, line_of(lines, at) if at in lines else 0, _dotted(at), problem, remedy)
            for mistake, at, problem, remedy in said
        ],
    )


def load_config(path: Path | None) -> StationConfig:
    """The configuration that a station starts with. Raises ConfigError with the line of the first mistake."""
    checked = check_config(path)
    mistaken = [finding for finding in checked.findings if finding.mistake]
    if checked.config is None or mistaken:
        first = mistaken[0]
        where = str(path) if path is not None else "the configuration"
        if not first.line and first.problem.startswith("cannot be read"):
            raise ConfigError(f"{path} {first.problem}", first.remedy)
        more = f" ({len(mistaken) - 1} more: softfax config check)" if len(mistaken) > 1 else ""
        raise ConfigError(first.text(where) + more)
    return checked.config


def _dotted(place: Place) -> str:
    text = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")


# ---- what a station would not start with -------------------------------------------------------------------------------

Warned = tuple[Place, str, str]


def _mistakes(config: StationConfig) -> Iterator[Warned]:
    yield from _taken_twice(config)
    yield from _certificates(config)
    for index, user in enumerate(config.ami.user if config.ami is not None else ()):
        if not user.secret:
            yield (
                ("ami", "user", index, "name"),
                f"AMI user {user.name} has no secret and cannot log in",
                "add secret, or set SOFTFAX_AMI_SECRET",
            )


def _taken_twice(config: StationConfig) -> Iterator[Warned]:
    """Addresses that two parts would listen at over TCP."""
    listening: list[tuple[Place, str]] = [
        (("sip", "listen"), host_port(*one)) for one in listen_addresses(config.sip.listen)
    ]
    if config.http.enabled:
        listening.append((("http", "listen"), config.http.listen))
    if config.ami is not None:
        listening += [(("ami", "listen"), config.ami.listen), (("ami", "tls_listen"), config.ami.tls_listen)]
    if config.mail is not None:
        listening.append((("mail", "listen"), config.mail.listen))
    seen: list[tuple[str, str, int]] = []
    for place, listen in listening:
        if not listen:
            continue
        host, port = parse_listen(listen)
        for other, their_host, their_port in seen:
            both = other == _dotted(place)  # one of IPv4, one of IPv6
            if port and port == their_port and not both and (host == their_host or {host, their_host} & _EVERYWHERE):
                yield place, f"{_dotted(place)} is at port {port} like {other}", "give it another port"
                break
        seen.append((_dotted(place), host, port))


# ---- warnings ----------------------------------------------------------------------------------------------------------


def _warnings(config: StationConfig, path: Path | None) -> Iterator[Warned]:
    yield from _readable_secrets(config, path)
    yield from _examples(config)
    yield from _open_doors(config)
    yield from _folders(config)
    yield from _unheard(config)
    if config.sip.transport == "tls" and config.sip.tls_certificate is None:
        yield (
            ("sip", "transport"),
            "without a certificate no call over TLS can be answered",
            "add tls_certificate and tls_private_key, unless faxes are only sent",
        )


def secrets_in(value: Any, place: Place = ()) -> list[tuple[Place, str]]:
    """Every secret that is set, with its place."""
    if isinstance(value, BaseModel):
        found = []
        for name, info in type(value).model_fields.items():
            inner, at = getattr(value, name), (*place, info.alias or name)
            if info.repr is False and isinstance(inner, str):
                found += [(at, inner)] if inner else []
            else:
                found += secrets_in(inner, at)
        return found
    if isinstance(value, (tuple, list)):
        return [one for index, inner in enumerate(value) for one in secrets_in(inner, (*place, index))]
    return []


def _readable_secrets(config: StationConfig, path: Path | None) -> Iterator[Warned]:
    # Those that come from the environment are not in the file.
    if path is None or not secrets_in(StationConfig(**StationConfig.plain(path, {}))):
        return
    mode = path.stat().st_mode
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        yield (), f"everybody on this machine can read the secrets in it (mode {mode & 0o777:o})", f"chmod 640 {path}"


def _examples(config: StationConfig) -> Iterator[Warned]:
    for index, account in enumerate(config.account):
        if _EXAMPLES.search(account.label if not account.server else _host(account.server)):
            yield ("account", index, "server"), f"{account.server} is the sample's", "write your PBX or trunk"
        if account.register_ and account.user and not account.password:
            yield (
                ("account", index, "password"),
                f"account {account.label} has no password",
                "most PBXs want one: write it, or set SOFTFAX_PASSWORD",
            )
    if not config.account:
        yield (
            ("account",),
            "there is no account: calls go out to SIP URIs alone",
            "add [[account]] with your PBX or trunk",
        )


def _host(uri: str) -> str:
    return split_uri(uri)[2].strip("[]")


def is_loopback(listen: str | Sequence[str]) -> bool:
    """Return True if HOST:PORT, or each of several, is for this machine alone."""
    return all(_is_loopback(parse_listen(one)[0]) for one in texts_of(listen))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _open_doors(config: StationConfig) -> Iterator[Warned]:
    ami = config.ami
    if ami is not None:
        if not ami.user:
            yield ("ami",), "nobody can log in at the manager interface", "add [[ami.user]]"
        if ami.listen and not is_loopback(ami.listen):
            yield ("ami", "listen"), f"AMI secrets cross the network in clear at {ami.listen}", "use tls_listen"
    mail = config.mail
    if mail is not None and mail.listen and not is_loopback(mail.listen) and not _any(mail, "allow", "sender", "user"):
        yield ("mail", "listen"), f"everybody who reaches {mail.listen} can send faxes by e-mail", "name who may"
    if not is_loopback(config.sip.listen) and config.fax.receive and not config.account:
        yield (
            ("sip", "listen"),
            f"calls from any address are answered at {shown(listen_addresses(config.sip.listen))}",
            "add [[account]], or a firewall",
        )
    if is_loopback(config.sip.listen) and any(not _is_loopback(_host(account.server)) for account in config.account):
        yield (
            ("sip", "listen"),
            f"SIP is listened for at {shown(listen_addresses(config.sip.listen))}, which a PBX elsewhere cannot reach",
            'write listen = "0.0.0.0:5060"',
        )


def _unheard(config: StationConfig) -> Iterator[Warned]:
    """Servers and public addresses of a version of IP that is not listened on."""
    versions = {version_of(host) for host, _ in listen_addresses(config.sip.listen)}
    for n, account in enumerate(config.account):
        host = _host(account.server)
        if is_numeric(host) and version_of(host) not in versions:
            problem = f"account {account.label} cannot be reached: SIP is not listened for over IPv{version_of(host)}"
            yield ("account", n, "server"), problem, "add an address of it to listen in [sip]"
    named: list[tuple[Place, PublicAddress]] = [(("sip", "public_address"), config.sip.public_address)]
    named += [(("account", n, "public_address"), one.public_address) for n, one in enumerate(config.account)]
    for place, address in named:
        for one in texts_of(address):
            if is_numeric(one) and version_of(one) not in versions:
                problem = f"{one} is shown to nobody: SIP is not listened for over IPv{version_of(one)}"
                yield place, problem, "add an address of it to listen in [sip]"


def _any(table: BaseModel, *words: str) -> bool:
    """Return True if a key of the table with one of the words in its name is set."""
    return any(getattr(table, name) for name in type(table).model_fields if any(word in name for word in words))


def _folders(config: StationConfig) -> Iterator[Warned]:
    seen: set[Path] = set()
    for place, folder in ((("data", "dir"), config.data.dir), (("inbox", "dir"), config.inbox_dir)):
        if folder in seen:
            continue
        seen.add(folder)
        problem = folder_problem(folder)
        if problem:
            yield place, problem, "make it, or name another; it belongs to the user the station runs as"


def folder_problem(folder: Path) -> str:
    """Reason why a folder cannot be written to; empty where it can, or where it can be made."""
    existing = folder
    # What may not even be looked at counts as not there: then it is the folder above that says no.
    while not os.path.exists(existing) and existing != existing.parent:
        existing = existing.parent
    if not os.path.isdir(existing):
        return f"{existing} is not a folder"
    if not os.access(existing, os.W_OK | os.X_OK):
        return f"{folder} cannot be {'written to' if existing == folder else 'made'}"
    return ""


def _certificates(config: StationConfig) -> Iterator[Warned]:
    for place, file in _files(config):
        try:
            file.open("rb").close()
        except OSError as error:
            yield place, f"{file} cannot be read: {error.strerror}", "name a PEM file"
    if config.sip.tls_ca is not None and config.sip.tls_ca.is_file():
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(config.sip.tls_ca)
        except OSError:
            yield ("sip", "tls_ca"), f"there are no certificates in {config.sip.tls_ca}", "name a PEM file"
    for place, certificate, key in _pairs(config):
        try:
            load_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key)
        except ssl.SSLError as error:
            yield (
                place,
                f"{certificate} and {key} do not go together: {error.reason or error}",
                "name a matching pair of PEM files",
            )
        except OSError:
            continue


def _files(value: Any, place: Place = ()) -> Iterator[tuple[Place, Path]]:
    """The certificates and keys that are named anywhere."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            inner = getattr(value, name)
            if isinstance(inner, Path) and _CERTIFICATE.search(name):
                yield (*place, name), inner
            else:
                yield from _files(inner, (*place, name))
    elif isinstance(value, (tuple, list)):
        for index, inner in enumerate(value):
            yield from _files(inner, (*place, index))


def _pairs(config: StationConfig) -> Iterator[tuple[Place, Path, Path]]:
    tables: Sequence[tuple[Place, Any]] = [
        (("sip",), config.sip),
        (("ami",), config.ami),
        (("http",), config.http),
        (("mail",), config.mail),
        *((("account", index), account) for index, account in enumerate(config.account)),
    ]
    for place, table in tables:
        certificate, key = getattr(table, "tls_certificate", None), getattr(table, "tls_private_key", None)
        if isinstance(certificate, Path) and isinstance(key, Path):
            yield (*place, "tls_certificate"), certificate, key
