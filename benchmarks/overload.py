"""More than the service can do: 3 times its capacity for a minute, then idle again.

In: a store, a product, a deadline. Out: one row before, one at each third of the overload, one after it. Exit code 1
where p99 of accepted parts passes the deadline, a refusal lacks Retry-After, memory rises by more than a tenth, an
answer is lost, less than half of the capacity is served, or a part posted 2 s after the end takes more than 1.5 times
its idle latency.
"""

import argparse
import asyncio
import statistics
import sys

from report import Row, publish
from service import Service, add_arguments, pictures_of, serving
from traffic import Outcome, Shot, closed_loop, open_loop, summarise

RECOVERY_S = 2.0
MOST_GROWTH, MOST_SLOWER, LEAST_SERVED = 1.1, 1.5, 0.5
CLIENTS = 16


def main() -> None:
    """Idle, capacity, overload, idle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--product", default="solar-mono")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--times", type=float, default=3)
    parser.add_argument("--deadline-ms", type=int, default=2000)
    options = parser.parse_args()
    pictures = pictures_of(options.store, options.product, options.pictures)

    def make(number: int, at: float = 0.0, deadline_ms: int | None = None) -> Shot:
        data, kind = pictures[number % len(pictures)]
        return Shot(at=at, product=options.product, picture=data, kind=kind, deadline_ms=deadline_ms)

    with serving(options.store) as service:
        closed_loop(service, 1, 2, make)
        idle = summarise(closed_loop(service, 1, 5, make))
        capacity = summarise(closed_loop(service, CLIENTS, 8, make)).served_rate
        rate = options.times * capacity
        shots = [make(it, it / rate, options.deadline_ms) for it in range(int(rate * options.seconds))]
        memory: list[int] = []
        outcomes = open_loop(service, shots, [_watch(service, memory, options.seconds)])
        late = max(outcome.ended_at for outcome in outcomes) - options.seconds
        after = summarise(open_loop(service, [make(it, RECOVERY_S + it) for it in range(5)]))
    thirds = [_third(outcomes, number, options.seconds) for number in range(3)]
    rows = [
        _row("idle, 1 client", [], idle.served_rate, idle.p50, idle.p99),
        *(_row(f"overload, third {it + 1}", part) for it, part in enumerate(thirds)),
        _row(f"{RECOVERY_S:g} s after it", [], after.served_rate, after.p50, after.p99),
    ]
    growth = statistics.mean(memory[-5:]) / statistics.mean(memory[: max(1, len(memory) // 4)])
    total = summarise(outcomes, options.seconds)
    offered = f"Capacity {capacity:.2f} parts/s, offered {rate:.2f}/s, deadline {options.deadline_ms} ms."
    ending = f"Memory x {growth:.3f}. Last answer {late:.2f} s after the last part."
    refused = f"Refusals without Retry-After: {total.without_retry_after}."
    publish(options.out, "overload", rows, note=f"{offered} {ending} {refused}")
    is_right = total.p99 <= options.deadline_ms and total.lost == total.without_retry_after == 0
    is_right = is_right and total.served_rate >= LEAST_SERVED * capacity
    sys.exit(not (is_right and growth <= MOST_GROWTH and after.p50 <= MOST_SLOWER * idle.p50))


async def _watch(service: Service, memory: list[int], seconds: float) -> None:
    for _ in range(int(seconds)):
        memory.append(await asyncio.to_thread(service.memory))
        await asyncio.sleep(1)


def _third(outcomes: list[Outcome], number: int, seconds: float) -> list[Outcome]:
    return [it for it in outcomes if number <= 3 * it.shot.at / seconds < number + 1]


def _row(what: str, outcomes: list[Outcome], rate: float = 0.0, p50: float = 0.0, p99: float = 0.0) -> Row:
    span = max((it.shot.at for it in outcomes), default=0.0) - min((it.shot.at for it in outcomes), default=0.0)
    total = summarise(outcomes, span or 1.0)
    return {
        "what": what,
        "offered": total.offered,
        "served /s": round(total.served_rate if outcomes else rate, 2),
        "p50 ms": total.p50 if outcomes else p50,
        "p99 ms": total.p99 if outcomes else p99,
        "deadline missed": total.missed,
        "429": total.codes.get("queue.product_full", 0),
        "503": total.codes.get("queue.full", 0),
        "lost": total.lost,
    }


if __name__ == "__main__":
    main()
