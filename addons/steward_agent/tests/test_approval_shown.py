from odoo.addons.steward.exceptions import Refused
from odoo.tests import tagged

from .approval_common import ApprovalCase
from .chat_common import ChatCase, says

PHONE = """
  - tool: write_records
    arguments:
      model: res.partner
      record_ids: ["{{ partner }}"]
      values: {phone: "+32 2 290 34 90", active: true}
"""


@tagged("post_install", "-at_install")
class TestApprovalShown(ApprovalCase):
    """What people saw when they agreed is what is changed, or nothing is."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner = cls.partners.create({"name": "Ann X", "phone": "112"})
        cls.env["steward.approval.rule"].create(
            {
                "agents": "all",
                "tool_id": cls.env.ref("steward_agent.tool_write_records").id,
            }
        )

    def asked_run(self):
        agent = self.maker_agent(PHONE, "{partner: {type: integer}}")
        return self.run_agent(agent, partner=self.partner.id)

    def test_a_value_that_somebody_changed(self):
        run = self.asked_run()
        first = self.decide(run)
        self.partner.phone = "113"
        self.work(run)
        self.assertEqual((run.state, run.waits_for), ("waiting", "person"))
        self.assertEqual((first.state, self.partner.phone), ("void", "113"))
        step = self.steps_of(run)
        self.assertEqual((step.kind, step.error_type), ("human", "STEWARD-OUTDATED"))
        self.assertIn("phone", step.error_message)
        again = self.asked(run)
        [told] = again.with_user(self.reviewer)._told()
        self.assertEqual(told["changes"][0]["before"], "113")
        self.decide(run)
        self.work(run)
        self.assertEqual(run.state, "completed", run.error)
        self.assertEqual(self.partner.phone, "+32 2 290 34 90")

    def test_changed_again_and_again(self):
        """Each time is told of, and asked about."""
        run = self.asked_run()
        for phone in ("113", "114"):
            self.decide(run)
            self.partner.phone = phone
            self.work(run)
        self.assertEqual(run.state, "waiting")
        self.assertEqual(len(self.steps_of(run)), 2)

    def test_a_value_that_was_not_told_of(self):
        """It would have stayed as it was; now it would be changed as well."""
        run = self.asked_run()
        first = self.decide(run)
        self.partner.active = False
        self.work(run)
        self.assertEqual((run.state, first.state), ("waiting", "void"))
        self.assertFalse(self.partner.active)

    def test_what_nobody_was_shown(self):
        """Other values of the record may be whatever they are."""
        run = self.asked_run()
        self.decide(run)
        self.partner.write({"city": "Leuven", "name": "Ann Y"})
        self.work(run)
        self.assertEqual(run.state, "completed", run.error)

    def test_the_record_is_gone(self):
        run = self.asked_run()
        self.decide(run)
        self.partner.unlink()
        self.work(run)
        self.assertEqual((run.state, run.category), ("failed", "tool"))
        self.assertIn("none with the id", run.error)

    def test_a_refusal_stays_one(self):
        run = self.asked_run()
        first = self.decide(run, "refuse")
        self.partner.phone = "113"
        self.work(run)
        self.assertEqual((run.state, first.state), ("failed", "refused"))
        with self.assertRaises(Refused):
            first.with_user(self.reviewer).decide(first.id, "approve", "")


@tagged("post_install", "-at_install")
class TestApprovalShownToThinkers(ChatCase):
    def test_who_thinks_looks_again(self):
        """It is told, and may ask for something else then."""
        self.env["steward.approval.rule"].search([]).active = False
        tool = self.env.ref("steward_agent.tool_write_records")
        self.env["steward.approval.rule"].create({"agents": "all", "tool_id": tool.id})
        partner = self.partners.create({"name": "Ann X", "phone": "112"})

        def write(phone):
            arguments = {"model": "res.partner", "record_ids": partner.ids}
            return "write_records", {**arguments, "values": {"phone": phone}}

        self.answers(says("", write("114")), says("", write("115")), says("Done."))
        run = self.ask(self.chat_agent())
        approvals = self.env["steward.approval"].with_user(self.reviewer)

        def approve():
            [asked] = run.approval_ids.filtered(lambda one: one.state == "pending")
            approvals.decide(asked.id, "approve", "")
            return asked

        first = approve()
        partner.phone = "113"
        self.work(run)
        self.assertEqual((first.state, partner.phone), ("void", "113"))
        told = self.asked[1]["messages"][-1]
        self.assertEqual(told["role"], "tool")
        self.assertIn("Somebody changed phone", told["content"])
        self.assertEqual(run.state, "waiting")
        approve()
        self.work(run)
        self.assertEqual((run.state, partner.phone), ("completed", "115"))
