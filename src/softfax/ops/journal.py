# SPDX-License-Identifier: GPL-2.0-or-later
"""The journal of systemd: records as its native protocol takes them, so that `journalctl SOFTFAX_FAX_ID=…` finds a fax.

See systemd, Native Journal Protocol: a datagram of `NAME=value` lines, or `NAME`, a newline, the length in eight octets
(little-endian), the value, where the value has a newline in it.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import sys
from pathlib import Path

__all__ = ["IDS", "JournalHandler", "datagram", "in_journal"]

SOCKET = Path("/run/systemd/journal/socket")
_PRIORITY = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
#: What a record says of a fax, as attributes.
IDS = ("fax_id", "call_id", "session")


def in_journal(environ: dict[str, str] | None = None) -> bool:
    """Return True if systemd takes our standard error into the journal, and the journal can be reached."""
    stream = (environ if environ is not None else os.environ).get("JOURNAL_STREAM", "")
    try:
        there = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return stream == f"{there.st_dev}:{there.st_ino}" and SOCKET.exists()


def datagram(record: logging.LogRecord, message: str) -> bytes:
    """One record as the journal takes it."""
    priority = next((number for level, number in _PRIORITY if record.levelno >= level), 7)
    fields = {
        "MESSAGE": message,
        "PRIORITY": str(priority),
        "SYSLOG_IDENTIFIER": "softfax",
        "LOGGER": str(record.name),
        "CODE_FILE": str(record.pathname),
        "CODE_LINE": str(record.lineno),
        **{f"SOFTFAX_{name.upper()}": str(getattr(record, name)) for name in IDS if getattr(record, name, "")},
    }
    out = bytearray()
    for name, value in fields.items():
        data = value.encode("utf-8", "backslashreplace")
        if b"\n" in data:
            out += name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
        else:
            out += name.encode() + b"=" + data + b"\n"
    return bytes(out)


class JournalHandler(logging.Handler):
    """Sends records to the journal; where that does not take them, to standard error."""

    def __init__(self, path: Path = SOCKET) -> None:
        super().__init__()
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(0.2)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = self.format(record)
            try:
                self._socket.sendto(datagram(record, message), str(self._path))
            except OSError:
                sys.stderr.write(f"{message}\n")
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        self._socket.close()
        super().close()
