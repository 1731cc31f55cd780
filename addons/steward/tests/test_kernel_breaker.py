from collections import deque
from itertools import pairwise
from random import Random
from threading import Barrier, Thread

from hypothesis import given
from hypothesis import strategies as st

from odoo.tests import BaseCase

from ..kernel.breaker import (
    NOTHING,
    Answer,
    Breaker,
    Delta,
    Local,
    Mode,
    Outcome,
    Policy,
    Reason,
    Shared,
    State,
    Verdict,
)
from . import kernel_common  # noqa: F401

EPOCH = 1_000_000_000.25  # the database's clock when the workers' say 0
GOOD, BAD, NEITHER = Outcome.SUCCESS, Outcome.FAILURE, Outcome.IGNORED
ALLOWED, REFUSED, SYNC = Answer.ALLOWED, Answer.REFUSED, Answer.SYNC


class Cluster:
    """Workers that share one row: what the record will do, with simulated clocks."""

    def __init__(self, workers=1, policy=None, seed=1):
        self.breaker = Breaker(policy or Policy(), Random(seed))
        self.locals = [Local(self.breaker) for _ in range(workers)]
        self.row = Shared().to_json()
        self.away = False
        self.writes = []
        self.permits = 0

    @property
    def shared(self):
        return Shared.from_json(self.row)

    # no model: so
    # pylint: disable-next=method-required-super
    def write(self, local, shared, now):
        if shared.to_json() != self.row:
            self.row = shared.to_json()
            self.writes.append((local, now))
        local.accept(shared, EPOCH + now, now)

    def sync(self, local, now):
        delta = local.take(now)
        if self.away:
            local.put_back(delta, now)
        else:
            self.write(local, self.breaker.merge(self.shared, delta, EPOCH + now), now)

    def ask(self, local, now):
        verdict = local.check(now)
        if verdict.answer is not SYNC:
            return verdict
        if self.away:
            local.away(now)
            return local.check(now)
        self.permits += 1
        permit = f"permit-{self.permits}"
        shared, verdict = self.breaker.admit(self.shared, permit, EPOCH + now)
        self.write(local, shared, now)
        return verdict

    def tell(self, local, verdict, outcome, seconds, now):
        if verdict.permit:
            shared = self.breaker.settle(
                self.shared, verdict, outcome, seconds, EPOCH + now
            )
            self.write(local, shared, now)
        else:
            local.record(outcome, seconds, now, verdict.generation)
            if local.due(now):
                self.sync(local, now)

    def call(self, local, outcome, now, seconds=0.2):
        """One call from asking to telling; whether it was made."""
        verdict = self.ask(local, now)
        if verdict.answer is ALLOWED:
            self.tell(local, verdict, outcome, seconds, now)
        return verdict.answer is ALLOWED


