"""Image health as the service sees it: the very function that training measures the calibration pictures with."""

from detector.image_health import ImageHealth, measure

__all__ = ["ImageHealth", "measure"]
