"""What Alembic runs: the connection comes from app/ledger/migrate.py, inside a transaction of its own."""

from alembic import context

from app.ledger.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
