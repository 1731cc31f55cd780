from odoo import api, fields, models

RUNNER_STATES = [
    ("alive", "Works"),
    ("silent", "Connected, but silent"),
    ("absent", "Not connected"),
    ("unknown", "Cannot be seen from here"),
]


class StewardJobPanel(models.TransientModel):
    """One page: do jobs run, what waits, and what to do if not."""

    _name = "steward.job.panel"
    _description = "Jobs at a Glance"

    runner = fields.Selection(RUNNER_STATES, compute="_compute_facts")
    status = fields.Char(compute="_compute_facts")
    since = fields.Datetime(string="Connected since", compute="_compute_facts")
    seen = fields.Char(string="Last sign of life", compute="_compute_facts")
    oldest = fields.Char(string="Oldest that is due", compute="_compute_facts")
    pending_count = fields.Integer(string="Waiting", compute="_compute_facts")
    started_count = fields.Integer(string="At work", compute="_compute_facts")
    failed_count = fields.Integer(string="Failed", compute="_compute_facts")
    advice = fields.Text(string="What to do", compute="_compute_facts")

    @api.depends_context("uid")
    def _compute_facts(self):
        # sudo: steward.status - counts and ages of jobs, for Operators
        status = self.env["steward.status"].sudo()
        facts = status._runner_facts()
        for panel in self:
            panel.runner = facts["runner"]
            panel.status = facts["status"]
            panel.since = facts.get("since")
            panel.seen = self._ago(facts.get("seen"))
            panel.oldest = self._ago(facts.get("oldest"))
            panel.pending_count = facts["pending"]
            panel.started_count = facts["started"]
            panel.failed_count = facts["failed"]
            panel.advice = status._runner_advice(facts)

    def _compute_display_name(self):
        self.display_name = self.env._("Jobs")

    @api.model
    def _ago(self, seconds):
        """An age for people; what is not known stays empty."""
        if seconds is None:
            return False
        if seconds < 120:
            return self.env._("%(number)s seconds ago", number=seconds)
        if seconds < 7200:
            return self.env._("%(number)s minutes ago", number=seconds // 60)
        return self.env._("%(number)s hours ago", number=seconds // 3600)

    @api.model
    def _open(self):
        """The page, as the menu opens it."""
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Jobs"),
            "res_model": self._name,
            "res_id": self.create({}).id,
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "current",
        }

    def action_refresh(self):
        return self._open()

    def action_pending(self):
        return self._jobs("pending")

    def action_started(self):
        return self._jobs("started", "enqueued")

    def action_failed(self):
        return self._jobs("failed")

    def _jobs(self, *states):
        return {
            **self.env["ir.actions.actions"]._for_xml_id("steward.action_jobs"),
            "domain": [("state", "in", states)],
            "context": {},
        }
