"""What was seen → the record of a verdict; a record → what an answer says.

In: a submission and its score, or a record. Out: a record that is not committed yet, or JSON. Refuses: a score that is
no number (`ScoreNotFinite`).
"""

import base64
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from app.ledger.record import Record, timestamp
from app.scoring import Seen
from app.submission import Submission
from detector.regions import find_regions
from detector.verdict import judge

WHO = ("id", "seq", "product", "part_id", "station", "job", "simulated")
WHEN = ("captured_at", "received_at", "queued_at", "decided_at")
WHAT = ("verdict", "code", "detail", "counts_as", "score")
HOW = ("regions", "heatmap", "timings_ms", "software", "device", "precision", "revision", "supersedes", "request_id")
THRESHOLDS = {
    "ng_above": "ng_above",
    "review_above": "review_above",
    "revision": "threshold_revision",
    "decided_by": "decided_by",
}
MODEL = {"version": "model_version", "digest": "model_digest", "spec_digest": "spec_digest"}
PICTURE = {
    "sha256": "picture_sha256",
    "width": "picture_width",
    "height": "picture_height",
    "format": "picture_format",
}
HEALTH = ("mean", "contrast", "sharpness", "saturated_share")


def conclude(submission: Submission, seen: Seen, software: str) -> Record:
    """Judge the score by the thresholds that are in force for the version that gave it."""
    served, picture, scored, calibration = seen.served, seen.picture, seen.scored, seen.calibration
    judgement = judge(scored.score, calibration)
    regions = find_regions(
        scored.heatmap, calibration.ng_above, picture_width=picture.width, picture_height=picture.height
    )
    return Record(
        **submission.facts,
        queued_at=timestamp(seen.queued_at),
        decided_at=timestamp(datetime.now(UTC)),
        verdict=judgement.verdict.value,
        counts_as=judgement.verdict.value,
        score=scored.score,
        ng_above=calibration.ng_above,
        review_above=calibration.review_above,
        decided_by=judgement.decided_by,
        threshold_revision=calibration.revision,
        model_version=served.ref.version,
        model_digest=served.ref.digest,
        spec_digest=served.spec_digest,
        software=software,
        device=scored.device,
        precision=scored.precision,
        picture_width=picture.width,
        picture_height=picture.height,
        picture_format=picture.format,
        **asdict(seen.health),
        regions=[asdict(region) for region in regions],
        idempotency_key=submission.key,
    )


def answer_of(record: Record, drawn: bytes | None = None) -> dict[str, Any]:
    """What the record says, with the heatmap's bytes in it where there are any."""
    answer = {name: getattr(record, name) for name in (*WHO, *WHEN, *WHAT)}
    answer["thresholds"] = _group(record, THRESHOLDS)
    answer["model"] = _group(record, MODEL)
    health = {name: getattr(record, name) for name in HEALTH}
    picture = _group(record, PICTURE)
    if picture is not None:
        url = f"/verdicts/{record.id}/image" if record.picture_kept == "kept" else None
        kept = {"url": url, "lost": record.picture_kept == "lost"}
        picture |= {"health": None if record.mean is None else health} | kept
    answer["picture"] = picture
    answer |= {name: getattr(record, name) for name in HOW}
    if record.seq == 0:  # it waits in the journal: the ledger will say which it is
        answer["seq"] = answer["revision"] = None
    if record.heatmap is not None:
        data = None if drawn is None else base64.b64encode(drawn).decode()
        answer["heatmap"] = {"lost": False, "kept": True, "sha256": None} | record.heatmap | {"data": data}
    return answer


def pending_answer(submission: Submission) -> dict[str, Any]:
    """What is known before there is a verdict."""
    facts = submission.facts
    names = ("id", "product", "part_id", "station", "job", "simulated", "captured_at", "received_at")
    return {name: facts[name] for name in names} | {"verdict": "pending"}


def _group(record: Record, names: dict[str, str]) -> dict[str, Any] | None:
    values = {short: getattr(record, name) for short, name in names.items()}
    return None if all(value is None for value in values.values()) else values
