# SPDX-License-Identifier: GPL-2.0-or-later
"""Joins a station's events to the outbox: the targets of a fax, and their dialects."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from softfax.delivery.outbox import OutboxSettings
from softfax.delivery.policy import RetryPolicy
from softfax.delivery.targets import CallbackTarget
from softfax.errors import SoftfaxError
from softfax.model import TERMINAL, BroadcastEvent, Direction, Event, FaxResult, FaxUpdate, JobEvent
from softfax.station.config import StationConfig
from softfax.vocabularies import CallbackBody, callbacks

__all__ = ["CallbackSink", "PutCallback", "Words", "outbox_settings"]

log = logging.getLogger("softfax.station")

#: Faxes with a result and no last state whose targets are remembered.
ENDED_KEPT = 1000


#: Turns an update into callbacks of a dialect.
Words = Callable[[str, FaxUpdate], "Iterable[CallbackBody]"]


class PutCallback(Protocol):
    """The outbox as the sink uses it (`softfax.delivery.outbox.Outbox`)."""

    def put(
        self, target: CallbackTarget, *, fax_id: str, event_id: str, body: bytes, path_suffix: str = ""
    ) -> object: ...


def outbox_settings(config: StationConfig) -> OutboxSettings:
    """Settings of the outbox, of the configuration's `[callbacks]`."""
    c = config.callbacks
    return OutboxSettings(
        retry=RetryPolicy(first_s=c.retry_first_s, longest_s=c.retry_longest_s, give_up_s=c.give_up_s),
        timeout_s=c.timeout_s,
        allow_private=c.allow_private,
        workers=c.workers,
        workers_per_target=c.workers_per_target,
        secret=c.secret,
    )


@dataclass
class _Watched:
    """Targets of one fax, and what of its end they have been notified of."""

    targets: tuple[CallbackTarget, ...]
    has_result: bool = False
    has_ended: bool = False


class CallbackSink:
    """A sink of a station: the configured targets, and those that single faxes brought with them."""

    def __init__(
        self,
        outbox: PutCallback,
        targets: Iterable[CallbackTarget] = (),
        words: Words = callbacks,
        link: Callable[[str], str | None] = lambda fax_id: None,
    ) -> None:
        self._outbox = outbox
        #: URL of a fax's document, where the station publishes it.
        self._link = link
        self._words = words
        self._targets = tuple(targets)
        self._of_fax: dict[str, _Watched] = {}

    def reload(self, targets: Iterable[CallbackTarget]) -> None:
        """Other configured targets, from now on."""
        self._targets = tuple(targets)

    def watch(self, fax_id: str, targets: Sequence[CallbackTarget]) -> None:
        """Notify `targets` of this fax too, until its end: its result, and its last state in the queue, in either order."""
        if targets:
            self._of_fax[fax_id] = _Watched(tuple(targets))

    def __call__(self, update: FaxUpdate) -> None:
        watched = self._watched(update)
        if not update.recorded:
            self.each(update, self._outbox.put)
        if watched is not None:
            self._noted(update.context.fax_id, watched, update.event)

    def _watched(self, update: FaxUpdate) -> _Watched | None:
        """The targets of its own that a fax's event goes to."""
        watched = self._of_fax.get(update.context.fax_id)
        over = watched is not None and watched.has_result and not isinstance(update.event, JobEvent)
        return None if over else watched

    def each(self, update: FaxUpdate, put: Callable[..., object]) -> None:
        """Put the callbacks of an event, as `PutCallback.put` takes them."""
        fax_id, watched = update.context.fax_id, self._watched(update)
        targets = {target.key: target for target in (*self._targets, *(watched.targets if watched else ()))}
        if targets and isinstance(update.event, FaxResult) and update.event.retry_at is None and _has_document(update):
            update = replace(update, context=replace(update.context, document_url=self._link(fax_id)))
        for target in targets.values():
            try:
                self._tell(target, update, put)
            except SoftfaxError as error:
                log.error("fax %s: a callback to %s is lost: %s", fax_id, target.url.partition("?")[0], error)

    def _noted(self, fax_id: str, watched: _Watched, event: Event) -> None:
        """Forget the targets of a fax that has ended. One that is in no queue has no state there: of these the last are kept."""
        if isinstance(event, BroadcastEvent):
            watched.has_result = watched.has_ended = True  # it is the last thing of all
        elif isinstance(event, FaxResult) and event.retry_at is None:
            watched.has_result = True
        elif isinstance(event, JobEvent):
            watched.has_ended = event.state in TERMINAL
        if watched.has_result and watched.has_ended:
            self._of_fax.pop(fax_id, None)
        elif watched.has_result:
            with_result = [one for one, other in self._of_fax.items() if other.has_result]
            for one in with_result[:-ENDED_KEPT]:
                del self._of_fax[one]

    def _tell(self, target: CallbackTarget, update: FaxUpdate, put: Callable[..., object]) -> None:
        if target.events and update.event.event not in target.events:
            return
        for callback in self._words(target.dialect, update):
            put(
                target,
                fax_id=update.context.fax_id,
                event_id=callback.event_id,
                body=json.dumps(callback.body, ensure_ascii=False, separators=(",", ":")).encode(),
                path_suffix=callback.path_suffix if target.style == "url-event" else "",
            )


def _has_document(update: FaxUpdate) -> bool:
    """Return True for a result of which something was received, or whose pages were made."""
    result = update.event
    assert isinstance(result, FaxResult)
    return bool(result.documents if update.context.direction is Direction.RECEIVE else result.pages_total)
