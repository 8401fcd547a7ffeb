"""A batch → PostgreSQL in one round trip: numbers, rows and their commit are sent together.

psycopg's cursors take longer for a record than the server does, so this calls libpq, which psycopg lends as `pq`. In: a
connection that is in no transaction, and records. Out: what the server gave each; all is on its disk. Refuses: what the
server does, as psycopg's errors; the whole batch is rolled back then.
What is sent up to a Sync is one transaction, and each of its statements sees what the one before it did. The first
locks the counter, so those that follow know of every commit of other processes.
"""

import selectors
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from psycopg import InternalError, OperationalError
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from sqlalchemy import column, func, insert, literal_column, select
from sqlalchemy.dialects import postgresql

from app.ledger.database import compact
from app.ledger.record import Record
from app.ledger.revisions import GIVEN, OF_PART, Given, given
from app.ledger.rows import row_of
from app.ledger.schema import counter, verdicts
from app.ledger.store import TAKE_NUMBERS

if TYPE_CHECKING:
    import psycopg
    from psycopg.pq.abc import PGconn, PGresult

NUMBERS = b"ledger_numbers"
ROWS = b"ledger_rows"
SETTINGS = (  # a plan is made once, perhaps of a table that is still short, and has to do when it is long
    b"SET enable_seqscan = off",
    b"SET jit = off",  # which the price of what is off would call for
)
TAKEN = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


class Flight:
    """The prepared statements of one connection, and the wait for its answers."""

    def __init__(self, driver: "psycopg.Connection[Any]") -> None:
        self._pg: PGconn = driver.pgconn
        for setting in SETTINGS:
            _checked(self._pg.exec_(setting))
        for name, text in ((NUMBERS, _text(TAKE_NUMBERS)), (ROWS, _text(_insert_json(), literal_binds=True))):
            _checked(self._pg.prepare(name, text))
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._pg.socket, selectors.EVENT_READ)

    def commit(self, records: Sequence[Record]) -> Sequence[Given]:
        """One transaction."""
        if self._pg.transaction_status != TransactionStatus.IDLE:  # or the Sync would commit nothing
            raise InternalError("a transaction is open")
        arrays = [compact(rows).encode() for rows in _apart(records)]
        try:
            answers = self._exchange(len(records), arrays)
        except Exception as error:
            self._pg.finish()  # broken off in the middle: nobody can go on with it, or knows whether it is committed
            raise OperationalError(str(error)) from error
        _, *inserted = map(_checked, answers)
        return sorted(row for answer in inserted for row in _given(answer))

    def _exchange(self, count: int, arrays: Sequence[bytes]) -> list["PGresult"]:
        self._pg.enter_pipeline_mode()
        self._pg.send_query_prepared(NUMBERS, [b"%d" % count])
        for array in arrays:
            self._pg.send_query_prepared(ROWS, [array])
        self._pg.pipeline_sync()
        self._send()
        answers = self._answers()
        self._pg.exit_pipeline_mode()
        return answers

    def _send(self) -> None:
        """What the socket did not take at once."""
        while self._pg.flush():
            self._selector.modify(self._pg.socket, selectors.EVENT_READ | selectors.EVENT_WRITE)
            self._selector.select()
            self._selector.modify(self._pg.socket, selectors.EVENT_READ)
            self._pg.consume_input()

    def _answers(self) -> list["PGresult"]:
        """One of each statement, up to the Sync."""
        answers: list[PGresult] = []
        while True:
            while self._pg.is_busy():
                self._selector.select()  # get_result would wait, too, but keep Python's lock meanwhile
                self._pg.consume_input()
            answer = self._pg.get_result()
            if answer is not None and answer.status == ExecStatus.PIPELINE_SYNC:
                return answers
            if answer is not None:
                answers.append(answer)
            elif self._pg.status == ConnStatus.BAD:
                raise OperationalError("the connection is lost")


def _apart(records: Sequence[Record]) -> list[list[dict[str, Any]]]:
    """Rows, in arrays in which a part comes once: what one statement inserts does not see itself."""
    arrays: list[list[dict[str, Any]]] = [[]]
    met: Counter[str | None] = Counter()
    for place, record in enumerate(records, 1 - len(records)):
        turn = met[record.part_id]
        if record.part_id is not None:
            met[record.part_id] += 1
        if turn == len(arrays):
            arrays.append([])
        arrays[turn].append(row_of(record) | {"seq": place})
    return arrays


def _insert_json() -> Any:
    """Of an array of rows, whose `seq` counts from the number that the counter has come to."""
    columns = [column(each.name, each.type) for each in verdicts.columns if each.name not in GIVEN]
    sent = func.json_to_recordset(literal_column("CAST($1 AS JSON)")).table_valued(*columns)
    row = sent.render_derived(name="sent", with_types=True).c
    seq = row.seq + select(counter.c.last_seq).scalar_subquery()
    values = (
        {each.name: row[each.name] for each in columns} | given({name: row[name] for name in OF_PART}) | {"seq": seq}
    )
    statement = insert(verdicts).from_select(list(values), select(*values.values()))
    return statement.returning(verdicts.c.seq, *(verdicts.c[name] for name in GIVEN))


def _text(statement: Any, **options: Any) -> bytes:
    dialect = postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    return str(statement.compile(dialect=dialect, compile_kwargs=options)).encode()


def _given(answer: "PGresult") -> Iterator[Given]:
    for row in range(answer.ntuples):
        seq, revision, supersedes = (answer.get_value(row, place) for place in range(3))
        yield int(seq or 0), int(revision or 0), None if supersedes is None else supersedes.decode()


def _checked(answer: "PGresult") -> "PGresult":
    if answer.status not in TAKEN:
        raise error_from_result(answer)
    return answer
