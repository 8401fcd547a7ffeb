"""Verdicts beside what people found → an attribute measurement system analysis (MSA), each figure with an interval.

In: the answer of the service's `GET /products/{p}/agreement`. Out: figures and how they stand to the limits. Refuses:
too few dispositions to say anything (`TooFewDispositions`), what is no such answer (`AgreementUnreadable`).
Figures and limits: AIAG, Measurement Systems Analysis, 4th ed. (2010), chapter III, section C, "Risk analysis methods".
The service is the appraiser, a person's finding the reference. A study has chosen parts; a line looks at what it chose
to, mostly rejects. So each figure is given twice: of the parts looked at, as in a study, and of all parts, each verdict
weighing as often as it was given (Begg & Greenes 1983, Biometrics 39, on verification bias).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, NonNegativeInt, ValidationError
from scipy.stats import binomtest

from training.errors import AgreementUnreadable, TooFewDispositions

LEAST = 20
"""Parts found good, and found defective, below which nothing is said: 0 misses of 20 still allow a rate of 17 %."""
CONFIDENCE = 0.95
DRAWS = 20_000
SEED = 0  # the same page from the same answer

Grade = Literal["acceptable", "marginal", "unacceptable"]
Table = npt.NDArray[np.float64]
"""(…,2,2): found good, defective; accepted, rejected."""
Draws = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Limit:
    """Where a figure is acceptable, and where it is marginal; beyond that it is not acceptable."""

    name: str
    acceptable: float
    marginal: float
    more_is_better: bool
    meaning: str

    def grade(self, value: float) -> Grade:
        """Of one value."""
        reaches: Callable[[float], bool] = (
            (lambda limit: value >= limit) if self.more_is_better else (lambda limit: value <= limit)
        )
        return "acceptable" if reaches(self.acceptable) else "marginal" if reaches(self.marginal) else "unacceptable"


LIMITS = (
    Limit("Effectiveness", 0.90, 0.80, True, "Decisions that were right."),
    Limit("Miss rate", 0.02, 0.05, False, "Defective parts that were accepted: they leave the line."),
    Limit("False alarm rate", 0.05, 0.10, False, "Good parts that were rejected."),
    Limit("Kappa", 0.75, 0.40, True, "Agreement beyond chance (Cohen): 0 is chance, 1 is always."),
)


class Looked(BaseModel):
    """Of one verdict: parts, those that people looked at, and found defective."""

    parts: NonNegativeInt
    looked_at: NonNegativeInt
    defective: NonNegativeInt


class Agreement(BaseModel):
    """What the service knows."""

    product: str
    version: int | None = None
    since: str | None = None
    until: str | None = None
    looked: dict[str, Looked]


@dataclass(frozen=True)
class Figure:
    """One figure, its interval, and how it stands to its limit; `sure` where the whole interval has that grade."""

    limit: Limit
    value: float
    low: float
    high: float
    grade: Grade
    sure: bool


@dataclass(frozen=True)
class Study:
    """One way to see a review: which verdicts accept and which reject a part."""

    title: str
    good: int
    defective: int
    looked_at: list[Figure]
    """Of the parts that people looked at."""
    all_parts: list[Figure]
    """Estimated for every part that got one of these verdicts."""


STUDIES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "What the service decides alone: ok accepts, ng rejects, review is no decision": (("ok",), ("ng",)),
    "What the line does at first: review stops a part, as ng does": (("ok",), ("review", "ng")),
}


def read_agreement(text: str) -> Agreement:
    """The service's answer."""
    try:
        found = Agreement.model_validate_json(text)
    except ValidationError as exc:
        raise AgreementUnreadable(
            f"this is no answer of GET /products/{{p}}/agreement: {exc.errors()[0]['msg']}"
        ) from exc
    if set(found.looked) != {"ok", "review", "ng"} or any(
        not it.defective <= it.looked_at <= it.parts for it in found.looked.values()
    ):
        raise AgreementUnreadable("counts of ok, review and ng are needed, with no more parts looked at than there are")
    return found


def analyse(agreement: Agreement) -> list[Study]:
    """Every study that there are enough dispositions for; `TooFewDispositions` where there is none."""
    studies, short = [], []
    for title, (accepts, rejects) in STUDIES.items():
        good, defective = _table(agreement.looked, accepts, rejects).sum(axis=1)
        if min(good, defective) < LEAST:
            short.append((int(good), int(defective)))
            continue
        studies.append(_study(title, agreement.looked, accepts, rejects))
    if not studies:
        good, defective = short[-1]
        raise TooFewDispositions(
            f"{agreement.product}: people found {good} parts good and {defective} defective; it takes {LEAST} of each. "
            f"Let them look at more parts, ok ones too: POST /verdicts/{{id}}/disposition, or the console's review"
        )
    return studies