class TestSimulations(BaseCase):
    def test_a_million_healthy_calls(self):
        """1 % fail at random, 5 % are slow: it never opens."""
        policy = Policy(slow_seconds=2)
        cluster, chance = Cluster(4, policy), Random(19).random
        for n in range(1_000_000):
            now = n / 500
            local = cluster.locals[n & 3]
            verdict = local.check(now)
            if verdict.answer is not ALLOWED:
                verdict = cluster.ask(local, now)
            draw = chance()
            local.record(
                BAD if draw < 0.01 else GOOD,
                2.0 if draw > 0.95 else 0.2,
                now,
                verdict.generation,
            )
            if local.due(now):
                cluster.sync(local, now)
        self.assertEqual(cluster.shared.generation, 0, cluster.shared)
        self.assertGreater(cluster.shared.window.total(EPOCH + now)[0], 20_000)

    def test_a_quiet_circuit(self):
        """12 calls a minute, where five failures in a row decide."""
        cluster, rng = Cluster(3), Random(20)
        for n in range(2000):
            local = rng.choice(cluster.locals)
            cluster.call(local, BAD if rng.random() < 0.01 else GOOD, n * 5)
        self.assertEqual(cluster.shared.generation, 0, cluster.shared)

    def test_opens_on_all_workers_within_10_s_of_the_breach(self):
        """Whatever the traffic, and however the workers share it."""
        scenarios = [
            # calls per second, workers, share that fails, healthy seconds before
            (20, 4, 1.0, 0),
            (20, 4, 0.6, 0),
            (10, 4, 1.0, 70),
            (20, 8, 0.8, 70),
            (2, 6, 0.7, 30),
            (0.5, 3, 0.6, 120),
            (0.2, 2, 1.0, 600),
            (0.1, 5, 1.0, 0),
        ]
        for seed, (rate, workers, share, healthy) in enumerate(scenarios):
            with self.subTest(rate=rate, workers=workers, share=share):
                cluster, rng = Cluster(workers, seed=seed), Random(seed)
                recent, streak, breach, last, now = deque(), 0, None, 0.0, 0.0
                while breach is None or now < breach + 25:
                    now += 1 / rate
                    bad = now > healthy and rng.random() < share
                    local = rng.choice(cluster.locals)
                    if not cluster.call(local, BAD if bad else GOOD, now):
                        continue
                    last = now
                    # the definition, without buckets or leases
                    recent.append((now, bad))
                    while recent[0][0] <= now - 60:
                        recent.popleft()
                    streak = streak + 1 if bad else 0
                    failures = sum(failed for _, failed in recent)
                    few = len(recent) < 20
                    if breach is None and (
                        (streak >= 5 if few else failures >= len(recent) / 2)
                        # its window may be 10 s shorter, and so a little ahead
                        or cluster.row["state"] == State.OPEN
                    ):
                        breach = now
                    self.assertLess(now, healthy + 120, "never opened")
                self.assertGreater(breach, healthy)
                self.assertLessEqual(last, breach + 10)
                for local in cluster.locals:
                    self.assertIs(cluster.ask(local, breach + 10).answer, REFUSED)

    def test_a_failure_rate_with_successes_in_between_opens(self):
        """80 % failures, a success every fifth call: never five in a row."""
        cluster = Cluster()
        made = [
            cluster.call(cluster.locals[0], BAD if n % 5 else GOOD, n / 2)
            for n in range(60)
        ]
        self.assertLess(sum(made), 25)
        self.assertIs(cluster.shared.reason, Reason.FAILURE_RATE)

    def test_at_most_one_write_a_second_each(self):
        for share in (0.0, 0.1):
            cluster, rng = Cluster(3), Random(7)
            for n in range(20_000):
                outcome = BAD if rng.random() < share else GOOD
                cluster.call(rng.choice(cluster.locals), outcome, n / 200)
            for local in cluster.locals:
                times = [when for who, when in cluster.writes if who is local]
                gaps = [after - before for before, after in pairwise(times)]
                self.assertGreaterEqual(min(gaps), 1, share)
                # and not many more than there must be
                self.assertGreater(len(times), 100 / 3.5)
                if not share:
                    self.assertGreaterEqual(min(gaps), 3)

    def test_an_outage_from_beginning_to_end(self):
        """Down for five minutes: few calls go out, and it is back soon after."""
        cluster, now, wasted = Cluster(4), 0.0, 0
        rng = Random(8)
        while cluster.shared.state is not State.CLOSED or now < 310:
            now += 0.1
            down = now < 300
            made = cluster.call(rng.choice(cluster.locals), BAD if down else GOOD, now)
            wasted += made and down
        self.assertLess(wasted, 100)
        self.assertLess(now, 300 + 300)
        self.assertEqual(cluster.shared.opens, 0)


