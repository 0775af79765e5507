# SPDX-License-Identifier: GPL-2.0-or-later
"""SIP over TLS as strangers meet it: the versions that are spoken, and handshakes that are begun and never ended."""

from __future__ import annotations

import contextlib
import socket
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sip.far_end import Agent
from tests.sip.test_floods import HERE, OTHER, STRANGER, agent, connect, is_answered, is_closed
from tests.support.certificate import self_signed

pytestmark = pytest.mark.sip


@pytest.fixture
def tls_agent(tmp_path: Path) -> Iterator[Agent]:
    """A user agent over TLS, which takes 40 connections of strangers at most."""
    certificate, key = self_signed(tmp_path, "127.0.0.1")
    with agent(
        f'{{"transport": "tls", "tls_certificate": {str(certificate)!r}, "tls_private_key": {str(key)!r}, "connections": 40}}'
    ) as one:
        yield one


def tls(sock: socket.socket, version: ssl.TLSVersion) -> ssl.SSLSocket:
    """The socket after its handshake, with one version of TLS alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context.wrap_socket(sock)


def test_tls_of_today_is_spoken_and_older_is_not(tls_agent: Agent) -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with tls(connect(HERE, tls_agent.port), version) as secured:
            assert secured.version() == version.name.replace("_", ".")
            assert is_answered(secured)
    with connect(HERE, tls_agent.port) as sock, pytest.raises(OSError):
        tls(sock, ssl.TLSVersion.TLSv1_1)


def test_handshakes_that_never_end_keep_out_nobody(tls_agent: Agent) -> None:
    """A crowd that connects and says nothing, or half a greeting, fills what one address and one network may have."""
    held = []
    for number in range(60):
        # What is more than the share of its address is closed at once, or a moment later.
        with contextlib.suppress(OSError):
            sock = connect(STRANGER, tls_agent.port)
            held.append(sock)
            if number % 2:
                sock.send(b"\x16\x03\x01\x02\x00\x01")
    for host, version in ((OTHER, ssl.TLSVersion.TLSv1_3), (HERE, ssl.TLSVersion.TLSv1_2)):
        with tls(connect(host, tls_agent.port), version) as secured:
            assert is_answered(secured)
    assert len(held) < 60 or is_closed(held[-1], 20)
    # A handshake that never ends is ended.
    assert is_closed(held[0], 40)
    for sock in held:
        sock.close()
