"""A real Mosquitto of its own: Debian's program, a free port, nothing kept after it ends."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ABSENT = "Mosquitto is not here: make services installs it"
START_S = 10


def program() -> str | None:
    """Debian puts it where only root looks."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


@contextmanager
def broker(folder: Path, port: int, *lines: str) -> Iterator[subprocess.Popen[bytes]]:
    """It listens on `port`, and ends with this block at the latest; `lines` are settings beyond that.

    As root it would become another user, who cannot read a test's files; for others that setting says nothing.
    """
    settings = folder / f"mosquitto-{time.monotonic_ns()}.conf"
    settings.write_text(
        "\n".join(["user root", f"listener {port} 127.0.0.1", *(lines or ["allow_anonymous true"]), ""])
    )
    command = [program() or "", "-c", str(settings)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port)
        yield process
    finally:
        process.terminate()
        process.wait()


def last_of(port: int, topic: str, count: int) -> list[tuple[str, bytes]]:
    """What a subscriber gets that comes only now: topics and payloads, by mosquitto_sub."""
    command = ["mosquitto_sub", "-p", str(port), "-t", topic, "-C", str(count), "-W", "5", "-F", "%t %p"]
    lines = subprocess.run(command, capture_output=True, check=True).stdout.splitlines()
    return sorted((topic.decode(), payload) for topic, _, payload in (line.partition(b" ") for line in lines))


def _wait(port: int) -> None:
    end = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            assert time.monotonic() < end
            time.sleep(0.02)
