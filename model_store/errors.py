"""What can be wrong with an artifact, a backbone or the store. Knows no HTTP.

ArtifactError
├── manifest.json
│   ├── ManifestUnreadable    not strict JSON: syntax, a key twice, NaN, bytes that are no UTF-8
│   ├── ManifestInvalid       keys, types or values that FORMAT.md forbids; a spec or calibration that cannot be
│   ├── UnknownFormatVersion  written by another generation of this program
│   └── WrongPlace            the manifest names another product or version than the folder that it lies in
├── files
│   ├── UnexpectedFile        something that the manifest does not list
│   ├── MissingFile           something that it lists is not there
│   ├── UnsafePath            a name that leaves the folder, a link, a device
│   ├── TooLarge              over a limit of FORMAT.md
│   ├── HashMismatch          other bytes than were written
│   ├── WeightsInvalid        no safetensors, or tensors that do not fit the spec
│   ├── GraphInvalid          no graph that may be run: an operator off the list, other maps than the spec's, …
│   ├── GraphUnusable         no graph is there, or ONNX Runtime is not installed or does not take it
│   └── GoldenMismatch        the detector does not give the scores that export measured
├── backbones
│   ├── UnknownBackbone       not in this store
│   ├── AmbiguousBackbone     a reference that fits more than one
│   ├── BackboneInvalid       a file that is no weights of that timm network
│   └── HubUnavailable        the download failed
└── registry
    ├── BadProductName        no name of a product
    ├── UnknownProduct        no version of it is in this store
    ├── UnknownVersion        this one is not
    ├── NoActiveVersion       none was activated yet
    ├── NothingToRollBack     nothing was active before
    ├── VersionExists         a version is written once
    ├── StoreBusy             another process holds the lock
    └── StoreFault            the file system refused
"""


class ArtifactError(Exception):
    """Root of everything that this package raises on purpose. `str(error)` is a sentence for a person."""


class ManifestUnreadable(ArtifactError):
    """The manifest is not the strict JSON of FORMAT.md."""


class ManifestInvalid(ArtifactError):
    """The manifest is JSON, and says something that no artifact can mean."""


class UnknownFormatVersion(ArtifactError):
    """The manifest is of a format that this program does not read."""


class WrongPlace(ArtifactError):
    """The manifest names another product or version than its folder does."""


class UnexpectedFile(ArtifactError):
    """The folder holds something that the manifest does not list."""


class MissingFile(ArtifactError):
    """The folder lacks something that the manifest lists."""


class UnsafePath(ArtifactError):
    """A file name outside the allow-list, a symbolic link, or something that is no plain file."""


class TooLarge(ArtifactError):
    """A file over the limit that FORMAT.md sets for it."""


class HashMismatch(ArtifactError):
    """A file holds other bytes than the manifest's SHA-256 says."""


class WeightsInvalid(ArtifactError):
    """The weights are no safetensors, or do not fit the detector's spec."""


class GraphInvalid(ArtifactError):
    """The graph is not ONNX, or says something that FORMAT.md does not allow."""


class GraphUnusable(ArtifactError):
    """The version has no graph, or nothing here can run it."""


class GoldenMismatch(ArtifactError):
    """A golden picture does not score what export measured."""


class UnknownBackbone(ArtifactError):
    """No such backbone is in this store."""


class AmbiguousBackbone(ArtifactError):
    """The reference fits more than one backbone."""


class BackboneInvalid(ArtifactError):
    """These are not the weights of that timm network."""


class HubUnavailable(ArtifactError):
    """The pretrained weights could not be downloaded."""


class BadProductName(ArtifactError):
    """Not a name that a product can have."""


class UnknownProduct(ArtifactError):
    """The store holds no version of this product."""


class UnknownVersion(ArtifactError):
    """The store does not hold this version of the product."""


class NoActiveVersion(ArtifactError):
    """The product has versions, and none of them was activated."""


class NothingToRollBack(ArtifactError):
    """No version was active before this one."""


class VersionExists(ArtifactError):
    """The version is there already; versions are never edited."""


class StoreBusy(ArtifactError):
    """Another process has held the product's lock for too long."""


class StoreFault(ArtifactError):
    """The file system refused to read or write."""
