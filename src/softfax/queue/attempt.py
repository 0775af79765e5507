# SPDX-License-Identifier: GPL-2.0-or-later
"""One turn of a fax in the queue: its pages, its way, its call, and what follows from the result."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from softfax.documents import Resolution
from softfax.errors import DocumentError, DocumentUnreachableError, LocalError, UsageError
from softfax.fax import outcome
from softfax.fax.outcome import Outcome
from softfax.model import Direction, FaxResult, FaxUpdate
from softfax.queue import pages
from softfax.queue.causes import classify, remedy
from softfax.queue.model import Attempt, Cause, Fax, FaxState
from softfax.queue.policy import Verdict, after, next_open, slower
from softfax.queue.store import Kept
from softfax.station import FaxCall, FaxOrder, making
from softfax.station.routes import Choice, available, fails_over

if TYPE_CHECKING:
    from softfax.queue.queue import FaxQueue

__all__ = ["Resolution", "Undertaking"]

log = logging.getLogger("softfax.queue")

#: Why a fax is sent again from the first unconfirmed page after a crash; stands in the header of its pages.
RESENT = "sent again"


class Undertaking:
    """A round of one fax. Is the `OrderWatch` of its call."""

    def __init__(self, queue: FaxQueue, kept: Kept) -> None:
        assert kept.request is not None
        self.queue, self.kept, self.request = queue, kept, kept.request
        self.attempt: Attempt | None = None
        self.number = queue.number_key(kept.fax.to)
        self._recorded: asyncio.Task[None] | None = None

    async def run(self) -> str:
        """Returns what came of it, for whoever reads the workflow's record."""
        kept, queue = self.kept, self.queue
        if kept.dialled:
            return await self._after_crash()
        if kept.cancelled:
            await queue.end(kept, FaxState.CANCELLED, Outcome(False, "CANCEL", "cancelled", outcome.T30_CALLDROPPED))
            return "cancelled"
        now = datetime.now(UTC)
        if kept.fax.deadline is not None and now > kept.fax.deadline:
            why = Outcome(False, "TIMEOUT", _expired(kept.fax), outcome.NO_T30, reached=False)
            await queue.end(kept, FaxState.EXPIRED, why)
            return "expired"
        if await asyncio.to_thread(queue.store.forbidden, {self.number}):
            why = Outcome(False, "CANCEL", "the number gets no faxes any more", outcome.NO_T30, reached=False)
            await queue.end(kept, FaxState.CANCELLED, why)
            return "gets no faxes"
        opens = next_open(self.number, now, queue.station.config.queue.hours)
        if opens is not None and opens > now:
            await queue.postpone(kept, (opens - now).total_seconds())
            return "not now"
        return await self._call(now)

    async def _call(self, now: datetime) -> str:
        queue, fax = self.queue, self.kept.fax
        choice = self._way()
        if choice is None or queue.numbers[self.number] >= queue.station.config.queue.calls_per_number:
            await queue.postpone(self.kept)
            return "no line"
        queue.numbers[self.number] += 1
        queue.accounts[choice.account] += 1
        try:
            number = 1 + max((a.number for a in fax.attempts if a.ended is not None), default=0)
            begun = Attempt(
                number=number, started=now, account=choice.account, destination=choice.uri,
                first_page=fax.pages + 1, resent=bool(fax.attempts) and fax.attempts[-1].cause is Cause.CRASH,
            )  # fmt: skip
            taken = await asyncio.to_thread(queue.store.begin, fax.id, self.kept.round_id, begun)
            if taken is None:
                return await self.again()
            self.attempt = begun
            queue.say(taken, self.kept.context)
            return await self._fax(choice, begun)
        finally:
            queue.numbers[self.number] -= 1
            queue.accounts[choice.account] -= 1

    async def again(self) -> str:
        """The fax was cancelled while its turn began."""
        kept = await asyncio.to_thread(self.queue.store.take, self.kept.fax.id, self.kept.round_id)
        if kept is not None:
            self.kept = kept
            await self.queue.end(
                kept, FaxState.CANCELLED, Outcome(False, "CANCEL", "cancelled", outcome.T30_CALLDROPPED)
            )
        return "cancelled"

    def _way(self) -> Choice | None:
        """The account and URI of this attempt; None while all lines are taken."""
        queue, fax = self.queue, self.kept.fax
        config = queue.station.config
        choices = config.routing().choices(fax.to, self.request.account)
        failed = _failed_over(fax.attempts)
        choices = tuple(c for c in choices if c.account not in failed) or choices
        limits = {account.label: account.max_calls for account in config.account}
        down = {v.account for v in queue.station.registrations() if v.state in ("failed", "unreachable")}
        free = available(choices, limits=limits, active=queue.accounts, down=down)
        return free[0] if free else None

    async def _fax(self, choice: Choice, begun: Attempt) -> str:
        """Pages, then the call."""
        queue, request, fax = self.queue, self.request, self.kept.fax
        config = queue.station.config
        assert request.folder is not None
        lock = queue.making.setdefault(request.folder, asyncio.Lock())
        try:
            async with lock:
                resolution = queue.resolution(request)
                private = config.fax.allow_private_documents
                make = partial(pages.make, request, request.folder, resolution, allow_private=private)
                made = await asyncio.to_thread(make)
        except DocumentUnreachableError as error:
            return await self._undialled("FILE_ERROR", str(error), outcome.NO_T30)
        except (DocumentError, UsageError) as error:
            # The latter for URLs that lead to where nobody's documents are.
            return await self._undialled("FILE_ERROR", str(error))
        finally:
            if not lock.locked():
                queue.making.pop(request.folder, None)
        self.kept = dataclasses.replace(self.kept, fax=dataclasses.replace(fax, pages_total=made.pages))
        if begun.first_page > made.pages:
            return await self._delivered_before()
        # From here on the station tells of it, also where it is cancelled before it is dialled.
        queue.recorder.own(fax.id, begun, made.pages)
        try:
            call = queue.station.originate(self._order(choice, made, begun))
        except LocalError:
            await queue.recorder.done(fax.id)
            await queue.postpone(self.kept)
            return "no line"
        except UsageError as error:
            await queue.recorder.done(fax.id)
            return await self._undialled("INVALID_ARGUMENTS", str(error))
        result = await call.result
        if result.retry_at is None:
            await queue.told(fax.id)
        return f"attempt {begun.number}: {result.status_string}"

    def _order(self, choice: Choice, made: pages.Made, begun: Attempt) -> FaxOrder:
        request, fax = self.request, self.kept.fax
        header = fax.header
        if begun.resent:
            header = f"{header} ({RESENT})" if header else RESENT
        return FaxOrder(
            destination=choice.uri,
            documents=made.documents or (str(made.tiff),),
            raster=made.tiff,
            first_page=begun.first_page,
            account=choice.account,
            mode=request.mode,
            ident=request.ident,
            header=header,
            resolution=request.resolution,
            ecm=request.ecm,
            max_rate_bps=slower([a.cause for a in fax.attempts], request.max_rate_bps),
            caller_number=request.caller_number,
            caller_name=request.caller_name,
            status_urls=request.callbacks,
            tags=request.tags,
            fax_id=fax.id,
            attempt=begun.number,
            cover=request.cover,
            password=next((d.password for d in request.documents if d.password), ""),
            watch=self,
        )

    # ---- asked by the station -----------------------------------------------------------------------------------

    async def ready(self, call: FaxCall) -> None:
        """The pages are made: writes down that it is dialled, before it is."""
        assert self.attempt is not None
        self.attempt = dataclasses.replace(self.attempt, unique_id=call.context.unique_id)
        kept, store = self.kept, self.queue.store
        if not await asyncio.to_thread(store.dialled, kept.fax.id, kept.round_id, self.attempt):
            raise UsageError("cancelled")
        self.queue.recorder.own(kept.fax.id, self.attempt, kept.fax.pages_total)
        attempts = (*kept.fax.attempts, self.attempt)
        self.queue.say(dataclasses.replace(kept.fax, state=FaxState.SENDING, attempts=attempts), kept.context)

    async def ended(self, call: FaxCall, result: FaxResult) -> FaxResult:
        """Writes down what came of the call, before anybody is told."""
        await self.queue.recorder.done(self.kept.fax.id)
        return await self._settle(result)

    # ---- ends ---------------------------------------------------------------------------------------------------

    async def _settle(self, result: FaxResult) -> FaxResult:
        """What follows from the result of an attempt; the result as it is told."""
        queue, attempt = self.queue, self.attempt
        assert attempt is not None
        cancelled = await asyncio.to_thread(queue.store.is_cancelled, self.kept.fax.id)
        fax = self.kept.fax
        now = datetime.now(UTC)
        total = fax.pages_total
        confirmed = max(fax.pages, attempt.first_page - 1 + result.pages)
        cause = classify(result.to_json())
        if cause is Cause.CRASH and total is not None and confirmed >= total:
            # The far end confirmed the last page: nothing is uncertain.
            result = dataclasses.replace(result, success=True, status="SUCCESS", error="NO_ERROR", result_code=0,
                                         status_string="OK, though the call was cut after it")  # fmt: skip
            cause = None
        if cause is Cause.CANCELLED and not cancelled:
            cause = Cause.BROKEN  # the station stops
        verdict = self._verdict(cause, cancelled, result, now)
        result = dataclasses.replace(
            result,
            attempt=attempt.number,
            pages=confirmed,
            pages_total=total,
            documents=list(fax.documents),
            retry_at=verdict.next_at.isoformat() if verdict.next_at is not None else None,
        )
        attempt = dataclasses.replace(
            attempt, ended=now, pages=confirmed - attempt.first_page + 1, cause=cause, result=result.to_json()
        )
        fax = dataclasses.replace(
            fax,
            state=verdict.state,
            updated=now,
            ended=None if verdict.next_at else now,
            next_attempt=verdict.next_at,
            pages=confirmed,
            pages_total=total,
            reason="" if cause is None else result.status_string,
            remedy="" if cause is None else remedy(cause),
            cause=cause,
            account=attempt.account,
            remote_station_id=result.remote_station_id or fax.remote_station_id,
            result=result.to_json(),
        )
        round_id = f"{fax.id}.{attempt.number + 1}" if verdict.next_at is not None else None
        settle = partial(
            queue.store.settle, fax, attempt=attempt, result=None if round_id else result, round_id=round_id,
            from_round=self.kept.round_id,
        )  # fmt: skip
        if await asyncio.to_thread(settle):
            asyncio.get_running_loop().call_soon(
                queue.say, dataclasses.replace(fax, attempts=(*self.kept.fax.attempts, attempt)), self.kept.context
            )
        return result

    def _verdict(self, cause: Cause | None, cancelled: bool, result: FaxResult, now: datetime) -> Verdict:
        if cause is None:
            return Verdict(FaxState.DELIVERED)
        if cancelled:
            return Verdict(FaxState.CANCELLED)
        assert self.attempt is not None
        fax, config = self.kept.fax, self.queue.station.config
        ended = [a for a in fax.attempts if a.ended is not None][fax.retried_after :]
        causes = [a.cause for a in ended] + [cause]
        if result.error != "FILE_ERROR" and fails_over(result.sip_code, answered=result.result_code < outcome.NO_T30):
            choices = config.routing().choices(fax.to, self.request.account)
            tried = _failed_over(fax.attempts) | {self.attempt.account}
            if any(choice.account not in tried for choice in choices):
                return Verdict(FaxState.WAITING, now)
        same = 0
        for earlier in reversed(causes):
            if earlier is not cause:
                break
            same += 1
        return after(
            cause,
            same_causes=same,
            attempts=sum(c is not Cause.OURS for c in causes),
            rules=self.request.retry,
            config=config.queue,
            now=now,
            deadline=fax.deadline,
            number=self.number,
        )

    async def _undialled(self, error: str, text: str, code: int = outcome.T30_FILE_ERROR) -> str:
        """The attempt ends before there is a call."""
        result = making.failed(self.kept.context, Outcome(False, error, text, code), 0.0)
        await self._tell(result)
        return text

    async def _tell(self, result: FaxResult) -> None:
        """For what the station has no call."""
        result = await self._settle(result)
        self.queue.station.publish(FaxUpdate(self.kept.context, result))
        if result.retry_at is None:
            await self.queue.told(self.kept.fax.id)

    async def _delivered_before(self) -> str:
        """All pages were confirmed in earlier calls that broke after the last one."""
        failed = making.failed(self.kept.context, outcome.OK, 0.0)
        await self._tell(dataclasses.replace(failed, success=True, status="SUCCESS", direction=Direction.SEND))
        return "confirmed before"

    async def _after_crash(self) -> str:
        """It was dialled, and then the station ended: what the far end confirmed is known, what it has is not."""
        attempt = self.kept.fax.attempts[-1]
        self.attempt = attempt
        why = Outcome(False, "UNKNOWN", "the station ended during the call", outcome.CRASHED)
        context = dataclasses.replace(self.kept.context, unique_id=attempt.unique_id, attempt=attempt.number)
        result = dataclasses.replace(making.failed(context, why, 0.0), pages=attempt.pages)
        earlier = tuple(a for a in self.kept.fax.attempts if a.number != attempt.number)
        self.kept = dataclasses.replace(
            self.kept, fax=dataclasses.replace(self.kept.fax, attempts=earlier), context=context
        )
        await self._tell(result)
        return "after a crash"


def _failed_over(attempts: Sequence[Attempt]) -> set[str]:
    """The accounts that the last attempts in a row failed through, as long as there was another way."""
    failed: set[str] = set()
    for one in reversed([a for a in attempts if a.ended is not None]):
        sip_code = int((one.result or {}).get("sip_code") or 0)
        answered = int((one.result or {}).get("result_code") or 0) < outcome.NO_T30
        of_document = (one.result or {}).get("error") == "FILE_ERROR"
        if of_document or not fails_over(sip_code, answered=answered) or one.account in failed:
            break
        failed.add(one.account)
    return failed


def _expired(fax: Fax) -> str:
    return f"not sent before its deadline{f' ({fax.reason})' if fax.reason else ''}"
