from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.exceptions import AccessError
from odoo.tests import Form, new_test_user, tagged

from ..models.steward_approval_screen import MASK
from .approval_common import ApprovalCase

CHANGE = """
  - tool: write_records
    arguments:
      model: res.partner
      record_ids: ["{{ partner }}"]
      values: {phone: "+32 2 290 34 90", parent_id: "{{ parent }}", active: false}
"""
NOTE = """
  - tool: post_message
    arguments: {model: res.partner, record_id: "{{ partner }}", body: "Hush"}
"""


@tagged("post_install", "-at_install")
class TestApprovalPeople(ApprovalCase):
    """What people see of an approval, and whom it is asked of."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = new_test_user(
            cls.env, "rev2", "steward.group_reviewer", email="rev2@example.com"
        )
        cls.reviewer.email = "rev@example.com"
        cls.parent = cls.partners.create({"name": "Azure X", "is_company": True})
        # no number of a record looks like a piece of it
        cls.partner = cls.partners.create({"name": "Ann X", "phone": "+32 2 101 55 66"})

    def asked_to_change(self, steps=CHANGE):
        self.rule(tool_id=False)
        inputs = "{partner: {type: integer}, parent: {type: integer}}"
        agent = self.maker_agent(steps, inputs)
        run = self.run_agent(agent, partner=self.partner.id, parent=self.parent.id)
        return self.asked(run)

    def hide(self, domain="[(0, '=', 1)]"):
        """Let Reviewers see no partners, but their own."""
        return self.env["ir.rule"].create(
            {
                "name": "hidden",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "groups": [(6, 0, self.env.ref("steward.group_reviewer").ids)],
                "domain_force": domain,
            }
        )

    def told(self, approval):
        return approval.with_user(self.reviewer)._told()

    # -- what changes -------------------------------------------------------------

    def test_what_changes_field_by_field(self):
        [told] = self.told(self.asked_to_change())
        self.assertEqual((told["name"], told["model"]), ("Ann X", "Contact"))
        self.assertEqual(
            [tuple(change.values()) for change in told["changes"]],
            [
                ("Phone", "+32 2 101 55 66", "+32 2 290 34 90"),
                ("Related Company", "", "Azure X"),
                ("Active", "Yes", "No"),
            ],
        )

    def test_a_record_that_the_approver_may_not_read(self):
        approval = self.asked_to_change()
        self.env["ir.rule"].search(
            [("model_id.model", "=", "res.partner"), ("groups", "!=", False)]
        ).active = False
        self.hide()
        [told] = self.told(approval)
        self.assertEqual(told["name"], MASK)
        for change in told["changes"]:
            self.assertEqual((change["before"], change["after"]), (MASK, MASK))
        shown = str(approval.with_user(self.reviewer).what_changes)
        for secret in ("Ann X", "101 55", "290 34", "Azure"):
            self.assertNotIn(secret, shown)
            self.assertNotIn(secret, approval.question)

    def test_a_field_that_the_approver_may_not_read(self):
        approval = self.asked_to_change()
        field = self.partners._fields["phone"]
        with patch.object(field, "groups", "base.group_system"):
            [told] = self.told(approval)
        phone, parent, _active = told["changes"]
        self.assertEqual((phone["before"], phone["after"]), (MASK, MASK))
        self.assertEqual(parent["after"], "Azure X")

    def test_a_link_that_the_approver_may_not_follow(self):
        approval = self.asked_to_change()
        self.env["ir.rule"].search(
            [("model_id.model", "=", "res.partner"), ("groups", "!=", False)]
        ).active = False
        self.hide(f"[('id', '!=', {self.parent.id})]")
        [told] = self.told(approval)
        phone, parent, _active = told["changes"]
        self.assertEqual((phone["before"], parent["after"]), ("+32 2 101 55 66", MASK))

    def test_a_tool_that_cannot_tell(self):
        """Then what it is called with is shown, if its record may be read."""
        approval = self.asked_to_change(NOTE)
        [told] = self.told(approval)
        self.assertEqual(told["name"], "Ann X")
        self.assertIn({"label": "body", "after": "Hush"}, told["changes"])
        self.env["ir.rule"].search(
            [("model_id.model", "=", "res.partner"), ("groups", "!=", False)]
        ).active = False
        self.hide()
        [told] = self.told(approval)
        self.assertIn({"label": "body", "after": MASK}, told["changes"])
        self.assertEqual(told["name"], MASK)

    def test_secrets_in_arguments(self):
        steps = NOTE.replace("Hush", "password: " + "hunter2" * 2)
        [told] = self.told(self.asked_to_change(steps))
        self.assertNotIn("hunter2", str(told))

    def test_values_in_words(self):
        approval = self.asked_to_change()
        changes = [
            {"field": name, "before": False, "after": after}
            for name, after in (
                ("type", "other"),
                ("comment", "<p>Call <b>first</b></p>"),
                ("write_date", "2026-01-31 08:30:00"),
                ("category_id", []),
                ("color", 3),
            )
        ]
        part = {"model": "res.partner", "id": self.partner.id, "changes": changes}
        rate = {"field": "name", "before": "2026-01-30", "after": "2026-01-31"}
        gone = {"model": "no.such", "id": 1, "changes": [rate]}
        new = {"model": "res.currency.rate", "id": None, "changes": [rate]}
        approval._write_own({"changes": [part, new, gone]})
        told, rates, nothing = self.told(approval)
        self.assertEqual(
            [change["after"] for change in told["changes"]],
            ["Other", "Call *first*", "01/31/2026 08:30:00 AM", "", "3"],
        )
        self.assertEqual(
            (rates["name"], rates["changes"][0]["after"]), ("New", "01/31/2026")
        )
        self.assertEqual(nothing["changes"][0]["after"], MASK)

    def test_a_server_action(self):
        model = self.env["ir.model"]._get_id("res.partner")
        action = self.env["ir.actions.server"].create(
            {"name": "Tidy", "model_id": model, "state": "code", "code": "pass"}
        )
        self.env["steward.tool"].create(
            {"name": "tidy", "kind": "action", "action_id": action.id}
        )
        steps = '\n  - {tool: tidy, arguments: {ids: ["{{ partner }}"]}}\n'
        approval = self.asked_to_change(steps)
        self.assertIn("tidy on Contact (1)", approval.question)
        [told] = self.told(approval)
        self.assertEqual(told["name"], "Ann X")

    def test_a_tool_that_is_gone(self):
        approval = self.asked_to_change(NOTE)
        approval._write_own({"tool_id": False})
        [told] = self.told(approval)
        self.assertEqual(told["name"], "post_message")
        approval.with_user(self.reviewer).action_refuse()
        self.assertEqual(approval.state, "refused")

    def test_what_programs_are_told(self):
        approval = self.asked_to_change()
        pending = self.approvals.with_user(self.reviewer).pending()
        [told] = [one for one in pending if one["id"] == approval.id]
        self.assertEqual((told["tool"], told["risk"]), ("write_records", "write"))
        self.assertEqual(told["what"], self.told(approval))

    def test_what_the_run_has_cost(self):
        approval = self.asked_to_change().with_user(self.reviewer)
        self.assertNotIn("cost", approval._as_json())
        approval.sudo().run_id._write_own({"cost": 0.25})
        self.assertEqual(approval.run_cost, 0.25)
        self.assertEqual(approval._as_json()["cost"], 0.25)

    def test_more_records_than_are_told(self):
        approval = self.asked_to_change()
        approval._write_own({"changes": approval.changes * 53})
        self.assertEqual(len(self.told(approval)), 50)
        self.assertIn("3 more", approval.with_user(self.reviewer).what_changes)

    # -- how they hear of it ------------------------------------------------------

    def test_mail_gives_nothing_away(self):
        self.rule(tool_id=False, user_ids=[(6, 0, self.reviewer.ids)])
        approval = self.asked_to_change()
        message = self.env["mail.message"].search(
            [
                ("model", "=", approval._name),
                ("res_id", "=", approval.id),
                ("notified_partner_ids", "=", self.reviewer.partner_id.id),
            ]
        )
        self.assertEqual(len(message), 1)
        self.assertIn(f"/steward/approval/{approval.id}", message.body)
        self.assertNotIn("token", message.body)
        for secret in ("101 55", "290 34", "Azure"):
            self.assertNotIn(secret, message.body)

    # -- somebody else ------------------------------------------------------------

    def test_delegation(self):
        self.rule(tool_id=False, user_ids=[(6, 0, self.reviewer.ids)])
        approval = self.asked_to_change()
        self.assertEqual(approval.asked_ids, self.reviewer)
        answer = self.approvals.with_user(self.reviewer).delegate(
            approval.id, "rev2", "You know her"
        )
        self.assertEqual(answer, {"id": approval.id, "asked": ["rev2"]})
        self.assertEqual(approval.activity_ids.user_id, self.other)
        bodies = " ".join(approval.message_ids.mapped("body"))
        self.assertIn("You know her", bodies)
        mine = self.approvals.with_user(self.other)
        mine.decide(approval.id, "approve", "")
        self.assertEqual(approval.decided_by_id, self.other)
        self.assertFalse(approval.activity_ids)

    def test_delegation_on_the_screen(self):
        approval = self.asked_to_change().with_user(self.reviewer)
        action = approval.action_delegate()
        wizards = self.env["steward.approval.delegation"].with_user(self.reviewer)
        form = Form(wizards.with_context(**action["context"]))
        form.user_id = self.other
        form.save().action_delegate()
        self.assertIn(self.other, approval.asked_ids)
        with self.assertRaises(AccessError):
            wizards.with_user(self.operator).create(
                {"approval_id": approval.id, "user_id": self.other.id}
            )

    def test_to_whom_it_cannot_go(self):
        approval = self.asked_to_change()
        approvals = self.approvals.with_user(self.reviewer)
        for login in ("see", "op", "robot", "nobody-at-all"):
            with self.subTest(login=login), self.assertRaises(Invalid):
                approvals.delegate(approval.id, login)
        with self.assertRaises(AccessError):
            self.approvals.with_user(self.operator).delegate(approval.id, "rev2")
        with self.assertRaises(Invalid):
            approvals.delegate(0, "rev2")

    def test_what_is_decided_goes_nowhere(self):
        approval = self.asked_to_change()
        late = self.asked_to_change()
        late._write_own({"expires_at": fields.Datetime.now() - timedelta(seconds=1)})
        approvals = self.approvals.with_user(self.reviewer)
        approvals.decide(approval.id, "approve", "")
        for one in (approval, late):
            with self.assertRaises(Refused):
                approvals.delegate(one.id, "rev2")

    # -- several at once ----------------------------------------------------------

    def test_several_at_once(self):
        several = self.asked_to_change() | self.asked_to_change()
        self.assertIsNone(several.with_user(self.reviewer).action_approve())
        self.assertEqual(several.mapped("state"), ["approved"] * 2)

    def test_one_that_cannot_stops_no_other(self):
        one, two = self.asked_to_change(), self.asked_to_change()
        self.approvals.with_user(self.other).decide(one.id, "refuse", "")
        told = (one | two).with_user(self.reviewer).action_approve()
        self.assertEqual((one.state, two.state), ("refused", "approved"))
        self.assertIn("decided already", told["params"]["message"])
        with self.assertRaises(Refused):
            two.with_user(self.reviewer).action_approve()
        with self.assertRaises(AccessError):
            two.with_user(self.operator).action_approve()

    def test_who_sees_buttons(self):
        approval = self.asked_to_change()
        self.assertTrue(approval.with_user(self.reviewer).can_decide)
        self.assertFalse(approval.with_user(self.viewer).can_decide)
        approval.with_user(self.reviewer).action_refuse()
        self.assertFalse(approval.with_user(self.reviewer).can_decide)
