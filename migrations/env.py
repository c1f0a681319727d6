"""Run by Alembic for each command; the connection, in a transaction, comes from `orchestrator.store.upgrade`."""  # noqa: INP001 - Alembic runs it as a script

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
