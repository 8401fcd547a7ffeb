"""A real PostgreSQL of its own: Debian's programs, a folder that is thrown away, a free port, no password."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

USER = "postgres"
ABSENT = "PostgreSQL is not here: make services installs it"


def programs() -> Path | None:
    """The folder of initdb and postgres, the newest that Debian has."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


class Cluster:
    """A server that runs."""

    def __init__(self, folder: Path, port: int, fsync: str) -> None:
        self._folder = folder
        self._port = port
        self._fsync = fsync
        self._bin = programs() or Path()
        self._count = 0

    def create(self) -> None:
        """An empty cluster, of the user that runs it: PostgreSQL refuses root."""
        self._run("initdb", "-D", self._folder / "data", "-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "-N")

    def start(self) -> None:
        """Serve on the port."""
        options = f"-p {self._port} -k {self._folder} -c listen_addresses=127.0.0.1 -c fsync={self._fsync}"
        options += " -c shared_buffers=32MB -c max_connections=60"
        self._run("pg_ctl", "-D", self._folder / "data", "-o", options, "-l", self._folder / "log", "-w", "start")

    def stop(self) -> None:
        """Drop every connection."""
        self._run("pg_ctl", "-D", self._folder / "data", "-m", "immediate", "-w", "stop")

    def database(self, template: str = "template1", encoding: str = "UTF8") -> str:
        """The URL of a new database; one of another encoding has to be of `template0`."""
        self._count += 1
        name = f"ledger_{self._count}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} ENCODING '{encoding}'".encode())
        return self.url(name)

    def url(self, name: str) -> str:
        """Of a database that is there."""
        return f"postgresql://{USER}@127.0.0.1:{self._port}/{name}"

    def _run(self, program: str, *arguments: str | Path) -> None:
        user = USER if os.geteuid() == 0 else None
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
        subprocess.run([self._bin / program, *arguments], check=True, user=user, group=user, **quiet)


@contextmanager
def cluster(*, fsync: str = "off") -> Iterator[Cluster]:
    """A server; its files are gone afterwards. Without `fsync` it is quicker, and the same but for power cuts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # short, for the socket's name; of the server's user
    if os.geteuid() == 0:
        shutil.chown(folder, USER, USER)
    server = Cluster(folder, port, fsync)
    try:
        server.create()
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
