from contextlib import suppress
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.addons.steward.exceptions import Invalid, Locked, Refused
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import new_test_user, tagged

from ..models.steward_guard import Attempt
from .approval_common import MAKE, ApprovalCase
from .common import Killed

MAKE_ALL = """
  - for_each: names
    as: name
    do:
      - tool: create_record
        arguments: {model: res.partner, values: {name: "{{ name }}"}}
        on_error: continue
"""


@tagged("post_install", "-at_install")
class TestApprovalOfTools(ApprovalCase):
    def test_nothing_happens_before_somebody_agrees(self):
        self.rule()
        run = self.run_agent(self.maker_agent(), name="Ann X")
        self.assertEqual((run.state, run.waits_for), ("waiting", "person"))
        self.assertFalse(self.partners_named("Ann X"))
        self.assertFalse(self.steps_of(run))
        approval = self.asked(run)
        self.assertEqual((approval.kind, approval.risk), ("tool", "write"))
        self.work(run)  # no worker may take it
        self.assertEqual(run.state, "waiting")
        self.decide(run)
        self.assertEqual(run.state, "queued")
        self.work(run)
        self.assertEqual((run.state, run.output), ("completed", "Ann X"))
        self.assertEqual(len(self.partners_named("Ann X")), 1)
        self.assertEqual(self.partners_named("Ann X").create_uid, self.robot)
        self.assertTrue(approval.used)

    def test_a_refusal_is_told(self):
        self.rule()
        run = self.run_agent(self.maker_agent(), name="Ann X")
        self.decide(run, "refuse", "We have her already")
        self.work(run)
        self.assertEqual((run.state, run.category), ("failed", "rights"))
        self.assertIn("rev", run.error)
        self.assertIn("We have her already", run.error)
        self.assertFalse(self.partners_named("Ann X"))
        self.assertEqual(self.steps_of(run).error_type, "STEWARD-REFUSED")

    def test_each_round_is_a_question_of_its_own(self):
        self.rule()
        agent = self.maker_agent(MAKE_ALL, "{names: {type: list}}")
        run = self.run_agent(agent, names=["Ann X", "Bob X", "Cid X"])
        self.decide(run)
        self.work(run)
        self.decide(run, "refuse")
        self.work(run)
        self.decide(run)
        self.work(run)
        self.assertEqual(run.state, "completed", run.error)
        made = self.partners_named("Ann X", "Bob X", "Cid X")
        self.assertCountEqual(made.mapped("name"), ["Ann X", "Cid X"])

    def test_the_same_call_is_not_asked_about_twice(self):
        """Nobody is worn down: who said no once has said no."""
        self.rule()
        agent = self.maker_agent(MAKE_ALL, "{names: {type: list}}")
        run = self.run_agent(agent, names=["Ann X", "Ann X", "Bob X"])
        self.decide(run, "refuse")
        self.work(run)
        self.assertEqual(self.asked(run).arguments["values"], {"name": "Bob X"})
        self.assertEqual(self.approvals.search_count([("run_id", "=", run.id)]), 2)

    def test_who_thinks_is_ended_after_three_refusals(self):
        self.rule()
        agent = self.maker_agent(MAKE_ALL, "{names: {type: list}}")
        self.as_chat(agent)
        run = self.start(agent, names=["Ann X", "Bob X", "Cid X", "Dan X"])
        for _refusal in range(3):
            self.work(run)
            self.decide(run, "refuse")
        self.work(run)
        self.assertEqual((run.state, run.category), ("failed", "rights"))
        self.assertIn("too often", run.error)
        self.assertEqual(run.step_count, 3)

    def as_chat(self, agent):
        """The kind of agent that the default rules are about."""
        agent.flush_recordset()
        self.env.cr.execute(
            "UPDATE steward_agent SET kind = 'chat' WHERE id = %s", [agent.id]
        )
        agent.invalidate_recordset(["kind"])

    def test_two_calls_of_one_playbook(self):
        """An approval is for one call, also when the same step comes again."""
        self.rule()
        inner = self.maker_agent(
            "\n  - tool: create_record\n    arguments: {model: res.partner,"
            " values: {name: Ann X}}\n",
            "{}",
        )
        code = inner.playbook_id.code
        agent = self.agent(f"\n  - playbook: {code}\n  - playbook: {code}\n")
        run = self.run_agent(agent)
        self.decide(run)
        self.work(run)
        self.assertEqual(run.state, "waiting")
        self.assertEqual(len(self.partners_named("Ann X")), 1)
        self.decide(run)
        self.work(run)
        self.assertEqual(run.state, "completed", run.error)
        self.assertEqual(len(self.partners_named("Ann X")), 2)
        self.assertEqual(len(self.steps_of(run)), 2)

    # -- what is approved is what is done -----------------------------------------

    def test_other_arguments_than_were_approved(self):
        self.rule()
        run = self.run_agent(self.maker_agent(), name="Ann X")
        first = self.decide(run)
        run.sudo()._keep_variables({":name": "Eve X"})
        self.work(run)
        self.assertEqual(run.state, "waiting")
        self.assertEqual(first.state, "void")
        self.assertFalse(first.activity_ids)
        self.assertFalse(self.partners_named("Ann X", "Eve X"))
        with self.assertRaises(Refused):
            first.with_user(self.reviewer).decide(first.id, "approve", "")
        self.decide(run)
        self.work(run)
        self.assertTrue(self.partners_named("Eve X"))

    def test_a_tool_that_does_something_else_now(self):
        self.rule()
        run = self.run_agent(self.maker_agent(), name="Ann X")
        first = self.decide(run)
        self.maker.method = "count_records"
        self.work(run)
        self.assertEqual(first.state, "void")
        self.assertFalse(self.partners_named("Ann X"))

    def test_time_in_the_arguments_does_not_void(self):
        """The question stays what it was, however long people think."""
        self.rule()
        steps = MAKE.replace("{{ name }}", "At {{ now() }}")
        run = self.run_agent(self.maker_agent(steps, "{}"))
        named = self.asked(run).arguments["values"]["name"]
        self.decide(run)
        later = fields.Datetime.now() + timedelta(hours=5)
        with patch("time.time", return_value=later.timestamp()):
            self.work(run)
        self.assertEqual(run.output, named)

    def test_the_tool_is_taken_away_meanwhile(self):
        for take in (
            lambda agent: agent.write({"tool_ids": [(3, self.maker.id)]}),
            lambda agent: agent.write({"may_write": False}),
            lambda _agent: self.robot.write({"active": False}),
        ):
            with self.subTest(take=take), self.env.cr.savepoint() as savepoint:
                self.rule()
                agent = self.maker_agent()
                run = self.run_agent(agent, name="Ann X")
                self.decide(run)
                take(agent)
                self.work(run)
                self.assertEqual((run.state, run.category), ("failed", "rights"))
                self.assertFalse(self.partners_named("Ann X"))
                savepoint.rollback()

    def test_what_cannot_be_done_anyway_is_not_asked(self):
        self.rule()
        agent = self.maker_agent(may_write=False)
        run = self.run_agent(agent, name="Ann X")
        self.assertEqual((run.state, run.category), ("failed", "rights"))
        steps = MAKE.replace("res.partner", "res.company")
        run = self.run_agent(self.maker_agent(steps), name="Ann X")
        self.assertEqual((run.state, run.category), ("failed", "rights"))
        steps = MAKE.replace("{name:", "{nmae:")
        run = self.run_agent(self.maker_agent(steps), name="Ann X")
        self.assertEqual((run.state, run.category), ("failed", "tool"))
        self.assertFalse(self.approvals.search([("run_id.agent_id", "!=", False)]))

    # -- workers that die ---------------------------------------------------------

    def test_a_worker_dies_between_decision_and_call(self):
        """The call happens once, whatever it was that died."""
        self.rule()
        agent = self.maker_agent()
        for method in ("_permission", "_perform", "_record", "_checkpoint", "_commit"):
            with self.subTest(method=method):
                self.partners_named("Ann X").unlink()
                run = self.run_agent(agent, name="Ann X")
                approval = self.decide(run)
                with self.dies_at(method), self.env.cr.savepoint() as savepoint:
                    try:
                        self.work(run)
                    except Killed:
                        savepoint.rollback()
                self.env.invalidate_all()
                run.sudo()._write_own({"state": "queued"})
                self.work(run)
                self.assertEqual(run.state, "completed", run.error)
                self.assertEqual(len(self.partners_named("Ann X")), 1)
                self.assertEqual(approval.state, "approved")

    def test_a_worker_dies_while_it_asks(self):
        """People are asked once."""
        self.rule()
        run = self.start(self.maker_agent(), name="Ann X")
        for method in ("_permission", "_wait_for_person", "_let_go"):
            with self.dies_at(method), self.env.cr.savepoint() as savepoint:
                try:
                    self.work(run)
                except Killed:
                    savepoint.rollback()
            self.env.invalidate_all()
            run.sudo()._write_own({"state": "queued"})
        self.work(run)
        self.assertEqual(len(self.asked(run)), 1)

    def test_an_external_call_whose_worker_died(self):
        """Nobody knows whether it was made, so it is not made again."""
        self.rule()
        self.maker.risk = "external"
        run = self.run_agent(self.maker_agent(may_call_out=True), name="Ann X")
        self.decide(run)
        with self.dies_at("_record"), suppress(Killed):
            self.work(run)
        run.sudo()._write_own({"state": "queued"})
        self.work(run)
        self.assertIn("nobody knows", run.error)
        self.assertEqual(len(self.partners_named("Ann X")), 1)

    # -- who decides --------------------------------------------------------------

    def test_decided_twice(self):
        self.rule()
        run = self.run_agent(self.maker_agent(), name="Ann X")
        approval = self.decide(run, "refuse")
        with self.assertRaises(Refused):
            approval.with_user(self.reviewer).decide(approval.id, "approve", "")
        self.work(run)
        self.assertFalse(self.partners_named("Ann X"))

    def test_decided_by_two_at_once(self):
        self.rule()
        approval = self.asked(self.run_agent(self.maker_agent(), name="Ann X"))
        approval = approval.with_user(self.reviewer)
        nobody = self.approvals.browse()
        with (
            patch.object(
                type(approval), "try_lock_for_update", lambda *_a, **_k: nobody
            ),
            self.assertRaises(Locked),
        ):
            approval.decide(approval.id, "approve", "")
        self.assertEqual(approval.state, "pending")

    def test_decided_after_expiry(self):
        self.rule(expires_hours=2)
        run = self.run_agent(self.maker_agent(), name="Ann X")
        approval = self.asked(run)
        hours = (approval.expires_at - fields.Datetime.now()).total_seconds() / 3600
        self.assertAlmostEqual(hours, 2, places=1)
        past = fields.Datetime.now() - timedelta(seconds=1)
        approval._write_own({"expires_at": past})
        with self.assertRaises(Refused):
            self.decide(run)
        self.approvals._cron_expire()
        self.work(run)
        self.assertIn("in time", run.error)
        self.assertFalse(self.partners_named("Ann X"))

    def test_decided_by_who_lost_the_right(self):
        self.rule()
        run = self.run_agent(self.maker_agent(), name="Ann X")
        self.reviewer.group_ids -= self.env.ref("steward.group_reviewer")
        with self.assertRaises(AccessError):
            self.decide(run)
        self.assertEqual(self.asked(run).state, "pending")

    def test_decided_by_whom_it_is_about(self):
        """Whoever an agent runs as, approves nothing of it."""
        self.rule()
        run = self.run_agent(self.maker_agent(), name="Ann X")
        self.robot.group_ids = self.env.ref("steward.group_reviewer")
        approval = self.asked(run)
        with self.assertRaises(Refused):
            approval.with_user(self.robot).decide(approval.id, "approve", "")

    def test_no_agent_runs_as_a_reviewer(self):
        with self.assertRaises(ValidationError):
            self.maker_agent(user_id=self.reviewer.id)

    def test_decided_in_another_company(self):
        self.rule()
        run = self.run_agent(self.maker_agent(), name="Ann X")
        other = self.env["res.company"].create({"name": "Other"})
        stranger = new_test_user(
            self.env,
            "stranger",
            "steward.group_reviewer",
            company_id=other.id,
            company_ids=[(6, 0, other.ids)],
        )
        approval = self.asked(run)
        with self.assertRaises(Invalid):
            self.approvals.with_user(stranger).decide(approval.id, "approve", "")
        with self.assertRaises(AccessError):
            approval.with_user(stranger).action_approve()

    def test_who_is_asked(self):
        other = new_test_user(self.env, "rev2", "steward.group_reviewer")
        gone = new_test_user(self.env, "rev3", "steward.group_reviewer")
        gone.active = False
        self.rule(user_ids=[(6, 0, (other | gone).ids)])
        run = self.run_agent(self.maker_agent(), name="Ann X")
        self.assertEqual(self.asked(run).activity_ids.user_id, other)
        other.group_ids -= self.env.ref("steward.group_reviewer")
        run = self.run_agent(self.maker_agent(), name="Ann X")
        self.assertIn(self.reviewer, self.asked(run).activity_ids.user_id)
        self.assertNotIn(other, self.asked(run).activity_ids.user_id)

    def test_arguments_are_not_for_everybody(self):
        self.rule()
        approval = self.asked(self.run_agent(self.maker_agent(), name="Ann X"))
        for name in ("arguments", "changes"):
            with self.assertRaises(AccessError):
                approval.with_user(self.reviewer).read([name])

    # -- rules --------------------------------------------------------------------

    def test_the_first_time(self):
        self.rule(when="first")
        agent = self.maker_agent()
        run = self.run_agent(agent, name="Ann X")
        self.decide(run)
        self.work(run)
        self.assertEqual(self.run_agent(agent, name="Bob X").state, "completed")
        other = self.maker_agent()
        self.assertEqual(self.run_agent(other, name="Cid X").state, "waiting")

    def test_a_refusal_is_no_first_time(self):
        self.rule(when="first")
        agent = self.maker_agent()
        self.decide(self.run_agent(agent, name="Ann X"), "refuse")
        self.assertEqual(self.run_agent(agent, name="Bob X").state, "waiting")

    def test_above_an_amount(self):
        self.rule(when="above", amount="values.color", threshold=5)
        steps = MAKE.replace('"{{ name }}"', '"{{ name }}", color: "{{ colour }}"')
        inputs = "{name: {type: text}, colour: {type: integer}}"
        agent = self.maker_agent(steps, inputs)
        self.assertEqual(self.run_agent(agent, name="A X", colour=5).state, "completed")
        self.assertEqual(self.run_agent(agent, name="B X", colour=6).state, "waiting")

    def test_the_first_rule_that_applies_decides(self):
        self.rule(sequence=1, when="never")
        self.rule(sequence=2, when="always")
        run = self.run_agent(self.maker_agent(), name="Ann X")
        self.assertEqual(run.state, "completed")

    def test_previews_change_nothing(self):
        self.rule()
        steps = MAKE.replace("}}\n", "}, preview: true}\n", 1).replace(
            "made.name", "made"
        )
        run = self.run_agent(self.maker_agent(steps), name="Ann X")
        self.assertEqual(run.state, "completed", run.error)

    def test_a_rule_that_is_gone_meanwhile(self):
        """What people were asked, they answer."""
        rule = self.rule()
        run = self.run_agent(self.maker_agent(), name="Ann X")
        rule.unlink()
        self.decide(run, "refuse")
        self.work(run)
        self.assertEqual(run.state, "failed")
        self.assertFalse(self.partners_named("Ann X"))

    def test_shipped_rules(self):
        """Agents that think ask before they write for the first time; others do not."""
        self.rules.with_context(active_test=False).search([]).active = True
        agent = self.maker_agent()
        self.assertEqual(self.run_agent(agent, name="Ann X").state, "completed")
        self.as_chat(agent)
        self.assertEqual(self.run_rest(agent).state, "waiting")
        for risk in ("destructive", "external"):
            self.maker.risk = risk
            self.assertEqual(self.needed(agent).when, "always")
        self.maker.risk = "read"
        self.assertFalse(self.needed(agent))

    def run_rest(self, agent):
        return self.run_agent(agent, name="Bob X")

    def needed(self, agent):
        attempt = Attempt(
            None, agent, agent.company_id, self.maker, self.maker.name, {}, None
        )
        return self.rules._needed(attempt)

    def test_rules_are_the_reviewers(self):
        for user in (self.viewer, self.operator, self.robot):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                self.rules.with_user(user).create({"when": "never"})
        self.rules.with_user(self.reviewer).create({"when": "never"})

    def test_an_amount_has_a_place(self):
        with self.assertRaises(ValidationError):
            self.rule(when="above")

    def test_rules_of_another_company(self):
        other = self.env["res.company"].create({"name": "Other"})
        self.rule(company_id=other.id)
        run = self.run_agent(self.maker_agent(), name="Ann X")
        self.assertEqual(run.state, "completed")
        with self.assertRaises(ValidationError):
            self.rule(agent_id=self.maker_agent().id, company_id=other.id)