class TestOpening(BaseCase):
    def setUp(self):
        super().setUp()
        self.breaker = Breaker(Policy(jitter=0))

    def merge(self, shared, calls, failures, slow=0, *, streak=0, now=EPOCH, **more):
        window = NOTHING.add(70, calls, failures, slow)
        delta = Delta(
            more.get("generation", shared.generation),
            at=70,
            window=window,
            streak=streak,
            succeeded=streak < calls,
        )
        return self.breaker.merge(shared, delta, now)

    def test_thresholds(self):
        closed, opened = State.CLOSED, State.OPEN
        for calls, failures, slow, streak, state, reason in (
            (20, 9, 0, 0, closed, None),
            (20, 10, 0, 0, opened, Reason.FAILURE_RATE),
            (19, 15, 0, 4, closed, None),
            (19, 5, 0, 5, opened, Reason.CONSECUTIVE),
            (100, 20, 0, 20, closed, None),  # enough calls: the rate decides
            (20, 0, 15, 0, closed, None),
            (20, 0, 16, 0, opened, Reason.SLOW_RATE),
            (19, 0, 19, 0, closed, None),
        ):
            with self.subTest(calls=calls, failures=failures, slow=slow):
                after = self.merge(Shared(), calls, failures, slow, streak=streak)
                self.assertEqual((after.state, after.reason), (state, reason))
                self.assertEqual(after.generation, int(state is opened))

    def test_workers_add_up(self):
        shared = self.merge(Shared(), 10, 5, streak=1)
        self.assertIs(shared.state, State.CLOSED)
        self.assertIs(self.merge(shared, 10, 5, streak=1).state, State.OPEN)

    def test_failures_in_a_row_over_workers(self):
        shared = self.merge(Shared(), 3, 3, streak=3)
        self.assertIs(self.merge(shared, 2, 2, streak=2).state, State.OPEN)
        # a success in between breaks the row
        shared = self.merge(shared, 3, 2, streak=2)
        self.assertIs(self.merge(shared, 2, 2, streak=2).state, State.CLOSED)

    def test_what_is_old_is_forgotten(self):
        shared = self.merge(Shared(), 10, 9, streak=1)
        later = self.merge(shared, 10, 1, now=EPOCH + 61)
        self.assertIs(later.state, State.CLOSED)
        self.assertEqual(later.window.total(EPOCH + 61), (10, 1, 0))

    def test_late_results_are_ignored(self):
        shared = Shared(generation=4)
        self.assertEqual(self.merge(shared, 50, 50, streak=50, generation=3), shared)
        opened = Shared(State.OPEN, generation=5, opens=1, until=EPOCH + 9)
        self.assertEqual(self.merge(opened, 50, 50, streak=50), opened)

    def test_nothing_to_add_changes_nothing(self):
        """So that the record has nothing to write."""
        shared = self.merge(Shared(), 10, 2)
        empty = Delta(0, at=99, window=NOTHING, streak=0, succeeded=False)
        self.assertEqual(self.breaker.merge(shared, empty, EPOCH + 29), shared)

    def test_another_policy_counts_on(self):
        shared = self.merge(Shared(), 10, 9, streak=1)
        self.breaker = Breaker(Policy(bucket_seconds=5, buckets=24))
        self.assertIs(self.merge(shared, 10, 1).state, State.OPEN)

    def test_cooldowns_double_up_to_the_cap(self):
        rng = Random(3)
        for jitter in (0, 0.2):
            breaker = Breaker(Policy(jitter=jitter, permits=1), rng)
            shared = Shared(State.HALF_OPEN)
            for expected in (30, 60, 120, 240, 480, 600, 600, 600):
                trying, verdict = breaker.admit(shared, "x", EPOCH)
                shared = breaker.settle(trying, verdict, BAD, 1, EPOCH)
                cooldown = shared.until - EPOCH
                self.assertGreaterEqual(cooldown, min(expected, 600 / (1 + jitter)))
                self.assertLessEqual(cooldown, min(expected * (1 + jitter), 600))
                shared, verdict = breaker.admit(shared, "y", shared.until)
                self.assertIs(shared.state, State.HALF_OPEN)
                shared = breaker.settle(shared, verdict, NEITHER, 1, EPOCH)

    def test_jitter_spreads_circuits(self):
        breaker = Breaker(Policy(), Random(4))
        untils = set()
        for _ in range(50):
            self.breaker = breaker
            untils.add(self.merge(Shared(), 20, 20, streak=20).until)
        self.assertGreater(max(untils) - min(untils), 2)


