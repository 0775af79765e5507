# SPDX-License-Identifier: GPL-2.0-or-later
"""Two UDP sockets on loopback: one for a session's media, and its far end's."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["media_sockets"]


@contextmanager
def media_sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Ours, of which a session gets a copy, and the far end's."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far,
    ):
        ours.bind(("127.0.0.1", 0))
        far.bind(("127.0.0.1", 0))
        yield ours, far
