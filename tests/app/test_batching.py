"""The policy, asked without a clock, a lock or a worker."""

import math
from collections import defaultdict

from app.batching import FREE, BatchLimits, Plan, Seen, Waiter, next_batch
from app.pace import Cost

EIGHT = BatchLimits(8)


def waits(product: str, due: float = 100.0, *, model: str = "", since: float = 0.0, alone: bool = False) -> Waiter:
    return Waiter(product=product, model=model or product, since=since, due=due, alone=alone)


def plan(
    *waiting: Waiter, now: float = 10.0, limits: BatchLimits = EIGHT, served: dict[str, int] | None = None
) -> Plan:
    return next_batch(waiting, now, limits=limits, seen=Seen(served=served or {}, costs={"a": Cost(least=0.5)}))


def joint(*waiting: Waiter, limit: int = 8, cost: Cost = FREE, sizes: dict[str, int] | None = None) -> Plan:
    seen = Seen(costs=dict.fromkeys("abc", cost), sizes=sizes or {})
    return next_batch(waiting, 10.0, limits=BatchLimits(limit), seen=seen, joint=True)


def sees(product: str, sight: str, due: float = 100.0) -> Waiter:
    return Waiter(product=product, model=product, sight=sight, since=0.0, due=due)


def test_nothing_waits_and_nothing_runs() -> None:
    assert plan() == Plan((), math.inf)


def test_the_earliest_deadline_runs_first_whatever_came_first() -> None:
    assert plan(waits("a", 90), waits("b", 80), waits("a", 70)).places == (2, 0)


def test_a_batch_is_of_one_model_also_within_a_product() -> None:
    assert plan(waits("a", 1, model="v1"), waits("a", 2, model="v2"), waits("a", 3, model="v1")).places == (0, 2)


def test_of_too_many_the_most_urgent_run() -> None:
    assert plan(*(waits("a", 100 - place) for place in range(5)), limits=BatchLimits(2)).places == (4, 3)


def test_equal_deadlines_run_in_the_order_of_their_coming() -> None:
    assert plan(waits("a", since=2), waits("a", since=1)).places == (1, 0)


def test_a_flooded_product_lets_another_pass_after_one_batch() -> None:
    flood = [waits("a", due=1.0) for _ in range(50)]
    assert plan(*flood, waits("b", due=99.0), served={"a": 7}).places == tuple(range(8))
    assert plan(*flood, waits("b", due=99.0), served={"a": 8}).places == (50,)


def test_three_products_that_flood_get_equal_shares() -> None:
    served = dict.fromkeys("abc", 0)
    floods = [waits(product, due) for product, due in (("a", 1), ("b", 2), ("c", 3)) for _ in range(8)]
    for _ in range(30):
        served[floods[plan(*floods, served=served).places[0]].product] += 8
    assert set(served.values()) == {80}


def test_what_a_worker_died_over_runs_next_and_alone() -> None:
    assert plan(waits("a", 1), waits("b", 99, alone=True)).places == (1,)


def test_without_a_delay_nobody_waits_for_company() -> None:
    assert plan(waits("a", since=10.0)).places == (0,)


def test_with_a_delay_the_first_one_waits_no_longer_than_that() -> None:
    limits = BatchLimits(8, delay_s=2.0)
    assert plan(waits("a", since=9.0), now=10.0, limits=limits) == Plan((), until=11.0)
    assert plan(waits("a", since=9.0), now=11.0, limits=limits).places == (0,)


def test_a_full_batch_waits_for_nobody() -> None:
    assert plan(*(waits("a", since=10.0) for _ in range(8)), limits=BatchLimits(8, delay_s=2.0)).places


def test_no_delay_costs_the_earliest_deadline_of_the_batch() -> None:
    limits = BatchLimits(8, delay_s=2.0)
    hasty = (waits("a", due=99.0, since=10.0), waits("a", due=12.6, since=10.0))  # a batch of "a" takes 0.5 s
    assert plan(*hasty, now=10.0, limits=limits).until < 10.2
    assert plan(*hasty, now=10.2, limits=limits).places == (1, 0)


def test_a_product_whose_batch_is_ready_does_not_wait_for_one_that_delays() -> None:
    limits = BatchLimits(2, delay_s=2.0)
    assert plan(waits("a", 20, since=10.0), waits("b", since=10.0), waits("b", since=10.0), limits=limits).places == (
        1,
        2,
    )


