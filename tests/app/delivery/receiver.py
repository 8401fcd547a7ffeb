"""Real receivers: an HTTP server that keeps what it was sent, and a ledger whose deliveries go there."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL

from app.delivery.deliveries import Deliveries, open_channels
from app.ledger.ledger import Ledger

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 -- of Standard Webhooks' own examples
SOON_S = 15.0
Answer = Callable[[dict[str, Any]], int]


class Receiver:
    """What came, in the order in which it came; `answer` says what each is told."""

    def __init__(self, port: int = 0, answer: Answer = lambda _: 204) -> None:
        self.verdicts: list[dict[str, Any]] = []
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answer = answer
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def ids(self) -> list[str]:
        """Of the verdicts that it took."""
        return [verdict["id"] for verdict in self.verdicts]

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((dict(self.headers.items()), body))
                status = receiver.answer(json.loads(body))
                if status == 204:
                    receiver.verdicts.append(json.loads(body))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@contextmanager
def receiving(answer: Answer = lambda _: 204) -> Iterator[Receiver]:
    receiver = Receiver(answer=answer)
    yield receiver
    receiver.stop()


def webhook(folder: Path, port: int, name: str = "mes", **options: str) -> Path:
    """A file of one target; pauses are short, so that tests are."""
    (folder / "secret").write_text(SECRET)
    given = {"url": f'"http://127.0.0.1:{port}/"', "secret_file": '"secret"', "longest_pause_s": "0.05", **options}
    return targets_file(folder, f"[webhook.{name}]", given)


def targets_file(folder: Path, table: str, given: dict[str, str]) -> Path:
    path = folder / "targets.toml"
    path.write_text("\n".join([table, *(f"{key} = {value}" for key, value in given.items())]))
    return path


@asynccontextmanager
async def delivering(url: URL, targets: Path) -> AsyncIterator[tuple[Ledger, Deliveries]]:
    """A ledger with its deliveries; what is appended after the first look is delivered."""
    ledger = Ledger(url)
    deliveries = Deliveries(open_channels(targets), ledger, url)
    deliveries.start()
    try:
        yield ledger, deliveries
    finally:
        await deliveries.stop()
        await ledger.close()


async def until(holds: Callable[[], bool]) -> None:
    """Wait for it."""
    end = time.monotonic() + SOON_S
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
