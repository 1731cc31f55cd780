from hypothesis import assume, given
from hypothesis import strategies as st

from odoo.addons.steward.tests import kernel_common  # noqa: F401
from odoo.tests import BaseCase

from ..kernel.usage import LARGEST, Usage, guessed, of_openai

counts = st.integers(0, 10**6)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
NAMES = [
    *("prompt_tokens", "completion_tokens", "total_tokens", "input_tokens"),
    *("prompt_tokens_details", "completion_tokens_details"),
    *("cache_read_input_tokens", "cache_creation_input_tokens"),
]


class TestUsage(BaseCase):
    @given(st.lists(st.integers(-5, 10**6), min_size=5, max_size=5))
    def test_each_token_is_in_one_share(self, told):
        usage = Usage(*told)
        shares = usage.shares()
        self.assertTrue(all(share >= 0 for share in shares))
        self.assertEqual(sum(shares[:3]), max(0, usage.tokens_in))
        self.assertEqual(sum(shares[3:]), max(0, usage.tokens_out))

    @given(counts, counts, counts, counts, st.booleans(), st.booleans())
    def test_whoever_counts_apart_is_understood(
        self, fresh, cached, answer, thought, i, o
    ):
        """Inclusive or exclusive, the same tokens come out when there is a total."""
        assume(i == o or cached != thought)  # nobody could tell
        told = {
            "prompt_tokens": fresh + (0 if i else cached),
            "completion_tokens": answer + (0 if o else thought),
            "total_tokens": fresh + cached + answer + thought,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": thought},
        }
        usage = of_openai(told)
        self.assertEqual(usage.tokens_in + usage.tokens_out, told["total_tokens"])
        self.assertEqual(usage.tokens_in, fresh + cached)
        self.assertEqual(usage.shares(), (fresh, cached, 0, answer, thought))

    @given(st.dictionaries(st.sampled_from(NAMES), anything))
    def test_nonsense_is_none_or_sound(self, told):
        usage = of_openai(told)
        if usage is not None:
            self.assertLessEqual(max(usage[:2]), LARGEST)
            self.assertGreaterEqual(min(usage[:5]), 0)
            self.assertTrue(all(share >= 0 for share in usage.shares()))

    def test_of_openai(self):
        for told, expected in [
            ({"prompt_tokens": 3}, Usage(3)),
            ({"input_tokens": 3, "output_tokens": 4}, Usage(3, 4)),
            (
                {
                    "prompt_tokens": 10,
                    "cache_read_input_tokens": 4,
                    "cache_creation_input_tokens": 5,
                },
                Usage(10, 0, 4, 5),
            ),
            ({"prompt_tokens": True}, None),
            ({"prompt_tokens": -1}, None),
            ({"prompt_tokens": LARGEST + 1}, None),
            ({"completion_tokens": 5}, None),
            ({}, None),
            (None, None),
            ([1], None),
        ]:
            with self.subTest(told=told):
                self.assertEqual(of_openai(told), expected)

    def test_plus(self):
        both = Usage(1, 2, 3, 4, 5).plus(Usage(10, 20, 30, 40, 50))
        self.assertEqual(both, Usage(11, 22, 33, 44, 55))
        self.assertTrue(Usage().plus(Usage(estimated=True)).estimated)

    def test_guessed(self):
        self.assertEqual(guessed(["x" * 9, ""], "abc"), Usage(3, 1, estimated=True))
