"""What can go wrong between a decoded picture and its score. Knows no HTTP.

PoolError
├── Full                 more pictures are held than the limit; come again, in `wait_s`
│   ├── QueueFull        of all products together
│   └── ProductQueueFull of this product; others are served
├── Draining             the service is stopping
├── NoWorker             every worker has died, more than once; they are being started again
├── ModelUnavailable     the worker refused to load the version; the message says why
├── ModelTooLarge        the version fits into no worker's memory
├── NoRoom               the version fits only if others went that may not go; the message names them
├── InspectionFailed     scoring this picture raised, alone in its batch
├── WorkerLost           workers died over it, as often as it may be tried
├── PictureQuarantined   this picture killed workers before
├── DeadlineMissed       its score could not come, or did not come, before its deadline
└── InspectionTimeout    no answer in time
"""


class PoolError(Exception):
    """Root of what the pool raises on purpose. `str(error)` is a sentence for a person."""


class Full(PoolError):
    """More is held than the limit."""

    def __init__(self, message: str, *, wait_s: float = 1.0) -> None:
        super().__init__(message)
        self.wait_s = wait_s
        """Seconds in which what is held now will have been served, at the rate of late."""


class QueueFull(Full):
    """The service holds as many pictures, or bytes, as it may."""


class ProductQueueFull(Full):
    """The service holds as many pictures, or bytes, of this product as one product may have."""


class Draining(PoolError):
    """The service takes no more work."""


class NoWorker(PoolError):
    """Every worker has died; they are being started again."""


class ModelUnavailable(PoolError):
    """The version cannot be loaded."""


class ModelTooLarge(PoolError):
    """The version needs more memory than a worker may use, whatever else it holds."""


class NoRoom(PoolError):
    """The version fits only if others left the memory that serve, were prepared or have work; `detail` names them."""


class InspectionFailed(PoolError):
    """Scoring this picture raised."""


class WorkerLost(PoolError):
    """The workers that held this picture died."""


class PictureQuarantined(PoolError):
    """This picture killed workers; it is not tried again with this version for a while."""


class DeadlineMissed(PoolError):
    """The score could not come before the deadline of the request; there is no verdict."""


class InspectionTimeout(PoolError):
    """There was no answer in time."""
