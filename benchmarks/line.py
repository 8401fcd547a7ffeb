"""A line of cameras, in open loop: what a service answers, how fast, and what it loses. The acceptance test.

    PYTHONPATH=. python benchmarks/line.py --cameras 4 --period-ms 1000 --seconds 60 --deadline-ms 900
    PYTHONPATH=. python benchmarks/line.py --url https://inspect.plant --key "$KEY" --products plate --pictures parts/

In: a running service (--url, --key; pictures then come from --pictures) or a store to start one with. Each camera looks
at one product, posts a part each period, early or late by up to --jitter of it; cameras go on to the next product every
--changeover-s, prepared before (--prepare); --kills workers are ended by SIGKILL, of a service on this machine only.
Out: a table by product and in total. Exit code 1 where a part was lost, a verdict was given twice, answers and recorded
verdicts differ in number, or --most-missed is exceeded.
"""

import argparse
import asyncio
import os
import random
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
from report import Row, publish
from service import KINDS, Service, add_arguments, pictures_of, serving
from traffic import Outcome, Shot, Summary, open_loop, summarise


@dataclass(frozen=True, kw_only=True)
class Line:
    """Cameras, and what they look at."""

    cameras: int
    period_s: float
    jitter: float
    """Share of the period."""
    seconds: float
    deadline_ms: int | None
    changeover_s: float | None
    seed: int = 0

    def shots(self, pictures: dict[str, list[tuple[bytes, str]]]) -> Iterator[Shot]:
        """Every part, camera by camera."""
        draw, products = random.Random(self.seed), list(pictures)  # noqa: S311 -- a schedule, no secret
        for camera in range(self.cameras):
            phase = camera / self.cameras * self.period_s
            for tick in range(int(self.seconds / self.period_s)):
                at = phase + (tick + draw.uniform(-self.jitter, self.jitter)) * self.period_s
                turn = 0 if self.changeover_s is None else int(tick * self.period_s / self.changeover_s)
                product = products[(camera + turn) % len(products)]
                data, kind = pictures[product][tick % len(pictures[product])]
                yield Shot(
                    at=max(0.0, at),
                    product=product,
                    picture=data,
                    kind=kind,
                    deadline_ms=self.deadline_ms,
                    station=f"camera-{camera}",
                )


def main() -> None:
    """Read the options, run, print, judge."""
    options = _options()
    with ExitStack() as stack:
        if options.url is None:
            service = stack.enter_context(serving(options.store))
        else:
            service = Service(options.url.rstrip("/"), key=options.key)
        pictures = _pictures(service, options)
        line = Line(
            cameras=options.cameras,
            period_s=options.period_ms / 1000,
            jitter=options.jitter,
            seconds=options.seconds,
            deadline_ms=options.deadline_ms,
            changeover_s=options.changeover_s,
        )
        recorded = recorded_verdicts(service)
        beside = [_kill(service, options.kills, options.seconds)] if options.kills else []
        if options.prepare and options.changeover_s:
            beside.append(_prepare(service, list(pictures), options.changeover_s, options.seconds))
        outcomes = open_loop(service, line.shots(pictures), beside)
        total = summarise(outcomes, options.seconds)
        surplus = recorded_verdicts(service) - recorded - total.served
    rows = [_row(product, _of(outcomes, product), options.seconds) for product in pictures]
    codes = ", ".join(f"{code} {count}" for code, count in total.codes.items()) or "none"
    note = f"Problems: {codes}. Verdicts recorded beyond those answered: {surplus}. Workers killed: {options.kills}."
    publish(options.out, "line", [*rows, _row("all", outcomes, options.seconds)], note=note)
    sys.exit(not _is_accepted(total, surplus, options.most_missed))


def recorded_verdicts(service: Service) -> int:
    """Of all products, as the service counts them."""
    text = httpx.get(f"{service.address}/metrics", headers=service.headers, timeout=60).raise_for_status().text
    return int(sum(map(float, re.findall(r"^inspect_verdicts_total\{[^}]*\} (\S+)$", text, re.MULTILINE))))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--url", help="a running service")
    parser.add_argument(
        "--key", default=os.environ.get("INSPECT_KEY"), help="its API key, with the scopes that it needs"
    )
    parser.add_argument("--products", nargs="+", help="all that serve, unless named")
    parser.add_argument("--cameras", type=int, default=3)
    parser.add_argument("--period-ms", type=float, default=1000)
    parser.add_argument("--jitter", type=float, default=0.1)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--deadline-ms", type=int)
    parser.add_argument("--changeover-s", type=float)
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--most-missed", type=float, default=1.0, help="percent of parts without a verdict in time")
    return parser.parse_args()


def _pictures(service: Service, options: argparse.Namespace) -> dict[str, list[tuple[bytes, str]]]:
    known = [item["product"] for item in service.get("/products") if item["state"] == "serving"]
    names = options.products or known
    if missing := set(names) - set(known):
        sys.exit(f"{', '.join(sorted(missing))}: not served by {service.address}")
    if options.url is not None and options.pictures is None:
        sys.exit("--url needs --pictures, a folder with one folder of pictures a product")
    if options.url is None:
        return {name: pictures_of(options.store, name, options.pictures) for name in names}
    return {name: _read(options.pictures / name) for name in names}


def _read(folder: Path) -> list[tuple[bytes, str]]:
    files = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in KINDS][:64]
    return [(file.read_bytes(), KINDS[file.suffix.lower()]) for file in files] or sys.exit(f"no pictures in {folder}")


async def _kill(service: Service, count: int, seconds: float) -> None:
    for _ in range(count):
        await asyncio.sleep(seconds / (count + 1))
        for pid in (await asyncio.to_thread(service.workers))[:1]:
            os.kill(pid, signal.SIGKILL)


async def _prepare(service: Service, products: list[str], every_s: float, seconds: float) -> None:
    """What comes next is asked for half a turn before."""
    async with httpx.AsyncClient(base_url=service.address, headers=service.headers, timeout=60) as client:
        for turn in range(int(seconds / every_s)):
            await asyncio.sleep(every_s / 2)
            version = (await client.get(f"/products/{products[(turn + 1) % len(products)]}")).json()["version"]
            await client.post(f"/products/{products[(turn + 1) % len(products)]}/prepare", json={"version": version})
            await asyncio.sleep(every_s / 2)


def _of(outcomes: list[Outcome], product: str) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.shot.product == product]


def _row(name: str, outcomes: list[Outcome], seconds: float) -> Row:
    total = summarise(outcomes, seconds)
    return {
        "product": name,
        "offered /s": round(total.offered_rate, 2),
        "served /s": round(total.served_rate, 2),
        "p50 ms": total.p50,
        "p95 ms": total.p95,
        "p99 ms": total.p99,
        "deadline missed": total.missed,
        "refused": total.refused,
        "other errors": total.failed,
        "lost": total.lost,
        "duplicated": total.duplicated,
    }


def _is_accepted(total: Summary, surplus: int, most_missed: float) -> bool:
    without = 100 * (total.offered - total.served) / max(1, total.offered)
    return total.lost == total.duplicated == surplus == 0 and without <= most_missed


if __name__ == "__main__":
    main()
