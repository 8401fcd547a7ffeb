"""What can go wrong while a product is trained. Knows no exit codes: the command line does.

TrainingError
├── CheckpointUnreadable     a checkpoint that is damaged or belongs to another network
└── FitDiverged              the loss became NaN or infinite
"""


class TrainingError(Exception):
    """Root of everything that this package raises on purpose. `str(error)` is a sentence for a person."""


class CheckpointUnreadable(TrainingError):
    """The file is damaged, or belongs to another network."""


class FitDiverged(TrainingError):
    """The loss became NaN or infinite."""
