"""The file of targets (TOML, `INSPECT_TARGETS_FILE`) → where verdicts go, which, and with what secrets.

In: tables `[webhook.<name>]` and `[mqtt.<name>]`; files that they name are looked for beside the file itself. Out:
targets, frozen. Refuses: what is unknown or malformed, and secrets that are not there (`BadTargets`), never with a
secret in its message. A secret stands in a file or in the environment, not in the file of targets.
"""

import os
import re
import string
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from standardwebhooks import Webhook as Signer

from app.delivery.errors import BadTargets

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
TOPIC_FIELDS = {"station", "product", "verdict", "counts_as"}
OURS = {"name", "secrets", "password"}  # filled in by this file, and never by the one that it reads
Kind = Literal["ok", "review", "ng", "error"]
Names = tuple[Annotated[str, Field(min_length=1, max_length=200)], ...]


class Target(BaseModel):
    """What both kinds have in common. An empty filter lets everything pass, but simulated parts are asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = ""
    url: str
    products: Names = ()
    stations: Names = ()
    verdicts: tuple[Kind, ...] = ()
    simulated: bool = False
    begin: Literal["latest", "oldest"] = "latest"
    """Where a target begins that the ledger has not seen before."""
    attempts: Annotated[int, Field(ge=1, le=1000)] = 10
    """Refusals of one verdict, after which it is put aside."""
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 10.0
    """From the beginning of one try to its answer."""
    longest_pause_s: Annotated[float, Field(ge=0.01, le=3600)] = 60.0
    ca_file: Path | None = None
    """PEM: whom to trust in place of the system's authorities."""
    cert_file: Path | None = None
    key_file: Path | None = None

    @property
    def address(self) -> SplitResult:
        """The parts of `url`."""
        return urlsplit(self.url)

    @property
    def place(self) -> str:
        """Host and port, for people: a path may hold a token."""
        return self.address.netloc.rpartition("@")[2]

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        address = urlsplit(url)
        if address.hostname is None or address.port == 0:
            raise ValueError("names no host")
        if address.username is not None or address.password is not None:
            raise ValueError("holds a user or password; those have settings of their own")
        return url


class Webhook(Target):
    """POST of each verdict, signed as Standard Webhooks says. Signed by every line of the secret, for its rotation."""

    secret_file: Path | None = None
    secret_env: str | None = None
    secrets: tuple[str, ...] = Field((), repr=False)

    @field_validator("url")
    @classmethod
    def _check_scheme(cls, url: str) -> str:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError("is no http:// or https:// address")
        return url


class Mqtt(Target):
    """PUBLISH of each verdict, QoS 1, retained: a late subscriber has the last of each topic at once."""

    topic: str = "inspect/{station}/verdict"
    username: str | None = None
    password_file: Path | None = None
    password_env: str | None = None
    password: str | None = Field(None, repr=False)
    client_id: str = ""
    retain: bool = True
    protocol: Literal["5", "3.1.1"] = "5"

    @field_validator("url")
    @classmethod
    def _check_scheme(cls, url: str) -> str:
        if urlsplit(url).scheme not in ("mqtt", "mqtts"):
            raise ValueError("is no mqtt:// or mqtts:// address")
        return url

    @field_validator("topic")
    @classmethod
    def _check_topic(cls, topic: str) -> str:
        fields = {name for _, name, _, _ in string.Formatter().parse(topic) if name is not None}
        if unknown := fields - TOPIC_FIELDS:
            raise ValueError(f"knows no {{{sorted(unknown)[0]}}}; of {', '.join(sorted(TOPIC_FIELDS))} it may")
        if not topic or topic.startswith("$") or set(topic) & {"+", "#", "\0"}:
            raise ValueError("is no topic: it is empty, begins with $, or has + or # in it")
        return topic

    @model_validator(mode="after")
    def _check_password(self) -> Self:
        if (self.password_file or self.password_env) and self.username is None:
            raise ValueError("has a password and no username")
        return self


AnyTarget = Webhook | Mqtt


class File(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    webhook: dict[str, Webhook] = {}
    mqtt: dict[str, Mqtt] = {}


def read_targets(path: Path | None) -> tuple[AnyTarget, ...]:
    """Every target with its secrets; none where there is no file."""
    if path is None:
        return ()
    try:
        file = File.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError) as exc:
        raise BadTargets(f"INSPECT_TARGETS_FILE cannot be read: {exc}") from exc
    except tomllib.TOMLDecodeError as exc:
        raise BadTargets(f"{path} is no TOML: {exc}") from exc
    except ValidationError as exc:
        raise BadTargets(_first(path, exc)) from None  # the values stay out: one may be a secret in a wrong place
    targets: list[tuple[str, AnyTarget]] = [*file.webhook.items(), *file.mqtt.items()]
    return tuple(_completed(path, name, target, [each for each, _ in targets]) for name, target in targets)


def _completed(path: Path, name: str, target: AnyTarget, names: list[str]) -> AnyTarget:
    if not NAME.fullmatch(name) or names.count(name) > 1:
        raise BadTargets(f"{path}: {name!r} is no name of a target: a-z 0-9 - _, at most 63, and each once")
    if given := target.model_fields_set & OURS:
        raise BadTargets(f"{path}: {name}: {given.pop()} does not stand here: see docs/operations.md")
    files = ("ca_file", "cert_file", "key_file", "secret_file", "password_file")
    beside = {key: path.parent / file for key in files if (file := getattr(target, key, None)) is not None}
    target = target.model_copy(update={"name": name, **beside})
    for file in beside.values():
        if not file.is_file():
            raise BadTargets(f"{path}: {name}: {file} is not there")
    if not isinstance(target, Mqtt):
        secret = _secret(path, name, target.secret_file, target.secret_env)
        if secret is None:
            raise BadTargets(f"{path}: {name}: a webhook needs secret_file or secret_env: its receiver checks it")
        return target.model_copy(update={"secrets": _checked(path, name, secret)})
    return target.model_copy(update={"password": _secret(path, name, target.password_file, target.password_env)})


def _secret(path: Path, name: str, file: Path | None, variable: str | None) -> str | None:
    if file is not None and variable is not None:
        raise BadTargets(f"{path}: {name}: a secret stands in a file or in the environment, not in both")
    try:
        given = os.environ.get(variable or "") if file is None else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise BadTargets(f"{path}: {name}: {file} cannot be read") from exc
    if (file or variable) and not (given or "").strip():
        raise BadTargets(f"{path}: {name}: there is no secret in {file or variable}")
    return None if given is None else given.strip()


def _checked(path: Path, name: str, text: str) -> tuple[str, ...]:
    secrets = tuple(text.split())
    try:
        for secret in secrets:
            Signer(secret)
    except Exception:  # noqa: BLE001 -- whatever base64 says of it, the message must not have it
        raise BadTargets(f"{path}: {name}: its secret is no base64 with `whsec_` before it") from None
    return secrets


def _first(path: Path, error: ValidationError) -> str:
    found = error.errors(include_input=False, include_url=False)[0]
    return f"{path}: {'.'.join(map(str, found['loc']))}: {found['msg']}"
