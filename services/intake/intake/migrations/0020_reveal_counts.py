"""How often each caller was shown anybody, by the minute: what an hour's limit is compared with is sixty numbers, however many they are."""

from alembic import op

from chassis.tables import isolate

revision = "0020"
down_revision = "0022"


def upgrade() -> None:
    op.execute(
        """
        create table reveal_count (
            tenant_id text not null,
            caller text not null,
            minute timestamptz not null,
            shown integer not null,
            primary key (tenant_id, caller, minute)
        )
        """
    )
    op.execute("alter table reveal_audit no force row level security")  # or its owner would see no row
    op.execute(
        """
        insert into reveal_count (tenant_id, caller, minute, shown)
        select tenant_id, caller, date_trunc('minute', revealed_at), count(*) from reveal_audit
        where revealed_at > now() - interval '2 hours' group by 1, 2, 3
        """
    )
    op.execute("alter table reveal_audit force row level security")
    isolate(op, "reveal_count")
    # By the database, so that whatever is in the audit is counted, whoever wrote it.
    op.execute(
        """
        create function count_reveals() returns trigger language plpgsql set search_path from current as $$
        begin
            insert into reveal_count (tenant_id, caller, minute, shown)
            select tenant_id, caller, date_trunc('minute', revealed_at), count(*) from shown group by 1, 2, 3
            on conflict (tenant_id, caller, minute) do update set shown = reveal_count.shown + excluded.shown;
            delete from reveal_count as counted using (select distinct tenant_id, caller from shown) as given
            where counted.tenant_id = given.tenant_id and counted.caller = given.caller
                  and counted.minute < now() - interval '2 hours';
            return null;
        end $$
        """
    )
    op.execute(
        "create trigger count_reveals after insert on reveal_audit referencing new table as shown "
        "for each statement execute function count_reveals()"
    )
