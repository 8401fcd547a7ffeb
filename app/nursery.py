"""Where worker processes come from: one process that has imported what they need, and is forked for each of them.

In: nothing. Out: a multiprocessing context. Refuses nothing: what cannot be imported there, a worker imports itself.
A worker is there in some 40 ms instead of seconds, after a death too, and all of them share the pages of torch. The
process is a child of the service with one thread that computes nothing and touches no device, so that a fork is safe;
it ends when the service and its workers have. Where nobody opens it, as in tests, it starts with the first worker.
"""

import multiprocessing
from multiprocessing import forkserver

CONTEXT = multiprocessing.get_context("forkserver")
LIGHT = ["app.nursery_signals", "app.worker"]  # what every worker needs, whatever it loads
HEAVY = [*LIGHT, "model_store.engines"]  # torch, timm and all of the detector

CONTEXT.set_forkserver_preload(LIGHT)


def open_nursery() -> None:
    """Start it now, with all that `app.worker.load_detector` needs; returns at once."""
    CONTEXT.set_forkserver_preload(HEAVY)
    forkserver.ensure_running()
