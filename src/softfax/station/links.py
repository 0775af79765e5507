# SPDX-License-Identifier: GPL-2.0-or-later
"""URLs of documents that are good for a while without a token: signed, with the time at which they expire."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import threading
import time
from collections.abc import Callable
from functools import cached_property
from urllib.parse import parse_qs

from softfax.documents.atomic import write_atomically
from softfax.errors import in_short
from softfax.station.config import StationConfig

__all__ = ["DocumentLinks"]

log = logging.getLogger("softfax.station")

KEY_NAME = "links.key"
KEY_OCTETS = 32


class DocumentLinks:
    """The links of a station. They are signed with a key of its own, which is made when it is first needed, or with the `shared`
    one of the stations that work on one database.
    """

    def __init__(self, config: Callable[[], StationConfig]) -> None:
        self._config = config
        self.shared = ""
        self._making = threading.Lock()

    @property
    def _key(self) -> bytes:
        return self.shared.encode() or self._own_key

    @cached_property
    def _own_key(self) -> bytes:
        path = self._config().data.dir / KEY_NAME
        with self._making:
            key = path.read_bytes() if path.exists() else b""
            if len(key) < 2 * KEY_OCTETS:
                # One that a full disk or a crash has cut short signs nothing: who guesses it could open documents.
                key = secrets.token_hex(KEY_OCTETS).encode()
                write_atomically(path, key)
            return key

    def make(self, fax_id: str, seconds: float) -> tuple[str, float]:
        """The URL of a fax's document, which is a path without `[http] public_url`, and when it expires. Blocks for a moment."""
        expires = int(time.time() + seconds)
        path = f"/v1/faxes/{fax_id}/document.pdf"
        base = self._config().http.public_url.rstrip("/")
        return f"{base}{path}?expires={expires}&signature={self._signature(path, expires)}", expires

    def of_result(self, fax_id: str) -> str | None:
        """The URL that a callback has; None where the station does not know how it is reached, or has no key on a full disk."""
        http = self._config().http
        try:
            return self.make(fax_id, http.link_hours * 3600)[0] if http.public_url else None
        except OSError as error:
            # A result is recorded, with its callback, whatever becomes of the link.
            log.error(
                "fax %s: its callback has no link to the document, as there is no key: %s", fax_id, in_short(error)
            )
            return None

    def is_good(self, path: str, query: str) -> bool:
        """Return True for the path and the query of a link of ours that has not expired. Blocks for a moment."""
        given = {name: values[0] for name, values in parse_qs(query, max_num_fields=10).items()}
        expires, signature = given.get("expires", ""), given.get("signature", "")
        if not (expires.isascii() and expires.isdigit() and len(expires) <= 12 and signature.isascii()):
            return False
        return time.time() < int(expires) and hmac.compare_digest(signature, self._signature(path, int(expires)))

    def _signature(self, path: str, expires: int) -> str:
        return hmac.new(self._key, f"{path} {expires}".encode(), hashlib.sha256).hexdigest()
