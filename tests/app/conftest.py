"""What several tests of the service need put back, and the databases of its ledger.

Every test of the ledger runs on both: a file, and a real server, started once for all.
"""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from app.ledger.database import ledger_url, open_engine
from app.ledger.migrate import migrate
from tests.postgres import ABSENT, Cluster, cluster, programs


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """As it was, afterwards: whoever configures the log of this process, `python -m app` among them, uses this."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield root
    root.handlers[:], root.level = before, level


@pytest.fixture(scope="session")
def server() -> Iterator[Cluster]:
    if programs() is None:
        pytest.skip(ABSENT)
    with cluster() as server:
        yield server


@pytest.fixture(scope="session")
def new_database(server: Cluster) -> Callable[[], str]:
    template = server.database()
    engine = open_engine(ledger_url(Path(), template))
    migrate(engine)
    engine.dispose()
    return lambda: server.database(template.rpartition("/")[2])


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """A ledger's place with no verdict in it."""
    if request.param == "sqlite":
        return ledger_url(tmp_path, None)
    return ledger_url(tmp_path, request.getfixturevalue("new_database")())
