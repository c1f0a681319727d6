"""Alembic runs this for each command; the connection is in a transaction of `orchestrator.store.database.upgrade`."""  # noqa: INP001 - Alembic runs it as a script

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
