# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration of a station: TOML, checked whole before anything starts. Secrets may come from SOFTFAX_* variables.

A mistake is one line that names the file, the key and what to do. Every key has a description, from which its documentation is
made.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from softfax.delivery.targets import CallbackTarget, Dialect, Style, check_url
from softfax.errors import ConfigError, UsageError
from softfax.fax.settings import ModePolicy, check_ident
from softfax.sip import split_uri
from softfax.sip.types import parse_listen

__all__ = [
    "AccountConfig",
    "AmiConfig",
    "AmiUserConfig",
    "CallbackConfig",
    "CallbacksConfig",
    "DataConfig",
    "FaxConfig",
    "InboxConfig",
    "SipTable",
    "StationConfig",
]

CONFIG_BYTES_MAX = 1 << 20
#: Tables of the other verbs, which may stand in the same file.
OTHER_TABLES = frozenset({"send", "receive", "loopback", "convert", "serve"})
Seconds = Annotated[float, Field(gt=0, le=7 * 24 * 3600)]
Rate = Literal[2400, 4800, 7200, 9600, 12000, 14400]
Resolution = Literal["standard", "fine", "superfine", "300", "400"]


def state_dir() -> Path:
    """Where a user's station keeps its data: $XDG_STATE_HOME/softfax, usually ~/.local/state/softfax."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "softfax"


T = TypeVar("T")


def _said(check: Callable[[], T]) -> T:
    """What a check of ours returns; what it objects to becomes an error that pydantic knows the place of."""
    try:
        return check()
    except UsageError as error:
        raise ValueError(str(error)) from None


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SipTable(_Table):
    """[sip]: the one address that SIP is listened on, and how it is spoken there."""

    listen: str = Field("127.0.0.1:5060", description="HOST:PORT of SIP, port 0 for any free one; loopback by default")
    transport: Literal["udp", "tcp", "tls"] = Field("udp", description="what calls are placed over")
    public_address: str = Field("", description="our address as far ends see it, behind NAT")
    tls_certificate: Path | None = Field(None, description="our certificate (PEM), to answer calls over TLS")
    tls_private_key: Path | None = Field(None, description="its private key (PEM)")
    tls_ca: Path | None = Field(None, description="certificates far ends' are checked against (the system's)")
    tls_verify: bool = Field(True, description="check the far end's certificate")
    max_calls: int = Field(100, ge=1, le=2000, description="calls at a time; more are refused with 486")

    @field_validator("listen")
    @classmethod
    def _listen(cls, value: str) -> str:
        return _said(lambda: parse_listen(value)) and value


class AccountConfig(_Table):
    """[[account]]: a PBX or trunk that calls go through."""

    name: str = Field("", max_length=40, description="what orders and channel names call it (the server's host)")
    server: str = Field(description="SIP URI of the PBX or trunk: where numbers are called")
    user: str = Field("", description="user for digest authentication, and our name in SIP")
    password: str = Field("", repr=False, description="its password; better in SOFTFAX_PASSWORD")
    register_: bool = Field(False, alias="register", description="register there, to be called through it")
    from_uri: str = Field("", description="our own SIP URI (sip:USER@SERVER)")
    proxy: bool = Field(True, description="send all calls through the server, also those to SIP URIs elsewhere")
    expires_s: int = Field(300, ge=60, le=86400, description="how long a registration is asked for")

    @field_validator("server", "from_uri")
    @classmethod
    def _uri(cls, value: str) -> str:
        return value and _said(lambda: split_uri(value)) and value

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_.-]*", value):
            raise ValueError("use letters, digits and _.-")
        return value

    @property
    def label(self) -> str:
        """Its name, or its server's host."""
        return self.name or split_uri(self.server)[2].strip("[]")


class FaxConfig(_Table):
    """[fax]: what holds for every fax that is not ordered otherwise."""

    mode: ModePolicy = Field(ModePolicy.AUTO, description="auto: T.38, else G.711; t38: T.38 alone; audio: G.711 alone")
    ident: str = Field("", description="station identity (CSI/TSI), at most 20 characters")
    header: str = Field("", max_length=80, description="header line on each page sent")
    ecm: bool = Field(True, description="error correction mode")
    max_rate: Rate = Field(14400, description="highest rate in bit/s")
    resolution: Resolution = Field("fine", description="204x98, 204x196, 204x391, 300x300 or 408x391 dpi")
    answer_timeout_s: Seconds = Field(60.0, description="how long a call may ring")
    t38_timeout_s: Seconds = Field(40.0, description="in mode t38, how long until T.38 is agreed")
    receive: bool = Field(True, description="answer incoming calls; otherwise they get 480")
    allow_private_documents: bool = Field(False, description="fetch documents from private addresses too")

    @field_validator("ident")
    @classmethod
    def _ident(cls, value: str) -> str:
        return _said(lambda: check_ident(value))


