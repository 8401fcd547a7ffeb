"""A fast line: does the page keep up? `pytest -s -m slow tests/console/test_pace.py` runs the long one and
prints its figures.
"""

import threading
import time

import pytest
from playwright.sync_api import Page, expect

from tests.console.line import Line

RATE = 30  # parts a second
LATE_S = 1.0
STALL_MS = 500  # between two frames; longer is a page that stutters
WATCH = """() => {
  window.longest = 0;
  let before = performance.now();
  const frame = (now) => {
    window.longest = Math.max(window.longest, now - before);
    before = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""
SHOWN = "() => document.querySelector('article.lane .last-part')?.textContent"  # `A fast one` is the first lane


def post_for(line: Line, seconds: float) -> list[float]:
    """Post parts `0`, `1`, … at RATE; the moment when each was answered."""
    answered: list[float] = []
    begun = time.monotonic()
    for number in range(int(RATE * seconds)):
        time.sleep(max(0.0, begun + number / RATE - time.monotonic()))
        line.post(str(number), "ng" if number % 10 == 0 else "ok", station="A fast one")
        answered.append(time.monotonic())
    return answered


def keep_up(page: Page, line: Line, seconds: float) -> None:
    page.goto(f"{line.address}/console#/live")
    page.wait_for_selector(".connection.is-live")
    page.evaluate(WATCH)
    answered: list[float] = []
    poster = threading.Thread(target=lambda: answered.extend(post_for(line, seconds)))
    poster.start()
    shown: list[tuple[float, int]] = []
    while poster.is_alive():
        part = page.evaluate(SHOWN)
        shown.append((time.monotonic(), int(part) if part and part.isdigit() else -1))
        page.wait_for_timeout(50)
    poster.join()
    last = page.locator("article.lane .last-part").first
    expect(last).to_have_text(str(len(answered) - 1), timeout=1000 * LATE_S)
    rate = (len(answered) - 1) / (answered[-1] - answered[0])
    late = [
        at - answered[part + 1] for at, part in shown if 0 <= part < len(answered) - 1
    ]  # the next was answered, and not shown yet
    longest = page.evaluate("() => window.longest")
    print(f"latest by {max(late):.2f} s, longest frame {longest:.0f} ms, {rate:.1f} parts a second")  # noqa: T201
    assert rate > 0.9 * RATE, f"this machine posted {rate:.1f} parts a second"
    assert max(late) < LATE_S
    assert longest < STALL_MS


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_thirty_parts_a_second_for_a_minute_leave_the_page_no_slower(page: Page, line: Line) -> None:
    keep_up(page, line, 60)
