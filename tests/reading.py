"""How much the database reads."""

from chassis.unit_of_work import UnitOfWork


async def rows_read(uow: UnitOfWork) -> int:
    """How many rows were read so far, by whatever way: by this unit of work, and by what the connection did just before it."""
    read = await uow.execute(
        "select sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) from pg_stat_xact_user_tables"
    )
    return int(read.scalar_one())
