"""The worker that sends what may leave, at most once whatever dies.

A message goes queued → claimed → sending → sent, failed or unknown. A batch is claimed first (a token and a lease), so that
workers share the queue. What is personal is revealed by intake then, and kept nowhere. Each message becomes ``sending``
right before it is handed over, in a commit that asks every gate again and only under its token. A claim that runs out is
anybody's again, for nothing of it was handed over. A *sending* that runs out becomes ``unknown``, and nobody sends it again by
itself: the provider may have taken it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from random import Random
from time import monotonic
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

from uuid_utils.compat import uuid7

from chassis import tenants
from chassis.failures import describe, is_transient, lost_a_race
from chassis.logs import get_logger
from chassis.unit_of_work import Database, Row
from contracts.intake.privacy import MOST_REVEALED
from contracts.message import Allowance, ProblemError
from contracts.outreach.sending import SendState
from contracts.taxonomy import SendKind
from outreach.accounts.breaking import Tried
from outreach.coalescing import Coalescing
from outreach.providers.protocol import (
    AwayError,
    CaptchaError,
    LaterError,
    NotSentError,
    Outgoing,
    Provider,
    RefusedError,
    Sender,
    SetupError,
    UnansweredError,
)
from outreach.sending import leaving, recording
from outreach.sending.claiming import LEASE, Claimed, claim
from outreach.sending.composing import Composer, Letter
from outreach.sending.facts import limits_of
from outreach.sending.recording import Result

log = get_logger("sender")

IN_HAND = 1000
"""Messages that one worker has claimed, at most."""
AT_ONCE = 512
"""Of those, the ones that providers are being handed, at most: as many become unknown when a worker dies. They begin to leave, and
are recorded, some dozens in one transaction."""
OF_ONE_ACCOUNT = 32
"""Of those, the ones of one account, at most: so many have left before what becomes of the first can stop it."""
CLAIMED_AT_ONCE = 50
"""Messages claimed in one unit of work: so few that their lanes are locked for some hundredths of a second."""
BATCH = MOST_REVEALED
"""Messages that are sent together: as many as intake reveals at once."""
_PROVIDER_SECONDS = 180.0
"""How long a provider may take, longer than any of them waits for an answer: who gives up sooner never learns whether a message was sent
(RFC 5321, 4.5.3.2.6). Shorter than the lease, or living workers' messages would become unknown."""
_UNITS_AT_ONCE = 4
"""Transactions in which messages begin to leave, and as many in which they are recorded, at most: of as many tenants."""
_UNWRITTEN = timedelta(seconds=30)
"""When is tried again to write messages that intake did not show what is personal of."""
REVEAL_LIMIT = "reveal_limit"
"""Why messages wait whose tenant lets outreach see no more persons for now (`reveals_per_hour_of_services`)."""
_POLL_SECONDS = 0.5
"""How soon is seen what has become due, or what another replica queued; this replica's own is seen at once."""

ProviderOf = Callable[[Row], Provider]
"""Who carries a message, by its row with its account's."""


