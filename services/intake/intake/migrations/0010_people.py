"""Merges, and what a lead says for those merged into it; leads that are kept apart, and pairs for people to look at."""

from alembic import op

from chassis.tables import isolate

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("alter table lead add column merged_into uuid, add column combined jsonb")
    op.execute("create index lead_merged on lead (tenant_id, merged_into) where merged_into is not null")
    op.execute("create index lead_survivor on lead (tenant_id, lead_id) where combined is not null")
    op.execute(
        """
        create table merge (
            tenant_id text not null,
            merge_id uuid not null,
            survivor_id uuid not null,
            merged_id uuid not null,
            merged_at timestamptz not null,
            merged_by text not null,
            undone_at timestamptz,
            undone_by text,
            primary key (tenant_id, merge_id),
            check (survivor_id <> merged_id),
            check ((undone_at is null) = (undone_by is null))
        )
        """
    )
    op.execute("create unique index merge_standing on merge (tenant_id, merged_id) where undone_at is null")
    op.execute("create index merge_lead on merge (tenant_id, merged_id, merge_id)")
    op.execute(
        """
        create table kept_apart (
            tenant_id text not null,
            lead_id uuid not null,
            other_id uuid not null,
            since timestamptz not null,
            said_by text not null,
            primary key (tenant_id, lead_id, other_id),
            check (lead_id < other_id)
        )
        """
    )
    op.execute("create index kept_apart_other on kept_apart (tenant_id, other_id)")
    op.execute(
        """
        create table name_block (
            tenant_id text not null,
            lead_id uuid not null,
            block bigint not null,
            compared boolean not null default false,
            primary key (tenant_id, lead_id)
        )
        """
    )
    op.execute("create index name_block_mates on name_block (tenant_id, block, lead_id)")
    op.execute("create index name_block_new on name_block (tenant_id, block, lead_id) where not compared")
    op.execute(
        """
        create table review_candidate (
            tenant_id text not null,
            lead_id uuid not null,
            other_id uuid not null,
            score smallint not null,
            found_at timestamptz not null,
            primary key (tenant_id, lead_id, other_id),
            check (lead_id < other_id)
        )
        """
    )
    op.execute("create index review_candidate_best on review_candidate (tenant_id, score, lead_id, other_id)")
    op.execute("create index review_candidate_other on review_candidate (tenant_id, other_id)")
    # Persons were found to be one before keys that seal nothing were destroyed at once.
    op.execute(
        "delete from person_key where not exists (select from vault "
        "where vault.tenant_id = person_key.tenant_id and vault.key_id = person_key.key_id)"
    )
    # The work on a lead that is merged is put by until it is parted again.
    op.execute("alter table work drop constraint work_status_check")
    op.execute(
        "alter table work add constraint work_status_check "
        "check (status in ('unrouted', 'routed', 'assigned', 'worked', 'closed', 'merged'))"
    )
    op.execute("alter table work drop constraint work_check")
    op.execute(
        "alter table work add constraint work_check check (workspace is not null or status in ('unrouted', 'closed', 'merged'))"
    )
    isolate(op, "merge", "kept_apart", "name_block", "review_candidate")
