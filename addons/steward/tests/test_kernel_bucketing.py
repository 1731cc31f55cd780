import itertools
import math
import subprocess
import sys
from collections import Counter
from hashlib import blake2b

from hypothesis import assume, given
from hypothesis import strategies as st

from odoo.tests import BaseCase

from ..kernel import bucketing
from ..kernel.bucketing import Split, bucket, ranges, rendezvous
from . import kernel_common  # noqa: F401

units = st.text("ab:7 é😀\ud800", min_size=1)
salts = st.text("abc-_/ü", min_size=1, max_size=8)
weight = st.integers(0, 100) | st.floats(0, 100)
weights = st.dictionaries(
    st.sampled_from("ABCDE"), weight, min_size=1, max_size=5
).filter(lambda given: sum(given.values()) > 0)
whole_weights = st.dictionaries(
    st.sampled_from("ABCDE"), st.integers(0, 100), min_size=1, max_size=5
).filter(lambda given: sum(given.values()) > 0)
USERS = [f"user:{number}" for number in range(2000)]


class TestBucket(BaseCase):
    @given(units, salts)
    def test_is_in_the_half_open_unit_interval(self, unit, salt):
        self.assertTrue(0.0 <= bucket(unit, salt) < 1.0)

    def test_is_the_documented_formula(self):
        digest = blake2b(b"1:salt:user:7", digest_size=8).digest()
        expected = int.from_bytes(digest, "big") / 2**64
        self.assertAlmostEqual(bucket("user:7", "salt"), expected, places=15)
        self.assertNotEqual(bucket("u", "salt", version=2), bucket("u", "salt"))

    def test_never_moves(self):
        # stored assignments and other processes rely on these very numbers
        self.assertEqual(bucket("user:7", "checkout-prompt"), 0.43774039675565835)
        self.assertEqual(bucket("Zoë 😀", "ü"), 0.9452048136581778)

    def test_the_highest_hash_stays_below_one(self):
        self.addCleanup(setattr, bucketing, "_hash", bucketing._hash)
        bucketing._hash = lambda _text: 2**64 - 1
        self.assertLess(bucket("any", "salt"), 1.0)
        self.assertEqual(Split("s", {"a": 1, "b": 2}).variant("any"), "b")

    def test_is_the_same_in_another_process(self):
        code = (
            f"import importlib.util as u; s = u.spec_from_file_location('b', "
            f"{bucketing.__file__!r}); m = u.module_from_spec(s); "
            f"import sys; sys.modules['b'] = m; s.loader.exec_module(m); "
            f"print(m.bucket('user:7', 'x'), m.rendezvous('k', 'abc'))"
        )
        other = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        here = f"{bucket('user:7', 'x')} {rendezvous('k', 'abc')}\n"
        self.assertEqual(other.stdout, here)

    def test_is_uniform_and_independent_between_salts(self):
        # chi-square over 8 x 8 cells, 63 degrees of freedom: 99.9 % lie below 103.4
        for salt, other in (("a", "b"), ("exp-1", "exp-2"), ("x", "x/coverage")):
            cells = Counter(
                (int(8 * bucket(user, salt)), int(8 * bucket(user, other)))
                for user in USERS
            )
            expected = len(USERS) / 64
            statistic = sum(
                (cells[i, j] - expected) ** 2 / expected
                for i in range(8)
                for j in range(8)
            )
            self.assertLess(statistic, 103.4, (salt, other))

    def test_refuses_what_would_collide(self):
        with self.assertRaisesRegex(ValueError, "needs a name"):
            bucket("", "salt")
        with self.assertRaisesRegex(ValueError, "no colon"):
            bucket("user", "a:b")

    def test_takes_a_broken_name(self):
        self.assertNotEqual(bucket("\ud800", "salt"), bucket("?", "salt"))


