from odoo.addons.steward.kernel.context import tokens_of
from odoo.tests import tagged

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
