"""Every error that a request can meet has a status and a stable code."""

import subprocess
import sys

import pytest

from app.delivery.errors import UnknownTarget
from app.errors import row_of
from app.ledger.errors import LedgerError
from app.picture_errors import PictureError
from app.pool_errors import PoolError
from detector.errors import DecodeError, ScoreNotFinite
from model_store.errors import ArtifactError


def leaves(kind: type[Exception]) -> list[type[Exception]]:
    below = kind.__subclasses__()
    return [leaf for child in below for leaf in leaves(child)] if below else [kind]


@pytest.mark.parametrize(
    "leaf",
    [
        leaf
        for root in (DecodeError, ArtifactError, PoolError, LedgerError, PictureError, UnknownTarget)
        for leaf in leaves(root)
    ],
)
def test_every_leaf_has_a_row(leaf: type[Exception]) -> None:
    status, code = row_of(leaf("x"))
    assert 400 <= status <= 599
    assert code != "service.fault"


def test_a_score_that_is_no_number_is_an_error_and_no_verdict() -> None:
    assert row_of(ScoreNotFinite("nan")) == (500, "score.not_finite")


def test_the_service_imports_no_torch() -> None:
    program = "import app.cli, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
