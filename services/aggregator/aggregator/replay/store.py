"""The replay's queries."""

from aggregator.win_rates.store import WEEKLY_FROM_OUTCOMES, refresh_weekly
from aggregator.win_rates.store_projections import FOLDS
from chassis.unit_of_work import UnitOfWork


async def replay(uow: UnitOfWork, tenant: str) -> tuple[int, int, list[str]]:
    """Rebuild the tenant's projections from its events, compare, swap; returns events, weekly rows, differences.

    Nothing is projected meanwhile: what came between the fold and the swap would be lost from the numbers.
    """
    await uow.execute("select pg_advisory_xact_lock(hashtextextended('projection/' || :tenant, 0))", tenant=tenant)
    await refresh_weekly(uow, tenant)
    for table, fold in FOLDS.items():
        await uow.execute(f"create temporary table replayed_{table} (like {table} including all) on commit drop")
        events = "(select tenant_id, type, body from event where tenant_id = :tenant) as event"
        await uow.execute(fold.format(table=f"replayed_{table}", events=events), tenant=tenant)
    await uow.execute("create temporary table replayed_weekly (like weekly_win_rate including all) on commit drop")
    count = WEEKLY_FROM_OUTCOMES.format(weekly="replayed_weekly", outcome="replayed_outcome", which="true")
    await uow.execute(count, tenant=tenant)
    differences = []
    for live, replayed in (*((table, f"replayed_{table}") for table in FOLDS), ("weekly_win_rate", "replayed_weekly")):
        for what, one, other in (("missing from", replayed, live), ("only in", live, replayed)):
            rows = await uow.execute(
                f"""(select * from {one} where tenant_id = :tenant) except
                    (select * from {other} where tenant_id = :tenant) limit 100""",
                tenant=tenant,
            )
            differences += [f"{what} {live}: {', '.join(map(str, row[1:]))}" for row in rows]
        await uow.execute(f"delete from {live} where tenant_id = :tenant", tenant=tenant)
        await uow.execute(f"insert into {live} select * from {replayed}")
    totals = await uow.execute(
        """select (select count(*) from event where tenant_id = :tenant) as events,
                  (select count(*) from weekly_win_rate where tenant_id = :tenant) as rows""",
        tenant=tenant,
    )
    total = totals.one()
    return total.events, total.rows, differences
