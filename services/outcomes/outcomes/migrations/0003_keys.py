"""An outcome's free text may be sealed anew with another key, or go, and none may be added; an order may wait with the number
that names its lead sealed; and it is found quickly which sources have ids that are tokens."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("drop trigger only_what_was_written_may_go on outcome")
    op.execute(
        """
        create trigger only_the_seal_may_change before update on outcome for each row
        when ((old.sealed is null and new.sealed is not null)
              or (to_jsonb(new) - 'sealed') is distinct from (to_jsonb(old) - 'sealed'))
        execute function refuse_change()
        """
    )
    op.execute("alter table waiting add column sealed_id bytea")
    op.execute("create index waiting_put_away on waiting (tenant_id, source_system) where sealed_id is not null")
    op.execute("create index lead_hidden on lead (tenant_id, source_system) where source_id like '~%'")
