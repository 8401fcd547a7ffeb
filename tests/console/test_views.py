"""The console as an operator uses it, in a real browser before a real service."""

import re
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from tests.console.line import Line, events, look, picture

AXE = Axe()


def test_a_part_shows_up_by_word_shape_and_score(page: Page, line: Line) -> None:
    look(page, line, "live")
    expect(page.get_by_role("status")).to_have_text("Live")
    line.post("A-1", "ok", station="Look 1")
    line.post("A-2", "ng", station="Look 1")
    last = page.locator("article", has_text="Look 1").locator(".last")
    expect(last).to_contain_text("A-2")
    expect(last.locator(".last-word")).to_have_text("NG")
    expect(last.locator(".last-word svg path")).to_have_count(2)  # the octagon and its cross
    expect(last.locator(".last-score")).to_have_text(re.compile(r"19\d\.\d\d"))
    expect(last.locator(".thumb.is-drawn")).to_be_visible()
    expect(page.locator("article", has_text="Look 1").locator(".tile")).to_contain_text("A-1")


def test_an_error_is_no_ok_and_says_what_it_counts_as(page: Page, line: Line) -> None:
    line.post("E-1", "error", station="Look 2")
    look(page, line, "live")
    last = page.locator("article", has_text="Look 2").locator(".last")
    expect(last.locator(".last-word")).to_have_text("ERROR")
    expect(last.locator(".last-code")).to_have_text("picture.unsupported_format, counts as NG")


def test_a_stream_that_broke_goes_on_from_its_last_cursor(page: Page, line: Line) -> None:
    first = line.post("R-1", "ok", station="Look 3")
    cursor = line.read("/verdicts?after=latest")["cursor"]
    asked: list[str | None] = []

    def break_off(route: Route) -> None:
        asked.append(route.request.headers.get("last-event-id"))
        if len(asked) > 1:
            route.continue_()
            return
        record = line.read(f"/verdicts/{first['id']}")
        route.fulfill(body=events(record | {"part_id": "R-2"}, cursor), content_type="text/event-stream")
        line.post("R-3", "review", station="Look 3")  # while nobody listens

    page.route("**/verdicts/stream", break_off)
    look(page, line, "live")
    last = page.locator("article", has_text="Look 3").locator(".last")
    expect(last).to_contain_text("R-3")
    assert asked[1] == cursor


def test_a_part_is_opened_by_enter_and_its_layers_by_letters(page: Page, line: Line) -> None:
    line.post("D-1", "ng", station="Look 4", job="LOT-7")
    look(page, line, "live")
    expect(page.locator("article", has_text="Look 4").locator(".last")).to_contain_text("D-1")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("h2")).to_have_text("D-1")
    expect(dialog.locator(".layer-heat")).to_be_visible()
    expect(dialog.get_by_text("LOT-7")).to_be_visible()
    expect(dialog.locator(".timing", has_text="device")).to_be_visible()
    expect(dialog.locator("time").last).to_have_text(re.compile("CET|GMT\\+1"))
    expect(dialog.locator(".layer-regions rect").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_a_finding_is_one_key_and_counts_in_the_agreement(page: Page, line: Line) -> None:
    for number in range(2):
        line.post(f"Q-{number}", "review")
    look(page, line, "review")
    page.get_by_label("Inspector").fill("Kim")
    page.locator("h1").click()  # leave the field: letters are keys again
    expect(page.locator(".card-head h2")).to_have_text("Q-1")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("d")  # who reads the help judges nothing
    page.keyboard.press("Escape")
    expect(page.locator(".card-head h2")).to_have_text("Q-1")
    page.keyboard.press("d")
    expect(page.locator(".card-head h2")).not_to_have_text("Q-1")
    expect(page.locator("tr", has_text="REVIEW").locator("td").nth(2)).not_to_have_text("0")
    (found,) = line.read(f"/verdicts/{newest(line, 'Q-1')['id']}/dispositions")
    assert (found["found"], found["who"]) == ("defective", "Kim")


def newest(line: Line, part: str) -> dict[str, Any]:
    return dict(line.read(f"/verdicts?after=latest-1000&limit=1000&part_id={part}")["verdicts"][-1])


def test_a_moved_threshold_says_which_parts_would_flip(page: Page, line: Line) -> None:
    line.post("T-1", "ng")
    look(page, line, "products")
    handle = page.get_by_role("slider", name="NG above")
    expect(page.locator(".flips-count")).to_have_text("0 parts would be judged otherwise")
    box = handle.locator("circle").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] - 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 900, box["y"] - 40, steps=3)
    page.mouse.up()
    expect(page.locator(".flips li", has_text="T-1")).to_contain_text(re.compile("NG → (OK|REVIEW)"))
    before = float(handle.get_attribute("aria-valuenow") or "nan")
    handle.press("ArrowLeft")
    assert float(handle.get_attribute("aria-valuenow") or "nan") < before
    assert line.read("/products/plate")["ng_above"] == 150


