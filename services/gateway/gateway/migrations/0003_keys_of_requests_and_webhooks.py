"""What was sent under an `Idempotency-Key`, and the secrets that senders of webhooks sign with."""

from alembic import op

from chassis.tables import isolate

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    # Both hashes take the service's secret: neither the key nor what was sent under it can be guessed from a row.
    op.execute(
        """
        create table idempotency_key (
            tenant_id text not null,
            key_id uuid not null,
            fingerprint uuid not null,
            made_id uuid not null,
            attempt uuid not null,
            busy_until timestamptz,
            done_at timestamptz,
            expires_at timestamptz not null,
            primary key (tenant_id, key_id)
        )
        """
    )
    op.execute(
        """
        create table webhook_secret (
            tenant_id text not null references registered_tenant,
            account_id uuid not null,
            secret_id uuid not null,
            sealed bytea not null,
            created_at timestamptz not null,
            created_by text not null,
            ends_at timestamptz,
            primary key (tenant_id, account_id, secret_id)
        )
        """
    )
    isolate(op, "idempotency_key", "webhook_secret")
