"""API keys: a TOML file of names, hashes and scopes → who is asking.

In: the file, and what a request carries. Out: `Key`. Refuses: a file with a key in plain, an unknown scope or member, a
name or hash given twice (`BadKeyFile`, whose text never repeats a value).

The hash is plain SHA-256. A slow one (scrypt, Argon2) makes guessing dear where people choose the secret; these are 256
random bits, which nobody guesses, and a slow hash would cost each picture milliseconds and let strangers burn our CPU.
"""

import hashlib
import hmac
import os
import re
import secrets
import tomllib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.rates import Rate

Scope = Literal["inspect", "read", "operate", "admin"]
SCOPES: tuple[str, ...] = get_args(Scope)
PREFIX = "inspect_"  # scanners of repositories and logs find a key that leaked by it
LIMIT = re.compile(r"([1-9][0-9]{0,6})/(second|minute)")
SECONDS = {"second": 1.0, "minute": 60.0}
MOST_BYTES = 1 << 20  # some thousands of keys
LONGEST_KEY = 256


class BadKeyFile(ValueError):
    """The key file cannot be used; the text names the place and no value."""


class Key(BaseModel):
    """One entry. `admin` stands for every scope."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", repr=False)]
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    limit: Annotated[str, Field(pattern=f"^{LIMIT.pattern}$")] | None = None
    """`20/second` or `600/minute`."""
    expires: AwareDatetime | None = None

    @property
    def rate(self) -> Rate | None:
        """How often it may ask."""
        found = LIMIT.fullmatch(self.limit or "")
        return None if found is None else Rate(int(found[1]), SECONDS[found[2]])

    def may(self, scope: Scope) -> bool:
        """Whether it has the scope."""
        return scope in self.scopes or "admin" in self.scopes

    def is_expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires is not None and now >= self.expires


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: tuple[Key, ...] = ()

    @model_validator(mode="after")
    def _check_twice(self) -> "_File":
        for member in ("name", "sha256"):
            values = [getattr(key, member) for key in self.keys]
            if len(set(values)) < len(values):
                raise ValueError(f"a {member} is given twice")
        return self


class Keyring:
    """The keys that are in force. Any thread may read it again; a request sees the keys of before or of after."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: tuple[Key, ...] = ()

    def read(self) -> None:
        """Take the file's keys; `BadKeyFile` or OSError leave those that were there."""
        self._keys = read_keys(self._path)

    def find(self, given: str) -> Key | None:
        """Whose key this is. Every entry is compared, in constant time: how long it takes says nothing."""
        digest = hash_key(given)
        found = None
        for key in self._keys:
            if hmac.compare_digest(digest, key.sha256):
                found = key
        return found


def hash_key(given: str) -> str:
    """SHA-256, in hexadecimal digits."""
    return hashlib.sha256(given.encode()).hexdigest()


def read_keys(path: Path) -> tuple[Key, ...]:
    """Every entry of the file."""
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise BadKeyFile(f"it has more than {MOST_BYTES} bytes")
    try:
        return _File.model_validate(tomllib.loads(data.decode())).keys
    except UnicodeDecodeError as exc:
        raise BadKeyFile("it is no UTF-8 text") from exc
    except tomllib.TOMLDecodeError as exc:
        raise BadKeyFile(f"it is no TOML: {_without_value(str(exc))}") from None
    except ValidationError as exc:
        problems = (f"{'.'.join(map(str, item['loc']))}: {item['msg']}".lstrip(": ") for item in exc.errors())
        raise BadKeyFile("; ".join(problems)) from None  # pydantic's own text repeats what was given


def add_key(
    path: Path, name: str, scopes: Iterable[str], limit: str | None = None, expires: datetime | None = None
) -> str:
    """Make a key and append its hash to the file, which comes into being where it is not; returns the key, once.

    `BadKeyFile` where the file or the new entry is wrong. Appended and not replaced: a file that is mounted into a
    container alone cannot be renamed over, and comments stay.
    """
    before = read_keys(path) if path.exists() else ()
    key = PREFIX + secrets.token_urlsafe(32)
    entry = {"name": name, "sha256": hash_key(key), "scopes": list(scopes), "limit": limit, "expires": expires}
    try:
        made = _File.model_validate({"keys": [*(old.model_dump() for old in before), entry]}).keys[-1]
    except ValidationError as exc:
        problems = (f"{item['loc'][-1]}: {item['msg']}" if item["loc"] else item["msg"] for item in exc.errors())
        raise BadKeyFile("; ".join(problems)) from None
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as file:
        file.write(_as_toml(made))
    return key


def _as_toml(key: Key) -> str:
    scopes = ", ".join(f'"{scope}"' for scope in key.scopes)
    lines = ["", "[[keys]]", f'name = "{key.name}"', f'sha256 = "{key.sha256}"', f"scopes = [{scopes}]"]
    if key.limit is not None:
        lines.append(f'limit = "{key.limit}"')
    if key.expires is not None:
        lines.append(f"expires = {key.expires.astimezone(UTC).isoformat(timespec='seconds').replace('+00:00', 'Z')}")
    return "\n".join(lines) + "\n"


def _without_value(message: str) -> str:
    """Of what TOML's reader says only the place: the line may hold a key that somebody wrote in plain."""
    found = re.search(r"\(at [a-z0-9, ]+\)", message)
    return "a mistake " + (found[0].strip("()") if found else "at an unknown place")
