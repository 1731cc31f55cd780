from unittest.mock import patch

from odoo.addons.steward.exceptions import Invalid, Unreachable
from odoo.exceptions import AccessError
from odoo.tests import tagged

from ..models.steward_skill_find import BY_TRIGGER
from .common import COUNTING, DUNNING, SkillCase


@tagged("post_install", "-at_install")
class TestFind(SkillCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.company.steward_embedding_model_id = cls.env.ref(
            "steward_llm.model_hash"
        )
        spaces = type(cls.env["steward.space"])
        cls.startClassPatcher(
            patch.object(spaces, "_active", lambda self: self.browse())
        )

    def setUp(self):
        super().setUp()
        self.dunning = self.approved(text=DUNNING)
        self.counting = self.approved(
            title="Count partners of a country",
            description="Counts the partners of a country. Use for statistics.",
            playbook=COUNTING,
            tool_names="count_records",
        )

    def test_by_words_and_by_meaning(self):
        self.assertEqual(
            self.found("remind customers of overdue invoices")[0], self.dunning.name
        )
        self.assertEqual(
            self.found("How many partners are there in a country?"),
            [self.counting.name],
        )
        self.assertEqual(self.found("paint the fence green"), [])
        for nothing in ("", " \n", "\0", "the of and"):
            self.assertEqual(self.found(nothing), [])
        with self.assertRaises(Invalid):
            self.skills.find(["a"])

    def test_by_trigger(self):
        [found] = self.skills.with_user(self.robot).find("Please do the DUNNING now!")
        self.assertEqual(found["name"], self.dunning.name)
        self.assertGreaterEqual(found["score"], BY_TRIGGER * 0.9)
        self.assertEqual(self.found("undunning"), [])

    def test_what_an_answer_holds(self):
        [found] = self.skills.with_user(self.robot).find("dunning", limit=1)
        self.assertEqual(
            set(found), {"name", "title", "description", "kind", "version", "score"}
        )
        self.assertEqual(found["version"], 1)

    def test_hostile_words(self):
        for task in (
            "' OR 1=1 --",
            "a & !b | (c",
            "\\ ' :* <->",
            "x_'y\\_z",
            "%s %(a)s",
        ):
            with self.subTest(task):
                self.assertEqual(self.found(task), [])
        self.assertEqual(self.found(f"dunning {'word ' * 5000}"), [self.dunning.name])

    def test_drafts_do_not_count(self):
        self.dunning.write(
            {"title": "Paint", "description": "Paints.", "trigger_words": ""}
        )
        self.assertEqual(self.found("dunning"), [self.dunning.name])
        self.assertEqual(self.found("paint paints"), [])
        self.approved(self.dunning)
        self.assertEqual(self.found("dunning"), [])
        self.assertEqual(self.found("paint paints"), [self.dunning.name])

    def test_only_what_one_may_read(self):
        for user in (self.robot, self.employee, self.viewer):
            self.assertEqual(self.found("dunning", user), [self.dunning.name])
        self.dunning.sudo().group_ids = self.env.ref("base.group_erp_manager")
        self.assertEqual(self.found("dunning"), [])
        self.dunning.sudo().write(
            {"group_ids": False, "company_id": self.other_company.id}
        )
        self.assertEqual(self.found("dunning"), [])
        self.dunning.sudo().company_id = False
        self.dunning.active = False
        self.assertEqual(self.found("dunning"), [])
        with self.assertRaises(AccessError):
            self.skills.with_user(self.env.ref("base.public_user")).find("dunning")

    def test_ones_own_hides_the_shared_one(self):
        own = self.approved(text=DUNNING, company_id=self.env.company.id)
        found = self.skills.with_user(self.robot)._find("dunning")
        self.assertEqual([row.skill_id for row in found], [own.id])

    def test_what_proved_itself_comes_first(self):
        other = self.approved(text=DUNNING.replace("remind-late", "remind-more"))
        for better, worse in ((other, self.dunning), (self.dunning, other)):
            better._write_own({"confidence": 0.9})
            worse._write_own({"confidence": 0.1})
            self.assertEqual(self.found("dunning"), [better.name, worse.name])

    def test_without_an_embedder(self):
        models = type(self.env["steward.model"])
        with patch.object(models, "_embed", side_effect=Unreachable("away")):
            self.assertEqual(self.found("dunning"), [self.dunning.name])
            one = self.approved(title="Count stock", trigger_words="stock take")
        with patch.object(type(self.skills), "_has_vectors", lambda self: False):
            self.assertEqual(self.found("do a stock take"), [one.name])
            self.assertEqual(self.env["steward.skill.version"]._learn_missing(), 0)
        self.assertEqual(self.found("stock take"), [one.name])
        self.assertEqual(self.env["steward.skill.version"]._learn_missing(), 1)
        self.assertEqual(self.env["steward.skill.version"]._learn_missing(), 0)
        daily = self.env["steward.daily"]
        self.assertEqual(list(daily._learn_skills(daily)), [])
        self.env.cr.execute("UPDATE steward_skill_version SET embedder = '0/old/3'")
        self.assertEqual(self.found("dunning"), [self.dunning.name])
        [line] = daily._learn_skills(daily)
        self.assertIn("3 skills", line)

    def test_get(self):
        skills = self.skills.with_user(self.robot)
        told = skills.get(self.dunning.name)
        self.assertEqual(told["version"], 1)
        self.assertEqual(told["markdown"], DUNNING)
        self.assertEqual(len(told["steps"]), 3)
        self.assertEqual((told["tools"], told["needs"]), ([], []))
        told = skills.get(self.counting.name)
        self.assertEqual(told["tools"], ["count_records"])
        self.assertEqual(told["inputs"], {"country": "text"})
        self.assertEqual(
            told["steps"], ["count_records", "Stop: {{ found.count }} partners"]
        )
        self.counting.body = "More."
        self.assertEqual(skills.get(self.counting.name)["version"], 1)
        with self.assertRaises(Invalid):
            skills.get(self.counting.name, 2)
        reviewers = self.skills.with_user(self.reviewer)
        self.assertEqual(reviewers.get(self.counting.name, 2)["version"], 2)
        draft = self.skill(title="Draft")
        for user in (self.robot, self.reviewer):
            with self.assertRaises(Invalid):
                self.skills.with_user(user).get(draft.name)

    def test_queries(self):
        skills = self.skills.with_user(self.robot)
        skills.find("dunning")
        with self.assertQueryCount(6):
            skills._find("remind customers of overdue invoices")

    def test_vectors_come_later(self):
        version = self.env["steward.skill.version"]
        self.env.cr.execute("ALTER TABLE steward_skill_version DROP COLUMN embedding")
        self.env.registry.clear_cache()
        self.addCleanup(self.env.registry.clear_cache)
        self.assertEqual(self.found("dunning"), [self.dunning.name])
        self.assertTrue(self.env["steward.space"]._enable_vectors())
        self.assertEqual(version._learn_missing(), 0)
        self.env.cr.execute("UPDATE steward_skill_version SET embedder = NULL")
        self.assertEqual(version._learn_missing(), 2)
