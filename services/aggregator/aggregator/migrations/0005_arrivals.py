"""Outcomes can be voided, and it is known when each lead came, so that leads can be counted by the week they came in."""

from alembic import op

from chassis.tables import isolate

revision = "0005"
down_revision = "0004"

_INDEXES = {
    "outcome_week": "week, lead_id",
    "outcome_source": "source_key, intent, lead_id, week",
    "outcome_geo": "geo_key, intent, lead_id, week",
    "outcome_lead": "lead_id",
}


def upgrade() -> None:
    op.execute("alter table outcome add column voided boolean not null default false")
    # Each holds what a count reads, in the order it counts in: nothing is sorted, and no row is looked up.
    op.execute("drop index outcome_week")
    for name, columns in _INDEXES.items():
        op.execute(f"create index {name} on outcome (tenant_id, {columns}) include (type) where not voided")
    op.execute(
        """
        create table arrival (
            tenant_id text not null,
            lead_id uuid not null,
            week date not null,
            source_key text not null,
            geo_key text not null,
            intent text not null,
            primary key (tenant_id, lead_id)
        )
        """
    )
    op.execute("create index arrival_week on arrival (tenant_id, week)")
    # The leads that came before: all tenants' events are read, which the policy keeps from whoever acts for none.
    op.execute("alter table event no force row level security")
    op.execute(
        """
        insert into arrival (tenant_id, lead_id, week, source_key, geo_key, intent)
        select tenant_id, lead_id,
               cast(date_trunc('week', cast(body ->> 'created_at' as timestamptz) at time zone 'UTC') as date),
               coalesce(nullif(body -> 'attribution' ->> 'source_key', ''), 'unknown'),
               coalesce(nullif(body -> 'attribution' ->> 'geo_key', ''), 'unknown'),
               coalesce(body -> 'attribution' ->> 'intent', 'unknown')
        from event where type = 'intake.event.lead_accepted.v1'
        on conflict do nothing
        """
    )
    op.execute("alter table event force row level security")
    isolate(op, "arrival")
