# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of a station's faxes: names and numbers as Asterisk forms them, settings, results of those that never began."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from softfax.diskspace import make_private
from softfax.documents.begin import start
from softfax.documents.job import PageJob
from softfax.documents.types import RasterSettings
from softfax.errors import DocumentError, DocumentInterruptedError, LocalError, SoftfaxError, UsageError
from softfax.fax import outcome
from softfax.fax.inbox import Inbox
from softfax.fax.outcome import Outcome
from softfax.fax.settings import FaxSettings, Polling, Role, T38Preferences, Timeouts
from softfax.fax.trace import TraceSettings
from softfax.model import Direction, FaxContext, FaxResult, Operation, SessionEvent, SessionState
from softfax.options import FaxOptions, Rate, check_ident, options_of
from softfax.sip.accounts import ANONYMOUS
from softfax.sip.call import IncomingCall
from softfax.sip.headers import REQUEST_URI, is_private, number_of
from softfax.sip.types import CALLS_PER_PROCESS, SipConfig, split_uri
from softfax.station import wire
from softfax.station.config import StationConfig
from softfax.station.orders import FaxOrder
from softfax.station.polled import PolledDocument

__all__ = [
    "Identities",
    "arrived",
    "document_failure",
    "failed",
    "first_session",
    "host_of",
    "incoming_settings",
    "interrupted",
    "outgoing_settings",
    "own_failure",
    "placing",
    "polled_job",
    "polled_settings",
    "polling_of",
    "prepare_data",
    "prepare_inbox",
    "sip_config",
    "spool_path",
    "start_job",
    "t38_preferences",
    "trace_folder",
    "trace_settings",
    "why_undialled",
]

#: What is kept of the packets of a fax: about fifteen minutes of audio.
CAPTURE_BYTES = 20 << 20


def channel_name(via: str, sequence: int) -> str:
    """A channel name as chan_pjsip forms them."""
    return f"PJSIP/{via}-{sequence:08x}"


def via_of(channel: str) -> str:
    """Account or host in a channel name."""
    return channel.partition("/")[2].rpartition("-")[0]


class Identities:
    """Hands out session numbers, channel names and unique ids. `station` is the station's number among others, which they have in
    their upper bits."""

    def __init__(self, station: int = 0) -> None:
        self._first = station << 24
        self._sessions, self._channels = itertools.count(self._first + 1), itertools.count()

    def channel(self, via: str) -> str:
        """A channel name as chan_pjsip forms them."""
        return channel_name(via, self._first | next(self._channels) & 0xFFFFFF)

    def context(self, via: str, *, session_number: int = 0, **what: Any) -> FaxContext:
        """The context of a fax that is a call, through an account or with a host."""
        channel = self.channel(via)
        return FaxContext(
            session_number=session_number or next(self._sessions),
            channel=channel,
            unique_id=self.unique_id(channel),
            **what,
        )

    def more_sessions(self, context: FaxContext) -> tuple[int, int, int]:
        """Numbers of the sessions of a gateway's call, the first that of its context."""
        return context.session_number, next(self._sessions), next(self._sessions)

    def unique_id(self, channel: str) -> str:
        """`epoch.sequence`, the sequence being that of the channel."""
        return f"{int(time.time())}.{int(channel.rpartition('-')[2], 16)}"


def t38_preferences(config: StationConfig, account: str) -> T38Preferences:
    """Preferences for T.38 through an account."""
    found = next((a.t38_preferences() for a in config.account if a.label == account), T38Preferences())
    return replace(found, direct=config.sip.direct)


def outgoing_settings(
    order: FaxOrder, config: StationConfig, *, fax_id: str, document: Path, account: str = "", role: Role = Role.CALLER
) -> FaxSettings:
    """An order with the station's defaults filled in. Raises UsageError."""
    fax = config.fax
    asked = order.with_defaults(fax.options)
    check_ident(asked.ident)
    rate_bps = min(_rate(asked.max_rate_bps), _modem_rate(order.modems))
    return FaxSettings(
        direction=order.direction,
        role=role,
        document=document,
        documents=order.documents,
        # The header line is drawn on the pages.
        **options_of(asked) | {"account": account, "header": "", "max_rate_bps": rate_bps},
        polling=polling_of(asked) if asked.poll and order.direction is Direction.RECEIVE else None,
        t38=t38_preferences(config, account),
        timeouts=Timeouts(
            answer_s=order.answer_timeout_s or fax.answer_timeout_s, t38_s=order.t38_timeout_s or fax.t38_timeout_s
        ),
        fax_id=fax_id,
        attempt=order.attempt,
        keep=order.keep,
    )


def polling_of(options: FaxOptions) -> Polling:
    """The document to fetch, as it was ordered."""
    return Polling(document=options.poll_document, password=options.poll_password)


