from contextlib import suppress
from datetime import timedelta

from odoo import api, fields, models
from odoo.addons.steward.exceptions import StewardError
from odoo.addons.steward.kernel.bucketing import bucket
from odoo.addons.steward_agent.kernel.control import ENDED, STATES, VERDICTS
from odoo.tools import SQL

JUDGED_WITHIN = timedelta(days=90)  # of a run; later verdicts change no trial
ARMS = [("with", "With the skill"), ("without", "Without it")]


class StewardSkillUse(models.Model):
    """A run that a version of a skill fits: told it, or left without for a trial.

    How the run went is copied when it has ended, as runs are deleted one day.
    """

    _name = "steward.skill.use"
    _inherit = "steward"
    _description = "Use of a Skill"
    _order = "id desc"
    _rec_name = "trace_id"
    _log_access = False
    _steward_own_fields = (
        *("skill_id", "version_id", "run_id", "trace_id", "agent_id", "company_id"),
        *("arm", "score", "used_at", "state", "verdict", "category", "cost"),
        *("step_count", "duration_ms"),
    )

    skill_id = fields.Many2one("steward.skill", required=True, ondelete="cascade")
    version_id = fields.Many2one(
        "steward.skill.version",
        "Version",
        required=True,
        index=True,
        ondelete="cascade",
    )
    run_id = fields.Many2one("steward.run", ondelete="set null", index="btree_not_null")
    trace_id = fields.Char("Trace", required=True)
    agent_id = fields.Many2one("steward.agent", ondelete="set null")
    company_id = fields.Many2one("res.company", required=True, ondelete="cascade")
    arm = fields.Selection(ARMS, "Told", required=True)
    score = fields.Float("Fit", help="How well the skill fits the task.")
    used_at = fields.Datetime("When", required=True)

    # of the run, once it has ended
    state = fields.Selection(STATES)
    verdict = fields.Selection(VERDICTS)
    category = fields.Char("Kind of failure")
    cost = fields.Float("Cost (USD)", digits=(18, 9))
    step_count = fields.Integer("Steps")
    duration_ms = fields.Float("Time (ms)")

    _once = models.UniqueIndex("(company_id, trace_id, version_id)")
    _recent = models.Index("(skill_id, used_at DESC)")
    _unknown = models.Index("(run_id) WHERE state IS NULL")

    def action_open_run(self) -> dict:
        """Show the run that it fits."""
        self.ensure_one()
        return self.run_id._get_open_action()

    @api.model
    def _allotted(self, run, found):
        """Of the skills that fit a run's task, those that it is told.

        The same run is always left without the same ones; both are kept.

        :param found: ``Found`` skills
        """
        # sudo: steward.skill - how large a trial is, decides nobody at work
        skills = self.env["steward.skill"].sudo()
        shares = {
            skill.id: skill.trial_share / 100
            for skill in skills.browse(row.skill_id for row in found)
        }
        told, rows = [], []
        for row in found:
            spot = bucket(run.trace_id, f"skill-{row.version_id}")
            arm = "without" if spot < shares[row.skill_id] else "with"
            rows.append((row, arm))
            if arm == "with":
                told.append(row)
        self._note(run, rows)
        return told

    @api.model
    def _note(self, run, rows):
        """Keep which skills a run is told; what was decided first stays.

        :param rows: pairs of a ``Found`` skill and an arm
        """
        if not rows:
            return
        now = fields.Datetime.now()
        values = [
            (
                *(row.skill_id, row.version_id, run.id, run.trace_id),
                *(run.agent_id.id or None, run.company_id.id, arm, row.score, now),
            )
            for row, arm in rows
        ]
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                "INSERT INTO steward_skill_use (skill_id, version_id, run_id, trace_id,"
                " agent_id, company_id, arm, score, used_at) VALUES %s"
                " ON CONFLICT DO NOTHING",
                SQL(", ").join(values),
            )
        )
        self.invalidate_model()

    @api.model
    def _refresh(self):
        """Copy how the runs went, and count how often each skill was told.

        :return: how many runs are known of now
        """
        self.env.flush_all()
        cr = self.env.cr
        cr.execute(
            SQL(
                """
                UPDATE steward_skill_use AS use
                   SET state = run.state, verdict = run.verdict,
                       category = run.category, cost = run.cost,
                       step_count = run.step_count, duration_ms = run.duration_ms
                  FROM steward_run AS run
                 WHERE run.id = use.run_id AND run.state = ANY(%s)
                   AND (use.state IS NULL
                        OR use.verdict IS DISTINCT FROM run.verdict
                           AND use.used_at > %s)
                """,
                list(ENDED),
                fields.Datetime.now() - JUDGED_WITHIN,
            )
        )
        known = cr.rowcount
        cr.execute(
            """
            UPDATE steward_skill AS skill
               SET use_count = counted.number, last_used_at = counted.latest
              FROM (SELECT skill_id, count(*) AS number, max(used_at) AS latest
                      FROM steward_skill_use WHERE arm = 'with' GROUP BY skill_id
                   ) AS counted
             WHERE counted.skill_id = skill.id
               AND skill.use_count IS DISTINCT FROM counted.number
            """
        )
        self.invalidate_model()
        self.env["steward.skill"].invalidate_model(["use_count", "last_used_at"])
        return known

    @api.model
    def _cron_refresh(self):
        self._refresh()
        # an embedder that was away when a skill was approved may be back
        with suppress(StewardError), self.env.cr.savepoint():
            self.env["steward.skill.version"]._learn_missing()


class StewardSkill(models.Model):
    _inherit = "steward.skill"

    def action_uses(self) -> dict:
        """Show the runs that these skills fit, with and without them."""
        # sudo: steward.skill.use - as its scheduled action does
        self.env["steward.skill.use"].sudo()._refresh()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_skill.action_skill_uses"
        )
        return {**action, "domain": [("skill_id", "in", self.ids)], "context": {}}

    def action_source_runs(self) -> dict:
        """Show the runs that these skills were learnt from, as far as they are kept."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_agent.action_runs"
        )
        domain = [("id", "in", self.source_run_ids.ids)]
        return {**action, "domain": domain, "context": {}}

    def action_playbook(self) -> dict:
        """Open the playbook of the version in use."""
        self.ensure_one()
        return self.playbook_id.get_formview_action()
