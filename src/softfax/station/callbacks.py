# SPDX-License-Identifier: GPL-2.0-or-later
"""Joins a station's events to the outbox: the targets of a fax, and their dialects."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from softfax.delivery.targets import CallbackTarget
from softfax.errors import SoftfaxError
from softfax.model import FaxResult, FaxUpdate
from softfax.vocabularies import CallbackBody, callbacks

__all__ = ["CallbackSink", "PutCallback", "Words"]

log = logging.getLogger("softfax.station")


#: Turns an update into callbacks of a dialect.
Words = Callable[[str, FaxUpdate], "Iterable[CallbackBody]"]


class PutCallback(Protocol):
    """The outbox as the sink uses it (`softfax.delivery.Outbox`)."""

    def put(
        self, target: CallbackTarget, *, fax_id: str, event_id: str, body: bytes, path_suffix: str = ""
    ) -> object: ...


class CallbackSink:
    """A sink of a station: the configured targets, and those that single faxes brought with them."""

    def __init__(self, outbox: PutCallback, targets: Iterable[CallbackTarget] = (), words: Words = callbacks) -> None:
        self._outbox = outbox
        self._words = words
        self._targets = tuple(targets)
        self._of_fax: dict[str, tuple[CallbackTarget, ...]] = {}

    def reload(self, targets: Iterable[CallbackTarget]) -> None:
        """Other configured targets, from now on."""
        self._targets = tuple(targets)

    def watch(self, fax_id: str, targets: Sequence[CallbackTarget]) -> None:
        """Notify `targets` of this fax too, until its result."""
        if targets:
            self._of_fax[fax_id] = tuple(targets)

    def __call__(self, update: FaxUpdate) -> None:
        fax_id = update.context.fax_id
        targets = {target.key: target for target in (*self._targets, *self._of_fax.get(fax_id, ()))}
        for target in targets.values():
            try:
                self._tell(target, update)
            except SoftfaxError as error:
                log.error("fax %s: a callback to %s is lost: %s", fax_id, target.url.partition("?")[0], error)
        if isinstance(update.event, FaxResult) and update.event.retry_at is None:
            self._of_fax.pop(fax_id, None)

    def _tell(self, target: CallbackTarget, update: FaxUpdate) -> None:
        for callback in self._words(target.dialect, update):
            self._outbox.put(
                target,
                fax_id=update.context.fax_id,
                event_id=callback.event_id,
                body=json.dumps(callback.body, ensure_ascii=False, separators=(",", ":")).encode(),
                path_suffix=callback.path_suffix if target.style == "url-event" else "",
            )
