"""Months of events go into files and come back as they were; what an erasure takes is in no file, and does not come back."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from pyarrow import parquet

from aggregator.events import store, store_archive
from aggregator.events.archiving import Archiving
from aggregator.events.parquet import COLUMNS, Archive, ArchiveError
from aggregator.kpis import store as kpis
from aggregator.kpis.domain_numbers import Part
from chassis.unit_of_work import Database
from contracts.aggregator.events import ArchiveEvents, ListEventMonths, ListEvents, Month, RestoreEvents
from contracts.aggregator.kpis import DashboardStats, Kpi, ListKpiEvents
from contracts.aggregator.replay import Replay, Validate
from contracts.intake.leads import LeadAccepted
from contracts.message import ProblemCode, ProblemError
from contracts.outreach.sending import MessageSent
from tests.aggregator.events.test_finding import listed, put, row
from tests.aggregator.history import OPENING, arrived, checking, recorded_outcome, store_told
from tests.aggregator.kpis.test_kpis import told
from tests.platform import Platform
from tests.waiting import until

JUNE = datetime(2025, 6, 30, 23, 59, 59, tzinfo=UTC)
PERSONAL = '{"version": 3, "email_token": "tok_4711", "metadata": {"utm_source": "tok_web"}, "tier": "A"}'
LEAD = UUID(int=0x1EAD)


@pytest.fixture(scope="module", autouse=True)
async def folder(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """The archive of the running aggregator."""
    path = tmp_path_factory.mktemp("archive")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEADLOOP_ARCHIVE_URI", f"file://{path}")
        async with platform.running("aggregator"):
            yield path


@pytest.fixture
async def database(platform: Platform) -> AsyncIterator[Database]:
    database = Database("aggregator", platform.database_url("leadloop_aggregator"))
    yield database
    await database.close()


async def filled(platform: Platform, tenant: str, body: str = PERSONAL) -> list[dict[str, Any]]:
    """Events of June and of July, one of them a lead's with this body; returns those of June."""
    rows = [
        row(tenant, MessageSent, JUNE - timedelta(minutes=n), lead_id=LEAD, campaign_id=uuid4(), correlation_id=uuid4())
        for n in range(1_001)
    ]
    rows.append(row(tenant, LeadAccepted, JUNE, body=body, lead_id=LEAD))
    later = row(tenant, MessageSent, JUNE + timedelta(seconds=1))
    await put(platform, tenant, [*rows, later])
    return await june(platform, tenant)


async def june(platform: Platform, tenant: str) -> list[dict[str, Any]]:
    found = await listed(platform, tenant)
    return [e.model_dump() for e in found if e.told_at and e.told_at.month == 6]


async def months(platform: Platform, tenant: str) -> dict[str, tuple[int, int]]:
    answer = await platform.caller.ask(tenant, ListEventMonths())
    return {month.month: (month.stored, month.archived) for month in answer.months}


async def archive(platform: Platform, tenant: str, month: str = "2025-06") -> Month:
    return await platform.caller.ask(tenant, ArchiveEvents(month=month), seconds=60)


async def restore(platform: Platform, tenant: str, month: str = "2025-06") -> Month:
    return await platform.caller.ask(tenant, RestoreEvents(month=month), seconds=60)


async def erase(database: Database, tenant: str, version: int) -> int:
    async with database.begin(tenant) as uow:
        gone = [store.Gone(tenant, LEAD, version)]
        await store.keep_erased(uow, gone)
        return (await store.forget(uow, gone))[tenant, LEAD]


async def test_a_month_goes_into_a_file_and_comes_back_as_it_was(platform: Platform, tenant: str, folder: Path) -> None:
    before = await filled(platform, tenant)
    assert len(before) == 1_002
    month = await archive(platform, tenant)
    assert (month.stored, month.archived) == (0, 1_002)
    (file,) = (folder / tenant).iterdir()
    assert file.stat().st_size == month.bytes_archived
    assert parquet.read_metadata(file).num_rows == 1_002
    assert await june(platform, tenant) == []
    assert (await platform.caller.ask(tenant, ListEvents())).archived_months == ["2025-06"]
    assert await months(platform, tenant) == {"2025-06": (0, 1_002), "2025-07": (1, 0)}
    for _ in range(2):
        assert (await restore(platform, tenant)).stored == 1_002
        assert await june(platform, tenant) == before
    assert await months(platform, tenant) == {"2025-06": (1_002, 0), "2025-07": (1, 0)}


