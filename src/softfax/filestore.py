# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents and pages of faxes by key in an object store that several stations share (`[data] documents`).

Without a URL the local folders are all there is, and nothing here does anything. With one they are a cache: a file gets its
key once and is never changed, so the first that is written is the one that all stations use. Everything here blocks.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from softfax.errors import LocalError
from softfax.optional import install_remedy

__all__ = ["FileStore", "StoreError", "received_key"]

T = TypeVar("T")

CONNECT_TIMEOUT, REQUEST_TIMEOUT, RETRY = "5s", "60s", timedelta(seconds=10)
#: Derived from the pages at any time: a PDF to look at.
_DERIVED = re.compile(r"fax-.*\.pdf$")


class StoreError(LocalError):
    """The store cannot do it now."""


def received_key(name: str | Path) -> str:
    """Key of a received document; its file has the same name in the inbox of each station."""
    return f"received/{Path(name).name}"


class FileStore:
    """The store at a URL: s3://BUCKET/PREFIX, gs://…, az://… or file:///FOLDER, a folder that the stations share."""

    def __init__(self, url: str = "") -> None:
        self.url = url
        self._opened: Any = None

    @property
    def shared(self) -> bool:
        """True if there is a store beside the local folders."""
        return bool(self.url)

    def open(self) -> None:
        """Reach the store. Raises LocalError where its library is not installed, StoreError where it does not answer."""
        if self.shared:
            self._keys("reachable/")

    # ---- files --------------------------------------------------------------------------------------------------

    def put(self, path: Path, key: str) -> None:
        """Put a file unless its key is taken: then the local file becomes the one in the store. Raises StoreError."""
        from obstore.exceptions import AlreadyExistsError

        try:
            self._do(lambda store: _obstore().put(store, key, path, mode="create"))
        except AlreadyExistsError:
            self.get(key, path)

    def get(self, key: str, path: Path) -> bool:
        """Fetch a file, whole or not at all; false where there is none. Raises StoreError."""
        part = path.with_name(f".{path.name}.part")
        try:
            self._do(lambda store: _write(part, _obstore().get(store, key)))
            part.rename(path)
        except FileNotFoundError:
            return False
        finally:
            part.unlink(missing_ok=True)
        return True

    def delete(self, keys: Iterable[str]) -> None:
        """Delete files; what is not there is no error. Raises StoreError."""
        if self.shared and (all_keys := list(keys)):
            with contextlib.suppress(FileNotFoundError):
                self._do(lambda store: _obstore().delete(store, all_keys))

    # ---- folders of faxes ---------------------------------------------------------------------------------------

    def keep(self, folder: Path) -> None:
        """Put what lies in the folder of a fax, the notes on its pages last: where another station was faster, its pages
        take the place of ours. Raises StoreError.
        """
        if not self.shared:
            return
        there = self._keys(f"faxes/{folder.name}/")
        files = [path for path in folder.iterdir() if path.is_file() and not _passing(path.name)]
        for path in sorted(files, key=lambda one: (one.suffix == ".json", one.name)):
            key = f"faxes/{folder.name}/{path.name}"
            if key not in there or path.suffix == ".json":
                self.put(path, key)
        self.bring(folder)

    def bring(self, folder: Path) -> None:
        """Fetch what the folder of a fax lacks. Raises StoreError."""
        if not self.shared:
            return
        for key in self._keys(f"faxes/{folder.name}/"):
            path = folder / key.rpartition("/")[2]
            if path.is_file():
                path.touch()  # it is used, and so stays
            else:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self.get(key, path)

    def drop(self, folder: str) -> None:
        """Delete the folder of a fax. Raises StoreError."""
        if self.shared:
            self.delete(self._keys(f"faxes/{folder}/"))

    def folders(self, before: float) -> set[str]:
        """Return the folders of faxes in which nothing was written since a time. Raises StoreError."""
        newest: dict[str, float] = {}
        for key, (_, written) in self._keys("faxes/").items() if self.shared else ():
            folder = key.split("/")[1]
            newest[folder] = max(written, newest.get(folder, 0.0))
        return {folder for folder, written in newest.items() if written < before}

    def received(self, before: float) -> list[str]:
        """Return the keys of received documents from before a time. Raises StoreError."""
        found = self._keys("received/") if self.shared else {}
        return [key for key, (_, written) in found.items() if written < before]

    def spare(self, faxes: Path, inbox: Path, before: float) -> None:
        """Remove local files that were not used since a time and are in the store. Raises StoreError."""
        if not self.shared:
            return
        there = {key: size for key, (size, _) in (self._keys("faxes/") | self._keys("received/")).items()}
        local = [(path, f"faxes/{path.parent.name}/{path.name}") for path in faxes.glob("*/*")]
        local += [(path, received_key(path)) for path in inbox.glob("*")]
        for path, key in local:
            if _is_spare(path, there.get(key), before):
                # Not overwritten: a reader may still have it open, and the store has the same.
                path.unlink(missing_ok=True)

    # ---- the store ----------------------------------------------------------------------------------------------

    def _keys(self, prefix: str) -> dict[str, tuple[int, float]]:
        """Size and time of writing of each file below a prefix, in the order of keys."""
        found: dict[str, tuple[int, float]] = {}

        def listed(store: Any) -> None:
            for some in _obstore().list(store, prefix):
                for one in some:
                    written: datetime = one["last_modified"]
                    found[one["path"]] = (one["size"], written.timestamp())

        self._do(listed)
        return dict(sorted(found.items()))

    def _do(self, what: Callable[[Any], T]) -> T:
        """Do something with the store. Raises StoreError, FileNotFoundError, AlreadyExistsError."""
        obstore = _obstore()
        try:
            if self._opened is None:
                self._opened = _open(self.url)
            return what(self._opened)
        except (FileNotFoundError, obstore.exceptions.AlreadyExistsError):
            raise
        except (obstore.exceptions.BaseError, OSError, ValueError) as error:
            why = re.sub(r"\s+", " ", str(error)).partition(" Debug source")[0][:200]
            raise StoreError(f"the store {self.url} cannot be used ({why})", "softfax doctor says more") from None


def _obstore() -> Any:
    """The library. Raises LocalError where it is not installed."""
    try:
        import obstore
        import obstore.exceptions
    except ImportError:
        raise LocalError("[data] documents needs obstore, which is not installed", install_remedy("obstore")) from None
    return obstore


def _open(url: str) -> Any:
    """A store; credentials, endpoint and region are in the environment, as the store's own tools read them."""
    from obstore.store import from_url

    if url.startswith("file:"):
        return from_url(url, mkdir=True)
    insecure = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true", "yes")
    return from_url(
        url,
        client_options={"connect_timeout": CONNECT_TIMEOUT, "timeout": REQUEST_TIMEOUT, "allow_http": insecure},
        retry_config={"max_retries": 2, "retry_timeout": RETRY},
    )


def _write(path: Path, body: Any) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        for chunk in body.stream():
            file.write(chunk)


def _passing(name: str) -> bool:
    """Return True for what is being written, or can be made anew."""
    return name.startswith(".") or name.endswith(".new") or bool(_DERIVED.match(name))


def _is_spare(path: Path, size: int | None, before: float) -> bool:
    try:
        stat = path.stat(follow_symlinks=False)
    except OSError:
        return False
    return size == stat.st_size and stat.st_mtime < before
