"""Outcomes that were voided, and which one was recorded in their stead; and when something happened to a lead otherwise, which is
what its last activity goes back to."""

from alembic import op

from chassis.tables import isolate

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute(
        """
        create table outcome_void (
            tenant_id text not null,
            lead_id uuid not null,
            sequence integer not null,
            outcome_id uuid not null,
            voided_at timestamptz not null,
            voided_by text not null,
            reason_code text,
            corrected_by uuid,
            sealed bytea,
            primary key (tenant_id, lead_id, sequence)
        )
        """
    )
    isolate(op, "outcome_void")
    op.execute(
        "create trigger append_only before delete or truncate on outcome_void "
        "for each statement execute function refuse_change()"
    )
    op.execute(
        """
        create trigger only_the_seal_may_change before update on outcome_void for each row
        when ((old.sealed is null and new.sealed is not null)
              or (to_jsonb(new) - 'sealed') is distinct from (to_jsonb(old) - 'sealed'))
        execute function refuse_change()
        """
    )
    op.execute("alter table outcome add column corrects uuid")
    # Empty until something is heard of the lead again: its last activity is all that is known till then.
    op.execute("alter table lead add column told_activity_at timestamptz")
