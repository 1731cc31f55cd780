"""A clock that a test puts forward: time passes, and nobody waits for it.

    clock = self.enterContext(patch.object(wire, "time", Clock()))
    clock.ahead += 60

What is read there are the deadlines of outbound calls.
"""

import time


class Clock:
    """Stands in for the module ``time`` where only `monotonic` is read.

    ``ahead`` is how many seconds it is later than it is.
    """

    def __init__(self):
        self.ahead = 0

    def monotonic(self):
        return time.monotonic() + self.ahead