def placing(
    order: FaxOrder, config: StationConfig, context: FaxContext, settings: FaxSettings, uri: str
) -> wire.PlaceCall:
    """Message to the process that makes the call."""
    pages = None
    if order.direction is Direction.SEND:
        pages = wire.Pages(
            documents=order.documents,
            header=_header(context.header, context.ident, continued=order.first_page > 1),
            password=order.password,
            first_page=order.first_page,
            raster=order.raster,
            allow_private=config.fax.allow_private_documents,
        )
    on = order.on.context.fax_id if order.on is not None else ""
    return wire.PlaceCall(uri=uri, settings=settings, pages=pages, on=on, joins=order.joins, place=order.place)


def _header(station: str, number: str, *, continued: bool = False) -> dict[str, Any] | None:
    """The header line of pages that are sent now (`softfax.documents.header.HeaderLine`); None where the station has none."""
    if not station:
        return None
    return {"station": station, "number": number, "when": datetime.now(UTC).isoformat(), "continued": continued}


def start_job(pages: wire.Pages, options: FaxOptions, workdir: Path) -> PageJob:
    """Begin to make the pages of a fax, in a folder. Blocks. Raises DocumentError."""
    raster = RasterSettings(**options_of(options, RasterSettings), password=pages.password, first_page=pages.first_page)
    return start(
        pages.documents,
        raster,
        workdir,
        cover=options.cover,
        header=pages.header,
        allow_private=pages.allow_private,
        raster=pages.raster,
    )


def polled_job(polled: PolledDocument, config: StationConfig, workdir: Path) -> PageJob:
    """Begin to make the pages of documents that are put out, with the station's header line. Blocks. Raises DocumentError."""
    options = config.fax.options
    header = _header(options.header, options.ident)
    pages = wire.Pages(documents=polled.sources, header=header, password=polled.password, raster=polled.raster)
    drawn = FaxOptions(resolution=polled.resolution, scan=polled.scan).with_defaults(options)
    return start_job(pages, drawn, workdir)


def polled_settings(
    polled: Sequence[PolledDocument], config: StationConfig, *, fax_id: str, document: Path, account: str = ""
) -> FaxSettings:
    """Settings for a call that may fetch one of several documents."""
    settings = incoming_settings(config, fax_id=fax_id, document=document, account=account)
    return replace(
        settings,
        direction=Direction.SEND,
        documents=polled[0].documents,
        header="",
        polling=polled[0].polling,
        others=tuple(one.polling for one in polled[1:]),
    )


def incoming_settings(config: StationConfig, *, fax_id: str, document: Path, account: str = "") -> FaxSettings:
    """Settings for an incoming call."""
    fax = config.fax
    return FaxSettings(
        direction=Direction.RECEIVE,
        role=Role.ANSWERER,
        document=document,
        **options_of(fax.options) | {"account": account},
        t38=t38_preferences(config, account),
        timeouts=Timeouts(t38_s=fax.t38_timeout_s),
        fax_id=fax_id,
    )


def sip_config(config: StationConfig) -> SipConfig:
    """The user agent of a station."""
    sip = config.sip
    return SipConfig(
        listen=sip.listen,
        transport=sip.transport,
        accounts=config.sip_accounts(),
        public_address=sip.public_address or None,
        tls_certificate=str(sip.tls_certificate) if sip.tls_certificate else None,
        tls_private_key=str(sip.tls_private_key) if sip.tls_private_key else None,
        tls_ca=str(sip.tls_ca) if sip.tls_ca else None,
        tls_verify=sip.tls_verify,
        # More than are answered, so that there is a slot to answer 486 from.
        max_calls=min(sip.max_calls, CALLS_PER_PROCESS) + 8,
        unacknowledged=config.slots().unacknowledged,
        connections=sip.connections,
        user_agent=sip.user_agent,
        dscp_sip=sip.dscp_sip,
        dscp_media=sip.dscp_media,
        # Who is called has been asked for: a do-not-fax list, limits, routes. A far end does not change it.
        redirects=0,
    )


def trace_settings(config: StationConfig) -> TraceSettings | None:
    """Settings for traces of calls."""
    if config.trace.when == "never":
        return None
    return TraceSettings(trace_folder(config), config.trace.when, CAPTURE_BYTES if config.trace.packets else 0)


def trace_folder(config: StationConfig) -> Path:
    """Folder of the traces."""
    return config.data.dir / "traces"


def arrived(config: StationConfig, call: IncomingCall, fax_id: str) -> wire.Arrived:
    """Facts of a call that came in."""
    headers = call.headers
    return wire.Arrived(
        fax_id=fax_id,
        account=call.account,
        remote_uri=call.remote_uri,
        caller=ANONYMOUS
        if is_private(headers)
        else headers.get("P-Asserted-Identity") or headers.get("From") or call.remote_uri,
        called=_called(config, call) or call.local_uri,
        ident=config.fax.options.ident,
        known=call.known,
    )


