"""What can go wrong with the ledger.

LedgerError
├── LedgerUnavailable    the database refused to read or write
│   └── LedgerAway       it does not answer, or takes nothing whatever it is: where there is a journal, that stands in
├── LedgerBusy           more waits to be recorded than the limit
├── WrongSchema          the database has another schema than this program; the message says what to run
├── UnknownVerdict       no verdict has this id
├── UnknownPart          no verdict names this part
├── KeyTaken             the idempotency key belongs to another picture or part
├── NothingToDispose     an error has no verdict that a person could confirm or correct
├── NotOnHold            the verdict is not on hold, or no longer
├── ThresholdsChanged    somebody has changed the thresholds since they were looked at
├── BadCursor            the cursor is none of ours
└── CursorRetired        what follows the cursor is not in this ledger any more
"""


class LedgerError(Exception):
    """Root of what the ledger raises on purpose."""


class LedgerUnavailable(LedgerError):
    """The database refused."""


class LedgerAway(LedgerUnavailable):
    """The database takes nothing now; nothing is wrong with the record."""


class LedgerBusy(LedgerError):
    """More records wait to be committed than the service holds."""


class WrongSchema(LedgerError):
    """The database has another schema than this program; `python -m app migrate` brings an older one forward."""


class UnknownVerdict(LedgerError):
    """No verdict has this id."""


class UnknownPart(LedgerError):
    """No verdict names this part."""


class KeyTaken(LedgerError):
    """The idempotency key was used for another picture or part; `stored_sha256` and `sent_sha256` are both pictures."""

    def __init__(self, message: str, *, stored_sha256: str | None = None, sent_sha256: str | None = None) -> None:
        super().__init__(message)
        self.stored_sha256 = stored_sha256
        self.sent_sha256 = sent_sha256


class NothingToDispose(LedgerError):
    """The record is an error: there is no verdict that could be confirmed, corrected or run again."""


class NotOnHold(LedgerError):
    """The verdict is not on hold: there is nothing to let go."""


class ThresholdsChanged(LedgerError):
    """Other thresholds, or another version, are in force than those that the change was made in view of."""


class BadCursor(LedgerError):
    """The cursor was not made by this ledger, or was changed on its way."""


class CursorRetired(LedgerError):
    """What follows the cursor is no longer here; `earliest` is the cursor from which everything still is."""

    def __init__(self, message: str, *, earliest: str = "") -> None:
        super().__init__(message)
        self.earliest = earliest
