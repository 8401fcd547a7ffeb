"""What can go wrong while a product is trained. Knows no exit codes: the command line does.

TrainingError
├── ConfigInvalid            the TOML or an override says something that no training can mean
├── FolderNotEmpty           a product would be drawn over something that is there
├── DatasetError             the pictures: everything wrong with them, at once
├── PictureMissing           a picture to inspect is not there
├── NoGraph                  a version cannot be given the graph of its backbone
├── ProductsDiffer           two versions to compare belong to different products
├── AgreementUnreadable      a file is not what the service says of agreement
├── TooFewDispositions       people looked at too few parts to say how often they agree with the verdicts
├── RunError
│   ├── RunOfOtherConfig     the run folder holds a fit of another configuration or of other pictures
│   ├── StageMissing         a stage needs what an earlier one writes
│   ├── RunUnreadable        a file of the run folder is damaged
│   └── SearchBusy           another process searches in the same storage
├── CheckpointUnreadable     a checkpoint that is damaged or belongs to another network
├── MachineLacks             this machine cannot do what was asked for
│   ├── DeviceMissing            no such device
│   ├── NoRoom                   the disk has no room for the decoded pictures
│   ├── CompileFailed            torch.compile does not work
│   └── TensorBoardMissing       the package that writes its files is not installed
└── FitFailed                the fit cannot give a detector; each says what to change
    ├── FitDiverged              the loss became NaN or infinite
    ├── EngineDiffers            the engine that serves scores otherwise than the layers as trained
    ├── StatisticsTooLarge       statistics of every place of a large picture do not fit into memory
    ├── BudgetTooShort           one epoch and what comes after do not fit into the time budget
    ├── SaliencyEmpty            no training picture has a place that is hidden
    ├── SaliencyFull             every training picture is hidden altogether
    ├── ReconstructionConstant   the network draws the same whatever it sees
    └── SearchFailed             no configuration of a search could be fitted
"""


class TrainingError(Exception):
    """Root of everything that this package raises on purpose. `str(error)` is a sentence for a person."""


class ConfigInvalid(TrainingError):
    """The configuration is not valid."""


class FolderNotEmpty(TrainingError):
    """There is something already where a product would be drawn."""


class DatasetError(TrainingError):
    """The pictures cannot be trained on; the message lists everything that is wrong, with paths."""


class PictureMissing(TrainingError):
    """The file cannot be read."""


class NoGraph(TrainingError):
    """No graph can be made for this version."""


class ProductsDiffer(TrainingError):
    """Scores of different products mean nothing side by side."""


class AgreementUnreadable(TrainingError):
    """The file is not the service's answer."""


class TooFewDispositions(TrainingError):
    """No figure of a measurement system analysis would mean anything."""


class RunError(TrainingError):
    """The run folder does not hold what is asked of it."""


class RunOfOtherConfig(RunError):
    """The folder holds a fit of another configuration or of other pictures."""


class StageMissing(RunError):
    """An earlier stage has not been run yet."""


class RunUnreadable(RunError):
    """A file of the run folder is damaged."""


class SearchBusy(RunError):
    """Another process searches in the same storage."""


class CheckpointUnreadable(TrainingError):
    """The file is damaged, or belongs to another network."""


class MachineLacks(TrainingError):
    """This machine cannot do what was asked for."""


class DeviceMissing(MachineLacks):
    """No such device."""


class NoRoom(MachineLacks):
    """The disk is full."""


class CompileFailed(MachineLacks):
    """torch.compile does not work."""


class TensorBoardMissing(MachineLacks):
    """tensorboardX is not installed."""


class FitFailed(TrainingError):
    """The fit cannot give a detector; the message says what to change."""


class FitDiverged(FitFailed):
    """The loss became NaN or infinite."""


class EngineDiffers(FitFailed):
    """Folded batch norms give other scores: the backbone computes its layers in another order than it declares them."""


class StatisticsTooLarge(FitFailed):
    """What is normal at every single place takes more memory than a version may."""


class BudgetTooShort(FitFailed):
    """One epoch and what comes after the last do not fit into the time budget."""


class SaliencyEmpty(FitFailed):
    """Nothing is hidden in any training picture."""


class SaliencyFull(FitFailed):
    """Everything is hidden in every training picture, by a saliency that should choose."""


class ReconstructionConstant(FitFailed):
    """The reconstructions do not follow the pictures."""


class SearchFailed(FitFailed):
    """No configuration of a search could be fitted."""
