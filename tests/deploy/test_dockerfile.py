"""Rules the image must keep that hadolint does not know, or that must hold where hadolint is absent."""

import re
from pathlib import Path

import pytest

from deploy.requirements import requirements

ROOT = Path(__file__).parents[2]


@pytest.fixture
def instructions() -> list[str]:
    """Each instruction of the Dockerfile on one line, comments dropped."""
    kept = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    return [line for line in "\n".join(kept).replace("\\\n", " ").splitlines() if line.strip()]


def final_stage(instructions: list[str]) -> list[str]:
    start = max(place for place, line in enumerate(instructions) if line.startswith("FROM "))
    return instructions[start:]


def test_every_base_image_is_pinned_to_a_patch_release(instructions: list[str]) -> None:
    bases = [line.split()[1] for line in instructions if line.startswith("FROM ")]
    arguments = dict(line.split()[1].split("=", 1) for line in instructions if line.startswith("ARG "))
    assert {arguments[base.strip("${}")] for base in bases} == {"python:3.11.13-slim-bookworm"}


def test_the_service_is_not_root(instructions: list[str]) -> None:
    users = [line.split()[1] for line in final_stage(instructions) if line.startswith("USER ")]
    assert users == ["10001:10001"]


def test_health_is_asked_of_the_service_itself(instructions: list[str]) -> None:
    (check,) = [line for line in final_stage(instructions) if line.startswith("HEALTHCHECK ")]
    assert '"-m", "app.probe"' in check


def test_nothing_is_fetched_by_add_and_no_development_tool_is_installed(instructions: list[str]) -> None:
    assert not [line for line in instructions if line.startswith("ADD ")]
    assert not [line for line in instructions if re.search(r"\[(dev|train)\]", line)]


def test_training_code_stays_out_of_the_image(instructions: list[str]) -> None:
    copied = {line.split()[1] for line in final_stage(instructions) if line.startswith("COPY ")} - {"--from=build"}
    assert copied == {"detector", "model_store", "app"}


def test_the_builder_is_sent_only_what_is_copied(instructions: list[str]) -> None:
    copies = [line.split()[1:-1] for line in instructions if line.startswith("COPY ") and "--from=" not in line]
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert sent == {source for sources in copies for source in sources}


def test_the_two_parts_of_the_requirements_are_the_whole() -> None:
    project = ROOT / "pyproject.toml"
    assert [re.split(r"[><=]", line)[0] for line in requirements("torch", project)] == ["torch", "torchvision"]
    assert "fastapi" in " ".join(requirements("rest", project))
    assert not [line for line in requirements("rest", project) if line.startswith("torch")]


def test_an_unknown_part_of_the_requirements_is_refused() -> None:
    with pytest.raises(ValueError, match="not 'all'"):
        requirements("all", ROOT / "pyproject.toml")
