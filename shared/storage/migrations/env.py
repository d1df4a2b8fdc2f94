"""alembic's entry: runs the migrations on the connection that ``upgrade`` opened and locked."""

from alembic import context

from shared.storage.migrations import VERSION_TABLE

connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table=VERSION_TABLE, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