class TestHalfOpen(BaseCase):
    def setUp(self):
        super().setUp()
        self.breaker = Breaker(Policy(jitter=0, slow_seconds=10))
        self.shared = Shared(State.OPEN, generation=1, opens=1, until=EPOCH)
        self.permits = 0

    def admit(self, now=EPOCH):
        self.permits += 1
        self.shared, verdict = self.breaker.admit(
            self.shared, f"permit-{self.permits}", now
        )
        return verdict

    def settle(self, verdict, outcome, seconds=1, now=EPOCH):
        self.shared = self.breaker.settle(self.shared, verdict, outcome, seconds, now)

    def test_not_before_the_cooldown_is_over(self):
        before = self.shared
        verdict = self.admit(now=EPOCH - 10)
        self.assertEqual((verdict.answer, verdict.wait), (REFUSED, 10))
        self.assertEqual(self.shared, before)

    def test_five_at_once(self):
        verdicts = [self.admit() for _ in range(7)]
        self.assertEqual([v.answer for v in verdicts], [ALLOWED] * 5 + [REFUSED] * 2)
        self.assertEqual({v.generation for v in verdicts}, {2})
        self.assertGreater(verdicts[5].wait, 0)
        self.settle(verdicts[0], GOOD)
        self.assertIs(self.admit().answer, ALLOWED)

    def test_closes_when_enough_are_good(self):
        for outcome in (GOOD, BAD, GOOD, BAD, GOOD):
            self.assertIs(self.shared.state is State.CLOSED, False)
            self.settle(self.admit(), outcome)
        self.assertIs(self.shared.state, State.CLOSED)
        self.assertEqual((self.shared.generation, self.shared.opens), (3, 0))
        self.assertIsNone(self.shared.reason)

    def test_reopens_when_it_cannot_get_better(self):
        for outcome in (GOOD, BAD, BAD):
            self.settle(self.admit(), outcome)
            self.assertIs(self.shared.state, State.HALF_OPEN)
        self.settle(self.admit(), BAD, now=EPOCH + 5)
        self.assertIs(self.shared.state, State.OPEN)
        self.assertIs(self.shared.reason, Reason.FAILURE_RATE)
        self.assertEqual((self.shared.opens, self.shared.until), (2, EPOCH + 65))

    def test_reopens_when_slow(self):
        for _ in range(4):
            self.settle(self.admit(), GOOD, seconds=10)
        self.assertIs(self.shared.reason, Reason.SLOW_RATE)

    def test_ignored_decides_nothing(self):
        for _ in range(50):
            self.settle(self.admit(), NEITHER)
        self.assertIs(self.shared.state, State.HALF_OPEN)
        self.assertEqual(len(self.shared.permits), 0)

    def test_a_dead_worker_holds_no_permit(self):
        dead = [self.admit() for _ in range(5)]
        self.assertIs(self.admit(EPOCH + 119).answer, REFUSED)
        alive = self.admit(EPOCH + 120)
        self.assertIs(alive.answer, ALLOWED)
        before = self.shared
        self.settle(dead[0], BAD, now=EPOCH + 121)
        self.assertEqual(self.shared, before)

    def test_settled_once(self):
        verdict = self.admit()
        for _ in range(5):
            self.settle(verdict, BAD)
        self.assertIs(self.shared.state, State.HALF_OPEN)

    def test_late_trials_are_ignored(self):
        late = [self.admit() for _ in range(4)]
        while self.shared.state is State.HALF_OPEN:
            self.settle(self.admit(), GOOD)
        before = self.shared
        for verdict in late:
            self.settle(verdict, BAD)
        self.assertEqual(self.shared, before)
        # a permit that bears the same name, of another time
        self.shared = Shared(State.HALF_OPEN, generation=9, permits={"x": EPOCH + 9})
        before = self.shared
        self.settle(Verdict(ALLOWED, 8, permit="x"), BAD)
        self.assertEqual(self.shared, before)


