"""How the service is run: INSPECT_* environment variables, read once. A malformed value stops the start."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.keep_policy import PATTERN as KEEP

Positive = Annotated[int, Field(ge=1)]


class Settings(BaseSettings):
    """Frozen; handed down as plain values."""

    model_config = SettingsConfigDict(env_prefix="INSPECT_", frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    model_store: Path = Path("var/models")
    data: Path = Path("var/data")
    ledger_url: str | None = None
    """`postgresql://…`; without it the ledger is an SQLite file in `data`."""
    natural_key: bool = False
    """Whether a picture that is posted again for the same part and station is the same request."""
    product_fail_safe: dict[str, Literal["ng", "review"]] = {}
    devices: str = "auto"
    """`auto` (every CUDA device, else the CPU), or a list: `cuda:0,cuda:1`, `cpu`."""
    queue_limit: Positive = 64
    """Pictures that are held, from their body to their answer."""
    queue_bytes: Positive = 256 << 20
    product_share: Annotated[float, Field(gt=0, le=1)] = 0.75
    batch_limit: Positive = 8
    batch_delay_ms: Annotated[float, Field(ge=0, le=1000)] = 0.0
    deadline_ms: Annotated[int, Field(ge=1, le=600_000)] | None = None
    product_deadlines_ms: dict[str, Annotated[int, Field(ge=1, le=600_000)]] = {}
    resident_bytes: Positive = 4 << 30
    max_body_bytes: Positive = 32 << 20
    max_pixels: Annotated[int, Field(ge=1, le=89_478_485)] = 50_000_000
    heatmap_bytes: Positive = 2 << 30
    heatmap_days: Positive = 30
    picture_bytes: Positive = 2 << 30
    picture_days: Positive = 30
    keep_pictures: Annotated[str, Field(pattern=KEEP)] = "ng+review"
    keep_heatmaps: Annotated[str, Field(pattern=KEEP)] = "all"
    """`all`, `ng+review`, `sample:<share of ok parts>` beside every ng and review, `none`."""
    keep_in: Annotated[str, Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$")] | None = None
    """`s3://bucket/prefix`; without it pictures and heatmaps are files in `data`."""
    request_timeout_s: Annotated[float, Field(gt=0)] = 30.0
    drain_grace_s: Annotated[float, Field(ge=0)] = 0.0
    """Between readiness going false and the end of listening: how long a load balancer takes to notice."""
    drain_s: Annotated[float, Field(gt=0)] = 20.0
    log_level: Literal["debug", "info", "warning", "error"] = "info"


def find_devices(setting: str, nvidia: Path = Path("/proc/driver/nvidia/gpus")) -> tuple[str, ...]:
    """Devices to start a worker on; `auto` asks the driver and not torch, which this process never imports."""
    if setting != "auto":
        return tuple(name.strip() for name in setting.split(",") if name.strip()) or ("cpu",)
    count = len(list(nvidia.iterdir())) if nvidia.is_dir() else 0
    return tuple(f"cuda:{index}" for index in range(count)) or ("cpu",)
