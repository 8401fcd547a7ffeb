"""What can be wrong with a picture, a spec, a set of weights or a calibration. Knows no HTTP.

DetectorError
├── DecodeError              the picture (raised in decode; its sender's fault; answered before a batch exists)
│   ├── EmptyPicture         no bytes
│   ├── UnsupportedFormat    the first bytes are not JPEG, PNG, BMP, TIFF or WebP
│   ├── TruncatedPicture     it starts well and ends early
│   ├── CorruptPicture       the bytes contradict the format
│   ├── UnsupportedPixels    a pixel type that has no defined 8-bit RGB meaning here
│   ├── PictureTooLarge      bytes, pixels or a side over the limit; said from the header, before a pixel is decoded
│   └── PictureTooSmall      a side under the limit
├── SpecError                no detector can be built from this spec
├── WeightsMismatch          tensors that do not fit the spec
├── GraphRefused             ONNX Runtime is not installed, or does not take the graph
├── CalibrationError         scores from which no threshold can be set
│   └── PromiseTooSmall      more good images are needed to keep that promise
└── ScoreNotFinite           the detector gave NaN or infinity; never a verdict
"""


class DetectorError(Exception):
    """Root of everything that this package raises on purpose. `str(error)` is a sentence for a person."""


class DecodeError(DetectorError):
    """The bytes are no picture that this service inspects."""


class EmptyPicture(DecodeError):
    """No bytes at all."""


class UnsupportedFormat(DecodeError):
    """The first bytes are those of no format on the allow-list."""


class TruncatedPicture(DecodeError):
    """The picture ends before its data do."""


class CorruptPicture(DecodeError):
    """The bytes contradict the format that they begin with."""


class UnsupportedPixels(DecodeError):
    """The pixels have no defined 8-bit RGB meaning here (floating point, transparency, ...)."""


class PictureTooLarge(DecodeError):
    """Bytes, pixels or a side over the limit."""


class PictureTooSmall(DecodeError):
    """A side under the limit."""


class SpecError(DetectorError):
    """No detector can be built from this spec."""


class WeightsMismatch(DetectorError):
    """Tensors are missing, left over, or of another shape than the spec asks for."""


class GraphRefused(DetectorError):
    """ONNX Runtime is not installed here, or does not take the graph."""


class CalibrationError(DetectorError):
    """No threshold can be set from these scores."""


class PromiseTooSmall(CalibrationError):
    """This many good images cannot support so small a false-reject rate."""


class ScoreNotFinite(DetectorError):
    """The score is NaN or infinite."""
