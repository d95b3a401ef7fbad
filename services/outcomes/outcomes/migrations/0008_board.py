"""Where each lead stands, kept beside it, so that leads are found by that."""

from alembic import op

revision = "0008"
down_revision = "0007"

_STANDING = ("lead", "outcome", "outcome_void")


def upgrade() -> None:
    op.execute("alter table lead add column stage text, add column staged_at timestamptz")
    for table in _STANDING:
        op.execute(f"alter table {table} no force row level security")  # or its owner would see no row
    op.execute(
        """
        update lead set staged_at = last.occurred_at, stage = case last.type
            when 'contacted' then 'top_of_funnel' when 'closed_won' then 'won' when 'closed_lost' then 'lost'
            when 'invalid' then 'invalid' else 'mid_funnel' end
        from (
            select distinct on (tenant_id, lead_id) tenant_id, lead_id, type, occurred_at from outcome
            where not exists (select from outcome_void as void
                              where void.tenant_id = outcome.tenant_id and void.lead_id = outcome.lead_id
                                    and void.sequence = outcome.sequence)
            order by tenant_id, lead_id, occurred_at desc, sequence desc
        ) as last
        where lead.tenant_id = last.tenant_id and lead.lead_id = last.lead_id
        """
    )
    for table in _STANDING:
        op.execute(f"alter table {table} force row level security")
    op.execute("create index lead_board on lead (tenant_id, stage, staged_at, lead_id) where merged_into is null")