async def test_a_file_from_before_causes_were_kept_comes_back(
    platform: Platform, tenant: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await filled(platform, tenant)
    with monkeypatch.context() as patch:
        patch.setattr("aggregator.events.parquet.COLUMNS", COLUMNS[: COLUMNS.index("correlation_id")])
        await archive(platform, tenant)
    (file,) = (folder / tenant).iterdir()
    assert "correlation_id" not in parquet.read_schema(file).names
    assert (await restore(platform, tenant)).stored == 1_002
    assert await june(platform, tenant) == [event | {"correlation_id": None} for event in before]


async def test_what_is_made_of_a_person_is_in_no_file_and_gone_once_erased(
    platform: Platform, tenant: str, folder: Path, database: Database
) -> None:
    await filled(platform, tenant)
    await archive(platform, tenant)
    (file,) = (folder / tenant).iterdir()
    assert "tok_" not in str(parquet.read_table(file).to_pylist())
    assert await erase(database, tenant, 2) == 0, "the person of an earlier version of the lead"
    assert await erase(database, tenant, 3) == 1
    await restore(platform, tenant)
    (accepted,) = await listed(platform, tenant, types=["lead_accepted"])
    assert accepted.body == {"version": 3, "tier": "A"}


async def test_an_event_that_comes_after_the_erasure_is_stored_without_what_is_made_of_the_person(
    platform: Platform, tenant: str, database: Database
) -> None:
    await erase(database, tenant, 3)
    of_another = PERSONAL.replace("3", "4")
    await put(
        platform, tenant, [row(tenant, LeadAccepted, JUNE, body=body, lead_id=LEAD) for body in (PERSONAL, of_another)]
    )
    bodies = [event["body"] for event in await june(platform, tenant)]
    assert bodies == [json.loads(of_another), {"version": 3, "tier": "A"}]


async def test_a_late_event_is_archived_into_a_file_of_its_own(platform: Platform, tenant: str, folder: Path) -> None:
    before = await filled(platform, tenant)
    await archive(platform, tenant)
    late = row(tenant, MessageSent, JUNE)
    await put(platform, tenant, [late])
    assert await months(platform, tenant) == {"2025-06": (1, 1_002), "2025-07": (1, 0)}
    await archive(platform, tenant)
    await archive(platform, tenant)  # there is nothing left
    assert len(list((folder / tenant).iterdir())) == 2
    await restore(platform, tenant)
    found = await june(platform, tenant)
    assert [event for event in found if event["event_id"] != late.event_id] == before
    assert len(found) == 1_003
    assert (await archive(platform, tenant)).archived == 1_003


async def test_a_damaged_file_restores_nothing(platform: Platform, tenant: str, folder: Path) -> None:
    await filled(platform, tenant)
    await archive(platform, tenant)
    (file,) = (folder / tenant).iterdir()
    whole = file.read_bytes()
    table = parquet.read_table(file)
    for damage in (
        lambda: parquet.write_table(table.slice(1), file),
        lambda: file.write_bytes(whole[: len(whole) // 2]),
        file.unlink,
    ):
        damage()
        with pytest.raises(ProblemError, match="archive") as refused:
            await restore(platform, tenant)
        assert refused.value.problem.code is ProblemCode.CONFLICT
        assert await months(platform, tenant) == {"2025-06": (0, 1_002), "2025-07": (1, 0)}
    file.write_bytes(whole)
    assert (await restore(platform, tenant)).stored == 1_002


async def test_no_replay_goes_without_archived_events(platform: Platform, tenant: str) -> None:
    came = f'{{"lead_id": "{LEAD}", "version": 1, "created_at": "{JUNE.isoformat()}"}}'
    await filled(platform, tenant, came)
    await archive(platform, tenant)
    with pytest.raises(ProblemError, match="2025-06 are archived"):
        await platform.caller.ask(tenant, Replay(), seconds=60)
    for ask in (Validate(as_of=JUNE), DashboardStats(as_of=JUNE), ListKpiEvents(kpi=Kpi.FOLLOWUPS_DUE, as_of=JUNE)):
        with pytest.raises(ProblemError, match="2025-06 are archived"):
            await platform.caller.ask(tenant, ask, seconds=60)
    await platform.caller.ask(tenant, DashboardStats())  # counts none of them
    await restore(platform, tenant)
    assert (await platform.caller.ask(tenant, Replay(), seconds=60)).events == 1_003


async def test_a_month_that_is_not_over_is_not_archived(platform: Platform, tenant: str) -> None:
    with pytest.raises(ProblemError, match="not over"):
        await archive(platform, tenant, f"{datetime.now(UTC):%Y-%m}")
    with pytest.raises(ProblemError, match="no month"):
        await archive(platform, tenant, "0000-01")


async def test_an_installation_without_an_archive_says_so(tenant: str, database: Database) -> None:
    async with database.begin(tenant) as uow:
        with pytest.raises(ProblemError, match="LEADLOOP_ARCHIVE_URI"):
            await Archiving(Archive(""))._put_away(uow, tenant, JUNE.date().replace(day=1))


async def test_an_event_that_comes_while_its_month_is_archived_is_not_lost(
    platform: Platform, tenant: str, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(platform, tenant)
    late = row(tenant, MessageSent, JUNE)
    took = store_archive.take_out

    async def come_and_take(*given: Any) -> int:
        await put(platform, tenant, [late])
        return await took(*given)

    monkeypatch.setattr(store_archive, "take_out", come_and_take)
    with pytest.raises(Exception, match="came while"):
        async with database.begin(tenant) as uow:
            await Archiving(Archive(f"file://{tmp_path}"))._put_away(uow, tenant, JUNE.date().replace(day=1))
    assert await months(platform, tenant) == {"2025-06": (1_003, 0), "2025-07": (1, 0)}
    assert parquet.ParquetDataset(tmp_path).files == []


async def test_the_job_archives_what_a_tenant_does_not_want_at_hand_and_leaves_what_was_restored(
    platform: Platform, tenant: str, database: Database, tmp_path: Path
) -> None:
    other = f"{tenant}-all"
    await platform.introduce(tenant, "aggregator", event_months=2)
    await platform.introduce(other, "aggregator")
    await filled(platform, tenant)
    await filled(platform, other)
    archiving = Archiving(Archive(f"file://{tmp_path}"))
    run = partial(archiving.run, database, datetime.now(UTC))
    counts = await run()
    assert (await months(platform, tenant))["2025-06"] == (0, 1_002)  # two months, by the tenant's own settings
    assert (await months(platform, tenant))["2025-07"] == (0, 1)
    assert set(await months(platform, other)) >= {"2025-06", "2025-07"}
    assert (await months(platform, other))["2025-06"] == (1_002, 0)
    assert counts == {"months": 2, "events": 1_003}
    by_installation = Archiving(Archive(f"file://{tmp_path}"), kept=2)
    await by_installation.run(database, datetime.now(UTC))
    assert (await months(platform, other))["2025-06"] == (0, 1_002)
    async with platform.sql() as sql:
        await restored(sql, tenant, "1 day")
    assert (await run())["months"] == 0
    await put(platform, tenant, [row(tenant, MessageSent, JUNE)])
    assert (await run())["months"] == 0, "restored a day ago"
    async with platform.sql() as sql:
        await restored(sql, tenant, "31 days")
    assert (await run())["months"] == 1


async def restored(sql: asyncpg.Connection, tenant: str, ago: str) -> None:
    await sql.execute(
        "update aggregator.event_archive set restored_at = now() - cast($2 as text)::interval where tenant_id = $1",
        tenant, ago,
    )  # fmt: skip


async def waits_or_is_done(platform: Platform, task: asyncio.Task[Any]) -> bool:
    async with platform.sql() as sql:
        waiting = "select exists (select from pg_locks where locktype in ('advisory', 'transactionid', 'tuple') and not granted)"
        return task.done() or bool(await sql.fetchval(waiting))


async def test_a_person_who_is_erased_while_their_month_is_archived_is_gone_from_what_is_kept_of_it(
    platform: Platform, tenant: str, folder: Path, database: Database
) -> None:
    await filled(platform, tenant)
    async with database.begin(tenant) as uow:
        await Archiving(Archive(f"file://{folder}"))._put_away(uow, tenant, JUNE.date().replace(day=1))
        erasing = asyncio.create_task(erase(database, tenant, 3))
        await until(partial(waits_or_is_done, platform, erasing), what="the erasure waiting for the archive")
    assert await erasing == 1
    await restore(platform, tenant)
    (accepted,) = await listed(platform, tenant, types=["lead_accepted"])
    assert accepted.body == {"version": 3, "tier": "A"}


async def test_a_person_who_is_erased_while_their_month_is_restored_does_not_come_back(
    platform: Platform, tenant: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(platform, tenant)
    await archive(platform, tenant)
    noted = store_archive.note_restored

    async def erase_and_note(*given: Any) -> None:
        await erase(database, tenant, 3)
        await noted(*given)

    monkeypatch.setattr(store_archive, "note_restored", erase_and_note)
    await restore(platform, tenant)
    (accepted,) = await listed(platform, tenant, types=["lead_accepted"])
    assert accepted.body == {"version": 3, "tier": "A"}


async def test_what_stops_in_the_middle_has_changed_nothing(
    platform: Platform, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await filled(platform, tenant)

    async def dies(*_: Any) -> None:
        raise RuntimeError("killed")

    for name, work, at_hand in (("note_part", archive, (1_002, 0)), ("note_restored", restore, (0, 1_002))):
        with monkeypatch.context() as patch:
            patch.setattr(store_archive, name, dies)
            with pytest.raises(ProblemError):
                await work(platform, tenant)
        assert (await months(platform, tenant))["2025-06"] == at_hand
        await work(platform, tenant)
    assert await june(platform, tenant) == before


async def test_the_first_lead_and_the_last_message_are_known_when_they_are_archived(
    platform: Platform, tenant: str, database: Database
) -> None:
    last, first = JUNE - timedelta(days=3), JUNE - timedelta(days=20)
    for moment in (first, last):  # each into a file of its own
        rows = [
            row(tenant, type_, moment, lead_id=LEAD, campaign_id=uuid4(), account_id=uuid4())
            for type_ in (LeadAccepted, MessageSent)
        ]
        await put(platform, tenant, rows)
        await archive(platform, tenant)
    async with database.begin(tenant) as uow:
        numbers = await kpis.numbers(uow, tenant, datetime.now(UTC))
    found = {part: counted.latest for part, counted in numbers.items()}
    assert found == {Part(Kpi.FIRST_LEAD, ""): first, Part(Kpi.LAST_ACTION, ""): last}
    dashboard = await platform.caller.ask(tenant, DashboardStats())
    assert dashboard.system_health.last_action == last
    assert "import_contacts" not in {action.action for action in dashboard.next_actions}
    for kpi in (Kpi.FIRST_LEAD, Kpi.LAST_ACTION):
        with pytest.raises(ProblemError, match="2025-06 are archived"):
            await platform.caller.ask(tenant, ListKpiEvents(kpi=kpi))
    await restore(platform, tenant)
    (event,) = (await platform.caller.ask(tenant, ListKpiEvents(kpi=Kpi.FIRST_LEAD))).events
    assert event.occurred_at == first


async def test_numbers_are_checked_with_what_is_archived_once_a_day(
    platform: Platform, tenant: str, folder: Path, database: Database
) -> None:
    at = JUNE - timedelta(days=3)
    happened = [(name, at, n) for name in OPENING for n in range(4)]
    outcomes = [(recorded_outcome(at, n), at) for n in range(6)]
    leads = [(arrived(at, n), at) for n in range(3)]
    async with database.begin(tenant) as uow:
        await store_told(uow, told(tenant, *happened, *outcomes, *leads))
    await archive(platform, tenant)
    assert await listed(platform, tenant) == []
    checks = checking(database, f"file://{folder}")
    assert (await checks.check(tenant))["drift"] == 0
    assert await checks.check(tenant) == {"archived": 1}
    found = await platform.caller.ask(tenant, Validate(), seconds=30)
    assert (found.drift, found.differences) == (0, [])
    assert (found.compared > 10, found.events > 40) == (True, True)
    async with platform.sql() as sql:
        await sql.execute("delete from aggregator.open_item where tenant_id = $1 and kind = 'reply'", tenant)
        await sql.execute("delete from aggregator.arrival where tenant_id = $1", tenant)
        await sql.execute(
            "update aggregator.number_check set checked_at = checked_at - interval '1 day' where tenant_id = $1", tenant
        )
    assert (await checks.check(tenant))["drift"] > 1
    found = await platform.caller.ask(tenant, Validate(), seconds=30)
    assert {each.number for each in found.differences} >= {Kpi.REPLIES_REQUIRING_ACTION, "win_rate by source, cohorts"}
    (file,) = (folder / tenant).iterdir()
    file.unlink()
    with pytest.raises(ProblemError, match="archive"):
        await platform.caller.ask(tenant, Validate(), seconds=30)
    async with platform.sql() as sql:
        await sql.execute(
            "update aggregator.number_check set checked_at = checked_at - interval '1 day' where tenant_id = $1", tenant
        )
    with pytest.raises(ArchiveError):
        await checks.check(tenant)


async def test_what_is_just_being_archived_is_put_right_by_no_replay_and_a_month_of_the_last_weeks_is_checked_by_nobody(
    platform: Platform, tenant: str, folder: Path, database: Database
) -> None:
    await filled(platform, tenant, f'{{"lead_id": "{LEAD}", "version": 1, "created_at": "{JUNE.isoformat()}"}}')
    async with database.begin(tenant) as uow:
        await Archiving(Archive(f"file://{folder}"))._put_away(uow, tenant, JUNE.date().replace(day=1))
        replaying = asyncio.create_task(platform.caller.ask(tenant, Replay(), seconds=60))
        await until(partial(waits_or_is_done, platform, replaying), what="the replay waiting for the archive")
    with pytest.raises(ProblemError, match="2025-06 are archived"):
        await replaying
    async with platform.sql() as sql:
        await sql.execute(
            "update aggregator.event_archive set month = date_trunc('month', now() - interval '20 days') where tenant_id = $1",
            tenant,
        )
    assert await checking(database, f"file://{folder}").check(tenant) == {"archived": 1}
