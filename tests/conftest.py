"""For every test, and for every process that it starts: one thread of torch each.

The suite runs on as many processes as there are cores (`make test`): threads that wait for each other's cores cost more
than they bring on pictures of 32 pixels.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
