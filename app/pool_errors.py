"""What can go wrong between a decoded picture and its score. Knows no HTTP.

PoolError
├── QueueFull            more pictures wait than the limit; come again
├── Draining             the service is stopping
├── ModelUnavailable     the worker refused to load the version; the message says why
├── ModelTooLarge        the version fits into no worker's memory
├── InspectionFailed     scoring this picture raised, alone in its batch
├── WorkerLost           workers died over it, as often as it may be tried
└── InspectionTimeout    no answer in time
"""


class PoolError(Exception):
    """Root of what the pool raises on purpose. `str(error)` is a sentence for a person."""


class QueueFull(PoolError):
    """The queue has reached its limit."""


class Draining(PoolError):
    """The service takes no more work."""


class ModelUnavailable(PoolError):
    """The version cannot be loaded."""


class ModelTooLarge(PoolError):
    """The version needs more memory than a worker may use, whatever else it holds."""


class InspectionFailed(PoolError):
    """Scoring this picture raised."""


class WorkerLost(PoolError):
    """The workers that held this picture died."""


class InspectionTimeout(PoolError):
    """There was no answer in time."""
