from hypothesis import given
from hypothesis import strategies as st

from odoo.tests import BaseCase

from ..kernel.semaphore import Semaphore
from . import kernel_common  # noqa: F401

TTL = 30
ACTIONS = st.sampled_from(["acquire", "acquire", "renew", "release", "kill", "expire"])


def stored(semaphore):
    """Through the database and back, as between any two calls."""
    return Semaphore.from_json(semaphore.to_json(), semaphore.bound, semaphore.ttl)


class TestSemaphore(BaseCase):
    @given(
        st.integers(1, 4),
        st.lists(
            st.tuples(ACTIONS, st.integers(0, 7), st.integers(0, 20)), max_size=80
        ),
    )
    def test_never_above_the_bound(self, bound, steps):
        """Whatever the order, and whoever is killed: and no place is lost either."""
        semaphore, now = Semaphore(bound, TTL), 1000
        believed = {}  # worker -> until when it may believe to hold a place
        for action, worker, seconds in steps:
            now += seconds
            lease = f"lease-{worker}"
            holding = {who for who, until in believed.items() if until > now}
            semaphore = stored(semaphore)
            if action == "acquire":
                room = worker in holding or len(holding) < bound
                semaphore, granted = semaphore.acquire(lease, "A", now)
                self.assertEqual(granted, room)
                if granted:
                    believed[worker] = now + TTL
            elif action == "renew":
                semaphore, held = semaphore.renew(lease, now)
                self.assertEqual(held, worker in holding)
                if held:
                    believed[worker] = now + TTL
            elif action == "release":
                semaphore = semaphore.release(lease)
                believed.pop(worker, None)
            elif action == "expire":
                semaphore = semaphore.expire(now)
            # a killed worker does nothing at all, ever again or for a while
            holding = {who for who, until in believed.items() if until > now}
            self.assertLessEqual(len(holding), bound)

    @given(
        st.lists(
            st.tuples(ACTIONS, st.integers(0, 7), st.integers(-5000, 5000)),
            max_size=60,
        )
    )
    def test_a_clock_at_random(self, steps):
        semaphore, now = Semaphore(2, TTL), 0
        for action, worker, seconds in steps:
            now += seconds
            lease = f"lease-{worker}"
            if action == "acquire":
                semaphore, _ = semaphore.acquire(lease, "A", now)
            elif action == "renew":
                semaphore, _ = semaphore.renew(lease, now)
            elif action == "release":
                semaphore = semaphore.release(lease)
            elif action == "expire":
                semaphore = semaphore.expire(now)
            self.assertLessEqual(len(semaphore.leases), 2)
        # one look at the clock, and all is free a TTL later
        semaphore = semaphore.expire(now)
        self.assertEqual(len(semaphore.expire(now + TTL).leases), 0)

    def test_a_killed_worker_frees_its_place(self):
        semaphore, _ = Semaphore(1, TTL).acquire("x", "killed", now=0)
        semaphore, _ = semaphore.renew("x", now=20)
        semaphore, granted = semaphore.acquire("y", "B", now=49)
        self.assertFalse(granted)
        semaphore, granted = semaphore.acquire("y", "B", now=50)
        self.assertTrue(granted)
        # the dead one was only asleep: it learns that it lost, and harms nobody
        semaphore, held = semaphore.renew("x", now=51)
        self.assertFalse(held)
        self.assertEqual(set(semaphore.release("x").leases), {"y"})

    def test_renewing_keeps_the_holder(self):
        semaphore, _ = Semaphore(1, TTL).acquire("x", "worker A", now=0)
        semaphore, _ = semaphore.renew("x", now=20)
        self.assertEqual(semaphore.leases["x"], ("worker A", 50))

    def test_asking_again_takes_no_second_place(self):
        semaphore, _ = Semaphore(2, TTL).acquire("x", "A", now=0)
        semaphore, _ = semaphore.acquire("x", "A", now=1)
        self.assertTrue(semaphore.acquire("y", "B", now=2)[1])

    def test_a_lower_bound_lets_nobody_in_until_there_is_room(self):
        semaphore = Semaphore(3, TTL)
        for lease in "abc":
            semaphore, _ = semaphore.acquire(lease, "A", now=0)
        lower = Semaphore.from_json(semaphore.to_json(), bound=2, ttl=TTL)
        self.assertTrue(lower.renew("a", now=1)[1])
        lower = lower.release("b")
        self.assertFalse(lower.acquire("d", "A", now=1)[1])
        self.assertTrue(lower.release("c").acquire("d", "A", now=1)[1])

    def test_leases_that_cannot_be_read(self):
        good = ["A", 30.5]
        for bad in ("x", ["A"], ["A", "30"], [1, 30], ["A", float("inf")], None, {}):
            with self.subTest(bad):
                read = Semaphore.from_json({"good": good, "bad": bad}, 2, TTL)
                self.assertEqual(dict(read.leases), {"good": ("A", 30.5)})
        self.assertEqual(Semaphore.from_json(["good"], 2, TTL), Semaphore(2, TTL))
