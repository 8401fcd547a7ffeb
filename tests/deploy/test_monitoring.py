"""Dashboards and alerts speak only of metrics the service has, and Grafana finds both."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/dashboards/inspect.json").read_text())
ALERTS: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
RULES: list[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
KNOWN = {
    "inspect_requests_total": {"route", "status"},
    "inspect_verdicts_total": {"product", "verdict"},
    "inspect_errors_total": {"code"},
    "inspect_stage_seconds_bucket": {"product", "stage", "le"},
    "inspect_score_ratio_bucket": {"product", "le"},
    "inspect_heatmap_bytes": set(),
    "inspect_heatmaps_lost_total": set(),
    "inspect_picture_bytes": set(),
    "inspect_pictures_lost_total": set(),
    "inspect_deadline_missed_total": {"product"},
    "inspect_quarantined_pictures": set(),
    "inspect_held_pictures": set(),
    "inspect_held_bytes": set(),
    "inspect_queue_length": set(),
    "inspect_workers_up": set(),
    "inspect_worker_restarts_total": set(),
    "inspect_resident_bytes": {"device"},
    "inspect_golden_delta": {"product"},
}


@pytest.mark.parametrize("expression", EXPRESSIONS + [rule["expr"] for rule in RULES])
def test_an_expression_names_only_metrics_the_service_has(expression: str) -> None:
    assert set(re.findall(r"\binspect_\w+", expression)) <= set(KNOWN)


def test_promtool_parses_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not here (make services)")
    plain = [expr.replace("$__rate_interval", "1m").replace("$product", ".*") for expr in EXPRESSIONS]
    rules = [{"record": f"panel:{place}", "expr": expr} for place, expr in enumerate(plain)]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    outcome = subprocess.run(
        ["promtool", "check", "rules", tmp_path / "panels.yml"], capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_every_metric_is_on_the_dashboard() -> None:
    assert set(re.findall(r"\binspect_\w+", " ".join(EXPRESSIONS))) == set(KNOWN)


def test_every_alert_says_how_urgent_it_is_and_what_happened() -> None:
    assert {rule["labels"]["severity"] for rule in RULES} == {"page", "ticket"}
    assert all(set(rule["annotations"]) == {"summary", "description"} for rule in RULES)


def test_every_alert_has_a_rule_test_and_an_entry_in_the_operations_page() -> None:
    tested = (ROOT / "deploy/prometheus/alerts_test.yml").read_text()
    explained = (ROOT / "docs/operations.md").read_text()
    for rule in RULES:
        assert f"alertname: {rule['alert']}\n" in tested
        assert f"`{rule['alert']}`" in explained


def test_panels_read_the_provisioned_datasource() -> None:
    provisioned = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())
    (source,) = provisioned["datasources"]
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {source["uid"]}


def test_grafana_looks_for_dashboards_where_compose_mounts_them() -> None:
    provider = yaml.safe_load((ROOT / "deploy/grafana/provisioning/dashboards/inspect.yml").read_text())["providers"][0]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    mounts = compose["services"]["grafana"]["volumes"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in mounts


def test_panels_do_not_overlap() -> None:
    cells = [
        (x, y)
        for grid in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(cells) == len(set(cells))
