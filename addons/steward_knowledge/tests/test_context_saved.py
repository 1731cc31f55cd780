from unittest.mock import patch

import psycopg2

from odoo.addons.steward.kernel.context import tokens_of
from odoo.tests import new_test_user, tagged

from ..models.steward_context import LEAST, MOST
from .search_common import SearchCase

TOPICS = {
    "Returns": "A customer sends goods back with a return slip within thirty days.",
    "Closing": "Before the year is closed, each period is closed and locked.",
    "Payroll": "Wages are paid on the last working day of each month.",
}


@tagged("post_install", "-at_install")
class TestContextSaved(SearchCase):
    """What a context saves against telling the documents of its passages whole."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manuals = {}
        for title, fact in TOPICS.items():
            sections = [f"# {title}\n{fact}"]
            sections += [
                f"## Chapter {n} of {title.lower()}\n"
                + f"Remark {n} on the forms. " * 30
                for n in range(30)
            ]
            cls.manuals[title] = cls.make_document(title, "\n\n".join(sections))
        cls.index(*cls.manuals.values())

    def test_a_third_at_least(self):
        """The answer is in the context all the same."""
        for fact in TOPICS.values():
            with self.subTest(fact):
                context = self.env["steward.context"]._assemble(fact, 800)
                self.assertIn(fact, context["text"])
                saved = self.env["steward.context"]._saved_tokens(context)
                told = {row["document_id"] for row in context["passages"]}
                texts = self.documents.browse(told).mapped("text")
                whole = sum(map(tokens_of, texts))
                self.assertGreater(saved, whole / 3)
                # it is an estimate, as the documents are not read for it
                self.assertAlmostEqual(
                    saved + context["tokens"], whole, delta=whole / 3
                )

    def test_nothing_known_and_nothing_saved(self):
        contexts = self.env["steward.context"]
        context = contexts._assemble("xyzzy plugh", 800)
        self.assertFalse(context["passages"])
        self.assertIsNone(contexts._saved_tokens(context))

    def told(self, task, user=None):
        contexts = self.env["steward.context"].with_user(user or self.env.user)
        return contexts._assemble(task, 2000)["passages"]

    def test_several_passages_of_a_page(self):
        """What a page says in two places is told, before what others hardly say."""
        document = self.make_document(
            "Vans",
            "# Vans\nThe tall van takes a wardrobe.\n\n## Height\n"
            + "A wardrobe needs a tall van, of three metres. " * 20
            + "\n\n## Keys\n"
            + "Keys hang in the office. " * 40,
        )
        self.index(document)
        told = self.told("Which tall van takes the wardrobe?")
        first = [row for row in told if row["document_id"] == document.id]
        self.assertGreater(len(first), 1)
        self.assertEqual(told[: len(first)], first)
        self.assertEqual(len({row["chunk_id"] for row in first}), len(first))
        self.assertFalse([row for row in first if row["text"].startswith("Keys")])

    def test_what_fits_badly_is_not_told(self):
        scores = [row["score"] for row in self.told("the forms of the payroll")]
        self.assertLessEqual(len(scores), MOST)
        self.assertGreaterEqual(min(scores), LEAST * max(scores))
        self.assertEqual(scores, sorted(scores, reverse=True))

    def test_who_may_not_read_is_not_told(self):
        clerk = new_test_user(self.env, "clerk", "base.group_user")
        self.assertTrue(self.told(TOPICS["Payroll"], clerk))
        self.env["ir.rule"].create(
            {
                "name": "hidden",
                "model_id": self.env["ir.model"]._get_id("steward.document"),
                "domain_force": f"[('id', '!=', {self.manuals['Payroll'].id})]",
            }
        )
        told = {row["document_id"] for row in self.told(TOPICS["Payroll"], clerk)}
        self.assertNotIn(self.manuals["Payroll"].id, told)

    def test_a_search_that_takes_too_long(self):
        """The run is told why it knows nothing, and goes on."""
        contexts = self.env["steward.context"]
        slow = patch.object(
            type(self.documents),
            "_ranked",
            side_effect=psycopg2.errors.QueryCanceled("timeout"),
        )
        with slow, self.assertLogs("odoo.addons.steward.models.steward_context"):
            context = contexts._assemble("anything", 2000)
        self.assertTrue(context["degraded"])
        self.assertIn("took too long", context["reason"])
