# SPDX-License-Identifier: GPL-2.0-or-later
"""Binding to what softfax adds to pjsua (native/pjsip/glue.h): T.38 in the invite session, negotiated audio, the loop.

All functions but `wake` belong to the thread that owns PJSIP.
"""

from __future__ import annotations

import ctypes as c
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

from softfax.errors import NativeError

__all__ = ["PJ_EPENDING", "FirstOffer", "Glue", "GlueEvent", "GlueEventType", "Refused"]

log = logging.getLogger("softfax.sip")

PJ_EPENDING = 70002


class GlueEventType(IntEnum):
    """Kinds of events, see glue.h."""

    AUDIO = 1
    T38_OFFER = 2
    T38_ACTIVE = 3
    T38_REFUSED = 4
    T38_EMPTY = 5
    SDP = 6
    OPTIONS = 7
    MESSAGE = 8
    UNANSWERED = 9
    ENDED = 10
    UNREGISTERED = 11


class Unanswered(IntEnum):
    """Reason for leaving a challenge unanswered, see glue.h."""

    NOT_THE_SERVER = 1
    CALL_OF_A_STRANGER = 2
    BEHIND_A_PROXY = 3
    ANOTHER_REALM = 4
    ANOTHER_QOP = 5


class FirstOffer(IntEnum):
    """Media that a first INVITE offers; T.38 beside one line of audio is left for later."""

    AUDIO = 0
    T38 = 1
    EITHER = 2


class _Counters(c.Structure):
    _fields_ = [
        ("calls_refused", c.c_ulong),
        ("calls_overload", c.c_ulong),
        ("connections_refused", c.c_ulong),
        ("connections_ended", c.c_ulong),
    ]


@dataclass(frozen=True, slots=True)
class Refused:
    """Counts of refusals since the start: calls while there was no room; of unknown sources, calls over their budget,
    connections, and those that were ended."""

    overload: int = 0
    calls: int = 0
    connections: int = 0
    connections_ended: int = 0


@dataclass(frozen=True, slots=True)
class GlueEvent:
    """One event, copied out of C, with the fields of glue.h in its order."""

    type: GlueEventType
    call_id: int
    code: int
    fd: int
    port: int
    payload_type: int
    law: int
    direction: int
    ptime_ms: int
    red_rx: int
    red_tx: int
    red_again: int
    remote: str
    local_sdp: str
    remote_sdp: str


class _Event(c.Structure):
    _fields_ = [(field.name, c.c_char_p if field.type == "str" else c.c_int32) for field in fields(GlueEvent)]


_Callback = c.CFUNCTYPE(None, c.POINTER(_Event))


def _copied(event: _Event) -> GlueEvent:
    kind, *values = (getattr(event, field.name) for field in fields(GlueEvent))
    plain: list[Any] = [one if isinstance(one, int) else (one or b"").decode("utf-8", "replace") for one in values]
    return GlueEvent(GlueEventType(kind), *plain)


