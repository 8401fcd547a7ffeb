"""The console of a service that wants keys: it asks for one, keeps it in its tab, and shows what the key may not do."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.keys import add_key
from tests.console.line import Line, running


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys.toml"


@pytest.fixture(scope="module")
def key(file: Path) -> str:
    return str(add_key(file, "panel-3", ["read"]))


@pytest.fixture(scope="module")
def line(file: Path, key: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    settings = {"KEYS_FILE": str(file), "OPEN_ROUTES": "/readyz"}
    with running(tmp_path_factory.mktemp("keyed"), **settings) as line:
        line.client.headers["Authorization"] = f"Bearer {key}"
        yield line


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Without the watch for complaints: a browser reports every 401."""
    with browser.new_context() as context:
        yield context.new_page()


def test_a_key_is_asked_for_and_opens_the_page_until_its_tab_is_closed(page: Page, line: Line, key: str) -> None:
    page.goto(f"{line.address}/console#/status")
    field = page.get_by_role("textbox", name="API key")
    field.fill("inspect_wrong")
    field.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("key.unknown")
    field.fill(key)
    field.press("Enter")
    expect(page.locator(".figure", has_text="Workers")).to_contain_text("1 / 1")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.reload()
    expect(page.locator(".figure", has_text="Workers")).to_contain_text("1 / 1")
    expect(page.get_by_role("button", name="Key", exact=True)).to_be_visible()
    assert page.evaluate("() => localStorage.length + document.cookie.length") == 1  # the language
    other = page.context.new_page()
    other.goto(f"{line.address}/console#/status")
    expect(other.get_by_role("textbox", name="API key")).to_be_visible()


def test_what_a_key_may_not_do_is_refused_in_words(page: Page, line: Line, key: str) -> None:
    page.goto(f"{line.address}/console#/products")
    page.get_by_role("textbox", name="API key").fill(key)
    page.get_by_role("textbox", name="API key").press("Enter")
    page.get_by_role("button", name="Roll back").click()
    page.get_by_role("button", name="Really roll back?").click()
    expect(page.get_by_role("alert").filter(has_text="has not the scope operate")).to_be_visible()
