"""Why there is no picture or heatmap to give. Knows no HTTP.

PictureError
├── NoHeatmap             none was asked for when the part was inspected
├── HeatmapNotKept        one was asked for, and the policy kept none of such a part
├── HeatmapLost           the disk or the bucket refused it then; the verdict was recorded all the same
├── HeatmapExpired        retention removed it
├── HeatmapDamaged        what is stored is no longer what was stored
├── HeatmapUnavailable    the disk or the bucket refuses to give it now
├── NoImage               the policy kept no picture of such a part, or it is an error
├── ImageLost             as for heatmaps, of the picture as it was sent
├── ImageExpired
├── ImageDamaged
└── ImageUnavailable
"""


class PictureError(Exception):
    """Root of what the picture store raises on purpose. `str(error)` is a sentence for a person."""


class NoHeatmap(PictureError):
    """The part was inspected with heatmap=none."""


class HeatmapNotKept(PictureError):
    """The part's heatmap was drawn and not kept, as INSPECT_KEEP_HEATMAPS says."""


class HeatmapLost(PictureError):
    """The disk or the bucket refused the heatmap when the part was inspected; the verdict holds."""


class HeatmapExpired(PictureError):
    """The heatmap was kept and is past its retention."""


class HeatmapDamaged(PictureError):
    """The stored bytes of the heatmap are no longer those that were stored."""


class HeatmapUnavailable(PictureError):
    """The disk or the bucket refuses to give the heatmap now."""


class NoImage(PictureError):
    """No picture of the part was kept, as INSPECT_KEEP_PICTURES says."""


class ImageLost(PictureError):
    """The disk or the bucket refused the picture when the part was inspected; the verdict holds."""


class ImageExpired(PictureError):
    """The picture was kept and is past its retention."""


class ImageDamaged(PictureError):
    """The stored bytes of the picture are no longer those that were sent."""


class ImageUnavailable(PictureError):
    """The disk or the bucket refuses to give the picture now."""