class TestRanges(BaseCase):
    @given(weights)
    def test_tile_the_unit_interval_by_weight(self, given_weights):
        cut = list(ranges(given_weights).values())
        self.assertEqual((cut[0][0], cut[-1][1]), (0.0, 1.0))
        for (_, end), (start, _) in itertools.pairwise(cut):
            self.assertEqual(end, start)
        total = math.fsum(given_weights.values())
        for (start, end), share in zip(cut, given_weights.values(), strict=True):
            self.assertAlmostEqual(end - start, share / total)

    @given(whole_weights, st.data())
    def test_raising_a_share_only_grows_its_range(self, before, data):
        name = data.draw(st.sampled_from(sorted(before)))
        # the others keep or lose; this one takes all of that, and perhaps more
        after = {other: data.draw(st.integers(0, w)) for other, w in before.items()}
        taken = sum(before.values()) - sum(after.values())
        after[name] += taken + data.draw(weight)
        (start, end), (new_start, new_end) = ranges(before)[name], ranges(after)[name]
        if start < end:
            self.assertLessEqual(new_start, start)
            self.assertGreaterEqual(new_end, end)

    def test_refuses_what_is_no_weight(self):
        for bad in ({"a": -1, "b": 2}, {"a": math.nan}, {"a": math.inf}):
            with self.subTest(bad), self.assertRaisesRegex(ValueError, "positive"):
                ranges(bad)
        for bad in ({}, {"a": 0}):
            with self.subTest(bad), self.assertRaisesRegex(ValueError, "no variant"):
                ranges(bad)


class TestSplit(BaseCase):
    def shares(self, split: Split) -> dict[str | None, float]:
        found = Counter(split.variant(user) for user in USERS)
        return {name: count / len(USERS) for name, count in found.items()}

    def test_shares_are_weight_times_coverage(self):
        shares = self.shares(Split("s", {"a": 75, "b": 25}, slot=(0.0, 0.4)))
        for name, share in ((None, 0.6), ("a", 0.3), ("b", 0.1)):
            self.assertAlmostEqual(shares[name], share, delta=0.03)

    def test_no_weight_no_units(self):
        shares = self.shares(Split("s", {"a": 0, "b": 1, "c": 0}))
        self.assertEqual(shares, {"b": 1.0})

    @given(st.data(), weights, salts)
    def test_a_ramp_moves_nobody_who_takes_part(self, data, given_weights, salt):
        start, end, wider = sorted(
            data.draw(st.lists(st.floats(0, 1), min_size=3, max_size=3))
        )
        before = Split(salt, given_weights, slot=(start, end))
        after = Split(salt, given_weights, slot=(start, wider))
        for user in USERS[:50]:
            if had := before.variant(user):
                self.assertEqual(after.variant(user), had)

    @given(weights, st.sampled_from("ABCDE"), weight, salts, st.floats(0.2, 1))
    def test_a_raised_variant_keeps_its_units(self, before, name, more, salt, coverage):
        assume(name in before)
        after = before | {name: before[name] + more}
        split = Split(salt, before, slot=(0.0, coverage))
        raised = Split(salt, after, slot=(0.0, coverage))
        for user in USERS[:50]:
            if split.variant(user) == name:
                self.assertEqual(raised.variant(user), name)

    def test_the_canary_steps_only_add_units(self):
        had: set[str] = set()
        for percent in (1, 5, 10, 25, 50, 100):
            split = Split("v8", {"v7": 100 - percent, "v8": percent})
            has = {user for user in USERS if split.variant(user) == "v8"}
            self.assertLess(had, has)
            self.assertAlmostEqual(len(has) / len(USERS), percent / 100, delta=0.03)
            had = has

    @given(units, st.floats(0, 1))
    def test_slots_of_a_layer_exclude_each_other(self, unit, cut):
        one = Split("one", {"a": 1}, layer="prompts", slot=(0.0, cut))
        two = Split("two", {"b": 1}, layer="prompts", slot=(cut, 1.0))
        self.assertEqual([one.variant(unit), two.variant(unit)].count(None), 1)

    def test_layers_are_independent(self):
        one = Split("one", {"a": 1}, layer="prompts", slot=(0.0, 0.5))
        two = Split("two", {"b": 1}, layer="models", slot=(0.0, 0.5))
        both = sum(bool(one.variant(u) and two.variant(u)) for u in USERS)
        self.assertAlmostEqual(both / len(USERS), 0.25, delta=0.04)

    def test_the_variant_does_not_depend_on_the_place_in_the_layer(self):
        # else the first tenth of the layer would hold only the first variant
        shares = self.shares(Split("s", {"a": 1, "b": 1}, layer="l", slot=(0.0, 0.2)))
        self.assertAlmostEqual(shares["a"], 0.1, delta=0.03)
        self.assertAlmostEqual(shares["b"], 0.1, delta=0.03)

    def test_a_spot_belongs_to_the_slot_that_starts_there(self):
        spot = bucket("user:7", "layer")
        for slot, expected in (((0.0, spot), None), ((spot, 1.0), "a")):
            split = Split("s", {"a": 1}, layer="layer", slot=slot)
            self.assertEqual(split.variant("user:7"), expected)

    def test_refuses_a_rule_that_cannot_work(self):
        for arguments, text in (
            ({"slot": (0.5, 1.1)}, "slot"),
            ({"slot": (-0.1, 1.0)}, "slot"),
            ({"slot": (0.6, 0.5)}, "slot"),
            ({"slot": (0.0, math.nan)}, "slot"),
            ({"layer": "s"}, "another salt"),
            ({"layer": "l:1"}, "no colon"),
            ({"salt": "s:1"}, "no colon"),
            ({"weights": {}}, "no variant"),
        ):
            with self.subTest(arguments), self.assertRaisesRegex(ValueError, text):
                Split(**({"salt": "s", "weights": {"a": 1}} | arguments))


