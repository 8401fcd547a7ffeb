"""Of which parts something is kept: `all`, `ng+review`, `sample:0.05`, `none`; and of which errors. Pure.

In: a setting, then verdicts. Out: whether the picture or heatmap of one is kept. Refuses: a setting that is none of
these (ValueError).
"""

import re
from dataclasses import dataclass

PATTERN = r"^(all|ng\+review|none|sample:(0(\.[0-9]{1,9})?|1(\.0{1,9})?))$"
CERTAIN = {"all": 1.0, "ng+review": 0.0}
NO_EVIDENCE = (429, 503, 507)  # of a service that is full or away: not the picture's doing, and no time to write


@dataclass(frozen=True)
class KeepPolicy:
    """`ok_share` is None where nothing is kept, else the share of ok parts that is kept beside every ng and review."""

    ok_share: float | None

    def __str__(self) -> str:
        if self.ok_share is None:
            return "none"
        certain = {share: word for word, share in CERTAIN.items()}
        return certain.get(self.ok_share, f"sample:{self.ok_share:g}")

    def wants(self, verdict: str, verdict_id: str) -> bool:
        """Whether to keep; the id decides about an ok part, so that an audit finds the same answer again."""
        if self.ok_share is None:
            return False
        return verdict != "ok" or int(verdict_id[:8], 16) < self.ok_share * (1 << 32)


@dataclass(frozen=True, kw_only=True)
class ErrorPolicy:
    """Pictures whose parts got no verdict, as evidence."""

    is_on: bool
    max_picture: int
    """Bytes; a larger one is not kept."""

    def __str__(self) -> str:
        return "all" if self.is_on else "none"

    def wants(self, status: int, size: int) -> bool:
        """Whether to keep a picture of so many bytes whose part was answered `status`."""
        return self.is_on and status not in NO_EVIDENCE and 0 < size <= self.max_picture


def parse_policy(setting: str) -> KeepPolicy:
    """`sample:0.05` → every ng and review, and of 100 ok parts about 5."""
    if not re.fullmatch(PATTERN, setting):
        raise ValueError(f"{setting!r} is none of all, ng+review, sample:<share of ok, 0 to 1> and none")
    kind, _, share = setting.partition(":")
    return KeepPolicy(None if kind == "none" else CERTAIN.get(kind, float(share or 0)))
