# SPDX-License-Identifier: GPL-2.0-or-later
"""One attempt of a fax in the queue: its pages, its call, and what follows from the result."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from softfax.asjson import rfc3339
from softfax.errors import DocumentError, DocumentInterruptedError, DocumentUnreachableError, LocalError, UsageError
from softfax.fax import outcome
from softfax.fax.causes import classify
from softfax.fax.outcome import Outcome
from softfax.filestore import StoreError
from softfax.model import TERMINAL, Attempt, Cause, Direction, Fax, FaxContext, FaxResult, FaxState, FaxUpdate
from softfax.options import Resolution, options_of
from softfax.queue import pages
from softfax.queue.ends import HELD_S, held, state_of, with_result
from softfax.queue.failover import failed_over
from softfax.queue.policy import Verdict, after, slower
from softfax.reasons import ON_DO_NOT_FAX_LIST
from softfax.records.fax_jobs import CALLING
from softfax.records.memory import NumberMemory
from softfax.records.model import RetryRules
from softfax.station import FaxCall, FaxOrder, making
from softfax.station.calls import LAPSED
from softfax.station.routes import Route

if TYPE_CHECKING:
    from softfax.queue.claims import FaxClaim
    from softfax.queue.queue import FaxQueue

__all__ = ["Resolution", "SendAttempt"]

log = logging.getLogger("softfax.queue")

#: Why a fax is sent again from the first unconfirmed page after a crash; stands in the header of its pages.
RESENT = "sent again"
#: How soon is looked again for a route to a number that the configuration has none for.
NO_ROUTE_S = 60.0
#: How soon the store of documents is asked again where it did not answer.
STORE_S = 10.0


class SendAttempt:
    """The work on a claimed fax. Is the `OrderWatch` of its call."""

    def __init__(self, queue: FaxQueue, claim: FaxClaim) -> None:
        assert claim.stored.request is not None
        self.queue, self.claim, self.kept, self.request = queue, claim, claim.stored, claim.stored.request
        self.attempt = claim.attempt
        #: Whether it may be written down as dialled: from then on the far end may have been called.
        self._dialled = False
        #: When the attempt ended, and the fax with its result once that is recorded.
        self._ended: datetime | None = None
        self._settled: Fax | None = None
        #: When it is tried again where its turn did not come in a call that it shares.
        self._again: datetime | None = None

    async def run(self) -> None:
        """Make an attempt, or end the fax or put it off."""
        if self.attempt is None:
            await self._without_call()
            return
        # One that a crash left prepared is begun anew.
        self._take_out(self.attempt)
        self._say()
        try:
            await self._fax(self.attempt)
        finally:
            if self.claim.joined is not None:
                self.claim.joined.left(self.kept.fax.id)

    def _take_out(self, attempt: Attempt) -> None:
        """Take an attempt out of those before: it is the one that is worked on."""
        fax = self.kept.fax
        earlier = tuple(a for a in fax.attempts if a.number != attempt.number)
        self.kept = dataclasses.replace(self.kept, fax=dataclasses.replace(fax, attempts=earlier))

    def _say(self, **values: Any) -> None:
        """Publish the state of the fax with this attempt."""
        assert self.attempt is not None
        fax = self.kept.fax
        self.queue.say(dataclasses.replace(fax, attempts=(*fax.attempts, self.attempt), **values), self.kept.context)

    async def _without_call(self) -> None:
        """End a fax, or put it off, that may not be called now."""
        queue, kept, fax, now = self.queue, self.kept, self.kept.fax, datetime.now(UTC)
        rules = queue.station.rules
        number = rules.number_key(fax.to)
        if kept.dialled:
            await self._after_crash()
        elif kept.cancelled:
            await queue.end(kept, FaxState.CANCELLED, Outcome(False, "CANCEL", "cancelled", outcome.T30_CALLDROPPED))
        elif fax.deadline is not None and now > fax.deadline:
            why = Outcome(False, "TIMEOUT", _expired(fax), outcome.NO_T30, reached=False)
            await queue.end(kept, FaxState.EXPIRED, why)
        elif rules.is_forbidden(number):
            why = Outcome(False, "CANCEL", ON_DO_NOT_FAX_LIST, outcome.NO_T30, reached=False)
            await queue.end(kept, FaxState.CANCELLED, why)
        else:
            # The clock was set back, or it is outside of the hours.
            opens = max(rules.opens(number, now) or now, fax.not_before or now)
            wait_s, why_not = (opens - now).total_seconds(), ""
            try:
                rules.routes(fax.to, self.request.account)
            except UsageError as error:
                # The configuration was another when the fax was taken.
                wait_s, why_not = max(wait_s, NO_ROUTE_S), str(error)
            await queue.postpone(kept, wait_s, why_not)

    async def _fax(self, begun: Attempt) -> None:
        """Pages, then the call; to poll, the call alone."""
        queue, request, fax = self.queue, self.request, self.kept.fax
        if fax.only_polls:
            return await self._call(None, begun)
        try:
            made = await queue.make(request)
        except StoreError as error:
            return await queue.postpone(self.kept, STORE_S, str(error))
        except DocumentUnreachableError as error:
            return await self._undialled("FILE_ERROR", error.problem, outcome.NO_T30, error.remedy)
        except DocumentInterruptedError as error:
            if queue.stop_making.is_set():
                return await queue.postpone(self.kept)
            return await self._undialled("INIT_ERROR", error.problem, outcome.T30_CALLDROPPED, error.remedy)
        except (DocumentError, UsageError) as error:
            # The latter for URLs that lead to where nobody's documents are.
            return await self._undialled("FILE_ERROR", error.problem, remedy=error.remedy)
        except OSError as error:
            why = f"the pages cannot be written ({error.strerror})"
            return await self._undialled("INIT_ERROR", why, outcome.T30_CALLDROPPED)
        if made.warnings != fax.warnings:
            await asyncio.to_thread(partial(queue.store.change, fax.id, warnings=list(made.warnings)))
        fax = dataclasses.replace(fax, pages_total=made.pages, warnings=made.warnings)
        self.kept = dataclasses.replace(self.kept, fax=fax)
        if begun.first_page > made.pages:
            return await self._delivered_before()
        await self._call(made, begun)

    async def _call(self, made: pages.Made | None, begun: Attempt) -> None:
        queue, fax, joined = self.queue, self.kept.fax, self.claim.joined
        if joined is not None and made is not None and not await joined.made(fax.id, made.pages - begun.first_page + 1):
            return await queue.postpone(self.kept)
        try:
            memory = await asyncio.to_thread(queue.memory.of, fax.to)
            call = queue.station.originate(self._order(made, begun, memory))
        except LocalError:
            return await queue.postpone(self.kept)
        except UsageError as error:
            return await self._undialled("INVALID_ARGUMENTS", str(error))
        if joined is not None and not begun.joined:
            joined.called()
        await call.result
        return await self._told()

    def _order(self, made: pages.Made | None, begun: Attempt, memory: NumberMemory) -> FaxOrder:
        request, fax, options = self.request, self.kept.fax, options_of(self.request)
        now, defaults = time.time(), self.queue.station.config.fax.options
        rate_bps = slower([a.cause for a in fax.attempts], request.max_rate_bps)
        header = fax.header
        if begun.resent:
            header = f"{header} ({RESENT})" if header else RESENT
        return FaxOrder(
            destination=fax.to,
            route=Route(begun.account, begun.destination),
            direction=fax.direction,
            documents=(made.documents or (str(made.tiff),)) if made is not None else (),
            raster=made.tiff if made is not None else None,
            first_page=begun.first_page,
            **options
            | {
                "header": header,
                "mode": memory.mode_for(request.mode or defaults.mode, now),
                "max_rate_bps": memory.rate_for(rate_bps or defaults.max_rate_bps, now),
            },
            callbacks=request.callbacks,
            fax_id=fax.id,
            attempt=begun.number,
            joins=begun.joined,
            place=self.claim.joined.place(fax.id) if self.claim.joined is not None else 0,
            password=next((d.password for d in request.documents if d.password), ""),
            watch=self,
        )

    # ---- asked by the station -----------------------------------------------------------------------------------

    async def ready(self, call: FaxCall) -> None:
        """The pages are made: writes down that it is dialled, before it is."""
        assert self.attempt is not None
        joined = self.claim.joined
        first = joined.first if joined is not None and joined.several else ""
        self.attempt = dataclasses.replace(self.attempt, unique_id=call.context.unique_id, joined=first)
        # In PostgreSQL a question to its server.
        kept, self._dialled = self.kept, await asyncio.to_thread(self.queue.database.stations.holds)
        if not self._dialled:
            raise UsageError("this station has lost the database; nobody is called until it is back")
        if not await asyncio.to_thread(self.queue.store.dialled, self.claim, self.attempt):
            self._dialled = False
            raise UsageError("cancelled, or taken over by another station")
        self.queue.recorder.own(kept.fax.id, self.attempt, kept.fax.pages_total)
        self._say(state=FaxState.RECEIVING if kept.fax.only_polls else FaxState.SENDING)

    async def ended(self, call: FaxCall, result: FaxResult) -> FaxResult:
        """Record the call's result, before it is reported."""
        await self.queue.recorder.done(self.kept.fax.id)
        if result.status_string == LAPSED:
            self._dialled = False
        if result.result_code == outcome.NOT_REACHED and self.claim.joined is not None:
            self._again = await self.claim.joined.again(self.kept.fax.id, datetime.now(UTC))
        result = await self._settle(result, call.context)
        call.recorded = self._settled is not None
        return result

    # ---- ends ---------------------------------------------------------------------------------------------------

    async def _settle(self, result: FaxResult, context: FaxContext) -> FaxResult:
        """Writes down what follows from the result of an attempt; the result as it is reported. Holds it until it is written."""
        what = f"the end of fax {self.kept.fax.id}"
        while (told := await held(self.queue, what, lambda: self._written(result, context))) is None:
            pass
        return told

    async def _written(self, result: FaxResult, context: FaxContext) -> FaxResult | None:
        """None where the fax was cancelled meanwhile."""
        queue, attempt = self.queue, self.attempt
        assert attempt is not None
        cancelled = await asyncio.to_thread(queue.store.is_cancelled, self.kept.fax.id)
        fax = self.kept.fax
        # The same whenever it is tried, so that an end that was written, of which only the answer got lost, is known again.
        now = self._ended = self._ended or datetime.now(UTC)
        total = result.pages_total if fax.only_polls else fax.pages_total
        confirmed = result.pages if fax.only_polls else max(fax.pages, attempt.first_page - 1 + result.pages)
        cause = classify(result.to_json())
        if cause is None and fax.only_polls:
            await asyncio.to_thread(queue.store.update, fax.id, {"unread": True})
        if cause is Cause.CRASH and not fax.only_polls and total is not None and confirmed >= total:
            # The far end confirmed the last page: nothing is uncertain.
            result = dataclasses.replace(result, success=True, status="SUCCESS", error="NO_ERROR", result_code=0,
                                         status_string="OK, though the call was cut after it")  # fmt: skip
            cause = None
        if (
            not self._dialled
            and cause not in (None, Cause.DOCUMENT, Cause.NOT_REACHED)
            and result.error != "FILE_ERROR"
        ):
            cause = Cause.OURS  # nobody was called
        elif cause is Cause.CANCELLED:
            cause = Cause.BROKEN  # the station stops
        if cancelled and cause not in (None, Cause.CRASH):
            cause = Cause.CANCELLED
        attempt = dataclasses.replace(attempt, ended=now, pages=confirmed - attempt.first_page + 1, cause=cause,
                                      result=result)  # fmt: skip
        verdict = self._verdict(attempt, cancelled, now)
        result = dataclasses.replace(
            result,
            attempt=attempt.number,
            pages=confirmed,
            pages_total=total,
            documents=list(result.documents if fax.only_polls else fax.documents),
            warnings=list(dict.fromkeys([*fax.warnings, *(result.warnings or ())])) or None,
            retry_at=rfc3339(verdict.next_at) if verdict.next_at is not None else None,
        )
        attempt = dataclasses.replace(attempt, result=result)
        fax = dataclasses.replace(fax, documents=tuple(result.documents))
        fax = with_result(fax, result, verdict.state, cause, now)
        fax = dataclasses.replace(
            fax, ended=None if verdict.next_at else now, next_attempt=verdict.next_at, account=attempt.account
        )
        if await self._recorded(fax, attempt, self.claim.token, context):
            if self._dialled:
                await self._learn(fax, result, attempt)
            return result
        if verdict.next_at is not None and await asyncio.to_thread(queue.store.is_cancelled, fax.id):
            return None
        return await self._late(fax, attempt, context)

    async def _learn(self, fax: Fax, result: FaxResult, attempt: Attempt) -> None:
        """Take in what the call taught of the number, and when the others in it are tried again."""
        cause, joined = attempt.cause, self.claim.joined
        if cause is Cause.NOT_REACHED and not result.call_id:
            return  # the fault was in the turn of another
        if joined is not None and cause is not Cause.NOT_REACHED:
            joined.again_at = fax.next_attempt
        if joined is not None and joined.several and cause is Cause.BROKEN and result.pages + 1 == result.pages_total:
            # Its last page was not confirmed with EOM, by which others follow.
            await asyncio.to_thread(self.queue.memory.learn, fax.to, result, Cause.NOT_REACHED, attempt.account)
        await asyncio.to_thread(self.queue.memory.learn, fax.to, result, cause, attempt.account)

    async def _recorded(self, fax: Fax, attempt: Attempt, token: int, context: FaxContext) -> bool:
        """Record an attempt's end with its events and callbacks; false where the fax has another token."""
        assert attempt.result is not None
        again = fax.state not in TERMINAL
        queue, whole = self.queue, dataclasses.replace(fax, attempts=(*self.kept.fax.attempts, attempt))
        settle = partial(
            queue.store.settle, fax, attempt=attempt, token=token, told=again, again=again, unless_cancelled=again
        )
        updates = FaxUpdate(context, attempt.result), state_of(whole, self.kept.context)
        if not await queue.record(lambda end: asyncio.to_thread(settle, end=end), *updates, hold=True):
            return False
        self._settled = fax
        # After the result.
        asyncio.get_running_loop().call_soon(partial(queue.say, whole, self.kept.context, recorded=True))
        return True

    async def _late(self, fax: Fax, attempt: Attempt, context: FaxContext) -> FaxResult | None:
        """The result of a call whose fax was taken over meanwhile. It stands where nobody has called since; None to try again."""
        queue, result = self.queue, attempt.result
        assert result is not None
        now = await asyncio.to_thread(queue.store.kept, fax.id)
        last = now.fax.attempts[-1] if now is not None and now.fax.attempts else None
        await asyncio.to_thread(queue.store.over, fax.id)
        ours = (
            attempt.unique_id
            and last is not None
            and (last.number, last.unique_id) == (attempt.number, attempt.unique_id)
        )
        if now is not None and ours:
            if now.fax.state in CALLING:
                await asyncio.sleep(HELD_S)  # what is known of the takeover is being written
                return None
            if now.fax.state is FaxState.UNCERTAIN or (now.fax.state is FaxState.WAITING and result.success):
                if now.fax.state is FaxState.UNCERTAIN and self._dialled and fax.state is FaxState.WAITING:
                    # It was reported as an end: no call follows of which nobody expects one any more.
                    fax = dataclasses.replace(fax, state=FaxState.FAILED, ended=attempt.ended, next_attempt=None)
                    result = dataclasses.replace(result, retry_at=None)
                result = dataclasses.replace(result, corrects=str(now.fax.state))
                attempt = dataclasses.replace(attempt, result=result)
                queue.tell(now)
                corrected = dataclasses.replace(fax, result=result)
                return result if await self._recorded(corrected, attempt, now.token, context) else None
        # Another station reports what becomes of it.
        log.warning("fax %s was taken over: the result of this call (%s) is not its end", fax.id, result.status_string)
        return dataclasses.replace(result, retry_at=rfc3339(datetime.now(UTC)))

    def _verdict(self, attempt: Attempt, cancelled: bool, now: datetime) -> Verdict:
        cause = attempt.cause
        if cause is None:
            return Verdict(FaxState.RECEIVED if self.kept.fax.only_polls else FaxState.DELIVERED)
        if cancelled:
            return Verdict(FaxState.CANCELLED)
        fax, config = self.kept.fax, self.queue.station.config
        if cause is Cause.NOT_REACHED:
            return Verdict(FaxState.WAITING, self._again or now)
        ended = [a for a in fax.attempts if a.ended is not None]
        if failed_over((*ended, attempt), self.claim.routes):
            return Verdict(FaxState.WAITING, now)
        tried = [*ended[fax.retried_after :], attempt]
        causes = [a.cause for a in reversed(tried) if a.cause is not Cause.NOT_REACHED]
        return after(
            cause,
            same_causes=len(list(takewhile(lambda earlier: earlier is cause, causes))),
            attempts=_counted(tried),
            rules=self._rules,
            config=config.queue,
            now=now,
            deadline=fax.deadline,
            number=self.queue.station.rules.number_key(fax.to),
            retry_after_s=(attempt.result.retry_after_s if attempt.result is not None else None) or 0,
        )

    @property
    def _rules(self) -> RetryRules:
        """Rules for retries. What was polled in a call that a crash cut off can be polled again: nothing is sent twice."""
        retry = self.request.retry
        return dataclasses.replace(retry, on_uncertain="resend") if self.kept.fax.only_polls else retry

    async def _undialled(self, error: str, text: str, code: int = outcome.T30_FILE_ERROR, remedy: str = "") -> None:
        """The attempt ends before there is a call; `remedy` is a better one than that of its cause."""
        why = Outcome(False, error, text, code, remedy=remedy)
        await self._tell(making.failed(self.kept.context, why, 0.0))

    async def _tell(self, result: FaxResult) -> None:
        """Settle an attempt for which the station has no call."""
        result = await self._settle(result, self.kept.context)
        self.queue.station.publish(FaxUpdate(self.kept.context, result, recorded=self._settled is not None))
        await self._told()

    async def _told(self) -> None:
        """Note that the end of the fax is handed on, if this was it."""
        if self._settled is not None and self._settled.terminal:
            if self._settled.result is not None and self._settled.success:
                await self.queue.recorder.hand_on(self._settled, self._settled.result)
            await self.queue.told(self._settled)

    async def _delivered_before(self) -> None:
        """Settle a fax whose pages were all confirmed in earlier calls that broke after the last one."""
        failed = making.failed(self.kept.context, outcome.OK, 0.0)
        await self._tell(dataclasses.replace(failed, success=True, status="SUCCESS", direction=Direction.SEND))

    async def _after_crash(self) -> None:
        """Settle an attempt that was dialled before the station ended: the pages confirmed are known, those received are not."""
        attempt = self.kept.fax.attempts[-1]
        self.attempt, self._dialled = attempt, True
        context = dataclasses.replace(self.kept.context, unique_id=attempt.unique_id, attempt=attempt.number)
        result = making.interrupted(context, attempt.pages)
        self._take_out(attempt)
        self.kept = dataclasses.replace(self.kept, context=context)
        await self._tell(result)


def _counted(tried: Sequence[Attempt]) -> int:
    """The attempts that count: calls, or where a document could not be fetched those; ours are no fault of either."""
    of_document = _is_of_document(tried[-1])
    return sum(a.cause not in (Cause.OURS, Cause.NOT_REACHED) and _is_of_document(a) is of_document for a in tried)


def _is_of_document(attempt: Attempt) -> bool:
    """Return True for an attempt that ended before a call, as its documents could not be fetched."""
    result = attempt.result
    return result is not None and result.error == "FILE_ERROR" and result.result_code == outcome.NO_T30


def _expired(fax: Fax) -> str:
    return f"not sent before its deadline{f' ({fax.reason})' if fax.reason else ''}"
