"""LitServe with the detector: `python peer_litserve.py STORE PRODUCT PORT`."""

import sys
from typing import Annotated, Any

import litserve
from fastapi import Depends, Request
from hosted import MOST, Hosted, answer

Job = tuple[bytes, dict[str, str]]
Said = tuple[float, dict[str, str]]


async def read(request: Request) -> Job:
    """The body, and the fields that come back: LitServe itself reads JSON and forms alone."""
    return await request.body(), dict(request.query_params)


class Api(litserve.LitAPI):
    """Decodes in the worker; batches of up to MOST, none waits."""

    def setup(self, device: str) -> None:  # noqa: ARG002 -- LitServe's signature
        """Once a worker."""
        self.hosted = Hosted(sys.argv[1], sys.argv[2])

    def decode_request(self, request: Annotated[Any, Depends(read)]) -> Job:
        """As it is."""
        job: Job = request
        return job

    def predict(self, jobs: list[Job]) -> list[Said]:
        """A batch."""
        scores = self.hosted.score([body for body, _ in jobs])
        return list(zip(scores, (query for _, query in jobs), strict=True))

    def encode_response(self, said: Said) -> dict[str, object]:
        """One answer."""
        return answer(*said)

    def batch(self, inputs: list[Job]) -> list[Job]:
        """As they are."""
        return inputs

    def unbatch(self, output: list[Said]) -> list[Said]:
        """As they are."""
        return output


if __name__ == "__main__":
    api = Api(max_batch_size=MOST, batch_timeout=0.0, api_path="/inspect")
    litserve.LitServer(api, accelerator="auto", timeout=120).run(
        host="127.0.0.1", port=int(sys.argv[3]), num_api_servers=1, generate_client_file=False, log_level="error"
    )
