"""What a sender says about a picture. Refuses nothing: app/body.py has checked it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

HeatmapStyle = Literal["none", "png", "overlay", "raw"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """The part that a picture shows, and how it is to be inspected."""

    product: str
    part_id: str | None = None
    station: str | None = None
    job: str | None = None
    captured_at: datetime | None = None
    simulated: bool = False
    """A trial: recorded and marked, and no word on a real part."""
    reinspect: bool = False
    """The part is inspected again on purpose: this verdict takes the place of the one before."""
    heatmap: HeatmapStyle = "png"
    inline: bool = True