class TestRendezvous(BaseCase):
    @given(units, st.sets(units, min_size=1, max_size=6), st.data())
    def test_removing_a_node_moves_only_its_keys(self, key, nodes, data):
        order = rendezvous(key, nodes)
        self.assertCountEqual(order, nodes)
        gone = data.draw(st.sampled_from(order))
        # nobody else changes places; the keys of the removed go to their second
        rest = [node for node in order if node != gone]
        self.assertEqual(rendezvous(key, nodes - {gone}), rest)

    def test_spreads_evenly_and_differently_by_salt(self):
        nodes = ["a", "b", "c", "d"]
        for salt in ("", "pool-1"):
            homes = Counter(rendezvous(user, nodes, salt)[0] for user in USERS)
            for node in nodes:
                self.assertAlmostEqual(homes[node] / len(USERS), 0.25, delta=0.04)
        same = sum(
            rendezvous(u, nodes, "x")[0] == rendezvous(u, nodes, "y")[0] for u in USERS
        )
        self.assertAlmostEqual(same / len(USERS), 0.25, delta=0.04)

    def test_never_moves(self):
        order = rendezvous("session:4", ["gpu-a", "gpu-b", "gpu-c"])
        self.assertEqual(order, ["gpu-a", "gpu-c", "gpu-b"])

    def test_the_order_of_the_nodes_does_not_matter(self):
        self.assertEqual(rendezvous("k", "abcab"), rendezvous("k", "cba"))

    def test_no_nodes_no_home(self):
        self.assertEqual(rendezvous("k", []), [])

    def test_names_do_not_run_together(self):
        self.addCleanup(setattr, bucketing, "_hash", bucketing._hash)
        hashed: list[str] = []
        bucketing._hash = lambda text: hashed.append(text) or 0
        rendezvous("c", ["a:b"])
        rendezvous("b:c", ["a"])
        self.assertEqual(len(set(hashed)), 2)