class TestModes(BaseCase):
    def setUp(self):
        super().setUp()
        self.cluster = Cluster()
        (self.local,) = self.cluster.locals

    def switch(self, mode):
        shared = self.cluster.breaker.switch(self.cluster.shared, mode)
        self.cluster.row = shared.to_json()

    def run_outage(self, start):
        return [self.cluster.call(self.local, BAD, start + n) for n in range(60)]

    def test_forced_closed(self):
        self.switch(Mode.FORCED_CLOSED)
        self.assertTrue(all(self.run_outage(0)))
        self.assertEqual(self.cluster.writes, [])

    def test_metrics_only(self):
        self.switch(Mode.METRICS_ONLY)
        self.assertTrue(all(self.run_outage(0)))
        shared = self.cluster.shared
        self.assertGreater(shared.window.total(EPOCH + 60)[1], 20)
        self.assertIs(shared.state, State.CLOSED)
        self.assertIs(shared.reason, Reason.FAILURE_RATE)  # it would have opened

    def test_forced_open_and_back(self):
        self.assertTrue(self.cluster.call(self.local, GOOD, 0))
        self.switch(Mode.FORCED_OPEN)
        # known to the worker within 5 s, and then for as long as it lasts
        self.assertFalse(any(self.cluster.call(self.local, GOOD, n) for n in (5, 6, 9)))
        self.assertFalse(self.cluster.call(self.local, GOOD, 10_000))
        self.switch(Mode.AUTO)
        self.assertTrue(self.cluster.call(self.local, GOOD, 10_006))

    def test_an_administrator_may_close_an_open_circuit(self):
        self.run_outage(0)
        self.assertIs(self.cluster.shared.state, State.OPEN)
        self.switch(Mode.FORCED_CLOSED)
        self.assertTrue(self.cluster.call(self.local, GOOD, 66))
        self.switch(Mode.AUTO)
        self.assertIs(self.cluster.shared.state, State.CLOSED)

    def test_a_switch_makes_results_late(self):
        self.cluster.call(self.local, GOOD, 0)
        verdict = self.local.check(1)
        self.switch(Mode.METRICS_ONLY)
        self.switch(Mode.AUTO)
        for n in range(30):
            self.local.record(BAD, 1, 1 + n / 10, verdict.generation)
        self.cluster.sync(self.local, 5)
        self.assertEqual(self.cluster.shared.window.rows, {})