class Glue:
    """The functions of the pjsua2 module that are ours."""

    def __init__(self, path: str) -> None:
        try:
            lib = c.CDLL(path)
            lib.sfx_sip_answer.argtypes = lib.sfx_sip_reinvite.argtypes = [c.c_int, c.c_char_p]
            lib.sfx_sip_cancel_offer.argtypes = lib.sfx_sip_may_offer.argtypes = [c.c_int]
            lib.sfx_sip_codecs.argtypes = [c.c_int, c.POINTER(c.c_int), c.c_int]
            lib.sfx_sip_describe.argtypes = [c.c_int, c.c_int]
            lib.sfx_sip_sdp.argtypes = [c.c_char_p]
            lib.sfx_sip_next_server.argtypes, lib.sfx_sip_is_failed.argtypes = [c.c_int], [c.c_char_p, c.c_int]
            lib.sfx_sip_contact.argtypes = [c.c_int, c.c_char_p, c.c_int]
            lib.sfx_sip_options.argtypes = [c.c_int, c.c_char_p, c.c_int]
            lib.sfx_sip_credentials.argtypes = [c.c_int, c.c_char_p, c.c_char_p, c.c_char_p]
            lib.sfx_sip_servers.argtypes = [c.c_int, c.POINTER(c.c_char_p), c.POINTER(c.c_int), c.c_int]
            lib.sfx_sip_look_up.argtypes = [c.c_char_p, c.c_int, c.c_int, c.c_char_p, c.c_int]
            lib.sfx_sip_may_send_media.argtypes = [c.c_int, c.c_char_p, c.c_int]
            lib.sfx_sip_forget.argtypes = lib.sfx_sip_by_tls.argtypes = lib.sfx_sip_first_offer.argtypes = [c.c_int]
            lib.sfx_sip_warn.argtypes, lib.sfx_sip_warn.restype = [c.c_int, c.c_int, c.c_char_p], None
            lib.sfx_sip_forget.restype = None
            lib.sfx_sip_open.argtypes, lib.sfx_sip_media_accounts.argtypes = [c.c_int, c.c_uint], [c.c_int, c.c_int]
            lib.sfx_sip_media_accounts.restype = None
            lib.sfx_sip_run.argtypes = [c.c_uint]
            lib.sfx_sip_known.argtypes = [c.POINTER(c.c_char_p), c.c_int, c.POINTER(c.c_char_p), c.c_int]
            lib.sfx_sip_limit.argtypes = [c.c_uint, c.c_uint]
            lib.sfx_sip_calls_max.restype, lib.sfx_sip_close_to_calls.restype = c.c_uint, None
            self._counters = _Counters.in_dll(lib, "sfx_counters")
            lib.sfx_sip_limit.restype = lib.sfx_sip_quiet.restype = lib.sfx_sip_close.restype = None
            lib.sfx_sip_run.restype = lib.sfx_sip_wake.restype = lib.sfx_sip_set_callback.restype = None
        except (OSError, AttributeError, ValueError) as error:
            raise NativeError(f"the SIP stack cannot be loaded ({error})", "build it with `make build`") from None
        self._lib = lib
        self._callback: object | None = None

    def set_callback(self, function: Callable[[GlueEvent], None] | None) -> None:
        """Delivers events to `function`, in the PJSIP thread. It may answer an offer; what it raises is logged."""

        def deliver(pointer: object) -> None:
            # No exception may cross into C.
            try:
                if function is not None:
                    function(_copied(pointer.contents))  # type: ignore[attr-defined]
            except Exception:
                log.exception("a SIP event was lost")

        self._callback = _Callback(deliver)
        self._lib.sfx_sip_set_callback(self._callback)

    def answer(self, call_id: int, sdp: str) -> int:
        """Answers the T.38 offer under way; returns a pj_status_t, 0 for success."""
        return int(self._lib.sfx_sip_answer(call_id, sdp.encode()))

    def reinvite(self, call_id: int, sdp: str) -> int:
        """Offers `sdp`; returns a pj_status_t, PJ_EPENDING while another INVITE is under way."""
        return int(self._lib.sfx_sip_reinvite(call_id, sdp.encode()))

    def may_offer(self, call_id: int) -> int:
        """0 if a re-INVITE may be sent now, PJ_EPENDING while another is under way."""
        return int(self._lib.sfx_sip_may_offer(call_id))

    def cancel_offer(self, call_id: int) -> int:
        """Gives up our offer."""
        return int(self._lib.sfx_sip_cancel_offer(call_id))

    def codecs(self, account_id: int, laws: Sequence[int]) -> int:
        """Set the codecs of an account's calls: 0 for PCMU, 8 for PCMA, in the order of preference. Returns a pj_status_t."""
        return int(self._lib.sfx_sip_codecs(account_id, (c.c_int * len(laws))(*laws), len(laws)))

    def red(self, account_id: int, earlier: int) -> int:
        """Earlier packets with each of an account's audio (RFC 2198); 0 offers and takes none. Returns a pj_status_t."""
        return int(self._lib.sfx_sip_red(account_id, earlier))

    def describe(self, account_id: int, wanted: bool) -> int:
        """Turn events `SDP` for an account's calls on or off. Returns a pj_status_t."""
        return int(self._lib.sfx_sip_describe(account_id, int(wanted)))

    def sdp(self, text: str) -> int:
        """Our SDP, instead of the one of the event `SDP` being delivered. Returns a pj_status_t."""
        return int(self._lib.sfx_sip_sdp(text.encode()))

    def options(self, account_id: int, uri: str, token: int) -> int:
        """Sends OPTIONS to `uri`; the event `OPTIONS` follows with the token as its `call_id`,
        unless a pj_status_t other than 0 is returned."""
        return int(self._lib.sfx_sip_options(account_id, uri.encode(), token))

    def next_server(self, call_id: int) -> bool:
        """Return True if a call that ends unanswered has another server to be placed at; only while its end is reported."""
        return bool(self._lib.sfx_sip_next_server(call_id))

    def is_failed(self, host: str, port: int) -> bool:
        """Return True if a server, by its address, has failed and is left for last; from any thread."""
        return bool(self._lib.sfx_sip_is_failed(host.encode(), port))

    def contact(self, account_id: int) -> str:
        """The Contact that an account registers; empty for none."""
        out = c.create_string_buffer(1024)
        return "" if self._lib.sfx_sip_contact(account_id, out, len(out)) else out.value.decode("utf-8", "replace")

    def known(self, networks: Sequence[str], tokens: Sequence[str]) -> int:
        """Set the networks (ADDRESS/BITS) and registered contacts that belong to accounts. Returns a pj_status_t."""

        def texts(of: Sequence[str]) -> c.Array[c.c_char_p]:
            return (c.c_char_p * len(of))(*(text.encode() for text in of))

        return int(self._lib.sfx_sip_known(texts(networks), len(networks), texts(tokens), len(tokens)))

    def limit(self, unacknowledged_calls: int, connections: int) -> None:
        """Limit what unknown sources may have in all: calls that wait for their ACK, and connections."""
        self._lib.sfx_sip_limit(unacknowledged_calls, connections)

    @property
    def refused(self) -> Refused:
        """Counts of what unknown sources were refused; from any thread."""
        counted = self._counters
        return Refused(
            int(counted.calls_overload),
            int(counted.calls_refused),
            int(counted.connections_refused),
            int(counted.connections_ended),
        )

    def close_to_calls(self, full: bool, draining: bool) -> None:
        """Answer OPTIONS with 503 while `full` or `draining`; while `full` refuse incoming calls (503) before anything is made of
        them. From any thread.
        """
        # SFX_SIP_FULL, SFX_SIP_DRAINING
        self._lib.sfx_sip_close_to_calls(1 if full else 2 if draining else 0)

    @property
    def calls_max(self) -> int:
        """The calls at a time that this build has room for."""
        return int(self._lib.sfx_sip_calls_max())

    def credentials(self, account_id: int, user: str, password: str, realms: Sequence[str]) -> int:
        """User and password of an account, and their realms, none for the one its server shows. Returns a pj_status_t."""
        text = "\n".join(realms)
        return int(self._lib.sfx_sip_credentials(account_id, user.encode(), password.encode(), text.encode()))

    def servers(self, account_id: int, servers: Sequence[tuple[str, int]]) -> int:
        """Names and addresses of the servers of an account that has credentials, with their ports. Returns a pj_status_t."""
        hosts = (c.c_char_p * len(servers))(*(host.encode() for host, _ in servers))
        ports = (c.c_int * len(servers))(*(port for _, port in servers))
        return int(self._lib.sfx_sip_servers(account_id, hosts, ports, len(servers)))

    def forget(self, account_id: int) -> None:
        """Wipes an account's credentials."""
        self._lib.sfx_sip_forget(account_id)

    def by_tls(self, call_id: int) -> bool:
        """Return True if the INVITE of a call that is coming in came over TLS."""
        return bool(self._lib.sfx_sip_by_tls(call_id))

    def first_offer(self, call_id: int) -> FirstOffer:
        """Return the media that the INVITE of a call that is coming in offers."""
        return FirstOffer(self._lib.sfx_sip_first_offer(call_id))

    def warn(self, call_id: int, code: int, text: str) -> None:
        """Set the Warning of the refusal that follows: a warn-code of RFC 3261 §20.43 and a text."""
        self._lib.sfx_sip_warn(call_id, code, text.replace('"', "'").encode())

    def may_send_media(self, call_id: int, host: str, port: int) -> bool:
        """Return True if the far end of a call may have media sent to an address."""
        return bool(self._lib.sfx_sip_may_send_media(call_id, host.encode(), port))

    def look_up(self, host: str, port: int, transport: str) -> list[tuple[str, int]]:
        """Addresses and ports of a SIP server; in any thread, and it blocks."""
        out = c.create_string_buffer(4096)
        kind = ("udp", "tcp", "tls").index(transport)
        self._lib.sfx_sip_look_up(host.encode(), port, kind, out, len(out))
        lines = (line.split() for line in out.value.decode().splitlines())
        return [(address, int(number)) for address, number in lines]

    def quiet(self) -> None:
        """Silences PJSIP's own log."""
        self._lib.sfx_sip_quiet()

    def open(self, *, trace: bool, versions: Iterable[int]) -> int:
        """Prepares `wake` and the looking up of names, once pjsua is initialised; with `trace` SIP messages are events.

        Names are looked up as addresses of these versions of IP. Returns a pj_status_t.
        """
        return int(self._lib.sfx_sip_open(int(trace), sum(1 if version == 4 else 2 for version in versions)))

    def media_accounts(self, ipv4: int, ipv6: int) -> None:
        """Accounts whose media are of IPv4 and of IPv6, for offers of another version than a call's account; -1 for none."""
        self._lib.sfx_sip_media_accounts(ipv4, ipv6)

    def close(self) -> None:
        """Undoes `open`, before pjsua is destroyed."""
        self._lib.sfx_sip_close()

    def run(self, max_ms: int) -> None:
        """Handles SIP until woken or `max_ms` have passed."""
        self._lib.sfx_sip_run(max_ms)

    def wake(self) -> None:
        """Ends `run`; from any thread."""
        self._lib.sfx_sip_wake()
