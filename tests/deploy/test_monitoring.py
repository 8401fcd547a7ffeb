"""Dashboards and alerts speak only of metrics the service has, and Grafana finds both."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.metric_list import METRICS
from tests.deploy.queries import plain_query

ROOT = Path(__file__).parents[2]
GRAFANA = ROOT / "deploy/grafana"
DASHBOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in (GRAFANA / "dashboards").glob("*.json")
}
PANELS = [panel for dashboard in DASHBOARDS.values() for panel in dashboard["panels"]]
ALERTS: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
RULES: list[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
KNOWN = {series: metric for metric in METRICS for series in metric.series}
LABELS_OF_PROMETHEUS = {"le", "instance", "job", "alertname", "alertstate"}


@pytest.mark.parametrize("expression", EXPRESSIONS + [rule["expr"] for rule in RULES])
def test_an_expression_names_only_metrics_the_service_has(expression: str) -> None:
    assert set(re.findall(r"\binspect_\w+", expression)) <= set(KNOWN)


@pytest.mark.parametrize("expression", EXPRESSIONS + [rule["expr"] for rule in RULES])
def test_an_expression_selects_and_groups_by_labels_that_its_metrics_have(expression: str) -> None:
    has = {label for name in re.findall(r"\binspect_\w+", expression) for label in KNOWN[name].labels}
    asked = set(re.findall(r"(\w+)=~?\"", expression))
    for group in re.findall(r"by \(([^)]*)\)", expression):
        asked |= set(group.split(", "))
    assert asked <= has | LABELS_OF_PROMETHEUS


def test_promtool_parses_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not here (make services)")
    plain = [plain_query(expression) for expression in EXPRESSIONS]
    rules = [{"record": f"panel:{place}", "expr": expr} for place, expr in enumerate(plain)]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    outcome = subprocess.run(
        ["promtool", "check", "rules", tmp_path / "panels.yml"], capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_every_metric_is_on_a_dashboard() -> None:
    shown = {KNOWN[series].name for series in re.findall(r"\binspect_\w+", " ".join(EXPRESSIONS))}
    assert shown == {metric.name for metric in METRICS}


def test_dashboards_are_what_their_sources_draw(tmp_path: Path) -> None:
    shutil.copytree(GRAFANA, tmp_path / "grafana")
    subprocess.run([sys.executable, tmp_path / "grafana/build.py"], check=True)
    for name in DASHBOARDS:
        drawn = (tmp_path / f"grafana/dashboards/{name}.json").read_text()
        assert (GRAFANA / f"dashboards/{name}.json").read_text() == drawn, "python deploy/grafana/build.py"


def test_every_alert_says_how_urgent_it_is_and_what_happened() -> None:
    assert {rule["labels"]["severity"] for rule in RULES} == {"page", "ticket"}
    assert all(set(rule["annotations"]) == {"summary", "description", "runbook"} for rule in RULES)


def test_every_alert_has_a_rule_test_and_an_entry_in_the_operations_page() -> None:
    tested = (ROOT / "deploy/prometheus/alerts_test.yml").read_text()
    explained = (ROOT / "docs/operations.md").read_text()
    for rule in RULES:
        assert f"alertname: {rule['alert']}\n" in tested
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/operations.md"
        assert anchor in {heading.lower() for heading in re.findall(r"^### (\w+)$", explained, re.MULTILINE)}
        assert anchor == rule["alert"].lower()


def test_panels_read_the_provisioned_datasource() -> None:
    provisioned = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())
    (source,) = provisioned["datasources"]
    assert {panel["datasource"]["uid"] for panel in PANELS} == {source["uid"]}


def test_grafana_looks_for_dashboards_where_compose_mounts_them() -> None:
    provider = yaml.safe_load((ROOT / "deploy/grafana/provisioning/dashboards/inspect.yml").read_text())["providers"][0]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    mounts = compose["services"]["grafana"]["volumes"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in mounts


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_do_not_overlap_and_fill_their_rows(name: str) -> None:
    cells = [
        (x, y)
        for grid in (panel["gridPos"] for panel in DASHBOARDS[name]["panels"])
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(cells) == len(set(cells))
    assert {x for x, _ in cells} == set(range(24))


def test_grafana_opens_with_the_line() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    home = compose["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert Path(home).name == "line.json"
    assert set(DASHBOARDS) == {"line", "engine"}
