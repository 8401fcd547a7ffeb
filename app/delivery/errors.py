"""What can go wrong between the ledger and the systems around the line.

DeliveryError
├── BadTargets         the file of targets says something that cannot be; stops the start
├── UnknownTarget      no target has this name
├── ReceiverAway       nobody answers, or it says that it is busy: the verdict waits for as long as that lasts
└── ReceiverRefused    it answered, and did not take this verdict: tried so many times, then put aside
"""


class DeliveryError(Exception):
    """Root of what delivery raises on purpose."""


class BadTargets(DeliveryError):
    """The file of targets cannot be read, or says something that cannot be."""


class UnknownTarget(DeliveryError):
    """No target has this name; GET /deliveries lists them."""


class ReceiverAway(DeliveryError):
    """The receiver does not answer, or says that it is busy: nothing is wrong with the verdict."""


class ReceiverRefused(DeliveryError):
    """The receiver answered, and did not take this verdict."""
