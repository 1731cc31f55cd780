from datetime import timedelta

from odoo import api, fields, models
from odoo.fields import Command

from ..kernel import retention
from ..models.steward_backup_plan import KEEPS, PRESETS


class StewardBackupWhatIf(models.TransientModel):
    """What a way of keeping backups would do, before it does."""

    _name = "steward.backup.what.if"
    _description = "What Would Go"

    plan_id = fields.Many2one("steward.backup.plan", required=True)
    preset = fields.Selection(
        [(name, title) for name, (title, _numbers) in PRESETS.items()],
        "Kept",
        compute="_compute_preset",
        store=True,
        readonly=False,
    )
    keep_daily = fields.Integer(
        "Days", compute="_compute_keep", store=True, readonly=False
    )
    keep_weekly = fields.Integer(
        "Weeks", compute="_compute_keep", store=True, readonly=False
    )
    keep_monthly = fields.Integer(
        "Months", compute="_compute_keep", store=True, readonly=False
    )
    keep_within = fields.Integer(
        "All of the last (days)", compute="_compute_keep", store=True, readonly=False
    )
    keep_minimum = fields.Integer(
        "At least", compute="_compute_preset", store=True, readonly=False
    )
    line_ids = fields.One2many(
        "steward.backup.what.if.line",
        "what_if_id",
        compute="_compute_lines",
        store=True,
    )
    goes_count = fields.Integer("Would go", compute="_compute_lines", store=True)
    stays_count = fields.Integer("Would stay", compute="_compute_lines", store=True)
    goes_bytes = fields.Float("Room that is made", compute="_compute_lines", store=True)

    @api.depends("plan_id")
    def _compute_preset(self):
        for wizard in self:
            wizard.preset = wizard.plan_id.preset
            wizard.keep_minimum = wizard.plan_id.keep_minimum

    @api.depends("preset", "plan_id")
    def _compute_keep(self):
        for wizard in self:
            numbers = PRESETS[wizard.preset or "own"][1]
            for name in KEEPS:
                field = f"keep_{name}"
                wizard[field] = (
                    wizard.plan_id[field] if numbers is None else numbers.get(name, 0)
                )

    @api.depends("plan_id", "keep_minimum", *(f"keep_{name}" for name in KEEPS))
    def _compute_lines(self):
        titles = self._get_reason_titles()
        for wizard in self:
            verdicts = (
                wizard.plan_id._decide(wizard._policy()) if wizard.plan_id else {}
            )
            wizard.line_ids = [
                Command.clear(),
                *(
                    Command.create(
                        {
                            "backup_id": backup.id,
                            "keep": verdict.keep,
                            "why": ", ".join(titles[r] for r in verdict.reasons),
                        }
                    )
                    for backup, verdict in verdicts.items()
                ),
            ]
            goes = [b for b, verdict in verdicts.items() if not verdict.keep]
            wizard.goes_count = len(goes)
            wizard.stays_count = len(verdicts) - len(goes)
            wizard.goes_bytes = sum(backup.bytes for backup in goes)

    def _policy(self):
        return retention.Policy(
            daily=max(self.keep_daily, 0),
            weekly=max(self.keep_weekly, 0),
            monthly=max(self.keep_monthly, 0),
            within=timedelta(days=max(self.keep_within, 0)),
            minimum=max(self.keep_minimum, 1),
        )

    @api.model
    def _get_reason_titles(self):
        """Why a backup stays."""
        return {
            retention.NEWEST: self.env._("the newest good one"),
            retention.PROTECTED: self.env._("protected by hand"),
            retention.FAILED_RUN: self.env._("the last run failed: nothing goes"),
            retention.DAILY: self.env._("of its day"),
            retention.WEEKLY: self.env._("of its week"),
            retention.MONTHLY: self.env._("of its month"),
            retention.WITHIN: self.env._("young enough"),
            retention.MINIMUM: self.env._("one of the last good ones"),
            retention.NO_BETTER: self.env._("doubtful, but none better is newer"),
        }

    def action_apply(self) -> dict:
        """Let the plan keep backups like this from now on; Administrators only."""
        self.ensure_one()
        self.plan_id.write(
            {
                "preset": self.preset,
                "keep_minimum": self.keep_minimum,
                **{f"keep_{name}": self[f"keep_{name}"] for name in KEEPS},
            }
        )
        return {"type": "ir.actions.act_window_close"}


class StewardBackupWhatIfLine(models.TransientModel):
    """One backup, and what would become of it."""

    _name = "steward.backup.what.if.line"
    _description = "Backup That Would Stay or Go"
    _order = "id"

    what_if_id = fields.Many2one("steward.backup.what.if", ondelete="cascade")
    backup_id = fields.Many2one("steward.backup", "Backup")
    moment = fields.Datetime(related="backup_id.moment")
    bytes = fields.Float(related="backup_id.bytes", string="Size")
    keep = fields.Boolean("Stays")
    why = fields.Char("Because it is")
