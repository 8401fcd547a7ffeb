"""Why there is no heatmap to give. Knows no HTTP.

PictureError
├── NoHeatmap             none was asked for when the part was inspected
├── HeatmapLost           the disk refused it then; the verdict was recorded all the same
├── HeatmapExpired        retention removed it
└── HeatmapUnavailable    the disk refuses to give it now
"""


class PictureError(Exception):
    """Root of what the picture store raises on purpose. `str(error)` is a sentence for a person."""


class NoHeatmap(PictureError):
    """The part was inspected with heatmap=none."""


class HeatmapLost(PictureError):
    """The disk refused the heatmap when the part was inspected; the verdict holds."""


class HeatmapExpired(PictureError):
    """The heatmap was kept and is past its retention."""


class HeatmapUnavailable(PictureError):
    """The disk refuses to give the heatmap now."""
