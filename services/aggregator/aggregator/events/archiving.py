"""Months of events go into the archive and come back (docs/adr/0030-event-months.md)."""

import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Final

from aggregator import locks
from aggregator.events import store_archive as store
from aggregator.events.parquet import Archive, ArchiveError, Meanwhile, Row
from chassis.failures import LostRaceError
from chassis.jobs import Counts, every_tenant, report
from chassis.received import Received
from chassis.tenants import settings_of
from chassis.unit_of_work import Database, UnitOfWork
from contracts.aggregator import events as messages
from contracts.message import ProblemCode, ProblemError

_LEFT_AT_HAND: Final = timedelta(days=30)
"""How long a month that was restored is not archived again by itself."""


class Archiving:
    """What is asked of the archive, and its job.

    One transaction notes the file and takes its events out, once the file was read back; a file of a transaction that failed is
    nobody's, and holds nothing that could be erased.

    Parameters:
        kept: how many months are kept at hand of a tenant whose settings do not say it; all, if none.
    """

    def __init__(self, archive: Archive, kept: int | None = None) -> None:
        self._archive = archive
        self._kept = kept

    async def list_months(self, uow: UnitOfWork, request: Received[messages.ListEventMonths]) -> messages.MonthList:
        months = await store.months(uow, request.tenant)
        return messages.MonthList(months=[messages.Month.model_validate(dict(row)) for row in months])

    async def archive(self, uow: UnitOfWork, request: Received[messages.ArchiveEvents]) -> messages.Month:
        month = _first_day(request.body.month)
        if month >= uow.now.date().replace(day=1):
            raise ProblemError(ProblemCode.CONFLICT, f"{request.body.month} is not over yet", "month")
        await self._put_away(uow, request.tenant, month)
        return await _shown(uow, request.tenant, request.body.month)

    async def restore(self, uow: UnitOfWork, request: Received[messages.RestoreEvents]) -> messages.Month:
        tenant, month = request.tenant, _first_day(request.body.month)
        await locks.archive(uow, tenant)
        for part in await store.parts(uow, tenant, month):
            if part["restored_at"] is None:
                with refused():
                    async for rows in self._archive.read(part["path"], part["events"], part["digest"], _alive(uow)):
                        await store.put_back(uow, tenant, rows)
        await store.note_restored(uow, tenant, month)
        return await _shown(uow, tenant, request.body.month)

    async def away(self, uow: UnitOfWork, tenant: str) -> AsyncIterator[Sequence[Row]]:
        """What is archived of a tenant and not at hand, some events at a time; without what is made of persons.

        Raises:
            ArchiveError: a file is gone, or not what was written.
        """
        alive = _alive(uow)
        for part in await store.parts_away(uow, tenant):
            async for rows in self._archive.read(part["path"], part["events"], part["digest"], alive):
                yield rows
                await alive()

    async def run(self, database: Database, _: datetime) -> Counts:
        """The daily job: archive what each tenant does not want to be kept at hand, a month at a time.

        Raises:
            SomeTenantsFailedError: at the end, when all the others had their turn.
        """

        async def of_tenant(tenant: str) -> Counts:
            async with database.begin(tenant) as uow:
                kept = (await settings_of(uow, tenant)).event_months or self._kept
                if kept is None:
                    return {}
                before = await store.month_before(uow, kept)
                months = await store.due(uow, tenant, before, uow.now - _LEFT_AT_HAND)
            counts = {"months": 0, "events": 0}
            for month in months:
                async with database.begin(tenant) as uow:
                    counts["events"] += await self._put_away(uow, tenant, month)
                counts["months"] += 1
                await report(counts)
            return counts

        return {"months": 0, "events": 0} | await every_tenant(database, of_tenant)

    async def _put_away(self, uow: UnitOfWork, tenant: str, month: date) -> int:
        """Archive what is at hand of a month; returns how many events that were.

        Raises:
            LostRaceError: an event of the month came meanwhile.
            ProblemError: `conflict`, there is no archive, or it does not take the file.
        """
        if not self._archive.uri:
            raise ProblemError(
                ProblemCode.CONFLICT, "this installation has no archive: set LEADLOOP_ARCHIVE_URI for the aggregator"
            )
        await locks.archive(uow, tenant)
        before = await store.parts(uow, tenant, month)
        part = max((row["part"] for row in before), default=0) + 1
        # Unlike any that a transaction that failed may have left.
        path = f"{tenant}/{month:%Y-%m}-{part}-{secrets.token_hex(4)}.parquet"
        with refused():
            rows = store.to_archive(uow, tenant, month)
            events, size, digest = await self._archive.write(path, rows, _alive(uow))
        if not events:
            await self._archive.remove(path)
            return 0
        if await store.take_out(uow, tenant, month) != events:
            await self._archive.remove(path)
            raise LostRaceError("an event of the month came while it was archived")
        await store.note_part(uow, tenant, month, part, path, events, size, digest)
        return events


async def check_at_hand(uow: UnitOfWork, tenant: str) -> None:
    """Refuse what needs every event of a tenant.

    Raises:
        ProblemError: `conflict`, some are archived.
    """
    if months := await store.archived_months(uow, tenant):
        raise ProblemError(
            ProblemCode.CONFLICT,
            f"events of {', '.join(months)} are archived, and this needs them: `leadloop events restore` brings them back",
        )


@contextmanager
def refused() -> Iterator[None]:
    """Tell whoever asked that the archive does not do its part.

    Raises:
        ProblemError: `conflict`.
    """
    try:
        yield
    except ArchiveError as error:
        raise ProblemError(ProblemCode.CONFLICT, f"the archive: {error}", "month") from error


def _alive(uow: UnitOfWork) -> Meanwhile:
    """The database takes a transaction that says nothing for a minute for dead."""
    return lambda: uow.execute("select 1")


def _first_day(month: str) -> date:
    try:
        return date.fromisoformat(f"{month}-01")
    except ValueError:  # there is no year 0
        raise ProblemError(ProblemCode.INVALID, f"{month} is no month: write one like 2026-01", "month") from None


async def _shown(uow: UnitOfWork, tenant: str, month: str) -> messages.Month:
    for row in await store.months(uow, tenant):
        if row["month"] == month:
            return messages.Month.model_validate(dict(row))
    return messages.Month(month=month, stored=0, archived=0, bytes_archived=0)
