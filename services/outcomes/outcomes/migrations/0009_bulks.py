"""Bulks, so that what one recorded is voided at once; and the sources, places and partners that leads are chosen by."""

from alembic import op

from chassis.tables import isolate

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute(
        """
        create table bulk (
            tenant_id text not null,
            bulk_id uuid not null,
            recorded_at timestamptz not null,
            recorded_by text not null,
            voided_at timestamptz,
            voided_by text,
            primary key (tenant_id, bulk_id)
        )
        """
    )
    op.execute(
        """
        create table bulk_outcome (
            tenant_id text not null,
            bulk_id uuid not null,
            outcome_id uuid not null,
            lead_id uuid not null,
            type text not null,
            primary key (tenant_id, bulk_id, outcome_id)
        )
        """
    )
    # Every one that a lead has, or had: kept as leads come, so that nobody looks for them among all leads.
    op.execute(
        """
        create table lead_key (
            tenant_id text not null,
            kind text not null check (kind in ('source', 'place', 'partner')),
            key text not null,
            primary key (tenant_id, kind, key)
        )
        """
    )
    op.execute("alter table lead_version no force row level security")  # or its owner would see no row
    op.execute(
        """
        insert into lead_key (tenant_id, kind, key)
        select distinct tenant_id, kind, attribution ->> field
        from lead_version cross join (values ('source', 'source_key'), ('place', 'geo_key'), ('partner', 'partner')) as known (kind, field)
        where attribution ->> field is not null
        """
    )
    op.execute("alter table lead_version force row level security")
    isolate(op, "bulk", "bulk_outcome", "lead_key")
