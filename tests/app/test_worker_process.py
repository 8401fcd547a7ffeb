"""How a worker ended is the same for every thread that asks."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

from app.worker_process import WorkerProcess
from tests.app.fake_detector import load_fake
from tests.app.pools import UNHURRIED

THREADS, WORKERS = 4, 5


def test_threads_that_watch_a_worker_all_learn_that_it_was_killed() -> None:
    for _ in range(WORKERS):
        worker = WorkerProcess("cpu", load_fake, UNHURRIED, 1)
        pid = worker.pid
        assert pid is not None
        with ThreadPoolExecutor(THREADS) as pool:
            endings = [pool.submit(_ending, worker) for _ in range(THREADS)]
            os.kill(pid, signal.SIGKILL)
        assert [ending.result() for ending in endings] == [-signal.SIGKILL] * THREADS
        assert not worker.died_by_itself
        worker.end()


def _ending(worker: WorkerProcess) -> int:
    while (code := worker.exit_code) is None:
        pass
    return code
