"""What the console shows where the service offers it: kept pictures, new thresholds, drift; skipped elsewhere."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.console.line import Line, look


def need(line: Line, path: str) -> None:
    if path not in line.read("/openapi.json")["paths"]:
        pytest.skip(f"this service has no {path}")


def test_the_map_is_faded_over_the_picture_that_was_kept(page: Page, line: Line) -> None:
    need(line, "/verdicts/{verdict_id}/image")
    line.post("K-1", "ng", station="Look 5")
    look(page, line, "live")
    page.locator("article", has_text="Look 5").locator(".last").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".layer-picture")).to_be_visible()
    dialog.get_by_label("Opacity").fill("20")
    expect(dialog.locator(".layer-heat")).to_have_css("opacity", "0.2")
    dialog.get_by_role("button", name="Run again").click()
    expect(dialog.locator(".replay .state")).to_have_text(re.compile(r"The same: 19\d"))
    page.keyboard.press("i")
    expect(dialog.locator(".layer-heat")).to_have_count(0)
    page.keyboard.press("m")
    expect(dialog.locator(".layer-picture")).to_have_count(0)


def test_thresholds_are_put_in_force_with_a_name_and_a_reason(page: Page, line: Line) -> None:
    need(line, "/products/{product}/thresholds")
    line.post("K-2", "ng")
    look(page, line, "products")
    page.get_by_role("slider", name="NG above").press("PageUp")
    put = page.locator(".put")
    expect(put.get_by_role("button")).to_be_disabled()
    put.get_by_label("Inspector").fill("Kim")
    put.get_by_label("Reason").fill("a brighter lamp")
    put.get_by_role("button", name="Set thresholds").click()
    put.get_by_role("button", name="Really set them?").click()
    expect(put.locator(".changes li").first).to_contain_text("Kim · a brighter lamp")
    assert line.read("/products/plate")["ng_above"] > 150
    back = {"ng_above": 150, "review_above": 120, "who": "test", "why": "as before"}
    assert line.client.put("/products/plate/thresholds", json=back).status_code == 200


def test_the_status_says_what_is_kept(page: Page, line: Line) -> None:
    need(line, "/retention")
    look(page, line, "status")
    expect(page.locator("tr", has_text="Pictures")).to_contain_text("ng+review")


def test_the_status_tells_drift_by_station_and_cause(page: Page, line: Line) -> None:
    line.post("K-3", "ok", station="Look 6")
    look(page, line, "status")
    expect(page.locator("tr", has_text="Look 6").locator(".state")).to_have_text("nothing changed")
