from datetime import timedelta

from odoo import api, fields, models
from odoo.addons.steward_agent.kernel.control import ENDED
from odoo.exceptions import AccessError
from odoo.tools import SQL

from ..kernel.guardrail import ACTIONS

OUTCOMES = [
    ("open", "Not known yet"),
    ("prevented", "Prevented a failure"),
    ("false_alarm", "False alarm"),
    ("missed", "It failed all the same"),
    ("unclear", "Cannot be told"),
]
KEEP = timedelta(days=400)


class StewardGuardrailHit(models.Model):
    """A call that a guardrail was there for."""

    _name = "steward.guardrail.hit"
    _inherit = "steward"
    _description = "Hit of a Guardrail"
    _order = "id desc"
    _rec_name = "tool"
    _log_access = False
    _steward_own_fields = (
        *("guardrail_id", "version_id", "company_id", "run_id", "trace_id", "call"),
        *("agent_id", "tool", "action", "at", "outcome", "judged_by_id"),
    )

    guardrail_id = fields.Many2one(
        "steward.guardrail",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    version_id = fields.Many2one(
        "steward.guardrail.version", readonly=True, ondelete="cascade"
    )
    company_id = fields.Many2one("res.company", required=True, readonly=True)
    run_id = fields.Many2one(
        "steward.run", readonly=True, ondelete="set null", index="btree_not_null"
    )
    trace_id = fields.Char("Trace", readonly=True)
    agent_id = fields.Many2one("steward.agent", readonly=True, ondelete="set null")
    tool = fields.Char(readonly=True)
    action = fields.Selection(ACTIONS, "What was done", readonly=True)
    call = fields.Char(readonly=True, help="The same for the same call.")
    at = fields.Datetime(required=True, readonly=True)
    outcome = fields.Selection(OUTCOMES, required=True, readonly=True, default="open")
    judged_by_id = fields.Many2one("res.users", "Judged by", readonly=True)

    _once = models.UniqueIndex("(guardrail_id, run_id, call)")
    _open = models.Index("(run_id) WHERE outcome = 'open'")
    _recent = models.Index("(guardrail_id, at DESC)")

    def action_open_run(self) -> dict:
        """Show the run in which it was there."""
        self.ensure_one()
        return self.run_id._get_open_action()

    def action_false_alarm(self) -> None:
        """Say that the call would have been fine."""
        self._judge("false_alarm")

    def action_right(self) -> None:
        """Say that it was right to be there."""
        self._judge("prevented")

    def _judge(self, outcome):
        user = self.env.user
        if user.has_group("steward.group_agent") or not (
            user.has_group("steward.group_reviewer")
            or user.has_group("steward.group_operator")
        ):
            raise AccessError(
                self.env._("Only Reviewers and Operators judge what guardrails do.")
            )
        self.check_access("read")
        # sudo: steward.guardrail.hit - written by our code; who may judge is checked
        self.sudo()._write_own({"outcome": outcome, "judged_by_id": user.id})

    @api.model
    def _settle(self) -> int:
        """Find out what became of hits whose run has ended.

        Blocking prevents, if the same failure did not come back in that run. Putting
        right and waiting prevent, if the run was completed. Asking prevents if the
        person refused, and was a false alarm if not, and all went well. A warning
        that was not heeded, and all went well, was a false alarm.

        :return: of how many it is known now
        """
        self.flush_model()
        self.env["steward.run"].flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                UPDATE steward_guardrail_hit AS hit SET outcome = CASE
                  WHEN hit.action = 'block' THEN
                    CASE WHEN run.fingerprint = guardrail.fingerprint
                         THEN 'missed' ELSE 'prevented' END
                  WHEN hit.action IN ('rewrite', 'retry') THEN
                    CASE WHEN run.state = 'completed' THEN 'prevented'
                         WHEN run.fingerprint = guardrail.fingerprint THEN 'missed'
                         ELSE 'unclear' END
                  WHEN hit.action = 'approve' THEN
                    CASE WHEN EXISTS (
                           SELECT FROM steward_approval
                            WHERE run_id = run.id AND guardrail_id = guardrail.id
                              AND state IN ('refused', 'expired')) THEN 'prevented'
                         WHEN run.state = 'completed' THEN 'false_alarm'
                         WHEN run.fingerprint = guardrail.fingerprint THEN 'missed'
                         ELSE 'unclear' END
                  ELSE
                    CASE WHEN run.fingerprint = guardrail.fingerprint THEN 'missed'
                         WHEN run.state != 'completed' THEN 'unclear'
                         WHEN EXISTS (
                           SELECT FROM steward_step AS step
                            WHERE step.run_id = run.id AND step.period = run.month
                              AND step.kind = 'tool_call' AND step.name = hit.tool
                              AND step.status = 'ok'
                              -- that call, however long it took, or a later one:
                              -- it ended, and began in a whole millisecond
                              AND step.started_at + make_interval(
                                    secs => (COALESCE(step.duration_ms, 0) + 1) / 1000)
                                  >= hit.at)
                         THEN 'false_alarm' ELSE 'prevented' END
                  END
                  FROM steward_run AS run, steward_guardrail AS guardrail
                 WHERE hit.outcome = 'open' AND run.id = hit.run_id
                   AND guardrail.id = hit.guardrail_id AND run.state = ANY(%s)
                RETURNING hit.id
                """,
                sorted(ENDED),
            )
        )
        self.invalidate_model()
        return len(rows)

    @api.autovacuum
    def _gc_old(self):
        self.search([("at", "<", fields.Datetime.now() - KEEP)], limit=10_000).unlink()