class TestLocal(BaseCase):
    def setUp(self):
        super().setUp()
        self.cluster = Cluster(2)
        self.local, self.other = self.cluster.locals

    def test_healthy_calls_need_no_database(self):
        self.cluster.call(self.local, GOOD, 0)
        asked = len(self.cluster.writes)
        for n in range(1, 30):
            self.assertIs(self.local.check(n / 10).answer, ALLOWED)
            self.local.record(GOOD, 0.2, n / 10, 0)
            self.assertFalse(self.local.due(n / 10))
        self.assertEqual(len(self.cluster.writes), asked)

    def test_refusals_need_no_database_and_say_how_long(self):
        self.cluster.row = Shared(State.OPEN, until=EPOCH + 20).to_json()
        self.assertEqual(self.cluster.ask(self.local, 0).wait, 20)
        self.assertEqual(self.local.check(3)[::2], (REFUSED, 17))
        # when the cool-down ends sooner than the snapshot gets old
        self.cluster.ask(self.local, 18)
        self.assertEqual(self.local.check(19)[::2], (REFUSED, 1))
        self.assertIs(self.local.check(20).answer, SYNC)

    def test_a_half_open_circuit_asks_for_each_call(self):
        self.cluster.row = Shared(State.OPEN, until=EPOCH).to_json()
        permits = {self.cluster.ask(self.local, 0).permit for _ in range(5)}
        self.assertEqual(len(permits - {""}), 5)
        # when all are given out, a refusal holds for a moment
        self.assertIs(self.cluster.ask(self.local, 0).answer, REFUSED)
        self.assertIs(self.local.check(0.5).answer, REFUSED)
        self.assertIs(self.local.check(1).answer, SYNC)

    def test_what_is_known_gets_old(self):
        self.cluster.call(self.local, GOOD, 0)
        self.assertIs(self.local.check(4.9).answer, ALLOWED)
        self.assertIs(self.local.check(5).answer, SYNC)

    def test_failures_are_told_at_once_successes_later(self):
        for outcome, seconds, pause in ((GOOD, 1, 3), (BAD, 1, 1), (GOOD, 60, 1)):
            with self.subTest(outcome=outcome, seconds=seconds):
                self.cluster.sync(self.local, 100)
                self.local.record(outcome, seconds, 100.1, 0)
                self.assertFalse(self.local.due(100 + pause - 0.1))
                self.assertTrue(self.local.due(100 + pause))

    def test_threads(self):
        """Nothing is counted twice or lost, and one thread alone has to tell."""
        self.cluster.sync(self.local, 0)
        threads, told = 8, []
        barrier = Barrier(threads)

        def work():
            for second in range(1, 21):
                barrier.wait()
                for _ in range(25):
                    self.local.record(GOOD, 1, second * 3, 0)
                if self.local.due(second * 3):
                    told.append(self.local.take(second * 3))

        pool = [Thread(target=work) for _ in range(threads)]
        for thread in pool:
            thread.start()
        for thread in pool:
            thread.join()
        self.assertEqual([delta.at for delta in told], list(range(3, 61, 3)))
        told.append(self.local.take(60))
        counted = sum(row[0] for delta in told for row in delta.window.rows.values())
        self.assertEqual(counted, threads * 20 * 25)

    def test_with_nothing_to_tell_it_is_not_due(self):
        self.cluster.sync(self.local, 0)
        self.local.record(NEITHER, 1, 4, 0)
        self.assertFalse(self.local.due(4))

    def test_results_of_another_generation_are_dropped(self):
        self.cluster.sync(self.local, 0)
        self.local.record(BAD, 1, 1, 0)
        self.local.accept(Shared(generation=2), EPOCH + 2, 2)
        self.local.record(BAD, 1, 3, 0)
        self.assertEqual(self.local.take(3).window.rows, {})

    def test_a_write_that_failed_is_put_back(self):
        self.cluster.sync(self.local, 0)
        for second in range(1, 4):
            self.local.record(GOOD if second == 2 else BAD, 1, second, 0)
        delta = self.local.take(3)
        self.local.record(BAD, 1, 3.5, 0)
        self.local.put_back(delta, 4)
        again = self.local.take(20)
        self.assertEqual(again.window.total(20), (4, 3, 0))
        self.assertEqual((again.streak, again.succeeded), (2, True))

    def test_a_success_since_breaks_the_row_that_is_put_back(self):
        self.cluster.sync(self.local, 0)
        self.local.record(BAD, 1, 1, 0)
        delta = self.local.take(1)
        self.local.record(GOOD, 1, 2, 0)
        self.local.put_back(delta, 2)
        self.assertEqual(self.local.take(3).streak, 0)

    def test_what_is_put_back_late_is_dropped(self):
        self.cluster.sync(self.local, 0)
        self.local.record(BAD, 1, 1, 0)
        delta = self.local.take(1)
        self.local.accept(Shared(generation=1), EPOCH + 2, 2)
        self.local.put_back(delta, 3)
        self.assertEqual(self.local.take(4).window.rows, {})

    def test_what_is_put_back_gets_old(self):
        """A database that is away for long must not keep old failures young."""
        self.cluster.sync(self.local, 0)
        self.local.record(BAD, 1, 1, 0)
        for second in range(2, 100, 6):
            self.local.put_back(self.local.take(second), second)
        self.assertEqual(self.local.take(100).window.total(100), (0, 0, 0))

    def test_without_a_database_it_judges_by_itself(self):
        self.cluster.call(self.local, GOOD, 0)
        self.cluster.away = True
        self.assertTrue(all(self.cluster.call(self.local, GOOD, n) for n in range(60)))
        made = [self.cluster.call(self.local, BAD, 100 + n) for n in range(120)]
        self.assertEqual(made[:5], [True] * 5)
        self.assertLessEqual(sum(made), 4 * 6)  # five each 30 s
        self.assertTrue(self.cluster.call(self.local, GOOD, 300))
        # and the database is asked now and then only
        self.cluster.away = False
        self.assertTrue(self.cluster.call(self.local, GOOD, 306))
        self.assertTrue(self.cluster.writes)

    def test_a_database_that_is_back_is_asked_again(self):
        self.local.away(0)
        self.assertIs(self.local.check(0).answer, ALLOWED)
        self.cluster.sync(self.local, 1)
        self.local.record(BAD, 1, 2, 0)
        self.assertTrue(self.local.due(2))

    def test_without_a_database_it_knows_what_it_was_told(self):
        for shared, answer in (
            (Shared(State.OPEN, until=EPOCH + 60), REFUSED),
            (Shared(State.OPEN, until=EPOCH + 10), ALLOWED),
            (Shared(mode=Mode.FORCED_OPEN), REFUSED),
            (Shared(mode=Mode.FORCED_CLOSED), ALLOWED),
            (Shared(mode=Mode.METRICS_ONLY), ALLOWED),
        ):
            with self.subTest(shared):
                cluster = Cluster()
                (local,) = cluster.locals
                cluster.row = shared.to_json()
                cluster.sync(local, 0)
                cluster.away = True
                self.assertIs(cluster.ask(local, 40).answer, answer)

    def test_forced_closed_without_a_database(self):
        self.cluster.row = Shared(mode=Mode.FORCED_CLOSED).to_json()
        self.cluster.sync(self.local, 0)
        self.cluster.away = True
        self.assertTrue(all(self.cluster.call(self.local, BAD, n) for n in range(90)))

    def test_only_the_database_is_spared_while_it_is_away(self):
        self.cluster.sync(self.local, 0)
        self.local.put_back(self.local.take(10), 10)
        self.local.record(BAD, 1, 12, 0)
        self.assertFalse(self.local.due(12))
        self.assertTrue(self.local.due(15))


