"""What the page is made of: nothing from elsewhere, nothing inline, every language whole."""

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.app.service import serving

STATIC = Path(str(files("app.console"))) / "static"
LANGUAGES = {path.stem: json.loads(path.read_text()) for path in (STATIC / "lang").glob("*.json")}
SCRIPTS = {path: path.read_text() for path in STATIC.rglob("*.js") if path.parent.name != "vendor"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with serving(tmp_path_factory.mktemp("empty"), start_s=0) as client:
        yield client


def test_the_page_may_load_from_this_service_only_and_runs_nothing_inline(client: TestClient) -> None:
    answer = client.get("/console")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not re.findall(r"//[\w.-]+\.\w+|<style|style=|<script>|\son\w+=", answer.text)


def test_every_file_that_the_page_names_is_here_with_its_type(client: TestClient) -> None:
    named = re.findall(r'(?:src|href)="(console/[^"]+)"', client.get("/console").text)
    assert len(named) == 7
    for path in [*named, "console/assets/lang/ko.json", "console/assets/vendor/inter.woff2"]:
        answer = client.get(f"/{path}")
        assert answer.status_code == 200, path
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("/console/assets/main.js").headers["content-type"].startswith("text/javascript")


def test_what_is_imported_is_there() -> None:
    for path, text in SCRIPTS.items():
        for name in re.findall(r'from "(\.[^"]+)"', text):
            assert (path.parent / name).is_file(), f"{path.name} imports {name}"


@pytest.mark.parametrize("name", ["en", "de", "ko", "zh"])
def test_a_language_has_every_word_with_its_places(name: str) -> None:
    language, english = LANGUAGES[name], LANGUAGES["en"]
    assert language.keys() == english.keys()
    assert all(language.values())
    for word in english:
        assert places(language[word]) == places(english[word]), word


def test_every_word_that_a_view_says_is_in_the_languages() -> None:
    said = {word for text in SCRIPTS.values() for word in re.findall(r'\bt\("([\w.]+)"', text)}
    assert len(said) > 80
    assert said <= LANGUAGES["en"].keys()


def test_there_is_no_html_that_is_made_of_text() -> None:
    for path, text in SCRIPTS.items():
        assert not re.search(r"innerHTML|outerHTML|dangerouslySet|eval\(|document\.write", text), path


def places(word: str) -> list[str]:
    return sorted(re.findall(r"\{\w+\}", word))
