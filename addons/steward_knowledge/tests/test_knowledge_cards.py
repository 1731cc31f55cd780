from datetime import timedelta

from odoo import fields
from odoo.tests import tagged

from .answers_common import AnswersCase

CARDS = [
    *("documents", "documents_by_source", "documents_by_topic", "documents_added"),
    *("searches", "search_typical", "search_slow", "search_useful", "search_zero"),
    *("harvest_failures", "embedding_known", "embedding_cost"),
]


@tagged("post_install", "-at_install")
class TestCards(AnswersCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # what other tests and demonstrations did is another company's
        cls.company = cls.env["res.company"].create({"name": "Cards"})
        for user in cls.users.values():
            user.write(
                {"company_ids": [(4, cls.company.id)], "company_id": cls.company.id}
            )
        sources = cls.env["steward.source"]
        sources.search([("company_id", "=", False)]).company_id = cls.env.ref(
            "base.main_company"
        )
        cls.source.company_id = cls.company

    def setUp(self):
        super().setUp()
        # a period goes up to this second; what is made in it comes into the next one
        later = fields.Datetime.now() + timedelta(minutes=1)
        self.patch(fields.Datetime, "now", staticmethod(lambda *_args: later))

    def cards(self, *names, role="operator", period="day"):
        board = self.env["steward.dashboard"].with_user(self.users[role])
        cards = board.data(period, [self.company.id], list(names))["cards"]
        for name, card in cards.items():
            self.assertNotIn("error", card, name)
        return cards[names[0]] if len(names) == 1 else cards

    def test_nothing_is_not_known(self):
        cards = self.cards(*CARDS)
        self.assertEqual(cards["documents"]["parts"], [])
        self.assertEqual(cards["searches"]["value"], 0)
        for name in ("search_typical", "search_slow", "search_useful"):
            self.assertNotIn("value", cards[name], name)
        for name in ("documents_by_source", "documents_by_topic", "search_zero"):
            self.assertEqual(cards[name]["rows"], [], name)
        self.assertEqual(sum(cards["documents_added"]["series"][0]["values"]), 0)

    def test_documents(self):
        for number in range(3):
            self.make_document(f"Ready {number}", state="ready")
        self.make_document("New")
        self.make_document("Broken", state="failed")
        hidden = self.env["steward.source"].create(
            {
                "name": "Hidden",
                "company_id": self.company.id,
                "group_ids": [(4, self.env.ref("base.group_system").id)],
            }
        )
        self.make_document("Secret", source=hidden, state="ready")
        cards = self.cards("documents", "documents_by_source", "documents_added")
        documents = self.env["steward.document"].with_user(self.users["operator"])
        parts = {part["name"]: part for part in cards["documents"]["parts"]}
        values = {name: part["value"] for name, part in parts.items()}
        self.assertEqual(
            values, {"ready": 3, "under_way": 1, "duplicate": 0, "failed": 1}
        )
        for part in parts.values():
            found = documents.search_count(part["action"]["domain"])
            self.assertEqual(found, part["value"], part["name"])
        [row] = cards["documents_by_source"]["rows"]
        self.assertEqual((row["name"], row["documents"]), (self.source.name, 5))
        added = cards["documents_added"]
        self.assertEqual(sum(added["series"][0]["values"]), 5)
        self.assertEqual(documents.search_count(added["action"]["domain"]), 5)

    def test_topics(self):
        sales, stock = self.env["steward.topic"].create(
            [{"name": "Sales!"}, {"name": "Stock!"}]
        )
        for topic in (sales, sales, stock):
            self.make_document(state="ready", topic_id=topic.id)
        self.make_document(state="ready")
        rows = self.cards("documents_by_topic")["rows"]
        told = [(row["name"], row["documents"]) for row in rows]
        self.assertEqual(told, [("Sales!", 2), ("Stock!", 1)])

    def test_searches(self):
        for took in (10, 20, 30):
            self.searched("quick", took_ms=took)
        self.searched("lost", hours=30, took_ms=100, verdict="useless")
        self.searched("lost", verdict="useful", took_ms=40, results=0, empty=True)
        cards = self.cards("searches", "search_typical", "search_slow", "search_useful")
        self.assertEqual(
            (cards["searches"]["value"], cards["searches"]["before"]), (4, 1)
        )
        self.assertAlmostEqual(cards["search_typical"]["value"], 25)
        self.assertAlmostEqual(cards["search_slow"]["value"], 38.5)
        self.assertEqual(
            (cards["search_useful"]["value"], cards["search_useful"]["before"]),
            (100, 0),
        )

    def test_what_found_nothing_is_for_operators(self):
        for words in ("Lost?", "lost", "other"):
            self.searched(words, results=0, empty=True)
        self.searched("found")
        card = self.cards("search_zero")
        told = [(row["question"], row["times"]) for row in card["rows"]]
        self.assertEqual(told, [("lost", 2), ("other", 1)])
        questions = self.env["steward.search.question"]
        questions = questions.with_user(self.users["operator"])
        for row in card["rows"]:
            found = questions.search(row["action"]["domain"])
            self.assertEqual(found.mapped("name"), [row["question"]])
        self.assertEqual(self.cards("search_zero", role="viewer")["rows"], [])

    def test_embeddings(self):
        model = self.env["steward.model"].search(
            [("can_embedding", "=", True)], limit=1
        )
        model.company_id = self.company
        self.env["steward.embedding.day"]._create_own(
            [
                {
                    "model_id": model.id,
                    "day": fields.Date.today() - timedelta(days=days),
                    "hits": hits,
                    "misses": 10,
                }
                for days, hits in ((0, 30), (40, 10))
            ]
        )
        self.assertAlmostEqual(self.cards("embedding_known")["value"], 75)
        month = self.cards("embedding_known", period="month")
        self.assertAlmostEqual(month["before"], 50)

    def test_few_queries_however_many_documents(self):
        def count():
            self.env.invalidate_all()
            self.env.registry.clear_cache()
            self.cards(*CARDS)
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.cards(*CARDS)
            return self.env.cr.sql_log_count - before

        self.make_document(state="ready")
        few = count()
        for number in range(30):
            self.make_document(f"More {number}", state="ready")
            self.searched(f"what {number}", results=0, empty=True)
        self.assertLessEqual(count(), few + 2)
        self.assertLess(few, 60)

    def test_first_step(self):
        steps = self.env["steward.status"].with_user(self.users["operator"])
        self.assertTrue(steps.first_steps()["source"])
        self.env["steward.source"].search([]).active = False
        self.assertFalse(steps.first_steps()["source"])
