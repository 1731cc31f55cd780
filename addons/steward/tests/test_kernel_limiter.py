import heapq
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from odoo.tests import BaseCase

from ..kernel.limiter import Bucket, Limit, Local, Request
from . import kernel_common  # noqa: F401

EPOCH = 1_000_000_000.25


class Cluster:
    """Workers that share one bucket: what the record will do, in simulated time."""

    def __init__(self, limit, workers, seed):
        self.limit = limit
        self.rng = Random(seed)
        self.locals = [Local(limit, Random(seed + n)) for n in range(workers)]
        self.row = {}
        self.writes = 0

    def call(self, worker, now, n=1):
        """Seconds to wait; 0 if the call went out."""
        local = self.locals[worker]
        while (wait := local.acquire(n, now)) is None:
            request = local.ask(n, now)
            bucket = Bucket.from_json(self.row)
            bucket, grant = bucket.take(request, self.limit, EPOCH + now)
            self.row = bucket.to_json()
            self.writes += 1
            local.accept(request, grant, now)
        return wait

    def run(self, callers, seconds, busy):
        """Let ``callers`` call again and again; returns when each call went out.

        ``busy``: seconds a caller spends on a call, on average.
        """
        events = [(self.rng.random(), caller) for caller in range(callers)]
        heapq.heapify(events)
        done = []
        while events and events[0][0] < seconds:
            now, caller = heapq.heappop(events)
            wait = self.call(caller % len(self.locals), now)
            if not wait:
                done.append(now)
                wait = busy * self.rng.uniform(0.5, 1.5)
            heapq.heappush(events, (now + wait, caller))
        return done


