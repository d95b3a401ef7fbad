"""Alembic's environment for every service: the connection and the schema are given by `chassis.schema`."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table_schema=context.config.attributes["schema"],
    transactional_ddl=True,
)
context.run_migrations()