def _called(config: StationConfig, call: IncomingCall) -> str:
    """Source of the called number: the request, or the header that the account names.

    Who registers is often called by the name it registered; the number is in P-Called-Party-ID (RFC 7315 §4.2) or To then.
    """
    headers, account = call.headers, next((a for a in config.account if a.label == call.account), None)
    request = headers.get(REQUEST_URI, "")
    wanted = account.called if account is not None else "auto"
    names: tuple[str, ...] = (wanted.title(),)
    if wanted == "auto":
        by_name = account is not None and account.register_ and number_of(request) in (account.user, "")
        names = ("P-Called-Party-Id", "To") if by_name else ()
    first = [headers.get(name, "") for name in names]
    return next((value for value in (*first, request, headers.get("To", "")) if value and number_of(value)), "")


def spool_path(config: StationConfig, fax_id: str) -> Path:
    """The TIFF that an incoming fax is received into."""
    return Inbox(config.inbox_dir).spool_path(fax_id)


def _rate(wanted_bps: int) -> int:
    """The highest rate of T.30 up to the wanted one."""
    rates: tuple[int, ...] = get_args(Rate)
    return max((rate for rate in rates if rate <= wanted_bps), default=min(rates))


def _modem_rate(modems: frozenset[str]) -> int:
    """Rate of the permitted modems: V.27ter 4800, V.29 9600, V.17 14400 bit/s."""
    names = {name.upper().replace(".", "").removesuffix("TER") for name in modems}
    return 14400 if not names or "V17" in names else 9600 if "V29" in names else 4800


_OPERATIONS = {
    Direction.SEND: Operation.SEND,
    Direction.RECEIVE: Operation.RECEIVE,
    Direction.GATEWAY: Operation.V21,  # until a fax is heard
}


def first_session(context: FaxContext) -> SessionEvent:
    """The record of a session that is reserved and has no statistics yet."""
    return SessionEvent(
        session_number=context.session_number,
        operation=_OPERATIONS[context.direction],
        state=SessionState.RESERVED,
        fax_id=context.fax_id,
    )


def failed(context: FaxContext, why: Outcome, duration_s: float) -> FaxResult:
    """The result of a fax that was never dialled."""
    return why.result(
        direction=context.direction,
        fax_id=context.fax_id,
        duration_s=duration_s,
        session=context.session_number,
        pages_total=None if context.direction is Direction.SEND else 0,
        local_station_id=context.ident,
        documents=list(context.documents),
    )


def interrupted(context: FaxContext, pages: int) -> FaxResult:
    """The result of a fax whose station ended during the call: what the far end has of it is unknown."""
    why = Outcome(False, "UNKNOWN", "the station ended during the call", outcome.CRASHED)
    return replace(failed(context, why, 0.0), pages=pages)


def document_failure(text: str) -> Outcome:
    """A document that cannot be faxed; nothing was dialled."""
    return Outcome(False, "FILE_ERROR", text, outcome.T30_FILE_ERRORS[0], reached=False)


def own_failure(text: str) -> Outcome:
    """A fault of this machine; nothing was dialled."""
    return Outcome(False, "INIT_ERROR", text, outcome.T30_CALLDROPPED, reached=False)


def why_undialled(error: SoftfaxError | OSError) -> Outcome:
    """The outcome of a fax that an error kept from being dialled: a fault of the order, of its document, or of this machine."""
    if isinstance(error, UsageError):
        why = Outcome(False, "INVALID_ARGUMENTS", str(error), outcome.NO_T30, reached=False)
    elif isinstance(error, DocumentError) and not isinstance(error, DocumentInterruptedError):
        why = document_failure(str(error))
    else:
        why = own_failure(str(error))
    return replace(why, remedy=error.remedy) if isinstance(error, SoftfaxError) else why


def host_of(uri: str) -> str:
    """The host of a URI that the far end wrote, in whatever way; empty if there is none."""
    match = re.search(r"<([^>]*)>", uri)
    try:
        return split_uri(match[1] if match else uri)[2].strip("[]").lower()
    except UsageError:
        return ""


def prepare_data(config: StationConfig) -> None:
    """Make the station's folder, for its user alone, if it is not there. Raises LocalError."""
    folder = config.data.dir
    try:
        make_private(folder)
    except OSError as error:
        raise LocalError(
            f"the station's data cannot be kept in {folder} ({error.strerror})",
            "name another folder in [data] dir, or give it to this user",
        ) from None


def prepare_inbox(config: StationConfig, inbox: Inbox) -> None:
    """Raise LocalError where faxes are to be received and could not be written."""
    try:
        if config.fax.receive:
            inbox.prepare()
    except LocalError as error:
        raise LocalError(error.problem, "name another folder in [inbox] dir, or give it to this user") from None
