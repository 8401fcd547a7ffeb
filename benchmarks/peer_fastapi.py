"""The barest host: a FastAPI handler that calls the engine: `python peer_fastapi.py STORE PRODUCT PORT`.

One thread scores, so that the event loop goes on; no batch, no bound, no record. What a server costs beyond it is what
inspect-line's other parts cost.
"""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

import uvicorn
from fastapi import FastAPI, Request
from hosted import Hosted, answer

hosted = Hosted(sys.argv[1], sys.argv[2])
scorer = ThreadPoolExecutor(1)
app = FastAPI()


@app.post("/inspect")
async def inspect(request: Request) -> dict[str, object]:
    """One answer."""
    body = await request.body()
    (score,) = await asyncio.get_running_loop().run_in_executor(scorer, hosted.score, [body])
    return answer(score, dict(request.query_params))


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[3]), log_level="error", access_log=False)
