from unittest.mock import patch

from odoo.addons.queue_job.tests.common import trap_jobs
from odoo.addons.steward.exceptions import Unreachable
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import new_test_user, tagged

from ..kernel.draft import Draft
from .pipeline_common import PipelineCase


@tagged("post_install", "-at_install")
class TestTopics(PipelineCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.topics = cls.env["steward.topic"]
        cls.topics.search([]).action_archive()
        cls.fish, cls.fowl = cls.topics.create(
            [
                {"name": "Fish", "rules": "trout: 3\nsalmon: 3"},
                {"name": "Fowl", "rules": "goose: 3\nduck: 3"},
            ]
        )
        provider = cls.env.ref("steward_llm.provider_local")
        cls.hash = provider.model_ids.filtered(lambda model: model.name == "hash")

    def setUp(self):
        super().setUp()
        patcher = patch.object(
            self.env.registry["steward.topic"], "_embedder", lambda _topics: self.hash
        )
        patcher.start()
        self.addCleanup(patcher.stop)

    def told(self, content, **told):
        document = self.take(Draft(content, content=content, **told))["documents"]
        document._process()
        self.assertEqual(document.state, "ready", document.error)
        return document

    def test_rules(self):
        page = self.told("# Trout\n\nHow to fry trouts.")
        self.assertEqual((page.topic_id, page.topic_by), (self.fish, "rules"))
        self.assertTrue(0 < page.topic_score <= 1)

    def test_nothing_fits(self):
        page = self.told("# Zzz\n\nQqq xxx.")
        self.assertEqual((page.topic_id.id, page.topic_by), (False, False))

    def test_likeness(self):
        words = "pond scales fin gill swim upstream river bait hook line"
        for number in range(3):
            self.told(f"# Trout {number}\n\n{words} {number}")
        self.told("# Goose\n\nfeather beak wing nest egg farm autumn")
        self.topics._cron_learn()
        self.assertEqual(self.fish.learned_from, 3)
        page = self.told(f"# Pike\n\n{words}")
        self.assertEqual((page.topic_id, page.topic_by), (self.fish, "centroid"))

    def test_a_person_is_right_for_good(self):
        page = self.told("# Trout\n\nHow to fry trouts.")
        page.topic_id = self.fowl
        self.assertEqual((page.topic_by, page.topic_score), ("person", 1))
        self.take(Draft(page.external_id, content="# Salmon"))["documents"]._process()
        self.assertEqual((page.state, page.topic_id), ("ready", self.fowl))
        page.topic_id = False
        self.topics._job_apply(0)
        self.assertFalse(page.topic_id, "that there is none is an answer, too")

    def test_an_embedder_that_is_away(self):
        with patch.object(
            self.env.registry["steward.model"],
            "_embed",
            side_effect=Unreachable("No answer."),
        ):
            page = self.told("# Zzz")
        self.assertFalse(page.topic_id)

    def test_companies(self):
        company = self.env["res.company"].create({"name": "Other"})
        self.fish.company_id = company
        self.assertFalse(self.told("# Trout").topic_id)
        self.source.company_id = company
        self.assertEqual(self.told("# Trouts").topic_id, self.fish)

    def test_rules_that_are_none(self):
        with self.assertRaisesRegex(ValidationError, "one two three four five"):
            self.fish.rules = "trout\none two three four five"
        with self.assertRaises(ValidationError):
            self.fish.parent_id = self.topics.create(
                {"name": "Trout", "parent_id": self.fish.id}
            )

    def test_names(self):
        trout = self.topics.create({"name": "Trout", "parent_id": self.fish.id})
        self.assertEqual(trout.display_name, "Fish / Trout")
        self.fish.name = "Fishes"
        self.assertEqual(trout.display_name, "Fishes / Trout")

    def test_told_anew(self):
        pages = self.told("# Trout one") + self.told("# Trout two")
        self.fish.rules = "salmon"
        self.fowl.rules = "trout: 3"
        with (
            trap_jobs() as trap,
            patch("odoo.addons.steward_knowledge.models.steward_topic.RECLASSIFIED", 1),
        ):
            self.fish.action_apply()
            trap.perform_enqueued_jobs()
            while trap.enqueued_jobs:
                trap.perform_enqueued_jobs()
        self.assertEqual(pages.topic_id, self.fowl)

    def test_coverage(self):
        for number in range(3):
            self.told(f"# Trout {number}")
        self.told("# Goose")
        self.told("# Zzz")
        found = self.topics.with_user(self.env.ref("base.user_admin"))._coverage()
        self.assertEqual(
            [(each["name"], each["documents"]) for each in found],
            [("Fish", 3), ("Fowl", 1), ("Without a topic", 1)],
        )
        self.assertEqual(self.fish.document_count, 3)
        # what one may not read is not counted
        self.source.group_ids = self.env["res.groups"].create({"name": "Few"})
        employee = new_test_user(self.env, "topic_employee", groups="base.group_user")
        self.assertEqual(self.topics.with_user(employee)._coverage(), [])
        self.assertEqual(self.fish.with_user(employee).document_count, 0)

    def test_who_may(self):
        employee = new_test_user(self.env, "topic_reader", groups="base.group_user")
        operator = new_test_user(
            self.env, "topic_operator", groups="base.group_user,steward.group_operator"
        )
        with self.assertRaises(AccessError):
            self.fish.with_user(employee).action_apply()
        with self.assertRaises(AccessError):
            self.fish.with_user(employee).name = "Mine"
        with trap_jobs() as trap:
            self.fish.with_user(operator).action_apply()
            trap.assert_jobs_count(1)

    def test_shipped_ones(self):
        """Each page of a manual finds its topic."""
        (self.fish + self.fowl).active = False
        self.topics.with_context(active_test=False).search(
            [("id", "not in", (self.fish + self.fowl).ids)]
        ).active = True
        for text, topic in (
            (
                "# Bank reconciliation\n\nMatch journal items and invoices.",
                "accounting",
            ),
            ("# Quotation templates\n\nSend quotations to customers.", "sales"),
            ("# Bills of materials\n\nFor manufacturing orders.", "manufacturing"),
            ("# Reordering rules\n\nKeep stock in the warehouse.", "inventory"),
            ("# Time off\n\nEmployees ask for time off.", "hr"),
            ("# Record rules\n\nThe ORM, computed fields.", "development"),
            ("# Upgrade\n\nMigration scripts for a new version.", "upgrade"),
        ):
            page = self.told(text)
            expected = self.env.ref(f"steward_knowledge.topic_{topic}")
            self.assertEqual(page.topic_id, expected, text)
