"""BentoML with the detector: `python peer_bentoml.py STORE PRODUCT PORT`.

Without its adaptive batches: an API of those takes one list and knows no query, and on a CPU they gain nothing.
"""

import os
import sys
from pathlib import Path

import bentoml
from hosted import Hosted, answer

STORE, PRODUCT = "PEER_STORE", "PEER_PRODUCT"  # the server imports this module in processes of its own


@bentoml.service(workers=1, traffic={"timeout": 120})
class Api:
    """Decodes in the worker."""

    def __init__(self) -> None:
        self.hosted = Hosted(os.environ[STORE], os.environ[PRODUCT])

    @bentoml.api(route="/inspect")
    def inspect(self, picture: Path, /, ctx: bentoml.Context) -> dict[str, object]:
        """One answer."""
        (score,) = self.hosted.score([picture.read_bytes()])
        return answer(score, dict(ctx.request.query_params))


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    os.environ |= {STORE: str(Path(sys.argv[1]).resolve()), PRODUCT: sys.argv[2]}
    os.environ |= {"PYTHONPATH": f"{here}:{Path.cwd()}", "BENTOML_DO_NOT_TRACK": "true"}
    program = [sys.executable, "-m", "bentoml", "serve", "peer_bentoml:Api", "--working-dir", str(here)]
    os.execv(sys.executable, [*program, "--host", "127.0.0.1", "--port", sys.argv[3]])
