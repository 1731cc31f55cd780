"""What a call pays for being safe: breaker, limiter; and how exact a limit is."""

import heapq
import random

from harness import Row, alternate, environment, report


def checks(env):
    """Microseconds of a healthy guarded call, and of the bare call."""
    circuits = env["steward.circuit"]
    limits = env["steward.rate.limit"]
    rounds = 20_000

    def nothing():
        return None

    def guarded():
        for _call in range(rounds):
            with circuits._guard("bench"):
                nothing()

    def limited():
        for _call in range(rounds):
            limits._take("bench")
            nothing()

    def bare():
        for _call in range(rounds):
            nothing()

    guarded(), limited()
    rows = []
    for name, ours in (("breaker", guarded), ("limiter", limited)):
        spent, plain = alternate(ours, bare)
        micro, base = spent / rounds * 1e6, plain / rounds * 1e6
        rows.append(
            Row(
                f"{name}: healthy check",
                micro,
                "µs",
                base,
                micro / base,
                "<= 20 µs; bare: the call alone",
                micro - base <= 20,
            )
        )
    return rows


def exactness():
    """200 callers in 4 workers share 100 calls a second, on a simulated clock."""
    from odoo.addons.steward.kernel.limiter import Bucket, Limit, Local

    limit, seconds = Limit(rate=100, burst=100), 120
    rng = random.Random(7)
    workers = [Local(limit, random.Random(n)) for n in range(4)]
    bucket, taken = Bucket(), 0
    wake = [(rng.random(), caller) for caller in range(200)]
    heapq.heapify(wake)
    while wake[0][0] < seconds:
        now, caller = heapq.heappop(wake)
        worker = workers[caller % 4]
        pause = worker.acquire(1, now)
        if pause is None:
            request = worker.ask(1, now)
            bucket, grant = bucket.take(request, limit, now)
            worker.accept(request, grant, now)
            pause = 0.0
        elif pause == 0.0:
            taken += 1
        heapq.heappush(wake, (now + max(pause, 0.002), caller))
    earned = 100 + 100 * seconds
    return [
        Row(
            "200 callers share one limit: taken / earned",
            taken / earned,
            "",
            1.0,
            taken / earned,
            "1 ± 0.02",
            abs(taken / earned - 1) <= 0.02,
        )
    ]


with environment() as env:
    env["steward.rate.limit"].create(
        {"name": "bench", "rate": 1e9, "per": 1, "burst": 1e9}
    )
    env.cr.commit()  # workers fetch their slices with cursors of their own
    rows = checks(env)
report("safety", rows + exactness())
