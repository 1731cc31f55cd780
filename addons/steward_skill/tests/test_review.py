from datetime import timedelta

from odoo import fields
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.exceptions import AccessError
from odoo.tests import Form, tagged

from .common import COUNTING, DUNNING, SkillCase


@tagged("post_install", "-at_install")
class TestReview(SkillCase):
    def submitted(self, **values):
        skill = self.skill(**values)
        skill.action_submit()
        return skill

    def test_from_draft_to_use(self):
        skill = self.submitted()
        self.assertEqual(skill.state, "review")
        self.assertEqual({check["state"] for check in skill.checks}, {"passed"})
        [activity] = skill.sudo().activity_ids
        self.assertNotEqual(activity.user_id, self.author)
        self.assertTrue(activity.user_id.has_group("steward.group_reviewer"))
        mine = self.skills.with_user(self.reviewer)
        [waiting] = [one for one in mine.pending() if one["name"] == skill.name]
        self.assertEqual((waiting["version"], waiting["author"]), (1, self.author.name))
        answer = mine.approve(skill.name, 1, "Well done")
        self.assertEqual(
            answer, {"name": skill.name, "version": 1, "state": "approved"}
        )
        version = skill.approved_version_id
        self.assertEqual(
            (version, version.approver_id), (skill.version_id, self.reviewer)
        )
        self.assertTrue(version.approved_at)
        self.assertFalse(skill.sudo().activity_ids)
        self.assertIn("Well done", skill.sudo().message_ids[0].body)
        self.assertEqual(
            skill.sudo().message_ids[0].author_id, self.reviewer.partner_id
        )

    def test_who_may_approve(self):
        skill = self.submitted()
        for user in (self.author, self.operator, self.viewer):
            self.assertFalse(skill.with_user(user).may_approve)
            with self.assertRaises(AccessError):
                self.skills.with_user(user).approve(skill.name, 1)
            with self.assertRaises(AccessError):
                self.skills.with_user(user).send_back(skill.name, "No")
            with self.assertRaises(AccessError):
                skill.with_user(user).action_deprecate()
        robot = self.robot
        robot.group_ids += self.env.ref("steward.group_viewer")
        with self.assertRaises(AccessError) as caught:
            self.skills.with_user(robot).approve(skill.name, 1)
        self.assertIn("people do", caught.exception.args[0])
        self.assertEqual(skill.state, "review")

    def test_authors_do_not_approve_themselves(self):
        skill = self.skill(self.reviewer)
        skill.action_submit()
        self.assertFalse(skill.may_approve)
        with self.assertRaises(AccessError) as caught:
            self.skills.with_user(self.reviewer).approve(skill.name, 1)
        self.assertIn("Who wrote a version", caught.exception.args[0])
        settings = self.env["res.config.settings"].create(
            {"steward_skill_authors_approve": True}
        )
        settings.execute()
        self.assertTrue(skill.may_approve)
        self.skills.with_user(self.reviewer).approve(skill.name, 1)

    def test_who_edits_in_review_becomes_an_author(self):
        skill = self.submitted()
        skill.with_user(self.reviewer).body = "1. Better."
        self.assertEqual((skill.state, skill.version_number), ("review", 2))
        with self.assertRaises(AccessError):
            self.skills.with_user(self.reviewer).approve(skill.name, 2)

    def test_edited_meanwhile(self):
        skill = self.submitted()
        mine = skill.with_user(self.reviewer)
        seen = mine.with_context(seen_version=skill.version_number)
        wizard = self.decision(skill)
        skill.body = "1. Something else."
        for approve in (seen.action_approve, lambda: mine._approve(1)):
            with self.assertRaises(Refused) as caught:
                approve()
            self.assertIn("was changed meanwhile", caught.exception.sentence)
        action = wizard.action_decide()
        self.assertEqual(action["res_id"], wizard.id)
        self.assertIn("was changed meanwhile", wizard.problem)
        self.assertEqual(skill.state, "review")
        seen.with_context(seen_version=2).action_approve()
        self.assertEqual(skill.approved_version_id.number, 2)

    def decision(self, skills, decision="approve", **values):
        action = skills.with_user(self.reviewer).action_decide(decision)
        wizards = self.env["steward.skill.decision"].with_user(self.reviewer)
        form = Form(wizards.with_context(**action["context"]))
        for name, value in values.items():
            form[name] = value
        return form.save()

    def test_several_at_once(self):
        skills = self.skills.union(
            *(self.submitted(title=title) for title in ("One", "Two", "Three"))
        )
        own = self.skill(self.reviewer, title="Mine")
        own.action_submit()
        action = (skills + own).with_user(self.reviewer).action_approve()
        self.assertEqual(len(action["context"]["default_version_ids"]), 4)
        wizard = self.decision(skills + own)
        self.assertEqual(wizard.action_decide()["res_id"], wizard.id)
        self.assertEqual(wizard.version_ids, own.version_id)
        self.assertIn("Who wrote a version", wizard.problem)
        self.assertEqual(set(skills.mapped("state")), {"approved"})
        with self.assertRaises(Invalid):
            skills.with_user(self.reviewer).action_approve()

    def test_sent_back(self):
        skill = self.submitted()
        with self.assertRaises(Invalid):
            self.skills.with_user(self.reviewer).send_back(skill.name, " ")
        self.decision(skill, "send_back", note="Be more concrete.").action_decide()
        self.assertEqual((skill.state, skill.review_since), ("draft", False))
        [activity] = skill.sudo().activity_ids
        self.assertEqual(activity.user_id, self.author)
        self.assertIn("more concrete", activity.note)
        with self.assertRaises(Refused):
            self.skills.with_user(self.reviewer).send_back(skill.name, "Again")
        with self.assertRaises(Refused):
            self.skills.with_user(self.reviewer).approve(skill.name, 1)

    def test_a_change_of_what_is_approved_is_a_draft(self):
        skill = self.approved(text=DUNNING)
        skill.body = "1. Else."
        self.assertEqual((skill.state, skill.approved_version_id.number), ("draft", 1))
        with self.assertRaises(Refused):
            skill.with_user(self.reviewer)._approve(2)
        self.approved(skill)
        self.assertEqual(skill.approved_version_id.number, 2)
        with self.assertRaises(Refused):
            skill.action_submit()

    def test_deprecated(self):
        skill = self.approved(title="A", playbook=COUNTING)
        skill.with_user(self.reviewer).action_deprecate()
        self.assertEqual(skill.state, "deprecated")
        self.assertFalse(skill.approved_version_id)
        self.assertFalse(skill.playbook_id.active)
        skill.body = "New."
        self.assertEqual((skill.state, skill.approved_version_id.id), ("draft", False))
        skill.with_user(self.reviewer).action_deprecate()
        skill.action_redraft()
        self.approved(skill)
        self.assertTrue(skill.playbook_id.active)

    def test_gates(self):
        secret = "sk-" + "a1B2c3D4" * 5
        needed = self.skill(title="Needed")
        for values, told in (
            ({"body": f"Use the key {secret}."}, "password, a key"),
            ({"depends_on": "nobody"}, "no skill nobody"),
            ({"depends_on": "needed"}, "needed must be approved first"),
        ):
            skill = self.skill(title="A", **values)
            with self.subTest(told), self.assertRaises(Refused) as caught:
                skill.action_submit()
            self.assertIn(told, caught.exception.sentence)
            self.assertEqual(skill.state, "draft")
            skill.sudo().unlink()
        self.approved(needed)
        skill = self.submitted(title="A", depends_on="needed", tool_names="Bash(ls)")
        states = {check["name"]: check["state"] for check in skill.checks}
        self.assertEqual(states["tools"], "warned")
        self.assertEqual(states["needs"], "passed")
        needed.with_user(self.reviewer).action_deprecate()
        with self.assertRaises(Refused):
            self.skills.with_user(self.reviewer).approve(skill.name, 1)

    def test_what_waits_too_long(self):
        skill = self.submitted()
        overdue = [("is_overdue", "=", True)]
        self.assertFalse(self.skills.search(overdue) & skill)
        skill._write_own({"review_since": fields.Datetime.now() - timedelta(days=4)})
        self.assertTrue(skill.is_overdue)
        self.assertTrue(self.skills.search(overdue) & skill)
        skill.sudo().activity_unlink(["mail.mail_activity_data_todo"])
        daily = self.env["steward.daily"]
        [line] = daily._part_review(daily)
        self.assertIn("1 skills wait longer than 3 days", line)
        self.assertTrue(skill.sudo().activity_ids)
        self.env["ir.config_parameter"].set_param("steward.skill_review_days", 10)
        skill.invalidate_recordset()
        self.assertFalse(skill.is_overdue)

    def test_the_one_with_least_to_do_is_asked(self):
        others = self.env.ref("steward.group_reviewer").all_user_ids - self.reviewer
        others.group_ids -= self.env.ref("steward.group_reviewer")
        others.group_ids -= self.env.ref("steward.group_administrator")
        second = self.reviewer.copy({"login": "rev2"})
        skills = [self.submitted(title=f"S{n}") for n in range(4)]
        asked = [skill.sudo().activity_ids.user_id for skill in skills]
        self.assertEqual(asked, [self.reviewer, second] * 2)

    def test_a_playbook_of_that_name(self):
        playbook = self.env["steward.playbook"].create(
            {"name": "Mine", "code": "a", "text": COUNTING}
        )
        skill = self.submitted(title="A", playbook=COUNTING)
        with self.assertRaises(Refused):
            skill.with_user(self.reviewer)._approve(1)
        playbook.code = "b"
        skill.with_user(self.reviewer)._approve(1)
        self.assertEqual(skill.playbook_id.code, "a")
        skill.playbook = False
        self.approved(skill)
        self.assertFalse(skill.playbook_id.active)
