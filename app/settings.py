"""How the service is run: INSPECT_* environment variables, read once. A malformed value stops the start."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.keep_policy import PATTERN as KEEP
from app.security import parse_open_routes
from app.worker import EngineChoice

Positive = Annotated[int, Field(ge=1)]
MOST_CPU_WORKERS = 8  # that `auto` starts: each has its own copy of the products it serves


class Settings(BaseSettings):
    """Frozen; handed down as plain values."""

    model_config = SettingsConfigDict(env_prefix="INSPECT_", frozen=True, extra="ignore", env_ignore_empty=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    model_store: Path = Path("var/models")
    data: Path = Path("var/data")
    ledger_url: str | None = None
    """`postgresql://…`; without it the ledger is an SQLite file in `data`."""
    journal_bytes: Annotated[int, Field(ge=0)] = 0
    """A local file of at most this size stands in for the database while that is away; 0: inspections are refused."""
    natural_key: bool = False
    """Whether a picture that is posted again for the same part and station is the same request."""
    product_fail_safe: dict[str, Literal["ng", "review"]] = {}
    targets_file: Path | None = None
    """TOML: the webhooks and brokers that verdicts are delivered to."""
    devices: str = "auto"
    """`auto` (every CUDA device, else a CPU worker a core), or a list: `cuda:0,cuda:0,cuda:1`, `cpu`."""
    queue_limit: Positive = 64
    """Pictures that are held, from their body to their answer."""
    queue_bytes: Positive = 256 << 20
    product_share: Annotated[float, Field(gt=0, le=1)] = 0.75
    batch_limit: Positive = 8
    batch_delay_ms: Annotated[float, Field(ge=0, le=1000)] = 0.0
    join_products: Literal["auto", "on", "off"] = "auto"
    """Whether a batch may be of several products that share a frozen backbone; `auto`: not on a CPU."""
    deadline_ms: Annotated[int, Field(ge=1, le=600_000)] | None = None
    product_deadlines_ms: dict[str, Annotated[int, Field(ge=1, le=600_000)]] = {}
    reject_rates: dict[str, Annotated[float, Field(gt=0, lt=1)]] = {}
    """Product → share of rejected parts that is normal on this line; learned from its first parts where not stated."""
    resident_bytes: Positive = 4 << 30
    engine: EngineChoice = "auto"
    """How detectors are computed: the fastest way, of this one and those below it, that scores golden pictures as at
    export; `reference` is layer by layer."""
    cpu_threads: Annotated[int, Field(ge=0, le=1024)] = 0
    """Of each worker; 0 shares the cores but one, which is the service's, evenly among them."""
    batch_timeout_s: Annotated[float, Field(gt=0)] = 20.0
    """Of a batch; a worker that takes longer is taken for stuck and killed."""
    load_timeout_s: Annotated[float, Field(gt=0)] = 120.0
    max_body_bytes: Positive = 32 << 20
    max_pixels: Annotated[int, Field(ge=1, le=89_478_485)] = 50_000_000
    heatmap_bytes: Positive = 2 << 30
    heatmap_days: Positive = 30
    picture_bytes: Positive = 2 << 30
    picture_days: Positive = 30
    keep_pictures: Annotated[str, Field(pattern=KEEP)] = "ng+review"
    keep_heatmaps: Annotated[str, Field(pattern=KEEP)] = "all"
    """`all`, `ng+review`, `sample:<share of ok parts>` beside every ng and review, `none`."""
    error_bytes: Annotated[int, Field(ge=0)] = 256 << 20
    """Pictures of errors, apart from the others; 0, or `keep_pictures` none: they are not kept."""
    error_picture_bytes: Positive = 8 << 20
    """The largest picture of an error that is kept."""
    keep_in: Annotated[str, Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$")] | None = None
    """`s3://bucket/prefix`; without it pictures and heatmaps are files in `data`."""
    request_timeout_s: Annotated[float, Field(gt=0)] = 30.0
    drain_grace_s: Annotated[float, Field(ge=0)] = 0.0
    """Between readiness going false and the end of listening: how long a load balancer takes to notice."""
    drain_s: Annotated[float, Field(gt=0)] = 20.0
    keys_file: Path | None = None
    """Without one everybody may do everything, and the service listens on loopback only."""
    allow_open: bool = False
    open_routes: str = "/readyz,/metrics,/docs,/openapi.json"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    tls_client_cert: Literal["required", "optional"] = "required"
    upload_timeout_s: Annotated[float, Field(gt=0)] = 30.0
    head_timeout_s: Annotated[float, Field(gt=0)] = 10.0
    connection_limit: Positive = 512
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"
    otlp_endpoint: Annotated[str, Field(pattern=r"^https?://")] | None = None
    """Where traces go, such as http://collector:4318; needs the extra `otel`."""

    @property
    def deadlines_s(self) -> tuple[float, ...]:
        """Every deadline that is set, seconds."""
        chosen = {self.deadline_ms, *self.product_deadlines_ms.values()} - {None}
        return tuple(sorted(milliseconds / 1000 for milliseconds in chosen if milliseconds is not None))

    @field_validator("open_routes")
    @classmethod
    def _check_open_routes(cls, value: str) -> str:
        parse_open_routes(value)
        return value


def find_devices(setting: str, cores: int, nvidia: Path = Path("/proc/driver/nvidia/gpus")) -> tuple[str, ...]:
    """Devices to start a worker on; `auto` asks the driver and not torch, which this process never imports.

    On a CPU one for each of `cores`: a detector gains little from a second thread, and threads of a worker wait for
    each other (docs/adr/0020).
    """
    if setting != "auto":
        return tuple(name.strip() for name in setting.split(",") if name.strip()) or ("cpu",)
    count = len(list(nvidia.iterdir())) if nvidia.is_dir() else 0
    return tuple(f"cuda:{index}" for index in range(count)) or ("cpu",) * min(cores, MOST_CPU_WORKERS)
