"""A panel's query as Prometheus takes it: Grafana's variables filled in."""


def plain_query(expression: str) -> str:
    """All products and stations, over a minute."""
    filled = {"$__rate_interval": "1m", "$product": ".*", "$station": ".*"}
    for variable, value in filled.items():
        expression = expression.replace(variable, value)
    return expression
