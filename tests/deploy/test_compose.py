"""What the compose file promises beyond being valid: nobody is root, everything is watched, pinned and kept."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_is_unprivileged(name: str) -> None:
    service = SERVICES[name]
    assert int(service["user"].split(":")[0]) > 0
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_is_watched_restarted_and_bounded(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["restart"] == "unless-stopped"
    assert service["deploy"]["resources"]["limits"]["memory"]
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_pinned_to_a_release(name: str) -> None:
    tag = SERVICES[name]["image"].rpartition(":")[2]
    assert tag.lstrip("v")[0].isdigit()
    assert tag.count(".") >= 1


def test_what_must_survive_lies_in_named_volumes() -> None:
    mounts = [mount.split(":") for service in SERVICES.values() for mount in service["volumes"]]
    writable = {source for source, _, *mode in mounts if mode != ["ro"]}
    assert writable == set(COMPOSE["volumes"])


def test_what_is_bound_from_the_tree_exists() -> None:
    mounts = [mount.split(":")[0] for service in SERVICES.values() for mount in service["volumes"]]
    bound = [ROOT / source for source in mounts if source.startswith("./")]
    assert bound
    assert not [path for path in bound if not path.is_dir()]


def test_only_this_host_reaches_what_has_no_keys() -> None:
    for service in SERVICES.values():
        for port in service["ports"]:
            assert port.startswith(("127.0.0.1:", "${INSPECT_PUBLISH:-127.0.0.1:8080}:"))


def test_what_nothing_uses_yet_waits_in_a_profile() -> None:
    assert {name for name, service in SERVICES.items() if service.get("profiles")} == {"postgres", "mosquitto"}


def test_the_service_starts_without_keys_and_with_its_own_ledger_unless_told_otherwise() -> None:
    environment = SERVICES["inspect"]["environment"]
    assert environment == {
        "INSPECT_KEYS_FILE": "${INSPECT_KEYS_FILE:-}",
        "INSPECT_ALLOW_OPEN": "${INSPECT_ALLOW_OPEN:-true}",
        "INSPECT_LEDGER_URL": "${INSPECT_LEDGER_URL:-}",
    }


def test_the_service_writes_only_into_the_volumes_its_image_declares() -> None:
    targets = {mount.split(":")[1] for mount in SERVICES["inspect"]["volumes"]}
    assert targets == {"/var/lib/inspect/models", "/var/lib/inspect/data"}
    assert SERVICES["inspect"]["read_only"] is True


def test_the_air_gapped_recipe_carries_the_images_that_compose_runs() -> None:
    recipe = (ROOT / "docs/operations.md").read_text()
    (carried,) = [line for line in recipe.splitlines() if line.strip().startswith("docker save ")]
    assert set(carried.split("|")[0].split()[2:]) == {service["image"] for service in SERVICES.values()}
