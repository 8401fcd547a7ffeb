"""line.py, engine.py → dashboards/*.json: `python deploy/grafana/build.py`. A test keeps them equal."""

import json
from pathlib import Path
from typing import Any

from engine import ENGINE
from line import LINE
from panel import Dashboard, Panel

DASHBOARDS = (LINE, ENGINE)
FOLDER = Path(__file__).parent / "dashboards"
SOURCE = {"type": "prometheus", "uid": "prometheus"}
HEIGHTS = {"stat": 4, "timeseries": 8, "state-timeline": 7, "table": 7}
OPTIONS: dict[str, dict[str, Any]] = {
    "stat": {"colorMode": "background", "graphMode": "area", "reduceOptions": {"calcs": ["lastNotNull"]}},
    "timeseries": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
    "state-timeline": {"mergeValues": True, "showValue": "never"},
    "table": {"showHeader": True},
}


def draw(dashboard: Dashboard) -> dict[str, Any]:
    """Grafana's JSON model."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row in dashboard.rows:
        left = 0
        for panel in row:
            panels.append(_panel(panel, len(panels) + 1, left, top))
            left += panel.width
        top += max(HEIGHTS[panel.kind] for panel in row)
    return {
        "uid": f"inspect-{dashboard.uid}",
        "title": dashboard.title,
        "tags": ["inspect"],
        "timezone": "browser",
        "schemaVersion": 39,
        "version": 1,
        "refresh": "15s",
        "editable": False,
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_variable("product"), _variable("station")]},
        "panels": panels,
    }


def render(dashboard: Dashboard) -> str:
    """The bytes of its file."""
    return json.dumps(draw(dashboard), indent=1, ensure_ascii=False) + "\n"


def _variable(label: str) -> dict[str, Any]:
    where = '{product=~"$product"}' if label == "station" else ""
    return {
        "name": label,
        "label": label.capitalize(),
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": f"label_values(inspect_verdicts_total{where}, {label})", "refId": label},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panel(panel: Panel, number: int, left: int, top: int) -> dict[str, Any]:
    steps = [{"color": color, "value": value} for value, color in panel.steps]
    mode = "palette-classic" if panel.kind == "timeseries" else "thresholds"
    form = {"format": "table", "instant": True} if panel.kind == "table" else {}
    return {
        "id": number,
        "title": panel.title,
        "description": panel.says,
        "type": panel.kind,
        "datasource": SOURCE,
        "gridPos": {"x": left, "y": top, "w": panel.width, "h": HEIGHTS[panel.kind]},
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "thresholds": {"mode": "absolute", "steps": steps},
                "color": {"mode": mode},
            },
            "overrides": [],
        },
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": SOURCE, "expr": expr, "legendFormat": legend, **form}
            for place, (expr, legend) in enumerate(panel.queries)
        ],
        "options": OPTIONS[panel.kind],
    }


if __name__ == "__main__":
    for page in DASHBOARDS:
        (FOLDER / f"{page.uid}.json").write_text(render(page))
