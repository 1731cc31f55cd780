from unittest.mock import patch

from odoo.addons.steward.exceptions import BadAnswer, RemoteError
from odoo.tests import new_test_user

from ..adapters import Adapter, Embedded
from ..exceptions import BudgetExhausted, PriceUnknown
from ..kernel.usage import Usage
from .common import ModelKit
from .embedding_common import forget_vectors
from .openai_server import EMBEDDINGS, refuse


class TestEmbeddingBudget(ModelKit):
    """What is embedded elsewhere is paid from a budget, before it is asked for."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.provider.code = "loopback"
        cls.price = cls.env["steward.price"].create(
            # a dollar for a token, so that sums are easy
            {"model_name": "embed-test", "rate_input": 1_000_000}
        )

    def setUp(self):
        super().setUp()
        forget_vectors()
        self.addCleanup(forget_vectors)

    def budget(self, limit, **values):
        return self.env["steward.budget"].create(
            {
                "name": "Embeddings",
                "currency_id": self.env.ref("base.USD").id,
                "limit_amount": limit,
                **values,
            }
        )

    def embed(self, *texts, error=None, user=None):
        # assertRaises would roll back what the refusal leaves behind
        embedder = self.embedder.with_user(user).sudo() if user else self.embedder
        try:
            embedder._embed(texts)
        except (BudgetExhausted, PriceUnknown, BadAnswer, RemoteError) as raised:
            self.assertIsInstance(raised, error or ())
            return raised.sentence
        self.assertIsNone(error)
        return ""

    def asked(self):
        return len(self.server.asked(EMBEDDINGS))

    def test_what_was_spent_counts(self):
        budget = self.budget(100)
        self.embed("one two three")
        self.assertEqual((budget.spent, budget.reserved), (3, 0))
        self.embed("one two three")  # known by now
        self.assertEqual(budget.spent, 3)

    def test_too_little_left(self):
        budget = self.budget(20)
        text = "a text of more than twenty letters"
        self.assertIn("Embeddings", self.embed(text, error=BudgetExhausted))
        self.assertEqual(self.asked(), 0)
        self.assertEqual((budget.spent, budget.reserved), (0, 0))
        self.assertEqual(budget.refused_calls, 1)
        budget.limit_amount = 1000
        self.embed(text)
        self.assertEqual((self.asked(), budget.spent), (1, 7))

    def test_known_texts_need_no_budget(self):
        self.embed("known")
        self.budget(1)
        self.embed("known")
        self.assertEqual(self.asked(), 1)

    def test_it_stops_between_two_calls(self):
        """What the first call brought is kept; nothing is sent that cannot be paid."""
        texts = [f"{n:02}" for n in range(Adapter.batch + 40)]
        budget = self.budget(2 * Adapter.batch)
        self.embed(*texts, error=BudgetExhausted)
        self.assertEqual(self.asked(), 1)
        self.assertEqual((budget.spent, budget.reserved), (Adapter.batch, 0))
        budget.limit_amount = 1000
        self.embed(*texts)
        self.assertEqual(len(self.server.asked(EMBEDDINGS)[-1]["input"]), 40)

    def test_a_call_that_failed_costs_nothing(self):
        budget = self.budget(100)
        self.server.fail(EMBEDDINGS, refuse(400, "no"), times=5)
        self.embed("one", error=RemoteError)
        self.assertEqual((budget.spent, budget.reserved), (0, 0))

    def test_an_answer_of_no_use_is_paid_all_the_same(self):
        budget = self.budget(100)
        useless = Embedded([[1.0] * 5], Usage(tokens_in=2))
        with patch.object(type(self.adapter()), "embed", lambda *_args: useless):
            self.embed("one two", error=BadAnswer)
        self.assertEqual((budget.spent, budget.reserved), (2, 0))

    def test_unknown_price(self):
        self.price.active = False
        budget = self.budget(100)
        self.embed("one")
        self.assertEqual((budget.spent, budget.unknown_calls), (0, 1))
        budget.unknown_price = "refuse"
        self.embed("two", error=PriceUnknown)
        self.assertEqual(self.asked(), 1)

    def test_of_the_user_who_asks(self):
        user = new_test_user(self.env, "embeds_much", groups="base.group_user")
        budget = self.budget(1, scope="user", user_id=user.id)
        self.embed("a few words", error=BudgetExhausted, user=user)
        self.embed("a few words")
        self.assertEqual(budget.spent, 0)

    def test_of_the_provider(self):
        budget = self.budget(100, scope="provider", provider_id=self.provider.id)
        self.embed("one")
        self.assertEqual(budget.spent, 1)

    def test_built_in_models_ask_no_budget(self):
        self.budget(1)
        budgets = type(self.env["steward.budget"])
        for name in ("hash", "minilm"):
            model = self.env.ref(f"steward_llm.model_{name}")
            adapter = type(model.provider_id._adapter())
            with (
                patch.object(budgets, "_try_reserve") as reserved,
                patch.object(adapter, "_minilm", lambda _self, t: [[1.0] * 384] * 1),
            ):
                model._embed(["a text of some length"])
            reserved.assert_not_called()