class TestLimiter(BaseCase):
    def test_200_callers_share_one_limit(self):
        """All that is allowed is used, and nothing else: within 2 %."""
        for rate, burst, workers in (
            (50, 50, 4),
            (100, 20, 7),
            (100, 5, 2),
            (20, 40, 1),
        ):
            with self.subTest(rate=rate, burst=burst, workers=workers):
                cluster = Cluster(Limit(rate, burst), workers, seed=rate)
                done = len(cluster.run(callers=200, seconds=30, busy=0.2))
                allowed = rate * 30 + burst
                self.assertLessEqual(done, allowed)
                self.assertGreaterEqual(done, allowed * 0.98)
                # a slice is worth it: far fewer writes than calls
                self.assertLess(cluster.writes, done)

    def test_no_worker_starves(self):
        cluster = Cluster(Limit(50, 50), 4, seed=3)
        served = [0] * 4
        inner = cluster.call

        def call(worker, now):
            wait = inner(worker, now)
            served[worker] += not wait
            return wait

        cluster.call = call
        cluster.run(callers=200, seconds=20, busy=0.2)
        self.assertGreater(min(served), max(served) / 2, served)

    def test_below_the_limit_nobody_waits(self):
        cluster = Cluster(Limit(100, 100), 4, seed=4)
        # 40 callers of 1 call a second
        done = cluster.run(callers=40, seconds=60, busy=1)
        self.assertGreaterEqual(len(done), 40 * 60 * 0.97)
        self.assertLess(cluster.writes, len(done) / 3)

    def test_one_a_minute(self):
        """Exactly, whoever asks: 60 calls an hour, a minute apart."""
        for workers in (1, 3):
            cluster = Cluster(Limit(1, burst=1, per=60), workers, seed=5)
            done = cluster.run(callers=5, seconds=3600, busy=0.2)
            self.assertEqual(len(done), 60)
            gaps = [later - sooner for sooner, later in pairwise(done)]
            self.assertGreater(min(gaps), 59.999)
            self.assertLess(max(gaps), 60.001)

    def test_a_slice_does_not_last(self):
        local = Local(Limit(100, 100))
        bucket = Bucket()
        request = Request(need=1, want=50)
        bucket, grant = bucket.take(request, local.limit, EPOCH)
        local.accept(request, grant, 0)
        self.assertEqual(local.acquire(20, 1.9), 0)
        self.assertIsNone(local.acquire(1, 2.1))
        # lost, not returned: else the idle could save up more than a burst
        self.assertEqual(local.ask(1, 2.1).surplus, 0)

    def test_what_is_not_needed_goes_back(self):
        limit = Limit(1, 100)
        bucket, grant = Bucket().take(Request(1, 80), limit, EPOCH)
        local = Local(limit)
        local.accept(Request(1, 80), grant, 0)
        self.assertIsNone(local.acquire(100, 0))  # more than it holds
        request = local.ask(100, 0)
        self.assertEqual(request.surplus, 80)
        bucket, grant = bucket.take(request, limit, EPOCH)
        self.assertEqual(grant.tokens, 100)

    def test_a_large_need_does_not_block_small_ones(self):
        limit = Limit(1, 100)
        local = Local(limit)
        bucket, _ = Bucket().take(Request(50, 50), limit, EPOCH)
        request = local.ask(80, 0)
        bucket, grant = bucket.take(request, limit, EPOCH)
        local.accept(request, grant, 0)
        self.assertEqual(local.acquire(80, 0), 30)
        self.assertIsNone(local.acquire(10, 0))  # to be asked for, and there
        self.assertEqual(bucket.take(local.ask(10, 0), limit, EPOCH)[1].tokens, 10)

    def test_a_database_that_is_away(self):
        local = Local(Limit(100, 100))
        local.accept(
            Request(1, 10), Bucket().take(Request(1, 10), local.limit, EPOCH)[1], 0
        )
        local.put_back(local.ask(20, 0.5), 0.5)
        self.assertEqual(local.acquire(10, 0.5), 0)  # still ours
        self.assertGreater(local.acquire(1, 0.5), 0)  # but no more than that
        self.assertIsNone(local.acquire(1, 5))

    def test_a_workers_clock_that_steps_back(self):
        local = Local(Limit(1, 1, per=60))
        request = local.ask(1, 5000)
        bucket, _ = Bucket().take(request, local.limit, EPOCH)
        local.accept(request, bucket.take(request, local.limit, EPOCH)[1], 5000)
        self.assertEqual(local.acquire(1, 5010), 50)
        self.assertIsNone(local.acquire(1, 10))

    def test_more_than_a_burst_is_an_error(self):
        with self.assertRaises(ValueError):
            Local(Limit(1, 10)).acquire(11, 0)

    @given(
        st.floats(0.01, 1000),
        st.integers(1, 50),
        st.lists(
            st.tuples(st.floats(-100, 100), st.integers(1, 50), st.integers(1, 4)),
            max_size=60,
        ),
    )
    def test_never_more_than_was_earned(self, rate, burst, steps):
        """Whatever the clock does: a step back earns nothing."""
        limit = Limit(rate, burst)
        bucket, now, spent, forward = Bucket(), EPOCH, 0.0, 0.0
        for seconds, need, times in steps:
            now += seconds
            forward += max(seconds, 0)
            request = Request(need, need * times)
            bucket, grant = Bucket.from_json(bucket.to_json()).take(request, limit, now)
            spent += grant.tokens
            self.assertIn(grant.tokens, [need * n for n in range(times + 1)])
            self.assertLessEqual(spent, burst + rate * forward + 0.01)

    @given(st.floats(0.01, 1000), st.integers(1, 50), st.data())
    def test_the_wait_is_right(self, rate, burst, data):
        """Not there a little sooner, there after the wait."""
        limit = Limit(rate, burst)
        need = data.draw(st.integers(1, burst))
        bucket, _ = Bucket().take(Request(burst, burst), limit, EPOCH)
        bucket, grant = bucket.take(Request(need, need), limit, EPOCH)
        self.assertAlmostEqual(grant.wait, need / rate, delta=1e-5)
        after = EPOCH + grant.wait
        self.assertEqual(bucket.take(Request(need, need), limit, after)[1].tokens, need)
        if grant.wait > 0.01:
            sooner = after - 0.005
            self.assertEqual(
                bucket.take(Request(need, need), limit, sooner)[1].tokens, 0
            )

    def test_a_step_back_does_not_stop_the_earning(self):
        limit = Limit(10, 10)
        bucket, _ = Bucket().take(Request(10, 10), limit, EPOCH)
        bucket, grant = bucket.take(Request(1, 1), limit, EPOCH - 7200)
        self.assertLess(grant.wait, 0.11)
        bucket, grant = bucket.take(Request(10, 10), limit, EPOCH - 7199)
        self.assertEqual(grant.tokens, 10)

    def test_a_row_that_cannot_be_read(self):
        for bad in (None, [], {"full_at": None}, {"full_at": float("inf")}):
            self.assertEqual(Bucket.from_json(bad), Bucket())
