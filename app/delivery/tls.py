"""Whom a target's connection trusts, and who it says it is: files of the target → an `ssl.SSLContext`.

Refuses: files that are no certificates or keys (`BadTargets`).
"""

import ssl

from app.delivery.errors import BadTargets
from app.delivery.targets import Target


def context_of(target: Target) -> ssl.SSLContext:
    """The host's name and its chain are always checked."""
    try:
        context = ssl.create_default_context(cafile=target.ca_file)
        if target.cert_file is not None:
            context.load_cert_chain(target.cert_file, target.key_file)
    except (OSError, ssl.SSLError) as exc:
        raise BadTargets(f"{target.name}: its certificates cannot be used: {exc}") from exc
    return context
