# SPDX-License-Identifier: GPL-2.0-or-later
"""The accounts in PJSIP: one for each that is configured, one for calls without any, those being given up. In the SIP thread."""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from softfax.errors import UsageError
from softfax.reasons import NOT_OVER_IPV4, NOT_OVER_IPV6
from softfax.sip.accounts import LINE_PARAMETER, KnownAccount, Origin, known_networks, origin_of
from softfax.sip.binding import clean, message_of, pj, reason_of, status_reason
from softfax.sip.contacts import binding_of
from softfax.sip.ended import retry_after_s
from softfax.sip.glue import Glue, GlueEvent, Unanswered
from softfax.sip.headers import headers_of
from softfax.sip.listening import Listening, public_of, version_of
from softfax.sip.names import hosts_of
from softfax.sip.requests import RequestAnswer
from softfax.sip.types import (
    ANYWHERE,
    ANYWHERE_6,
    AUDIO_REDUNDANCY,
    SipAccount,
    SipConfig,
    is_numeric,
    is_unspecified,
    local_address_towards,
    split_uri,
)

__all__ = ["PjAccount", "PjAccounts", "port_of", "server_uri", "source_host"]

log = logging.getLogger("softfax.sip")

SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"
_NAMED_HOST = re.compile(
    r"^(?:To|From|t|f)[ \t]*:[^\r\n]{0,512}?sips?:(?:[^@\s>]{0,256}@)?([^:;>\s]{1,255})", re.I | re.M
)
LAWS = {"PCMU": 0, "PCMA": 8}
TLS_VERSIONS = pj.PJ_SSL_SOCK_PROTO_TLS1_2 | pj.PJ_SSL_SOCK_PROTO_TLS1_3
TRANSPORT_KINDS = {
    "udp": pj.PJSIP_TRANSPORT_UDP,
    "tcp": pj.PJSIP_TRANSPORT_TCP,
    "tls": pj.PJSIP_TRANSPORT_TLS,
}


UNANSWERED = {
    Unanswered.NOT_THE_SERVER: "it is not from a server of the account",
    Unanswered.CALL_OF_A_STRANGER: "the call did not come from a server of the account",
    Unanswered.BEHIND_A_PROXY: "within a call it may be from anyone behind the server, which is a proxy",
    Unanswered.ANOTHER_QOP: "it wants the quality of protection auth-int, which is not spoken here",
    Unanswered.ANOTHER_REALM: "its realm {realm!r} is not the one that the server showed first, nor named in realms",
}
UNANSWERED_MAX = 200


class PjAccount(pj.Account):  # type: ignore[misc]
    """An account in PJSIP, for one version of IP; `account` is None for those of calls without. Its callbacks may not raise.

    `token` is the `line` of its contact.
    """

    def __init__(self, owner: PjAccounts, account: SipAccount | None, version: int, token: str = "") -> None:
        super().__init__()
        self._owner = owner
        self.account = account
        self.version = version
        self.name = account.name if account is not None else ""
        self.token = token
        self.own_uri = self.domain = ""
        self.calls = 0
        #: The last REGISTER is to register, not to take that back.
        self.wants = True
        #: Why a challenge to it got no answer.
        self.unanswered = ""
        self.retired = False

    def public_address(self, version: int) -> str:
        """Our address as far ends of a version of IP see it; empty for that of our own."""
        return self._owner.public_address(self.account, version)

    def give_up(self) -> None:
        """Deletes the account. Its number may be another's at once, and the C++ destructor would delete that: it never runs."""
        self.shutdown()
        self.thisown = False

    def onIncomingCall(self, prm: Any) -> None:
        try:
            self._owner.on_incoming(self, prm)
        except Exception:
            log.exception("an incoming call was lost")

    def onRegState(self, prm: Any) -> None:
        try:
            if not self.retired:
                self._owner.registered(self, prm)
        except Exception:
            log.exception("a registration event was lost")