class InboxConfig(_Table):
    """[inbox]: where received faxes go."""

    dir: Path | None = Field(None, description="folder for received faxes, one PDF each (DATA/received)")
    keep_tiff: bool = Field(False, description="keep the TIFF beside the PDF")


class DataConfig(_Table):
    """[data]: what must survive a restart."""

    dir: Path = Field(default_factory=state_dir, description="folder for the station's data (~/.local/state/softfax)")
    url: str = Field(
        "", repr=False, description="database elsewhere: postgresql://USER@HOST/NAME (a SQLite file in dir)"
    )
    name: str = Field(
        "softfax", pattern=r"^[A-Za-z0-9_.-]{1,40}$", description="this station among several on one database"
    )


class AmiUserConfig(_Table):
    """[[ami.user]]: who may log in at the manager interface."""

    name: str = Field(min_length=1, max_length=80, description="its name")
    secret: str = Field("", repr=False, description="its secret; or SOFTFAX_AMI_SECRET, for the user SOFTFAX_AMI_USER")
    read: tuple[str, ...] = Field(("all",), description="classes of events it sees")
    write: tuple[str, ...] = Field(("all",), description="classes of actions it may use")
    permit: tuple[str, ...] = Field((), description="networks it may come from")
    deny: tuple[str, ...] = Field((), description="networks it may not come from; looked at before permit")


class AmiConfig(_Table):
    """[ami]: the manager interface; off unless the table is there."""

    listen: str = Field("127.0.0.1:5038", description="HOST:PORT without TLS; empty for none")
    tls_listen: str = Field("", description="HOST:PORT with TLS, usually port 5039; empty for none")
    tls_certificate: Path | None = Field(None, description="certificate (PEM)")
    tls_private_key: Path | None = Field(None, description="its private key (PEM)")
    status_events: bool = Field(True, description="send FAXStatus for every fax, not only with option s")
    user: tuple[AmiUserConfig, ...] = Field((), description="who may log in")


class CallbackConfig(_Table):
    """[[callbacks.target]]: who is told of every fax."""

    url: str = Field(description="http:// or https:// URL to post to")
    dialect: Dialect = Field("json", description="in whose words: json, signalwire or simotel")
    style: Style = Field("url", description="url: all to the URL; url-event: with the event's name added to its path")
    user: str = Field("", description="user for basic authentication")
    password: str = Field("", repr=False, description="its password")
    secret: str = Field("", repr=False, description="signs the requests; or SOFTFAX_CALLBACK_SECRET for all targets")

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        return _said(lambda: check_url(value))


class CallbacksConfig(_Table):
    """[callbacks]: HTTP requests that tell of faxes."""

    enabled: bool = Field(True, description="no: no callbacks are sent, and nothing is kept in [data]")
    target: tuple[CallbackConfig, ...] = Field((), description="who is told of every fax")
    secret: str = Field("", repr=False, description="signs requests to targets without a secret of their own")
    allow_private: bool = Field(False, description="post to private addresses (loopback, 10.0.0.0/8 …) too")
    timeout_s: Seconds = Field(10.0, description="how long one request may take, connection and answer together")
    retry_first_s: Seconds = Field(2.0, description="the longest first wait after a failure; doubles each time")
    retry_longest_s: Seconds = Field(3600.0, description="the longest wait between two attempts")
    give_up_s: Seconds = Field(24 * 3600.0, description="when a callback is given up, counted from its event")
    workers: int = Field(16, ge=1, le=200, description="requests at a time")
    workers_per_target: int = Field(8, ge=1, le=200, description="of these, to one target")


