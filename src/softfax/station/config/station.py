# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration of a station: TOML, checked whole before anything starts. Secrets may come from SOFTFAX_* variables.

Every key has a description, from which its documentation is made.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from softfax.delivery.targets import CallbackTarget
from softfax.errors import said
from softfax.options import outside_options
from softfax.settings_file import read_toml
from softfax.sip.accounts import check_accounts
from softfax.sip.types import CALLS_PER_PROCESS, SipAccount
from softfax.station.config.accounts import (
    AccountConfig,
    DialingConfig,
    RouteConfig,
    SipTable,
    Slots,
    check_routing,
    no_such_account,
)
from softfax.station.config.base import Misplaced, alike
from softfax.station.config.faxes import DataConfig, FaxConfig, InboxConfig
from softfax.station.config.gateways import GatewayConfig, check_gateways
from softfax.station.config.http import HttpConfig, add_http_secret
from softfax.station.config.mail import MailConfig
from softfax.station.config.mailboxes import MailboxConfig, ScreeningConfig, SmtpConfig, add_store_secrets
from softfax.station.config.mistakes import config_error
from softfax.station.config.operations import LogConfig, RetentionConfig, TraceConfig, WorkersConfig
from softfax.station.config.polled import PolledConfig
from softfax.station.config.queue import QueueConfig
from softfax.station.config.telling import AmiConfig, CallbacksConfig
from softfax.station.routes import Routing

__all__ = ["StationConfig"]

#: Tables of the other verbs, which may stand in the same file.
OTHER_TABLES = frozenset(
    re.findall(
        r"\w+",
        "send receive loopback convert serve jobs status stations cancel config doctor backup restore deliveries swml impair"
        " trace probe gateway polled",
    )
)
#: Their options, which may stand at the top, for all of them (docs/configuration.md).
OTHER_KEYS = frozenset(
    re.findall(
        r"\w+",
        "all allow_private ami answer burst call caller callback_wait count cover cover_from cover_from_company cover_from_number"
        " cover_note cover_sender cover_sender_company cover_sender_number cover_subject cover_template cover_to"
        " cover_to_company cover_to_number cut delay dir document document_password duplicate echo echo_delay faxes"
        " follow force from from_uri gain halftone header_by jitter json keep_tiff limit listen loss max_paper"
        " max_resolution name no_fit noise number ocr output pages paper password phase poll poll_document"
        " poll_password polled preview proxy public_address received red redundancy register relay resend search"
        " seed sent since skew state stun tag time_zone timeout tls_ca tls_certificate tls_insecure"
        " tls_private_key to transport unread until url user",
    )
) | {o.flag for o in outside_options().values() if o.default is not None}


#: Tables that stations of one database share.
_OF_GROUP = {
    "account",
    "dialing",
    "route",
    "gateway",
    "polled",
    "fax",
    "mailbox",
    "screening",
    "queue",
    "callbacks",
    "retention",
}