def parts_needed(limit: float) -> int:
    """Parts without one wrong decision whose exact interval ends at `limit` or below."""
    return int(np.ceil(np.log((1 - CONFIDENCE) / 2) / np.log(1 - limit)))


def _study(title: str, looked: Mapping[str, Looked], accepts: tuple[str, ...], rejects: tuple[str, ...]) -> Study:
    table = _table(looked, accepts, rejects)
    good, defective = (int(count) for count in table.sum(axis=1))
    values = _figures(table)
    draws = _figures(_draw_tables(looked, accepts, rejects, weighted=False))
    exact = [
        _exact(int(np.trace(table)), good + defective),
        _exact(int(table[1, 0]), defective),
        _exact(int(table[0, 1]), good),
        _quantiles(draws[3]),
    ]
    weighted = _figures(_draw_tables(looked, accepts, rejects, weighted=True))
    middles = _figures(_weighted(looked, accepts, rejects))
    return Study(
        title,
        good,
        defective,
        [_figure(limit, float(value), *pair) for limit, value, pair in zip(LIMITS, values, exact, strict=True)],
        [_figure(limit, float(middles[k]), *_quantiles(weighted[k])) for k, limit in enumerate(LIMITS)],
    )


def _table(looked: Mapping[str, Looked], accepts: tuple[str, ...], rejects: tuple[str, ...]) -> Table:
    """(2,2) counts of the parts that were looked at."""
    columns = [[looked[verdict] for verdict in verdicts] for verdicts in (accepts, rejects)]
    good = [sum(it.looked_at - it.defective for it in column) for column in columns]
    return np.array([good, [sum(it.defective for it in column) for column in columns]], float)


def _weighted(looked: Mapping[str, Looked], accepts: tuple[str, ...], rejects: tuple[str, ...]) -> Table:
    """(2,2) estimated counts of all parts; a verdict that nobody looked at is taken for half right."""
    shares = {verdict: it.defective / it.looked_at if it.looked_at else 0.5 for verdict, it in looked.items()}
    defective = [sum(looked[v].parts * shares[v] for v in verdicts) for verdicts in (accepts, rejects)]
    good = [sum(looked[v].parts * (1 - shares[v]) for v in verdicts) for verdicts in (accepts, rejects)]
    return np.array([good, defective])


def _draw_tables(
    looked: Mapping[str, Looked], accepts: tuple[str, ...], rejects: tuple[str, ...], *, weighted: bool
) -> Table:
    """(DRAWS,2,2) tables that the dispositions allow: shares of defective parts are from Jeffreys' posteriors."""
    random, columns = np.random.default_rng(SEED), []
    for verdicts in (accepts, rejects):
        good, defective = np.zeros(DRAWS), np.zeros(DRAWS)
        for verdict in verdicts:
            it = looked[verdict]
            share = random.beta(it.defective + 0.5, it.looked_at - it.defective + 0.5, DRAWS)
            count = it.parts if weighted else it.looked_at
            good, defective = good + count * (1 - share), defective + count * share
        columns.append(np.stack((good, defective), axis=-1))
    return np.stack(columns, axis=-1)


def _figures(table: Table) -> Draws:
    """(4,…) in the order of LIMITS, of (…,2,2)."""
    total = table.sum(axis=(-2, -1))
    right = table[..., 0, 0] + table[..., 1, 1]
    rows, columns = table.sum(axis=-1), table.sum(axis=-2)
    chance = (rows * columns).sum(axis=-1) / total**2
    kappa = (right / total - chance) / np.maximum(1 - chance, 1e-12)
    return np.stack((right / total, table[..., 1, 0] / rows[..., 1], table[..., 0, 1] / rows[..., 0], kappa))


def _exact(hits: int, tries: int) -> tuple[float, float]:
    """Clopper and Pearson's interval."""
    interval = binomtest(hits, tries).proportion_ci(CONFIDENCE, method="exact")
    return float(interval.low), float(interval.high)


def _quantiles(draws: Draws) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(draws, (tail, 1 - tail))
    return float(low), float(high)


def _figure(limit: Limit, value: float, low: float, high: float) -> Figure:
    low, high = min(low, value), max(high, value)
    grade = limit.grade(value)
    return Figure(limit, value, low, high, grade, {limit.grade(low), limit.grade(high)} == {grade})