class StationConfig(BaseSettings):
    """Everything about a station. From a program: `StationConfig(sip={"listen": "127.0.0.1:5060"})`."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix="SOFTFAX_", env_nested_delimiter="__")

    sip: SipTable = SipTable()
    account: tuple[AccountConfig, ...] = ()
    fax: FaxConfig = FaxConfig()
    inbox: InboxConfig = InboxConfig()
    data: DataConfig = Field(default_factory=DataConfig)
    ami: AmiConfig | None = None
    callbacks: CallbacksConfig = CallbacksConfig()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What a program or file says; `load` puts in the secrets of the environment, and nothing else of it counts."""
        return (init_settings,)

    @model_validator(mode="after")
    def _accounts(self) -> StationConfig:
        names = [account.label for account in self.account]
        if len(set(names)) != len(names):
            raise ValueError("two accounts have the same name: give each a name of its own")
        if len(names) > 1:
            raise ValueError("one account is supported: leave the others out")
        return self

    @classmethod
    def load(cls, path: Path | None, environ: Mapping[str, str] = os.environ) -> StationConfig:
        """The configuration in a TOML file, or the defaults; secrets of the environment win. Raises ConfigError."""
        table = _read(path) if path is not None else {}
        table = {key: value for key, value in table.items() if not (key in OTHER_TABLES and isinstance(value, dict))}
        _add_secrets(table, environ)
        return cls.checked(table, str(path) if path is not None else "the configuration")

    @classmethod
    def checked(cls, table: Mapping[str, Any], origin: str) -> StationConfig:
        """The configuration of plain values. Raises ConfigError that names `origin` and the key."""
        try:
            return cls(**table)
        except ValidationError as error:
            raise _config_error(origin, error) from None

    @property
    def inbox_dir(self) -> Path:
        """Where received faxes go."""
        return self.inbox.dir or self.data.dir / "received"

    def targets(self) -> tuple[CallbackTarget, ...]:
        """Who is told of every fax."""
        return tuple(
            CallbackTarget(
                url=t.url,
                dialect=t.dialect,
                style=t.style,
                user=t.user,
                password=t.password,
                secret=t.secret or self.callbacks.secret,
            )
            for t in self.callbacks.target
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(CONFIG_BYTES_MAX + 1)
        if len(data) > CONFIG_BYTES_MAX:
            raise ConfigError(f"{path} is too large for a configuration file")
        return tomllib.loads(data.decode())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", "name another file with --config") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", "correct that line") from None


def _add_secrets(table: dict[str, Any], environ: Mapping[str, str]) -> None:
    """Secrets of the environment take the place of those in the file."""
    accounts, ami = table.get("account"), table.get("ami")
    password = environ.get("SOFTFAX_PASSWORD")
    if password and isinstance(accounts, list) and len(accounts) == 1 and isinstance(accounts[0], dict):
        accounts[0]["password"] = password
    name, secret = environ.get("SOFTFAX_AMI_USER"), environ.get("SOFTFAX_AMI_SECRET")
    if name and secret and isinstance(ami, dict):
        users = ami.setdefault("user", [])
        known = [user for user in users if isinstance(user, dict) and user.get("name") == name]
        if known:
            known[0]["secret"] = secret
        else:
            users.append({"name": name, "secret": secret})
    if environ.get("SOFTFAX_CALLBACK_SECRET"):
        callbacks = table.setdefault("callbacks", {})
        if isinstance(callbacks, dict):
            callbacks["secret"] = environ["SOFTFAX_CALLBACK_SECRET"]
    if environ.get("SOFTFAX_DATABASE_URL"):
        data = table.setdefault("data", {})
        if isinstance(data, dict):
            data["url"] = environ["SOFTFAX_DATABASE_URL"]


def _config_error(origin: str, error: ValidationError) -> ConfigError:
    """The first mistake, in one line. What was written is left out where it may be a secret."""
    first = error.errors(include_url=False)[0]
    key = _key(first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    kind, context = first["type"], first.get("ctx", {})
    if kind == "extra_forbidden":
        known = _known_keys(first["loc"][:-1])
        return ConfigError(f"{origin}: there is no key {key}{more}", f"use one of {', '.join(known)}" if known else "")
    if kind == "missing":
        return ConfigError(f"{origin}: {key} is missing{more}", "add it")
    if kind in ("model_type", "dict_type"):
        return ConfigError(f"{origin}: {key} is a table{more}", f"write [{key}] on a line of its own")
    cause = context.get("error")
    if cause is not None:
        return ConfigError(f"{origin}: {key}: {cause}{more}".replace(": :", ":"))
    text = str(first["msg"]).removeprefix("Input should be ")
    shown = "is wrong" if re.search(r"secret|password|url$", key) else f"cannot be {str(first['input'])[:60]!r}"
    return ConfigError(f"{origin}: {key} {shown}{more}", f"it has to be {text[:1].lower()}{text[1:]}")


def _key(location: tuple[int | str, ...]) -> str:
    """A place in the file as people write it: `callbacks.target[2].url`, counted from 1."""
    text = ""
    for part in location:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys a table has."""
    model: Any = StationConfig
    for part in location:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        if field is None:
            return []
        model = next((m for m in _models(field.annotation)), None)
        if model is None:
            return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(annotation: Any) -> list[Any]:
    """The tables in a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in _models(inner)]
