"""Schemas: made where nothing is, brought forward when somebody says so, refused where they are not ours."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, MetaData, Table, insert, inspect, text
from sqlalchemy.engine import URL

from app.ledger import legacy
from app.ledger.database import ledger_url, open_engine, writing
from app.ledger.errors import LedgerUnavailable, WrongSchema
from app.ledger.ledger import Ledger
from app.ledger.migrate import ensure_schema, migrate
from app.ledger.schema import metadata
from app.ledger.thresholds import changes
from tests.app.ledger.old import write_old
from tests.app.ledger.records import ANY, MOMENT, record, using
from tests.postgres import Cluster

BEFORE = {  # a threshold revision of schema 0003
    "product": "plate", "model_version": 1, "model_digest": "d", "revision": 2, "ng_above": 2.0, "review_above": 1.0,
    "who": "Kim", "why": "too many", "at": MOMENT,
}  # fmt: skip


@contextmanager
def engine_of(url: URL) -> Iterator[Engine]:
    engine = open_engine(url)
    yield engine
    engine.dispose()


def test_what_migrations_make_is_what_the_program_expects(url: URL) -> None:
    with engine_of(url) as engine:
        ensure_schema(engine)
        with engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_an_empty_database_of_a_server_is_made_by_migrate_and_not_by_a_start(server: Cluster) -> None:
    with engine_of(ledger_url(Path(), server.database())) as engine:
        with pytest.raises(WrongSchema, match=r"no schema yet.*python -m app migrate"):
            ensure_schema(engine)
        migrate(engine)
        ensure_schema(engine)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_write_every_part_id_is_refused(server: Cluster, encoding: str) -> None:
    with engine_of(ledger_url(Path(), server.database("template0", encoding))) as engine:
        for refuses in (ensure_schema, migrate):
            with pytest.raises(WrongSchema, match=f"{encoding}, it must be UTF8: createdb -E UTF8"):
                refuses(engine)


@pytest.mark.parametrize("schema", [1, 2])
def test_a_ledger_of_before_is_refused_until_it_is_migrated_and_then_has_every_verdict(
    tmp_path: Path, schema: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(legacy, "STEP", 2)
    url = ledger_url(write_old(tmp_path, schema, *"abcde"), None)
    with engine_of(url) as engine:
        with pytest.raises(WrongSchema, match=f"schema {schema}, .*python -m app migrate"):
            ensure_schema(engine)
        migrate(engine)

    async def scenario(ledger: Ledger) -> None:
        records = (await ledger.page(ANY, 0, 10)).records
        assert [(each.seq, each.id, each.score) for each in records] == [(n, i, 5.0) for n, i in enumerate("abcde", 1)]
        assert (records[0].part_id, records[0].ng_above, records[0].counts_as) == ("C-1", 3.9, "ng")
        assert await ledger.old_heatmap("a") == (b"PNG" if schema == 1 else None)
        assert (await ledger.append(record("f"))).record.seq == 6

    using(url, scenario)


def test_what_people_did_before_keys_were_recorded_is_not_authenticated(tmp_path: Path, server: Cluster) -> None:
    for url in (ledger_url(tmp_path, None), ledger_url(tmp_path, server.database())):
        with engine_of(url) as engine:
            assert migrate(engine, "0003") == "0003"
            with writing(engine).begin() as connection:
                table = Table("thresholds", MetaData(), autoload_with=connection)
                connection.execute(insert(table).values(**BEFORE))
            migrate(engine)
            with engine.connect() as connection:
                (change,) = changes(connection)
            assert (change.who, change.operator, change.authenticated) == ("Kim", None, False)


def test_a_migration_that_fails_has_changed_nothing(tmp_path: Path) -> None:
    write_old(tmp_path, 2, "a", "b")
    with closing(sqlite3.connect(tmp_path / "verdicts.sqlite")) as connection, connection:
        connection.execute("UPDATE verdicts SET answer = 'no JSON' WHERE id = 'b'")
    with engine_of(ledger_url(tmp_path, None)) as engine, pytest.raises(ValueError, match="Expecting value"):
        migrate(engine)
    with closing(sqlite3.connect(tmp_path / "verdicts.sqlite")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
        assert connection.execute("SELECT count(*) FROM verdicts WHERE sequence > 0").fetchone() == (2,)


def test_a_ledger_of_a_later_program_is_refused_also_by_migrate(url: URL) -> None:
    with engine_of(url) as engine:
        ensure_schema(engine)
        with writing(engine).begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        for refuses in (ensure_schema, migrate):
            with pytest.raises(WrongSchema, match="schema 9999, which a later program made"):
                refuses(engine)


def test_programs_of_before_refuse_a_ledger_of_today(tmp_path: Path) -> None:
    with engine_of(ledger_url(tmp_path, None)) as engine:
        ensure_schema(engine)
        assert "verdicts" in inspect(engine).get_table_names()
    with closing(sqlite3.connect(tmp_path / "verdicts.sqlite")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (3,)


@pytest.mark.parametrize("given", ["mysql://x/y", "no url", "postgresql://127.0.0.1:1/none"])
def test_a_database_that_cannot_be_is_refused_with_a_sentence(given: str) -> None:
    with pytest.raises(LedgerUnavailable, match=r"ledger|LEDGER"), engine_of(ledger_url(Path(), given)) as engine:
        ensure_schema(engine)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "verdicts.sqlite").write_text("no database" * 100)
    with engine_of(ledger_url(tmp_path, None)) as engine, pytest.raises(LedgerUnavailable, match="not a database"):
        ensure_schema(engine)
