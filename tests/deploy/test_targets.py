"""The file of targets that is deployed is one."""

from app.delivery.targets import read_targets
from tests.e2e.kills import ROOT


def test_the_target_is_the_composed_broker() -> None:
    (target,) = read_targets(ROOT / "deploy/targets.toml")
    assert (target.name, target.url) == ("factory", "mqtt://mosquitto:1883")
