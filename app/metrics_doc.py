"""docs/metrics.md, from app/metric_list.py: `python -m app.metrics_doc > docs/metrics.md`; a test keeps them equal."""

import sys

from app.metric_list import GROUPS, METRICS, ONLY

HEAD = """# Metrics

Generated: `python -m app.metrics_doc > docs/metrics.md`. `GET /metrics` speaks Prometheus' text, and OpenMetrics with
exemplars (the trace of a part) to who asks for it. `product` is one that the store holds; `station` is what the
camera says: the first 32 of a product, then `other`, empty where none was said. Series of a product that serves begin
at zero. No label holds a part's id. Beside these there are `process_*` of the service's own process, not its workers'.
"""


def render() -> str:
    """The page."""
    lines = [HEAD]
    for group in GROUPS:
        lines += [f"## {group}", "", "| metric | kind | labels | meaning |", "|---|---|---|---|"]
        for metric in METRICS:
            if metric.group == group:
                name = metric.series[0] if metric.kind == "counter" else metric.name
                labels = ", ".join(f"`{label}`" for label in metric.labels)
                only = f" Only {ONLY[metric.only]}." if metric.only else ""
                lines.append(f"| `{name}` | {metric.kind} | {labels} | {metric.says}{only} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(render())