def test_a_version_is_prepared_activated_and_rolled_back(page: Page, line: Line) -> None:
    look(page, line, "products")
    second = page.locator(".versions li", has_text="Version 2")
    second.get_by_role("button", name="Prepare").click()
    expect(page.locator(".progress")).to_contain_text("Version 2 is loaded")
    second.get_by_role("button", name="Activate").click()
    assert line.read("/products/plate")["version"] == 1  # not at the first press
    second.get_by_role("button", name="Activate version 2?").click()
    expect(second).to_have_class("is-serving")
    page.get_by_role("button", name="Roll back").click()
    page.get_by_role("button", name="Really roll back?").click()
    expect(page.locator(".versions li", has_text="Version 1")).to_have_class("is-serving")


def test_a_dropped_picture_is_a_trial_with_verdict_and_map(page: Page, line: Line) -> None:
    look(page, line, "try")
    file = {"name": "found.png", "mimeType": "image/png", "buffer": picture("ng")}
    page.locator("input[type=file]").set_input_files(file)
    expect(page.locator(".try-report .badge")).to_have_text("NG")
    expect(page.locator(".layer-picture")).to_be_visible()
    expect(page.locator(".layer-heat")).to_be_visible()
    page.keyboard.press("m")
    assert newest(line, "found.png")["simulated"]


def test_the_status_names_workers_and_the_last_errors(page: Page, line: Line) -> None:
    line.post("S-1", "error")
    look(page, line, "status")
    expect(page.locator(".figure", has_text="State")).to_contain_text("Ready")
    expect(page.locator(".figure", has_text="Workers")).to_contain_text("1 / 1")
    expect(page.locator("tr", has_text="plate@")).to_contain_text("kept ready")  # the lease
    expect(page.locator("tr", has_text="S-1")).to_contain_text("picture.unsupported_format")


def test_another_language_is_spoken_at_once_and_remembered(page: Page, line: Line) -> None:
    look(page, line, "status")
    page.get_by_label("Language").select_option("de")
    expect(page.locator("h1")).to_have_text("Zustand")
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.locator("h1")).to_have_text("Zustand")


def test_every_view_is_a_key_away_and_accessible(page: Page, line: Line) -> None:
    line.post("X-1", "review")
    look(page, line, "live")
    for number, view in enumerate(["live", "review", "products", "try", "status"], 1):
        page.keyboard.press(str(number))
        page.wait_for_selector(f"main section.{view}")
        assert AXE.run(page).response["violations"] == [], view


def test_a_part_and_the_help_are_accessible(page: Page, line: Line) -> None:
    line.post("X-2", "ng")
    look(page, line, "live")
    page.keyboard.press("?")
    assert AXE.run(page).response["violations"] == []
    page.keyboard.press("Escape")
    page.locator(".last").first.click()
    page.wait_for_selector(".detail .layer-heat")
    assert AXE.run(page).response["violations"] == []
