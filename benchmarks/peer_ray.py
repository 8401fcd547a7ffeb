"""Ray Serve with the detector: `python peer_ray.py STORE PRODUCT PORT`."""

import os
import signal
import sys
from pathlib import Path

import ray
from hosted import MOST, Hosted, answer
from ray import serve
from starlette.requests import Request


@serve.deployment(max_ongoing_requests=256, ray_actor_options={"num_cpus": 1})
class Api:
    """Decodes in the replica; batches of up to MOST, none waits."""

    def __init__(self, store: str, product: str) -> None:
        self.hosted = Hosted(store, product)

    @serve.batch(max_batch_size=MOST, batch_wait_timeout_s=0.0)
    async def score(self, bodies: list[bytes]) -> list[float]:
        """A batch."""
        return self.hosted.score(bodies)

    async def __call__(self, request: Request) -> dict[str, object]:
        """One answer."""
        return answer(await self.score(await request.body()), dict(request.query_params))


if __name__ == "__main__":
    here = os.pathsep.join([str(Path(__file__).resolve().parent), str(Path.cwd())])
    ray.init(
        num_cpus=max(3, os.cpu_count() or 1),
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": here, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "")}},
    )
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[3])})
    serve.run(Api.bind(str(Path(sys.argv[1]).resolve()), sys.argv[2]), route_prefix="/inspect")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()
