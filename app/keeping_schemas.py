"""Wire types of what is kept, of holds, replays and thresholds."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.ledger_schemas import Authored, Claimed, Rate

Verdict = Literal["ok", "review", "ng"]
Found = Literal["good", "defective"]
Why = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class PutHold(Claimed):
    """Who puts the verdict on hold, and why."""

    model_config = ConfigDict(extra="forbid")

    why: Why


class HoldEvent(Authored):
    """Put on hold, or let go."""

    verdict_id: str
    held: bool
    why: str
    at: str


class HoldAnswer(BaseModel):
    """Whether it is on hold now, and how that came; the newest last."""

    held: bool
    history: list[HoldEvent]


class KeptKind(BaseModel):
    """What is kept of one kind, and for how long. What is on hold counts beside the limits."""

    policy: str
    """`all`, `ng+review`, `sample:<share of ok>`, `none`; of errors `all` or `none`."""
    place: str
    max_days: float
    max_bytes: int
    max_file_bytes: int | None
    """A larger one is not kept; null where there is no such limit."""
    files: int
    bytes: int
    held_files: int
    held_bytes: int
    oldest: datetime | None
    """Of what is not on hold."""
    trouble: str | None
    """Why the last one was lost; null where it was kept."""


class RetentionAnswer(BaseModel):
    """Verdicts themselves are kept for ever."""

    pictures: KeptKind
    heatmaps: KeptKind
    errors: KeptKind
    """Pictures whose parts got no verdict. Those refused by a service that was full or away (429, 503) are not kept."""


class ReplayRun(BaseModel):
    """What was recorded, or what came of it now."""

    score: float | None
    verdict: Verdict | Literal["error"]
    code: str | None
    """Of an error."""
    device: str | None
    software: str | None


class ReplayAnswer(BaseModel):
    """`now` was judged by the thresholds that the verdict names; of an error, by those in force.

    `equal`: same verdict, score within `tolerance`; of an error the same code.
    """

    id: str
    product: str
    version: int
    digest: str
    picture_sha256: str
    thresholds: dict[str, float] | None
    """Null where the picture is an error again."""
    then: ReplayRun
    now: ReplayRun
    score_delta: float | None
    """Null where `then` or `now` is an error."""
    tolerance: float
    same_score: bool
    """To the last bit."""
    same_verdict: bool
    equal: bool


class PutThresholds(Claimed):
    """A score above `ng_above` is ng; one above `review_above` goes to a person; equal where nothing shall."""

    model_config = ConfigDict(extra="forbid")

    ng_above: Finite
    review_above: Finite
    why: Why
    version: int | None = Field(None, description="The version that you believe to serve; 409 where another one does.")
    revision: int | None = Field(None, description="The revision that you have seen; 409 where a newer one is there.")


class ThresholdRevision(BaseModel):
    """`calibrated` are those of the version's manifest, which no person chose: `who` is null. Else as of a hold."""

    version: int
    digest: str
    revision: int
    ng_above: float
    review_above: float
    calibrated: bool
    who: str | None
    operator: str | None
    authenticated: bool
    why: str | None
    at: str


class ThresholdsAnswer(BaseModel):
    """What is in force, and every change of this product that the ledger has, of all versions, the newest last."""

    product: str
    in_force: ThresholdRevision
    calibrated: ThresholdRevision
    history: list[ThresholdRevision]


class Simulate(BaseModel):
    """Thresholds to try, on which stored scores: the newest `limit` of the version that serves."""

    model_config = ConfigDict(extra="forbid")

    ng_above: Finite
    review_above: Finite
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    limit: int = Field(10_000, ge=1, le=100_000)


class ShareOf(BaseModel):
    """How many parts, and their share with its interval."""

    parts: int
    share: Rate


class FlipOf(BaseModel):
    """A part that would be judged otherwise."""

    id: str
    part_id: str | None
    station: str | None
    decided_at: str
    score: float
    was: Verdict
    becomes: Verdict
    found: Found | None
    """By a person, last."""


class Simulated(BaseModel):
    """`recorded` is what was judged then, `projected` what would be. All flips are counted, the newest are named."""

    product: str
    version: int
    confidence: float
    parts: int
    complete: bool
    """False where older scores of the window were left out."""
    recorded: dict[Verdict, ShareOf]
    projected: dict[Verdict, ShareOf]
    found: dict[Found, dict[Verdict, int]]
    """What would be judged of the parts that people looked at: good ones that are ng, defective ones that are ok."""
    flips: dict[str, int]
    flipped: list[FlipOf]