class TestClocks(BaseCase):
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["admit", "good", "bad", "lost", "merge"]),
                st.floats(-5000, 5000),
            ),
            max_size=80,
        )
    )
    def test_a_clock_at_random(self, steps):
        """It never raises, never gives out too much and never sticks."""
        breaker = Breaker(Policy(), Random(1))
        shared, now, verdicts = Shared(), EPOCH, []
        for number, (step, seconds) in enumerate(steps):
            now += seconds
            before = shared
            if step == "admit":
                shared, verdict = breaker.admit(shared, f"permit-{number}", now)
                self.assertLessEqual(verdict.wait, 600 + 1e-6)
                if verdict.permit:
                    verdicts.append(verdict)
            elif step == "merge":
                window = NOTHING.add(5, 3, 3, 0)
                delta = Delta(shared.generation, 5, window, 3, False)
                shared = breaker.merge(shared, delta, now)
            elif verdicts:
                verdict = verdicts.pop(0)
                outcome = {"good": GOOD, "bad": BAD, "lost": NEITHER}[step]
                shared = breaker.settle(shared, verdict, outcome, 1, now)
            self.assertLessEqual(len(shared.permits), 5)
            self.assertGreaterEqual(shared.generation, before.generation)
            if shared.state is not before.state:
                self.assertGreater(shared.generation, before.generation)
            self.assertEqual(Shared.from_json(shared.to_json()), shared)
        shared = breaker.expire(shared, now)
        _, verdict = breaker.admit(shared, "last", now + 600 + 1e-6)
        self.assertIs(verdict.answer, ALLOWED)

    @given(st.lists(st.floats(-5000, 5000), max_size=60))
    def test_a_clock_opens_nothing(self, steps):
        """Only calls do: 2 of 5 may fail for ever, whatever the time."""
        breaker, shared, now = Breaker(Policy()), Shared(), EPOCH
        for seconds in steps:
            now += seconds
            window = NOTHING.add(5, 5, 2, 0)
            delta = Delta(0, 5, window, streak=1, succeeded=True)
            shared = breaker.merge(shared, delta, now)
        self.assertIs(shared.state, State.CLOSED)

    def test_a_step_back_while_open(self):
        """Half an hour back, ten seconds into the cool-down: a worker that asks on."""
        cluster = Cluster()
        (local,) = cluster.locals
        cluster.row = Shared(State.OPEN, until=EPOCH + 1830).to_json()
        now = 0
        while cluster.ask(local, now).answer is REFUSED:
            now += 1
        self.assertEqual(now, cluster.breaker.policy.cooldown_cap)

    def test_a_step_back_while_half_open(self):
        """The permits of the dead are free a TTL after the step was noticed."""
        breaker = Breaker(Policy())
        lost = {f"lost-{n}": EPOCH + 7200 for n in range(5)}
        shared = Shared(State.HALF_OPEN, permits=lost)
        shared, verdict = breaker.admit(shared, "x", EPOCH)
        self.assertIs(verdict.answer, REFUSED)
        shared, verdict = breaker.admit(shared, "y", EPOCH + 120)
        self.assertIs(verdict.answer, ALLOWED)

    def test_a_workers_clock_that_steps_back(self):
        cluster = Cluster()
        (local,) = cluster.locals
        cluster.call(local, GOOD, 5000)
        self.assertIs(local.check(10).answer, SYNC)
        local.record(BAD, 1, 10, 0)
        self.assertTrue(local.due(10))


