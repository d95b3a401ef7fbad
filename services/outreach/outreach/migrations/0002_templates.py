"""Templates, and their versions, which nobody changes."""

from alembic import op

from chassis.tables import append_only, isolate

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        create table template (
            tenant_id text not null,
            template_id uuid not null,
            name text not null,
            kind text not null check (kind in ('email', 'connection_request', 'linkedin_message', 'sms')),
            created_at timestamptz not null,
            primary key (tenant_id, template_id),
            unique (tenant_id, name)
        )
        """
    )
    op.execute(
        """
        create table template_version (
            tenant_id text not null,
            template_id uuid not null,
            version integer not null check (version > 0),
            subject text,
            body text not null,
            variables text[] not null,
            saved_by text not null,
            saved_at timestamptz not null,
            primary key (tenant_id, template_id, version),
            foreign key (tenant_id, template_id) references template (tenant_id, template_id)
        )
        """
    )
    isolate(op, "template", "template_version")
    append_only(op, "template", "template_version")
