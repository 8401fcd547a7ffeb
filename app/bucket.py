"""Named bytes in an S3-compatible bucket, with the same methods as app/folder.py. Any thread may call.

In: `s3://bucket/prefix`; endpoint, region and keys are botocore's own (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, …).
Out: what was put there. Refuses: what the bucket does, or its absence (OSError); s3fs that is not installed
(ValueError).
A put that fails closes the bucket for puts, for PAUSE_S: the line does not wait for each part to find out again. The
same with all else, apart from that: a reader's bad luck costs no picture.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from app.folder import Stored

T = TypeVar("T")
PAUSE_S = 3.0
TIMEOUTS: dict[str, Any] = {"connect_timeout": 1, "read_timeout": 2, "retries": {"total_max_attempts": 1}}
SCHEME = "s3://"


class Bucket:
    """The objects under one prefix."""

    def __init__(self, url: str) -> None:
        try:
            from botocore.exceptions import BotoCoreError  # noqa: PLC0415 -- a second to import, and an extra
            from s3fs import S3FileSystem  # noqa: PLC0415
        except ImportError as exc:
            raise ValueError("INSPECT_KEEP_IN names a bucket: pip install 'inspect-line[s3]'") from exc
        self._root = url.removeprefix(SCHEME).rstrip("/")
        self._errors = (OSError, BotoCoreError)
        self._files = S3FileSystem(config_kwargs=TIMEOUTS, use_listings_cache=False, skip_instance_cache=True)
        self._files.retries = 1  # s3fs would try five times, and wait in between
        self._puts, self._others = _Fuse(), _Fuse()

    def __str__(self) -> str:
        return SCHEME + self._root

    def write(self, name: str, data: bytes) -> int:
        """Put one object, whole or not at all; its bytes."""
        self._try(self._puts, lambda: self._files.pipe_file(self._path(name), data))
        return len(data)

    def read(self, name: str) -> bytes:
        """FileNotFoundError where it is gone."""
        data: bytes = self._try(self._others, lambda: self._files.cat_file(self._path(name)))
        return data

    def saved_at(self, name: str) -> float:
        """When it was put last."""
        modified: datetime = self._try(self._others, lambda: self._files.info(self._path(name)))["LastModified"]
        return modified.timestamp()

    def remove(self, name: str) -> None:
        """One that is gone already is no error."""
        self._try(self._others, lambda: self._files.rm_file(self._path(name)))

    def entries(self) -> Iterator[Stored]:
        """Every object under the prefix."""
        found: dict[str, dict[str, Any]] = self._try(self._others, lambda: self._files.find(self._root, detail=True))
        for path, info in found.items():
            if info["type"] == "file":  # s3fs makes a folder of a prefix that is seen for the first time
                yield Stored(info["LastModified"].timestamp(), info["size"], path.removeprefix(f"{self._root}/"))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _try(self, fuse: "_Fuse", call: Callable[[], T]) -> T:
        if time.monotonic() < fuse.closed_until:
            raise OSError(None, f"not tried again yet: {fuse.reason}")
        try:
            return call()
        except self._errors as exc:
            if isinstance(exc, FileNotFoundError) and _code(exc) != "NoSuchBucket":
                raise
            fuse.reason = f"{type(exc).__name__}: {exc}"
            fuse.closed_until = time.monotonic() + PAUSE_S
            raise OSError(None, fuse.reason) from exc


@dataclass
class _Fuse:
    closed_until: float = 0.0
    """A moment of time.monotonic()."""
    reason: str = ""


def _code(error: Exception) -> str | None:
    """Of S3; s3fs says of a bucket that is not there what it says of an object."""
    answer: dict[str, dict[str, str]] = getattr(error.__cause__, "response", {})
    return answer.get("Error", {}).get("Code")
