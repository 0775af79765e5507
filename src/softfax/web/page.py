# SPDX-License-Identifier: GPL-2.0-or-later
"""The web page's files, out of memory. They are named after what is in them all, so that browsers keep them for good."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from softfax.web.etags import unchanged
from softfax.web.problems import Problem

__all__ = ["FOLDER", "PageFiles"]

FOLDER = Path(__file__).with_name("static")
BYTES_MAX = 20 << 20
GZIP_MIN = 600
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".json": "application/json", ".svg": "image/svg+xml"}
_PACKED = ("text/", "application/json", "image/svg+xml", "application/manifest+json")


@dataclass(frozen=True)
class _Asset:
    kind: str
    body: bytes
    packed: bytes | None
    etag: str


class PageFiles:
    """The files of a folder: `index.html` and what it names under assets/."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._stamp: tuple[tuple[str, int, int], ...] = ()
        self._assets: dict[str, _Asset] = {}
        self._build = ""

    def load(self) -> None:
        """Reads the files, where they have changed. Blocks."""
        paths = sorted(p for p in self._folder.rglob("*") if p.is_file()) if self._folder.is_dir() else []
        stamp = tuple((str(p), p.stat().st_mtime_ns, p.stat().st_size) for p in paths)
        if stamp == self._stamp or sum(size for _, _, size in stamp) > BYTES_MAX:
            return
        bodies = {p.relative_to(self._folder).as_posix(): p.read_bytes() for p in paths}
        whole = hashlib.sha256()
        for name, body in bodies.items():
            whole.update(name.encode() + b"\0" + hashlib.sha256(body).digest())
        self._build = whole.hexdigest()[:12]
        if "index.html" in bodies:
            named = f'"assets/v-{self._build}/'.encode()
            bodies["index.html"] = bodies["index.html"].replace(b'"assets/', named)
        self._assets = {name: _asset(name, body) for name, body in bodies.items()}
        self._stamp = stamp

    def response(self, request: Request, name: str) -> Response:
        """A file; `v-BUILD/NAME` may be kept for good. Raises Problem."""
        first, _, rest = name.partition("/")
        build = first.removeprefix("v-") if first.startswith("v-") else ""
        asset = self._assets.get(rest if build else name)
        if asset is None:
            raise Problem(404, "File not found", kind="not-found")
        lasting = build == self._build
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable" if lasting else "no-cache",
            "ETag": asset.etag,
            "Vary": "Accept-Encoding",
        }
        if (same := unchanged(request, asset.etag, headers)) is not None:
            return same
        if asset.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(asset.packed, headers=headers | {"Content-Encoding": "gzip"}, media_type=asset.kind)
        return Response(asset.body, headers=headers, media_type=asset.kind)


def _asset(name: str, body: bytes) -> _Asset:
    kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    packed = gzip.compress(body, 9, mtime=0) if kind.startswith(_PACKED) and len(body) >= GZIP_MIN else None
    if kind.startswith("text/"):
        kind += "; charset=utf-8"
    return _Asset(kind, body, packed, f'"{hashlib.sha256(body).hexdigest()[:16]}"')
