"""Which version of a product is active, and which were before: active.json ↔ Activation.

In: the product's folder. Out: an Activation; and back, replaced at once. Refuses: what FORMAT.md does.
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_store.disk import read_capped, replace_file
from model_store.errors import ManifestInvalid, MissingFile, UnknownFormatVersion
from model_store.strict_json import parse_object, to_bytes

ACTIVE = "active.json"
MAX_ACTIVE_BYTES = 1 << 20
MAX_HISTORY = 1000  # changes that are remembered; about 100 bytes each

Version = Annotated[int, Field(ge=1)]
_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)


class Change(BaseModel):
    """One activation or roll-back."""

    model_config = _STRICT

    at: datetime
    action: Literal["activate", "roll-back"]
    version: Version
    """The version that became active."""


class Activation(BaseModel):
    """The state of one product."""

    model_config = _STRICT

    format_version: Literal[1] = 1
    active: Version | None = None
    previous: tuple[Version, ...] = ()
    """What roll-back returns to, the latest last."""
    history: tuple[Change, ...] = ()
    """Everything that happened, the latest last."""

    def activate(self, version: int, now: datetime) -> "Activation":
        """`version` active; no change when it is already."""
        if version == self.active:
            return self
        previous = self.previous if self.active is None else (*self.previous, self.active)
        return self._changed(Change(at=now, action="activate", version=version), previous)

    def roll_back(self, existing: frozenset[int], now: datetime) -> "Activation | None":
        """The latest still existing version before this one; None when there is none."""
        left = list(self.previous)
        while left and (left[-1] not in existing or left[-1] == self.active):
            left.pop()
        if not left:
            return None
        return self._changed(Change(at=now, action="roll-back", version=left[-1]), tuple(left[:-1]))

    def _changed(self, change: Change, previous: tuple[int, ...]) -> "Activation":
        return Activation(
            active=change.version,
            previous=previous[-MAX_HISTORY:],
            history=(*self.history, change)[-MAX_HISTORY:],
        )


def read_activation(folder: Path) -> Activation:
    """The state of the product in `folder`; nothing active when it has no active.json yet."""
    try:
        data = read_capped(folder / ACTIVE, MAX_ACTIVE_BYTES)
    except MissingFile:
        return Activation()
    fields = parse_object(data, ACTIVE)
    if fields.get("format_version") != 1:
        raise UnknownFormatVersion(f"{folder / ACTIVE} is of a format that this program does not read")
    try:
        return Activation.model_validate_json(data)
    except ValidationError as exc:
        raise ManifestInvalid(f"{folder / ACTIVE} is not valid: {exc.errors(include_url=False)[0]['msg']}") from exc


def write_activation(folder: Path, activation: Activation) -> None:
    """Replace active.json: a reader sees the old state or the new."""
    replace_file(folder / ACTIVE, to_bytes(activation.model_dump(mode="json")))
