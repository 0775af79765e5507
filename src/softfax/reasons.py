# SPDX-License-Identifier: GPL-2.0-or-later
"""Reasons of ours for which a fax did not reach its far end, in words, and what people can do about them."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "CERTIFICATE_UNTRUSTED",
    "CONNECTION_CLOSED",
    "CONNECTION_REFUSED",
    "CONNECTION_TIMED_OUT",
    "HOST_UNREACHABLE",
    "NAME_UNKNOWN",
    "NOT_OVER_IPV4",
    "NOT_OVER_IPV6",
    "NO_ROUTE",
    "NO_TRANSPORT",
    "ON_DO_NOT_FAX_LIST",
    "PORT_UNREACHABLE",
    "REASON_REMEDIES",
    "SERVER_SILENT",
]

#: Reasons of ours, where no far end answered: no call was tried; ICMP reports the far end of a call over UDP as unreachable
#: (native/pjsip/unreachable.c has the same words); no connection, or no way out of this machine.
NAME_UNKNOWN = "the server's name is not known"
PORT_UNREACHABLE = "nothing listens at the far end's address and port (ICMP: port unreachable)"
HOST_UNREACHABLE = "the far end's address cannot be reached (ICMP: host unreachable)"
CONNECTION_REFUSED = "nothing listens at the far end's address and port (connection refused)"
CONNECTION_TIMED_OUT = "the far end's address takes no connection (nothing comes back)"
NO_ROUTE = "there is no route to the far end's address"
SERVER_SILENT = "the server does not answer"
ON_DO_NOT_FAX_LIST = "the number is on the do-not-fax list"
NO_TRANSPORT = "the far end's address asks for a transport that is not switched on here"
NOT_OVER_IPV4 = "the far end's address is one of IPv4, which is not listened on here"
NOT_OVER_IPV6 = "the far end's address is one of IPv6, which is not listened on here"
CERTIFICATE_UNTRUSTED = "the far end's certificate is not trusted, or is for another name"
CONNECTION_CLOSED = "the far end closed the connection without an answer"
#: What people can do about them.
REASON_REMEDIES: Mapping[str, str] = {
    NAME_UNKNOWN: "check the name of the host, and DNS",
    PORT_UNREACHABLE: "check the address and the port, and whether the server or machine there is running",
    CONNECTION_REFUSED: "check the address, the port and the transport, and whether the server or machine there is running",
    CONNECTION_TIMED_OUT: "check the address, the port and the transport, and the firewalls between",
    HOST_UNREACHABLE: "check the address, the network and the firewalls between",
    NO_ROUTE: "check the address, and the network and routes of this machine",
    NO_TRANSPORT: "set the transport to tls for sips: and transport=tls; udp and tcp are the others",
    NOT_OVER_IPV4: 'listen on an address of IPv4 too: listen = ["0.0.0.0:5060", "[::]:5060"] in [sip], or --listen twice',
    NOT_OVER_IPV6: 'listen on an address of IPv6 too: listen = ["0.0.0.0:5060", "[::]:5060"] in [sip], or --listen twice',
    CERTIFICATE_UNTRUSTED: "call the name that the certificate is for, and name the authority that signed it in tls_ca",
    CONNECTION_CLOSED: "check the port and the transport: perhaps TLS is not spoken there, or nothing else is",
    ON_DO_NOT_FAX_LIST: "take it off the list first",
    SERVER_SILENT: "check its address and port, and the firewalls between",
}