def test_a_model_that_filled_its_device_runs_in_smaller_batches_and_others_do_not() -> None:
    waiting = [waits("a") for _ in range(8)] + [waits("b") for _ in range(8)]
    chosen = [
        next_batch(waiting, 10.0, limits=EIGHT, seen=Seen(served=served, sizes={"a": 3})).places
        for served in ({"b": 8}, {"a": 8})
    ]
    assert chosen == [(0, 1, 2), tuple(range(8, 16))]


def test_a_batch_is_no_larger_than_its_earliest_deadline_allows() -> None:
    waiting = [waits("a", due) for due in (10.6, 12.0, 12.0, 12.0)]
    slow = {"a": Cost(least=0.1, fixed=0.0, each=0.2)}
    assert next_batch(waiting, 10.0, limits=EIGHT, seen=Seen(costs=slow)).places == (0, 1)


def test_what_will_hardly_be_in_time_lets_those_pass_that_will() -> None:
    waiting = [waits("a", 10.15), waits("a", 10.5)]
    slow = {"a": Cost(least=0.1, fixed=0.0, each=0.2)}
    assert next_batch(waiting, 10.0, limits=BatchLimits(1), seen=Seen(costs=slow)).places == (1,)
    assert next_batch(waiting[:1], 10.0, limits=BatchLimits(1), seen=Seen(costs=slow)).places == (0,)


def test_a_batch_that_its_deadlines_cut_short_waits_for_nobody() -> None:
    waiting = [waits("a", 10.6, since=10.0), waits("a", 10.6, since=10.0), waits("a", 10.6, since=10.0)]
    slow = {"a": Cost(least=0.1, fixed=0.0, each=0.2)}
    limits = BatchLimits(8, delay_s=0.01)
    assert next_batch(waiting, 10.0, limits=limits, seen=Seen(costs=slow)).places == (0, 1)


def test_room_that_is_left_goes_to_the_most_urgent_of_other_products_that_are_seen_alike() -> None:
    waiting = (sees("a", "x", 1000), sees("b", "x", 3000), sees("c", "x", 2000), sees("b", "x", 4000))
    assert joint(*waiting, limit=3).places == (0, 2, 1)
    assert plan(*waiting).places == (0,)


def test_what_is_seen_otherwise_or_shares_nothing_does_not_join() -> None:
    assert joint(sees("a", "x", 1), sees("b", "y", 2)).places == (0,)
    assert joint(sees("a", "", 1), sees("b", "", 2)).places == (0,)


def test_nobody_joins_who_would_be_late_or_make_another_late() -> None:
    second_each = Cost(least=1.0, fixed=0.0, each=1.0)
    assert joint(sees("a", "x", 12.4), sees("b", "x", 99), cost=second_each).places == (0,)
    assert joint(sees("a", "x", 12.6), sees("b", "x", 99), cost=second_each).places == (0, 1)


def test_a_joint_batch_is_no_larger_than_what_fits_of_each_of_its_models() -> None:
    waiting = (sees("a", "x", 1000), sees("b", "x", 2000), sees("c", "x", 3000))
    assert joint(*waiting, sizes={"b": 2}).places == (0, 1)


def longest_waits(arrivals: list[tuple[float, str]], *, seconds_each: float) -> dict[str, float]:
    """Product → the longest that a picture waited, of a device that takes `seconds_each` a picture; an open loop."""
    now, served, waits_for, waiting = 0.0, {}, defaultdict[str, float](float), list[tuple[float, str]]()
    while arrivals or waiting:
        now = max(now, arrivals[0][0]) if not waiting else now
        while arrivals and arrivals[0][0] <= now:
            waiting.append(arrivals.pop(0))
        queue = [waits(product, due=since + 30, since=since) for since, product in waiting]
        taken = [waiting[place] for place in plan(*queue, now=now, served=served).places]
        waiting = [one for one in waiting if one not in taken]
        now += seconds_each * len(taken)
        for since, product in taken:
            served[product] = served.get(product, 0) + 1
            waits_for[product] = max(waits_for[product], now - since)
    return waits_for


def test_a_product_that_is_offered_three_times_what_the_device_can_do_leaves_the_others_in_time() -> None:
    flood = [(place / 300, "a") for place in range(1200)]
    lines = [(place / 10 + 0.05, product) for place in range(40) for product in "bc"]
    longest = longest_waits(sorted(flood + lines), seconds_each=0.01)
    assert max(longest["b"], longest["c"]) <= 0.01 * (8 + 8 + 2)
    assert longest["a"] > 8