class PjAccounts:
    """The accounts of one user agent."""

    def __init__(
        self,
        config: SipConfig,
        glue: Glue,
        on_incoming: Callable[[PjAccount, Any], None],
        on_registration: Callable[[str, RequestAnswer], None],
    ) -> None:
        self._config = config
        self._glue = glue
        self.on_incoming = on_incoming
        self.on_registration = on_registration
        self._endpoint: Any = None
        self._bound: Listening = {}
        self._tls: dict[tuple[str, str, int], tuple[int, int]] = {}
        self._by_name: dict[str, dict[int, PjAccount]] = {}
        self._known: dict[str, KnownAccount] = {}
        self._retired: list[PjAccount] = []
        self._anonymous: dict[int, PjAccount] = {}
        #: The ones whose REGISTER was the last, by name.
        self._registering: dict[str, PjAccount] = {}
        self._unanswered: set[tuple[str, str]] = set()
        #: Where the request comes from that is being given to an account.
        self.origin = Origin()

    # ---- life ---------------------------------------------------------------------------------------------------

    def open(self, endpoint: Any, bound: Listening, tls_transports: dict[int, int]) -> None:
        """Makes the accounts of calls without one. `tls_transports` is what TLS is listened on with, if it is."""
        self._endpoint, self._bound = endpoint, bound
        for version, transport in tls_transports.items():
            self._tls["", "", version] = (transport, bound[version][1])
        for version in bound:
            made = self._anonymous[version] = PjAccount(self, None, version)
            made.create(self._account_config(made), len(self._anonymous) == 1)
            self._glue.red(int(made.getId()), AUDIO_REDUNDANCY)
        ids = {version: int(made.getId()) for version, made in self._anonymous.items()}
        self._glue.media_accounts(ids.get(4, -1), ids.get(6, -1))

    def close(self) -> None:
        """Gives all up."""
        for pj_account in [*self._all(), *self._retired, *self._anonymous.values()]:
            pj_account.give_up()
        self._by_name.clear()
        self._registering.clear()
        self._known.clear()
        self._retired.clear()
        # The endpoint refers to this object, and has to go before the next one is made.
        self._anonymous.clear()
        self._endpoint = None

    def put(self, known: Sequence[KnownAccount]) -> None:
        """Replace all accounts by these. Unchanged ones are not touched; calls of the others go on.

        Raises UsageError for one that PJSIP does not take; then those before it are in force.
        """
        wanted = {one.account.name: one for one in known}
        for name, before in list(self._known.items()):
            if name not in wanted or wanted[name].account != before.account:
                self._retire(name)
        for name, one in wanted.items():
            token = self._known[name].line if name in self._known else secrets.token_hex(8)
            one = replace(one, line=token)
            versions = {version_of(host) for host, _ in one.servers} & self._bound.keys() or {next(iter(self._bound))}
            for version in versions:
                self._variant(one, version)
            self._known[name] = one
            for pj_account in self._by_name[name].values():
                self._know_servers(pj_account, one)
        all_known = self._known.values()
        self._glue.known([str(one) for one in known_networks(all_known)], [one.line for one in all_known])

    def account(self, name: str) -> SipAccount | None:
        """The account of that name."""
        return self._known[name].account if name in self._known else None

    def _variant(self, one: KnownAccount, version: int) -> PjAccount:
        """The account for a version of IP; most have servers of one alone, so it is made when it is first needed."""
        variants = self._by_name.setdefault(one.account.name, {})
        if version not in variants:
            variants[version] = self._create(one, version)
            self._know_servers(variants[version], one)
        return variants[version]

    def _know_servers(self, pj_account: PjAccount, one: KnownAccount) -> None:
        self._glue.servers(int(pj_account.getId()), [*hosts_of(one.account), *one.servers])

    def _all(self) -> list[PjAccount]:
        return [one for variants in self._by_name.values() for one in variants.values()]

    def _create(self, one: KnownAccount, version: int) -> PjAccount:
        account = one.account
        pj_account = PjAccount(self, account, version, one.line)
        try:
            pj_account.create(self._account_config(pj_account))
        except pj.Error as error:
            raise UsageError(f"account {account.name} cannot be used: {reason_of(error)}", "correct it") from None
        self._glue.codecs(int(pj_account.getId()), [LAWS[codec] for codec in account.codecs])
        self._glue.red(int(pj_account.getId()), account.audio_redundancy)
        self._glue.describe(int(pj_account.getId()), account.srtp != "off")
        user = account.auth_user or account.user
        self._glue.credentials(int(pj_account.getId()), user, account.password, account.realms)
        return pj_account

    def _retire(self, name: str) -> None:
        self._known.pop(name, None)
        self._registering.pop(name, None)
        for pj_account in self._by_name.pop(name, {}).values():
            pj_account.retired = True
            if pj_account.calls:
                self._retired.append(pj_account)
            else:
                self._give_up(pj_account)

    def _give_up(self, pj_account: PjAccount) -> None:
        self._glue.forget(int(pj_account.getId()))
        pj_account.give_up()

    # ---- calls --------------------------------------------------------------------------------------------------

    def find(self, name: str, version: int) -> PjAccount | None:
        """The account of that name for a version of IP (0: any); that of calls without one for an empty name."""
        if version not in self._bound:
            version = next(iter(self._by_name.get(name) or self._bound))
        if not name:
            return self._anonymous[version]
        try:
            return self._variant(self._known[name], version) if name in self._known else None
        except UsageError as error:
            log.warning("%s", error)
            return None

    def ended(self, pj_account: PjAccount) -> None:
        """A call no longer uses it. Not within a callback of that call: an account given up goes with its last call."""
        pj_account.calls -= 1
        if pj_account.retired and not pj_account.calls and pj_account in self._retired:
            self._retired.remove(pj_account)
            self._give_up(pj_account)

    def select(self, prm: Any) -> None:
        """Find the account of a request outside a dialog (a callback of the endpoint); none until it is known."""
        self.origin = Origin()
        source = source_host(prm)
        anonymous = self._anonymous[version_of(source)]
        prm.accountIndex = int(anonymous.getId())
        head = message_of(prm.rdata.wholeMsg)[:8192].partition("\r\n\r\n")[0]
        request_uri = [*head.split(" ", 2), ""][1]
        hosts = _NAMED_HOST.findall(head)
        self.origin = origin_of(self._known.values(), request_uri, source, hosts)
        prm.accountIndex = int((self.find(self.origin.account, version_of(source)) or anonymous).getId())

    def unheard(self, uri: str) -> str:
        """Reason why a URI cannot be asked: its address is of a version of IP that is not listened on; empty if it can."""
        host = split_uri(uri)[2]
        if not is_numeric(host) or version_of(host) in self._bound:
            return ""
        return NOT_OVER_IPV6 if version_of(host) == 6 else NOT_OVER_IPV4

    def register(self, name: str, wanted: bool, version: int) -> None:
        """Sends REGISTER over a version of IP, or takes the last back; `on_registration` follows."""
        before = self._registering.get(name)
        pj_account = self.find(name, version) if wanted else before
        if name and pj_account is not None and before is not None and before is not pj_account:
            # One contact at the server is enough. The answer is not reported.
            with contextlib.suppress(pj.Error):
                before.setRegistration(False)
        if not name or pj_account is None:
            self.on_registration(name, RequestAnswer(0, "there is no such account", answered=False))
            return
        account = pj_account.account
        unheard = self.unheard(account.proxy or account.server) if account is not None else ""
        if unheard:
            self.on_registration(name, RequestAnswer(0, unheard, answered=False))
            return
        try:
            self._registering[name] = pj_account
            pj_account.wants, pj_account.unanswered = wanted, ""
            pj_account.setRegistration(wanted)
        except pj.Error as error:
            self.on_registration(name, RequestAnswer(0, reason_of(error), answered=False))

    def registered(self, pj_account: PjAccount, prm: Any) -> None:
        """A REGISTER was answered, or could not be sent."""
        if pj_account is not self._registering.get(pj_account.name):
            return
        code, reason, message = int(prm.code), status_reason(prm.reason), message_of(prm.rdata.wholeMsg)
        head = message.partition("\r\n\r\n")[0]
        expires_s = 0
        if code == 200 and pj_account.wants:
            contact = self._glue.contact(int(pj_account.getId()))
            expires_s, reason = binding_of(head, pj_account.token, contact)
        target = clean(headers_of(head).get("Contact", ""))[:200] if 300 <= code < 400 else ""
        after_s = retry_after_s(headers_of(head).get("Retry-After", ""))
        self.on_registration(
            pj_account.name,
            RequestAnswer(code, reason, expires_s, after_s, bool(message.strip()), target, pj_account.unanswered),
        )

    def registered_by(self, account_id: int) -> str:
        """The name of the account whose last REGISTER was of this number in PJSIP; empty for none."""
        return next((name for name, one in self._registering.items() if int(one.getId()) == account_id), "")

    def unanswered(self, event: GlueEvent) -> None:
        """A challenge to an account got no answer: said once for each reason, since far ends may send any number."""
        pj_account = next((one for one in self._all() if int(one.getId()) == event.call_id), None)
        name = pj_account.name if pj_account is not None else ""
        problem = UNANSWERED[Unanswered(event.code)].format(realm=clean(event.remote_sdp))
        if pj_account is not None:
            pj_account.unanswered = problem
        if (name, problem) in self._unanswered or len(self._unanswered) >= UNANSWERED_MAX:
            return
        self._unanswered.add((name, problem))
        log.warning("account %s: a challenge by %s:%d is not answered: %s", name, event.remote, event.port, problem)

    # ---- configuration ------------------------------------------------------------------------------------------

    def _account_config(self, pj_account: PjAccount) -> Any:
        account, version = pj_account.account, pj_account.version
        public = pj_account.public_address(version)
        shown = self._shown(public, version)
        config = pj.AccountConfig()
        pj_account.domain = split_uri(account.server)[2] if account else f"{shown}:{self._bound[version][1]}"
        user = (account.user if account else "") or "softfax"
        pj_account.own_uri = (account.from_uri if account else "") or f"sip:{user}@{pj_account.domain}"
        config.idUri = pj_account.own_uri
        if account is not None:
            self._of_account(config, pj_account, account, shown)
        elif self._config.transport == "tls":
            config.sipConfig.transportId = self._tls["", "", version][0]
        config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_OPTIONAL
        config.callConfig.prackUse = pj.PJSUA_100REL_NOT_USED
        self._of_media(config, public, version, account is not None and account.srtp != "off")
        config.natConfig.contactRewriteUse = 0
        config.natConfig.viaRewriteUse = 0
        config.natConfig.sdpNatRewriteUse = 0
        return config

    def public_address(self, account: SipAccount | None, version: int) -> str:
        """Our address as far ends of an account and of a version of IP see it; empty for that of our own."""
        own = public_of(account.public_address, version) if account is not None else ""
        return own or public_of(self._config.public_address, version)

    def _shown(self, public_address: str, version: int) -> str:
        """The host that far ends see, as in a URI."""
        shown = public_address or self._bound[version][0]
        if is_unspecified(shown):
            shown = local_address_towards(ANYWHERE_6 if version == 6 else ANYWHERE)
        return f"[{shown}]" if ":" in shown else shown

    def _of_account(self, config: Any, pj_account: PjAccount, account: SipAccount, shown: str) -> None:
        port = self._bound[pj_account.version][1]
        if account.transport == "tls":
            config.sipConfig.transportId, port = self._tls_transport(account, pj_account.version)
        if account.register:
            config.regConfig.registrarUri = server_uri(account)
            config.regConfig.contactUriParams = f";{LINE_PARAMETER}={pj_account.token}"
        config.regConfig.registerOnAdd = False
        config.regConfig.timeoutSec = account.expires_s
        # The owner tries again, and nobody else.
        config.regConfig.retryIntervalSec = config.regConfig.firstRetryIntervalSec = 0
        if public_of(account.public_address, pj_account.version):
            config.sipConfig.contactForced = f"<sip:{account.user or 'softfax'}@{shown}:{port}{_suffix(account)}>"
        if account.proxy:
            loose = account.proxy if ";" in account.proxy else f"{account.proxy};lr"
            config.sipConfig.proxies.append(_with_transport(loose, account))
        config.natConfig.udpKaIntervalSec = account.keepalive_s
        # Contact names the port that is listened on, not that of a connection, which may be closed. Without a certificate no
        # TLS can be accepted: then the connection is all there is to be reached by.
        config.natConfig.contactUseSrcPort = account.transport == "tls" and not account.tls_certificate

    def _of_media(self, config: Any, public_address: str, version: int, srtp: bool) -> None:
        config.mediaConfig.transportConfig.boundAddress = self._bound[version][0]
        # Any free pair, instead of counting up from 4000 into what other programs have taken.
        config.mediaConfig.transportConfig.port = 0
        _mark(config.mediaConfig.transportConfig, self._config.dscp_media)
        if public_address:
            config.mediaConfig.transportConfig.publicAddress = public_address
        # One family: with both, media sockets of one would be bound to the address of the other (media.c lends the other).
        family = pj.PJSUA_IPV6_ENABLED_USE_IPV6_ONLY if version == 6 else pj.PJSUA_IPV6_DISABLED
        config.mediaConfig.ipv6Use = config.sipConfig.ipv6Use = family
        # Lets an offer of RTP/SAVP through; the keys are ours (sdes.py).
        config.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_OPTIONAL if srtp else pj.PJMEDIA_SRTP_DISABLED

    # ---- transports ---------------------------------------------------------------------------------------------

    def _tls_transport(self, account: SipAccount, version: int) -> tuple[int, int]:
        """The TLS transport with the account's certificate, and its port; made when it is first asked for."""
        key = (account.tls_certificate, account.tls_private_key, version)
        if key not in self._tls:
            kind, config = self.transport_config("tls", self._bound[version][0], 0)
            if account.tls_certificate:
                config.tlsConfig.certFile, config.tlsConfig.privKeyFile = key[:2]
            try:
                transport = int(self._endpoint.transportCreate(kind, config))
            except pj.Error as error:
                raise UsageError(
                    f"account {account.name} has no TLS: {reason_of(error)}", "check its certificate and private key"
                ) from None
            self._tls[key] = (transport, port_of(self._endpoint, transport))
        return self._tls[key]

    def transport_config(self, kind: str, host: str, port: int) -> tuple[int, Any]:
        """The type and configuration of a SIP transport."""
        config = pj.TransportConfig()
        config.port = port
        config.boundAddress = host
        _mark(config, self._config.dscp_sip)
        public = public_of(self._config.public_address, version_of(host))
        if public:
            config.publicAddress = public
        if kind == "tls":
            tls = config.tlsConfig
            tls.certFile = self._config.tls_certificate or ""
            tls.privKeyFile = self._config.tls_private_key or ""
            tls.CaListFile = self._config.tls_ca or (SYSTEM_CA if self._config.tls_verify else "")
            tls.verifyServer = self._config.tls_verify
            tls.proto = TLS_VERSIONS
        return TRANSPORT_KINDS[kind] | (pj.PJSIP_TRANSPORT_IPV6 if ":" in host else 0), config


def _mark(config: Any, dscp: int) -> None:
    """Marks the packets of a transport."""
    if dscp:
        config.qosParams.flags, config.qosParams.dscp_val = pj.PJ_QOS_PARAM_HAS_DSCP, dscp


def _suffix(account: SipAccount) -> str:
    return "" if account.transport == "udp" else f";transport={account.transport}"


def _with_transport(uri: str, account: SipAccount) -> str:
    return uri if "transport=" in uri else f"{uri}{_suffix(account)}"


def server_uri(account: SipAccount) -> str:
    """The server of an account, with the transport it is talked to over."""
    return _with_transport(account.server, account)


def port_of(endpoint: Any, transport: int) -> int:
    """The port that a transport is bound to."""
    return int(str(endpoint.transportGetInfo(transport).localName).rsplit(":", 1)[1])


def source_host(prm: Any) -> str:
    """The address that a request came from."""
    return str(prm.rdata.srcAddress).rpartition(":")[0].strip("[]")
