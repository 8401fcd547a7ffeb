"""What several tests of the service need put back."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """As it was, afterwards: whoever configures the log of this process, `python -m app` among them, uses this."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield root
    root.handlers[:], root.level = before, level
