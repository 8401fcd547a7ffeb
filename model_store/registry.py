"""Products and their versions on a file system: list, resolve, publish, activate, roll back.

In: the store's root. Out: `VersionRef`s. Refuses: names and versions that are not there; writing a version twice.
Readers take no lock; writers of one product take turns. Imports no torch until something is published.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from model_store.active import Activation, read_activation, write_activation
from model_store.disk import subfolders
from model_store.errors import (
    NoActiveVersion,
    NothingToRollBack,
    StoreBusy,
    StoreFault,
    UnknownProduct,
    UnknownVersion,
)
from model_store.manifest import PRODUCT_NAME, check_product_name, read_manifest

if TYPE_CHECKING:  # it imports torch
    from model_store.artifact import Draft

LOCK_TIMEOUT = 60.0  # seconds; a publication writes at most 2 GiB under the lock
VERSION = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class VersionRef:
    """One version of one product, and where it lies."""

    product: str
    version: int
    path: Path

    def __str__(self) -> str:
        return f"{self.product}@{self.version}"


class Registry:
    """The model store at `root`. Holds nothing in memory: what it says is what the disk says now."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def backbones_root(self) -> Path:
        """Where the `BackboneStore` of this store lies."""
        return self.root / "backbones"

    def products(self) -> tuple[str, ...]:
        """Products with at least one version, by name."""
        names = (name for name in subfolders(self.root / "products") if PRODUCT_NAME.fullmatch(name))
        return tuple(name for name in names if self.versions(name))

    def versions(self, product: str) -> tuple[int, ...]:
        """Versions of `product`, ascending; empty when it has none."""
        names = subfolders(self._folder(product) / "versions")
        return tuple(sorted(int(name) for name in names if VERSION.fullmatch(name)))

    def active(self, product: str) -> int | None:
        """The active version, None before the first activation; `UnknownProduct` when it has no version."""
        self._check_product(product)
        return read_activation(self._folder(product)).active

    def resolve(self, reference: str) -> VersionRef:
        """`product` → its active version; `product@3` → that one."""
        product, at, version = reference.partition("@")
        check_product_name(product)
        if not at:
            active = self.active(product)
            if active is None:
                raise NoActiveVersion(f"{product} has no active version; activate one of {self._known(product)}")
            return self._ref(product, active)
        if not VERSION.fullmatch(version):
            raise UnknownVersion(f"{version!r} is no version number")
        return self._ref(product, int(version))

    def publish(self, draft: "Draft", *, activate: bool) -> VersionRef:
        """Write `draft` as the next version of its product."""
        from model_store.artifact import save_artifact  # noqa: PLC0415 -- torch, which readers of the store do without

        check_product_name(draft.product)
        with self._lock(draft.product):
            version = self._next(draft.product)
            ref = VersionRef(draft.product, version, self._path(draft.product, version))
            save_artifact(ref.path, draft, version)
            if activate:
                self._activate(ref)
        return ref

    def activate(self, product: str, version: int) -> VersionRef:
        """Make `version` the one that `product` resolves to, in one step."""
        ref = self._ref(product, version)
        read_manifest(ref.path)
        with self._lock(product):
            self._activate(ref)
        return ref

    def previous(self, product: str) -> VersionRef:
        """The version that `roll_back` would return to; `NothingToRollBack` when there is none."""
        return self._ref(product, self._before(product)[1])

    def roll_back(self, product: str) -> VersionRef:
        """Return to the version that was active before this one; `NothingToRollBack` when there is none."""
        self._check_product(product)
        with self._lock(product):
            after, version = self._before(product)
            write_activation(self._folder(product), after)
            return self._ref(product, version)

    def _before(self, product: str) -> tuple[Activation, int]:
        """What a roll-back would write, and the version that it names."""
        self._check_product(product)
        current = read_activation(self._folder(product))
        after = current.roll_back(frozenset(self.versions(product)), datetime.now(UTC))
        if after is None or after.active is None:
            raise NothingToRollBack(f"no version of {product} was active before {current.active}")
        return after, after.active

    def _activate(self, ref: VersionRef) -> None:
        folder = self._folder(ref.product)
        write_activation(folder, read_activation(folder).activate(ref.version, datetime.now(UTC)))

    def _next(self, product: str) -> int:
        """A number that no version has, or had while it was active: a number means one version for ever."""
        activated = (change.version for change in read_activation(self._folder(product)).history)
        return max((0, *self.versions(product), *activated)) + 1

    def _ref(self, product: str, version: int) -> VersionRef:
        self._check_product(product)
        if version not in self.versions(product):
            raise UnknownVersion(f"{product}@{version} is not in the store; it has {self._known(product)}")
        return VersionRef(product, version, self._path(product, version))

    def _check_product(self, product: str) -> None:
        if not self.versions(product):
            raise UnknownProduct(f"no version of {product!r} is in {self.root}")

    def _known(self, product: str) -> str:
        return ", ".join(map(str, self.versions(product)))

    def _folder(self, product: str) -> Path:
        check_product_name(product)
        return self.root / "products" / product

    def _path(self, product: str, version: int) -> Path:
        return self._folder(product) / "versions" / str(version)

    @contextmanager
    def _lock(self, product: str) -> Iterator[None]:
        """Writers of one product take turns; the operating system frees the lock of one that dies."""
        folder = self._folder(product)
        lock = FileLock(folder / ".lock", timeout=LOCK_TIMEOUT)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout as exc:
            raise StoreBusy(f"another process has been writing {product} for {LOCK_TIMEOUT:g} s") from exc
        except OSError as exc:
            raise StoreFault(f"{folder} cannot be locked: {exc.strerror}") from exc
        try:
            yield
        finally:
            lock.release()
