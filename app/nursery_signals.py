"""For the nursery alone, which imports it: a SIGTERM to the whole process group is the service's to act on.

The service drains, and needs its workers for that; they, and the nursery, end when it does. Workers inherit it.
"""

import signal

signal.signal(signal.SIGTERM, signal.SIG_IGN)
