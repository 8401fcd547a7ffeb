"""What can go wrong with the ledger.

LedgerError
├── LedgerUnavailable    the database refused to read or write
└── UnknownVerdict       no verdict has this id
"""


class LedgerError(Exception):
    """Root of what the ledger raises on purpose."""


class LedgerUnavailable(LedgerError):
    """The database refused."""


class UnknownVerdict(LedgerError):
    """No verdict has this id."""