class TestJson(BaseCase):
    def test_whole(self):
        shared = Shared(
            State.HALF_OPEN,
            Mode.METRICS_ONLY,
            7,
            Reason.SLOW_RATE,
            opens=2,
            until=EPOCH,
            streak=3,
            window=NOTHING.add(0, 5, 2, 1),
            permits={"x": EPOCH},
            trial=(3, 1, 0),
        )
        self.assertEqual(Shared.from_json(shared.to_json()), shared)

    def test_rubbish(self):
        good = Shared(State.OPEN, generation=3, until=EPOCH).to_json()
        self.assertIs(Shared.from_json(good).state, State.OPEN)
        for bad in (
            None,
            "open",
            [],
            {},
            {**good, "state": "ajar"},
            {**good, "mode": None},
            {**good, "generation": -1},
            {**good, "opens": 1.5},
            {**good, "until": float("inf")},
            {**good, "until": "soon"},
            {**good, "streak": None},
            {**good, "reason": "weather"},
            {**good, "permits": {"x": None}},
            {**good, "permits": 5},
            {**good, "trial": [1, 2]},
            {**good, "trial": [1, 2, "3"]},
            {**good, "window": None},
            {**good, "window": {**good["window"], "columns": 2}},
        ):
            with self.subTest(bad):
                self.assertEqual(Shared.from_json(bad), Shared())

    @given(
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
        st.sampled_from(sorted(Shared().to_json())),
    )
    def test_anything(self, value, key):
        """Whatever stands in the row, calls are answered."""
        shared = Shared.from_json({**Shared().to_json(), key: value})
        breaker = Breaker(Policy())
        shared, verdict = breaker.admit(shared, "x", EPOCH)
        self.assertIn(verdict.answer, (ALLOWED, REFUSED))
        window = NOTHING.add(0, 30, 30, 0)
        delta = Delta(shared.generation, 0, window, 30, False)
        breaker.merge(shared, delta, EPOCH)
