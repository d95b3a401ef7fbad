"""What was written about an erased person can be taken from its outcome, of which nothing else ever changes."""

from alembic import op

from chassis.tables import isolate

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        create table erased_lead (
            tenant_id text not null,
            lead_id uuid not null,
            version integer not null,
            primary key (tenant_id, lead_id)
        )
        """
    )
    isolate(op, "erased_lead")
    op.execute("drop trigger append_only on outcome")
    op.execute(
        "create trigger append_only before delete or truncate on outcome "
        "for each statement execute function refuse_change()"
    )
    op.execute(
        """
        create trigger only_what_was_written_may_go before update on outcome for each row
        when (new.sealed is not null or (to_jsonb(new) - 'sealed') is distinct from (to_jsonb(old) - 'sealed'))
        execute function refuse_change()
        """
    )
