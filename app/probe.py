"""`python -m app.probe`: 0 when the service on this machine answers GET /livez, else 1. A container's health check.

In: the service's own settings. Standard library only: it runs every 15 seconds. Not urllib, which would ask a proxy
that Docker hands to the container. Where client certificates are required it has none: the TLS handshake is the answer.
"""

import http.client
import os
import ssl
import sys
from collections.abc import Mapping

TIMEOUT_S = 3.0
PORT = 8080


def is_alive(port: int, settings: Mapping[str, str]) -> bool:
    """Whether a service with these INSPECT_* settings answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    if settings.get("INSPECT_TLS_CERT"):
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT_S, context=_any_certificate())
    try:
        connection.connect()
        if settings.get("INSPECT_TLS_CLIENT_CA") and settings.get("INSPECT_TLS_CLIENT_CERT") != "optional":
            return True
        connection.request("GET", "/livez")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _any_certificate() -> ssl.SSLContext:
    """It is asked by an address that no certificate names, and tells no secret."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


if __name__ == "__main__":
    sys.exit(not is_alive(int(os.environ.get("INSPECT_PORT") or PORT), os.environ))
