"""The schema that this program knows, and how an older ledger comes to it. `python -m app migrate` calls `migrate`.

In: an engine. Out: a ledger of the newest schema, in one transaction: what is interrupted has changed nothing.
Refuses: a schema that this program does not know, which a later program has made, and a database in which some part
id could not be written (both `WrongSchema`).
"""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

from app.ledger.database import translated, writing
from app.ledger.errors import WrongSchema
from app.ledger.legacy import OLD_SCHEMAS, old_schema, set_aside, take_over

SCRIPTS = "app.ledger:migrations"
ADVICE = "back it up, then run: python -m app migrate"
MARK = 3  # PRAGMA user_version, so that the programs that knew 1 and 2 refuse the file
LOCK = 0x1EDC0DE  # of PostgreSQL's advisory locks, for migrations that begin at once


def ensure_schema(engine: Engine) -> None:
    """Create the ledger where an SQLite file is new; refuse what is not of this program's schema."""
    with translated("open"), engine.connect() as connection:
        _refuse_encoding(connection)
        is_new = engine.dialect.name == "sqlite" and not inspect(connection).get_table_names()
        if not is_new:
            _check(connection)
    if is_new:
        migrate(engine)


def migrate(engine: Engine, to: str = "head") -> str:
    """Bring the ledger to the newest schema, or to that of an earlier program; the revision that it then has."""
    scripts = _scripts()
    with translated("migrate"), writing(engine).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        _refuse_encoding(connection)
        _refuse_later(connection, scripts)
        is_old = old_schema(connection) in OLD_SCHEMAS
        if is_old:
            set_aside(connection)
        config = Config()
        config.set_main_option("script_location", SCRIPTS)
        config.attributes["connection"] = connection
        command.upgrade(config, to)
        if is_old:
            take_over(connection)
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"PRAGMA user_version={MARK}")
        return str(MigrationContext.configure(connection).get_current_revision())


def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", SCRIPTS)
    return ScriptDirectory.from_config(config)


def _check(connection: Connection) -> None:
    scripts = _scripts()
    head = scripts.get_current_head()
    found = MigrationContext.configure(connection).get_current_revision()
    if found == head:
        return
    _refuse_later(connection, scripts)
    old = old_schema(connection)
    has = f"schema {old}" if old in OLD_SCHEMAS else f"schema {found}" if found else "no schema yet"
    raise WrongSchema(f"the ledger has {has}, this program needs {head}: {ADVICE}")


def _refuse_encoding(connection: Connection) -> None:
    if connection.dialect.name != "postgresql":
        return
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise WrongSchema(f"the ledger's database is {encoding}, it must be UTF8: createdb -E UTF8 -T template0 NAME")


def _refuse_later(connection: Connection, scripts: ScriptDirectory) -> None:
    found = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if found is not None and found not in known:
        raise WrongSchema(f"the ledger has schema {found}, which a later program made: run that program")
    if (old := old_schema(connection)) not in (0, *OLD_SCHEMAS, MARK):
        raise WrongSchema(f"the ledger has schema {old}, which is none of this program: run the one that made it")