class Worker:
    """Runs until it is cancelled; `wake` tells it that something may be due.

    Parameters:
        provider_of: who carries the messages of an account.
        chance: draws the gaps.
    """

    def __init__(
        self, database: Database, provider_of: ProviderOf, composer: Composer, chance: Random | None = None
    ) -> None:
        self._database = database
        self._provider_of = provider_of
        self._composer = composer
        self._chance = chance or Random()
        self._woken = asyncio.Event()
        self._stopping = False
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._of_account: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()
        # Each tenant's by themselves: who waits for one tenant's locks holds up nobody else.
        self._begin: dict[str, Coalescing[tuple[Row, UUID], Row | None]] = {}
        self._record: dict[str, Coalescing[Result, Exception | None]] = {}
        self._shown_again: dict[str, tuple[datetime, int]] = {}
        """When intake shows more persons of a tenant, and how many an hour the tenant allowed when it showed no more."""
        self._beginning = asyncio.Semaphore(_UNITS_AT_ONCE)
        self._recording = asyncio.Semaphore(_UNITS_AT_ONCE)

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Claim and send, again and again; when it is cancelled what is being handed over comes to its end first."""
        tasks: set[asyncio.Task[int]] = set()
        self._stopping = False
        try:
            while True:
                self._woken.clear()
                batch = await self._claim_or_return(tasks) if len(tasks) * BATCH < IN_HAND else None
                if batch and batch.messages:
                    tasks.add(asyncio.create_task(self._send_batch(batch)))
                elif tasks and batch is None:
                    _, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                elif not (batch and batch.looked_at):
                    # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the wake-up.
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_POLL_SECONDS):
                            await self._woken.wait()
                tasks = {task for task in tasks if not task.done()}
        finally:
            self._stopping = True
            while tasks:
                with suppress(asyncio.CancelledError):  # whoever stops a service asks again and again
                    _, tasks = await asyncio.wait(tasks)

    async def _claim_or_return(self, tasks: set[asyncio.Task[int]]) -> Claimed:
        """Claim; what a claim that is cancelled under way has committed goes back, as one of the tasks."""
        claiming = asyncio.create_task(self._claim())
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            self._stopping = True
            tasks.add(asyncio.create_task(self._send_claimed(claiming)))
            raise

    async def _send_claimed(self, claiming: asyncio.Task[Claimed]) -> int:
        await asyncio.wait([claiming])
        return 0 if claiming.exception() else await self._send_batch(claiming.result())

    async def _claim(self) -> Claimed:
        token = uuid7()
        claimed = await self._claim_some(token)
        looked_at, messages = claimed.looked_at, list(claimed.messages)
        while claimed.messages and len(messages) + CLAIMED_AT_ONCE <= BATCH:
            try:
                claimed = await self._claim_some(token)
            except Exception as error:  # noqa: BLE001 - what is claimed already leaves, and who claims next meets it again
                log.warning("fewer messages were claimed than there may be", error=describe(error))
                break
            looked_at += claimed.looked_at
            messages += claimed.messages
        return Claimed(token, messages, looked_at)

    async def _claim_some(self, token: UUID) -> Claimed:
        async with self._database.begin() as uow:
            names = await tenants.all_tenants(uow)
            for tenant, (at, limit) in list(self._shown_again.items()):
                if at <= uow.now or (await tenants.settings_of(uow, tenant)).reveals_per_hour_of_services > limit:
                    del self._shown_again[tenant]
            names = [name for name in names if name not in self._shown_again]
            await uow.act_for(names)
            return await claim(uow, names, CLAIMED_AT_ONCE, self._chance, token)

    async def _send_batch(self, batch: Claimed) -> int:
        """Reveal what is personal, and send; what cannot be sent now waits in the queue again."""
        by_tenant: dict[str, list[Row]] = {}
        for row in batch.messages:
            by_tenant.setdefault(row["tenant_id"], []).append(row)
        for tenant, rows in by_tenant.items():
            try:
                await self._send_rows(tenant, rows, batch.token)
            except Exception as error:
                log.warning(
                    "messages wait", tenant=tenant, error=describe(error),
                    exc_info=None if is_transient(error) else error,
                )  # fmt: skip
        return len(batch.messages)

    async def _send_rows(self, tenant: str, rows: Sequence[Row], token: UUID) -> None:
        if self._stopping:
            await self._give_back(tenant, rows, token)
            return
        try:
            letters = await self._composer.compose(tenant, rows)
        except Exception as error:
            if isinstance(error, ProblemError) and error.problem.allowance:
                await self._send_as_many(tenant, rows, token, error.problem.allowance)
                return
            await self._give_back(tenant, rows, token, _UNWRITTEN)
            raise
        written = [(row, letters[row["message_id"]]) for row in rows]
        ready = [(row, letter) for row, letter in written if isinstance(letter, Letter)]
        await self._skip(tenant, {r["message_id"]: w for r, w in written if isinstance(w, str)}, token)
        sent = await asyncio.gather(*(self._send(row, letter, token) for row, letter in ready))
        await self._give_back(tenant, [row for (row, _), began in zip(ready, sent, strict=True) if not began], token)

    async def _send_as_many(self, tenant: str, rows: Sequence[Row], token: UUID, left: Allowance) -> None:
        """Send those that intake still shows an hour; the others, and all that the tenant has in the queue, wait until it shows more."""
        # Of one lead more than its own person may be shown.
        few = left.remaining if left.remaining < len(rows) else len(rows) // 2
        pause = timedelta(seconds=left.reset_seconds)
        async with self._database.begin(tenant) as uow:
            await leaving.give_back(uow, rows[few:], token, pause, REVEAL_LIMIT)
            self._shown_again[tenant] = uow.now + pause, left.limit
        if few:
            await self._send_rows(tenant, rows[:few], token)

    async def _skip(self, tenant: str, reasons: Mapping[UUID, str], token: UUID) -> None:
        if reasons:
            async with self._database.begin(tenant) as uow:
                await leaving.skip_unwritten(uow, tenant, reasons, token)

    async def _give_back(self, tenant: str, rows: Sequence[Row], token: UUID, pause: timedelta = timedelta()) -> None:
        if rows:
            async with self._database.begin(tenant) as uow:
                await leaving.give_back(uow, rows, token, pause)

    async def _send(self, row: Row, letter: Letter, token: UUID) -> bool:
        """Hand a message over if it may leave; whether it was."""
        account = self._of_account.setdefault(row["account_id"], asyncio.Semaphore(OF_ONE_ACCOUNT))
        async with account, self._at_once:
            if self._stopping:
                return False
            tenant = row["tenant_id"]
            begin = self._begin.setdefault(tenant, Coalescing(partial(self._begin_all, tenant), AT_ONCE))
            begun = await begin((row, token))
            if begun is None:
                return False
            result = await self._hand_over(begun, letter, token)
            record = self._record.setdefault(tenant, Coalescing(partial(self._record_all, tenant), AT_ONCE))
            if error := await record(replace(result, tried=tried(begun, result))):
                log.error(
                    "what became of a message was not recorded", tenant=tenant, message_id=str(row["message_id"]),
                    state=result.state.value, error=describe(error), exc_info=error,
                )  # fmt: skip
            return True

    async def _hand_over(self, row: Row, letter: Letter, token: UUID) -> Result:
        about: dict[str, Any] = {"tenant": row["tenant_id"], "message_id": row["message_id"], "token": token}
        message = Outgoing(
            tenant=row["tenant_id"], message_id=row["message_id"], campaign_id=row["campaign_id"],
            lead_id=row["lead_id"], kind=SendKind(row["kind"]),
            sender=Sender(row["account_id"], row["account_address"], row["sender_name"]), address=letter.address,
            body=letter.body, subject=letter.subject, reference=leaving.reference(row["message_id"]),
            follows=letter.follows, unsubscribe_url=letter.unsubscribe_url,
        )  # fmt: skip
        try:
            async with asyncio.timeout(_PROVIDER_SECONDS):
                receipt = await self._provider_of(row).send(message)
        except RefusedError as refused:
            return Result(**about, state=SendState.FAILED, reason=refused.reason, fault=refused.fault)
        except CaptchaError as wanted:
            return Result(**about, state=SendState.QUEUED, reason=wanted.reason, wants_a_person=True)
        except LaterError as later:
            asked = not isinstance(later, SetupError)
            return Result(
                **about,
                state=SendState.QUEUED,
                reason=later.reason,
                again_after=later.seconds,
                throttled=later.throttled,
                away=isinstance(later, AwayError),
                asked=asked,
            )
        except NotSentError as error:
            return Result(**about, state=SendState.QUEUED, reason=error.reason)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody knows whether the message was sent
            log.warning(
                "nobody knows whether a message was sent", error=describe(error), message_id=str(row["message_id"])
            )
            return Result(**about, state=SendState.UNKNOWN, away=isinstance(error, UnansweredError | TimeoutError))
        return Result(**about, state=SendState.SENT, provider_reference=receipt.provider_reference)

    async def _begin_all(self, tenant: str, given: Sequence[tuple[Row, UUID]]) -> list[Row | None]:
        messages = {row["message_id"]: (tenant, token) for row, token in given}
        within = {row["message_id"]: limits_of(row) for row, _ in given}
        while True:
            try:
                async with self._beginning, self._database.begin(tenant) as uow:
                    begun = await leaving.begin(uow, messages, within)
                return [begun.get(row["message_id"]) for row, _ in given]
            except Exception as error:
                if not lost_a_race(error):
                    raise

    async def _record_all(self, tenant: str, results: Sequence[Result]) -> list[Exception | None]:
        """Only this process knows, so it outwaits the database; what cannot be recorded takes no other with it. Returns of each why it
        was not recorded, if it was not."""
        deadline = monotonic() + LEASE.total_seconds()
        while True:
            try:
                async with self._recording, self._database.begin(tenant) as uow:
                    await recording.record(uow, results)
                return [None] * len(results)
            except Exception as error:  # noqa: BLE001 - whoever sent the message tells of it
                if not is_transient(error):
                    if len(results) == 1:
                        return [error]
                    return [(await self._record_all(tenant, [result]))[0] for result in results]
                if monotonic() > deadline:
                    return [error] * len(results)
                await asyncio.sleep(0 if lost_a_race(error) else 1)


def tried(row: Row, result: Result) -> Tried | None:
    """What a message that was handed over says of its provider."""
    # Where the circuit is not closed it is the probe, or it would not have been let pass.
    if row["account_endpoint"] is None or not result.asked or not (result.away or row["account_circuit"]):
        return None
    answered = not result.away and result.state is not SendState.UNKNOWN
    return Tried(row["tenant_id"], row["account_endpoint"], row["spent_at"], answered)
