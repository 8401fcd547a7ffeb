"""Tests of deliveries are coroutines, on the ledger's databases."""

import pytest

from tests.app.ledger.conftest import new_database, server, url

__all__ = ["anyio_backend", "new_database", "server", "url"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
