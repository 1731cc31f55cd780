from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.exceptions import ValidationError
from odoo.tests import new_test_user, tagged

from .approval_common import ApprovalCase


@tagged("post_install", "-at_install")
class TestApprovalDeciders(ApprovalCase):
    """A rule may name who decides: then nobody else does."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.chief = new_test_user(cls.env, "chief", "steward.group_reviewer")
        cls.deputy = new_test_user(cls.env, "deputy", "steward.group_reviewer")
        cls.board = cls.env["res.groups"].create({"name": "Board"})

    def asked_of(self, **values):
        self.rule(**values)
        return self.asked(self.run_agent(self.maker_agent(), name="Ann X"))

    def by(self, user):
        return self.approvals.with_user(user)

    def test_only_who_is_named(self):
        approval = self.asked_of(user_ids=self.chief.ids)
        self.assertEqual(approval.asked_ids, self.chief)
        with self.assertRaisesRegex(Refused, "Only chief"):
            self.by(self.reviewer).decide(approval.id, "approve", "")
        with self.assertRaises(Refused):
            approval.with_user(self.reviewer).action_approve()
        self.assertFalse(approval.with_user(self.reviewer).can_decide)
        self.assertTrue(approval.with_user(self.chief).can_decide)
        self.by(self.chief).decide(approval.id, "approve", "")
        self.work(approval.run_id)
        self.assertTrue(self.partners_named("Ann X"))

    def test_only_members_of_a_group(self):
        self.board.user_ids = self.chief | self.viewer
        approval = self.asked_of(group_id=self.board.id)
        self.assertEqual(approval.asked_ids, self.chief)
        with self.assertRaises(Refused):
            self.by(self.reviewer).decide(approval.id, "refuse", "")
        self.by(self.chief).decide(approval.id, "refuse", "")
        self.assertEqual(approval.state, "refused")

    def test_who_comes_too_late(self):
        """Nobody is made a decider of what was asked before."""
        self.board.user_ids = self.chief
        approval = self.asked_of(group_id=self.board.id)
        self.board.user_ids |= self.deputy
        approval.rule_id.user_ids = self.reviewer
        for user in (self.deputy, self.reviewer):
            with self.subTest(user=user.login), self.assertRaises(Refused):
                self.by(user).decide(approval.id, "approve", "")

    def test_who_was_delegated_to(self):
        approval = self.asked_of(user_ids=self.chief.ids)
        with self.assertRaises(Refused):  # nobody helps himself
            self.by(self.reviewer).delegate(approval.id, "rev")
        self.by(self.chief).delegate(approval.id, "deputy", "I am away")
        with self.assertRaises(Refused):
            self.by(self.reviewer).decide(approval.id, "approve", "")
        self.by(self.deputy).decide(approval.id, "approve", "")
        self.assertEqual(approval.decided_by_id, self.deputy)

    def test_none_of_them_can_any_more(self):
        approval = self.asked_of(user_ids=self.chief.ids)
        self.chief.active = False
        self.by(self.reviewer).decide(approval.id, "approve", "")
        self.assertEqual(approval.state, "approved")

    def test_what_programs_are_told(self):
        approval = self.asked_of(user_ids=self.chief.ids)
        pending = self.by(self.reviewer).pending(200)
        [told] = [one for one in pending if one["id"] == approval.id]
        self.assertEqual(told["deciders"], ["chief"])
        with self.assertRaises(Invalid):
            self.by(self.chief).delegate(approval.id, "robot")

    def test_nobody_who_could(self):
        self.board.user_ids = self.viewer
        for values in ({"group_id": self.board.id}, {"user_ids": self.viewer.ids}):
            with self.subTest(**values), self.assertRaises(ValidationError):
                self.rule(**values)
