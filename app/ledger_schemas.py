"""Wire types of the ledger: pages, parts, dispositions; a single verdict is in app/schemas.py."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.schemas import Answer


class Pending(BaseModel):
    """A picture that is being inspected; its verdict will have this id."""

    id: str
    product: str
    part_id: str | None
    station: str | None
    job: str | None
    simulated: bool
    captured_at: str | None
    received_at: str
    verdict: Literal["pending"]


class Page(BaseModel):
    """Verdicts in the order of their commits; `cursor` is where to go on, `more` whether there is something already."""

    verdicts: list[Answer]
    cursor: str
    more: bool


class AtStation(BaseModel):
    """The newest revision of one station's verdict, and the record that decides it."""

    product: str
    station: str | None
    counts_as: Literal["ok", "review", "ng"]
    revision: int
    decisive: Answer


class PartAnswer(BaseModel):
    """The whole part is as good as its worst station."""

    part_id: str
    counts_as: Literal["ok", "review", "ng"]
    stations: list[AtStation]


class Claimed(BaseModel):
    """What a request says of its sender. The name of its key is recorded as `who`, and this beside it."""

    who: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="The person. Recorded as `operator` beside the key's name; without keys it has to be said.",
    )


class Authored(BaseModel):
    """Whose act it is."""

    who: str = Field(description="The name of the API key; without keys, what the request said.")
    operator: str | None = Field(description="Whom the request named beside its key; nobody checked it.")
    authenticated: bool = Field(
        description="Whether `who` is a key's name. False where the service had none, and in entries of schema 3."
    )


class Dispose(Claimed):
    """What a person found."""

    model_config = ConfigDict(extra="forbid")

    found: Literal["good", "defective"]
    reason: str | None = Field(None, max_length=1000, pattern=r"^[^\x00]*$")


class Disposed(Authored):
    """The same, as it was recorded."""

    verdict_id: str
    found: Literal["good", "defective"]
    reason: str | None
    at: str


class Rate(BaseModel):
    """A share of all inspected parts, and its interval; null where nobody has looked."""

    rate: float | None
    low: float
    high: float


class Looked(BaseModel):
    """Parts of one verdict, those that people looked at, and found defective."""

    parts: int
    looked_at: int
    defective: int


class AgreementOf(BaseModel):
    """Which verdicts: a study is of one version, over a time in which nothing else changed."""

    version: int | None = Field(None, ge=1, le=2**31 - 1, description="Of the product; any where it is left out.")
    since: AwareDatetime | None = Field(None, description="Decided at this moment or later; RFC 3339 with a zone.")
    until: AwareDatetime | None = Field(None, description="Decided before this moment.")


class AgreementAnswer(BaseModel):
    """`false_reject`: good parts judged ng; `escape`: defective parts judged ok; both per inspected part."""

    product: str
    version: int | None
    since: str | None
    until: str | None
    confidence: float
    looked: dict[str, Looked]
    false_reject: Rate
    escape: Rate