class StationConfig(BaseSettings):
    """Everything about a station. From a program: `StationConfig(sip={"listen": "127.0.0.1:5060"})`."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix="SOFTFAX_", env_nested_delimiter="__")

    sip: SipTable = SipTable()
    account: tuple[AccountConfig, ...] = ()
    dialing: DialingConfig = DialingConfig()
    route: tuple[RouteConfig, ...] = ()
    gateway: tuple[GatewayConfig, ...] = ()
    polled: tuple[PolledConfig, ...] = Field(default=(), max_length=1000)
    fax: FaxConfig = FaxConfig()
    inbox: InboxConfig = InboxConfig()
    data: DataConfig = Field(default_factory=DataConfig)
    mailbox: tuple[MailboxConfig, ...] = ()
    screening: ScreeningConfig = ScreeningConfig()
    smtp: SmtpConfig = SmtpConfig()
    queue: QueueConfig = QueueConfig()
    http: HttpConfig = HttpConfig()
    ami: AmiConfig | None = None
    mail: MailConfig | None = None
    callbacks: CallbacksConfig = CallbacksConfig()
    workers: WorkersConfig = WorkersConfig()
    log: LogConfig = LogConfig()
    trace: TraceConfig = TraceConfig()
    retention: RetentionConfig = RetentionConfig()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use the values of a program or file; `load` adds the secrets of the environment, and nothing else of it counts."""
        return (init_settings,)

    @property
    def processes(self) -> int:
        """The processes for calls: as many as are configured, or as the calls want."""
        return self.workers.count or self._processes_needed

    @property
    def _processes_needed(self) -> int:
        return -(-self.sip.max_calls // CALLS_PER_PROCESS)

    @property
    def digest(self) -> str:
        """Digest of what decides which faxes are sent, how and when, without secrets: the same for all stations of a database."""
        said = self.model_dump_json(include=_OF_GROUP, by_alias=True)
        return hashlib.sha256(re.sub(r'"\w*(?:password|secret)\w*":"[^"]*"', "", said).encode()).hexdigest()[:12]

    @model_validator(mode="after")
    def _database(self) -> StationConfig:
        if self.data.stations == "many" and not self.data.url.startswith("postgres"):
            raise Misplaced("many stations need a PostgreSQL database; set url in [data]", "data", "stations")
        return self

    @model_validator(mode="after")
    def _accounts(self) -> StationConfig:
        check_routing(self.sip, self.account, self.route)
        check_gateways(self.gateway, self.account)
        if self.processes < (needed := self._processes_needed):
            text = f"{self.sip.max_calls} calls want {needed} processes; set count = {needed} in [workers]"
            raise Misplaced(text, "sip", "max_calls")
        said(lambda: check_accounts(self.sip_accounts()))
        alike([one.name for one in self.polled], "document", "polled")
        alike([one.name for one in self.mailbox], "mailbox", "mailbox")
        names = [account.label for account in self.account]
        for index, sender in enumerate(self.mail.sender if self.mail is not None else ()):
            if sender.account and sender.account not in names:
                raise Misplaced(no_such_account(sender.account, names), "mail", "sender", index, "account")
        return self

    @classmethod
    def load(cls, path: Path | None, environ: Mapping[str, str] = os.environ) -> StationConfig:
        """The configuration in a TOML file, or the defaults; secrets of the environment win. Raises ConfigError."""
        return cls.checked(cls.plain(path, environ), str(path) if path is not None else "the configuration")

    @staticmethod
    def plain(path: Path | None, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
        """Values of a station from a TOML file and the environment, not yet checked. Raises ConfigError."""
        table = read_toml(path) if path is not None else {}
        table = {
            key: value
            for key, value in table.items()
            if not (key in OTHER_TABLES and isinstance(value, dict))
            and not (key.replace("-", "_") in OTHER_KEYS and not isinstance(value, (dict, list)))
        }
        _add_secrets(table, environ)
        return table

    @classmethod
    def checked(cls, table: Mapping[str, Any], origin: str) -> StationConfig:
        """The configuration of plain values. Raises ConfigError that names `origin` and the key."""
        try:
            return cls(**table)
        except ValidationError as error:
            raise config_error(origin, error, cls) from None

    @property
    def inbox_dir(self) -> Path:
        """Folder of received faxes."""
        return self.inbox.dir or self.data.dir / "received"

    def sip_accounts(self) -> tuple[SipAccount, ...]:
        """The accounts, for the user agent."""
        return tuple(account.sip_account(self.sip) for account in self.account)

    def slots(self) -> Slots:
        """The channel slots, and who has how many of them."""
        return self.sip.slots(accounts=bool(self.account), trusted=any(one.trusted for one in self.account))

    def routing(self) -> Routing:
        """Routing of numbers through accounts."""
        return Routing(
            trunks=tuple(account.trunk() for account in self.account),
            routes=tuple(route.route() for route in self.route),
            plan=self.dialing.plan(),
        )

    def targets(self) -> tuple[CallbackTarget, ...]:
        """Targets that are notified of every fax."""
        return tuple(
            CallbackTarget(
                url=t.url,
                dialect=t.dialect,
                style=t.style,
                user=t.user,
                password=t.password,
                secret=t.secret or self.callbacks.secret,
                events=t.events,
            )
            for t in self.callbacks.target
        )


#: Variables that are one key of one table.
_SECRETS: Mapping[str, tuple[str, str]] = {
    "SOFTFAX_CALLBACK_SECRET": ("callbacks", "secret"),
    "SOFTFAX_DATABASE_URL": ("data", "url"),
    "SOFTFAX_SMTP_PASSWORD": ("smtp", "password"),
}


def _add_secrets(table: dict[str, Any], environ: Mapping[str, str]) -> None:
    """Secrets of the environment take the place of those in the file."""
    add_http_secret(table, environ)
    accounts, ami = table.get("account"), table.get("ami")
    _add_passwords([a for a in accounts if isinstance(a, dict)] if isinstance(accounts, list) else [], environ)
    name, secret = environ.get("SOFTFAX_AMI_USER"), environ.get("SOFTFAX_AMI_SECRET")
    if name and secret and isinstance(ami, dict):
        users = ami.setdefault("user", [])
        known = [user for user in users if isinstance(user, dict) and user.get("name") == name]
        if known:
            known[0]["secret"] = secret
        else:
            users.append({"name": name, "secret": secret})
    for variable, (name, key) in _SECRETS.items():
        if environ.get(variable) and isinstance(one := table.setdefault(name, {}), dict):
            one[key] = environ[variable]
    add_store_secrets(table.get("mailbox"), environ)


def _add_passwords(accounts: list[dict[str, Any]], environ: Mapping[str, str]) -> None:
    """SOFTFAX_PASSWORD_NAME is that of an account, SOFTFAX_PASSWORD that of the only one, or of the only one that has none."""
    password = environ.get("SOFTFAX_PASSWORD")
    if password and len(accounts) == 1:
        accounts[0]["password"] = password
    for account in accounts:
        if isinstance(account.get("name"), str):
            variable = "SOFTFAX_PASSWORD_" + re.sub(r"[^A-Z0-9]", "_", account["name"].upper())
            if environ.get(variable):
                account["password"] = environ[variable]
    without = [account for account in accounts if account.get("user") and not account.get("password")]
    if password and len(without) == 1:
        without[0]["password"] = password
