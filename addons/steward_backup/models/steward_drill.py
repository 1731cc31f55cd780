import json

from odoo import api, fields, models
from odoo.addons.steward.kernel import operation as work

from .steward_backup import STATES, _whole


class StewardDrill(models.Model):
    """A restore for real, which proves a backup; and what it found."""

    _name = "steward.drill"
    _inherit = ["steward.progress.mixin", "steward.evidence.mixin"]
    _description = "Restore Drill"
    _order = "id DESC"
    _rec_name = "backup_id"
    _steward_own_fields = (
        *("operation_id", "backup_id", "state", "began_at", "ended_at", "ok"),
        *("rto_seconds", "rpo_seconds", "error", "check_ids"),
    )

    backup_id = fields.Many2one(
        "steward.backup", "Backup", required=True, readonly=True, index=True
    )
    plan_id = fields.Many2one(
        related="backup_id.plan_id", store=True, index="btree_not_null"
    )
    state = fields.Selection(STATES, required=True, readonly=True, default=work.QUEUED)
    began_at = fields.Datetime("Began", default=fields.Datetime.now, readonly=True)
    ended_at = fields.Datetime("Ended", readonly=True)
    ok = fields.Boolean("Passed", readonly=True)
    outcome = fields.Selection(
        [
            ("work", "At work"),
            ("passed", "Passed"),
            ("failed", "Not passed"),
            ("unknown", "Not brought to its end"),
        ],
        compute="_compute_outcome",
        store=True,
    )
    rto_seconds = fields.Float(
        "Time to restore",
        readonly=True,
        aggregator="avg",
        help="From nothing to a database on which one can log in (RTO).",
    )
    rpo_seconds = fields.Float(
        "Age of the data",
        readonly=True,
        aggregator="avg",
        help="How much work would have been lost (RPO).",
    )
    check_ids = fields.One2many(
        "steward.drill.check", "drill_id", "Checks", readonly=True
    )
    checks_failed = fields.Integer(compute="_compute_checks_failed")
    error = fields.Char("What happened", readonly=True)

    _of_plan = models.Index("(plan_id, ended_at DESC)")

    @api.depends("state", "ok")
    def _compute_outcome(self):
        for drill in self:
            if drill.state in work.OPEN:
                drill.outcome = "work"
            elif drill.state == work.DONE:
                drill.outcome = "passed" if drill.ok else "failed"
            else:
                drill.outcome = "failed" if drill.state == work.FAILED else "unknown"

    @api.depends("check_ids.ok")
    def _compute_checks_failed(self):
        for drill in self:
            drill.checks_failed = len(drill.check_ids.filtered(lambda c: not c.ok))

    @api.model
    def _begin(self, backup):
        """Ask the runner to restore for real; the caller has checked who may."""
        backup._check_ready()
        # sudo: steward.drill - written by our code alone
        drill = self.sudo()._create_own([{"backup_id": backup.id}])
        drill._start_operation("drill", backup._prepare_operation(keep=False))
        return drill.with_env(self.env)

    def _operation_done(self, operation):
        """Take over what the drill found, and close its evidence."""
        result = operation.result or {}
        checks = [check for check in result.get("checks") or [] if check.get("name")]
        # a drill that checked nothing has proven nothing
        ok = operation.state == work.DONE and bool(result.get("ok")) and bool(checks)
        ok = ok and all(check.get("ok") for check in checks)
        self._write_own(
            {
                "state": operation.state,
                "began_at": _whole(operation.started_at or self.began_at),
                "ended_at": _whole(operation.ended_at),
                "ok": ok,
                "rto_seconds": result.get("rto_seconds") or 0,
                "rpo_seconds": result.get("rpo_seconds") or 0,
                "error": operation.error,
                "check_ids": [
                    fields.Command.clear(),
                    *(
                        fields.Command.create(
                            {
                                "name": check["name"],
                                "ok": bool(check.get("ok")),
                                "expected": _text(check.get("expected")),
                                "found": _text(check.get("found")),
                                "sentence": check.get("sentence"),
                            }
                        )
                        for check in checks
                    ),
                ],
            }
        )
        if operation.state == work.DONE:
            self.backup_id._proved(ok, "restored", operation.ended_at)
            self._close_evidence(operation, result, checks)
        self.env["steward.backup.alarm"]._look()

    def _close_evidence(self, operation, result, checks):
        if self.evidence_ids:
            return  # what came twice is proven once
        backup = self.backup_id
        texts = result.get("evidence_files") or {}
        self._pack_evidence(
            self.env._("Restore drill"),
            {f"files/{name}": text for name, text in texts.items()},
            {
                "ok": self.ok,
                "backup": backup.path,
                "manifest_sha256": backup.manifest_sha256 or None,
                "taken_at": backup.moment.isoformat() + "Z",
                "job": operation.uuid,
                "rto_seconds": self.rto_seconds,
                "rpo_seconds": self.rpo_seconds,
                "checks": checks,
            },
        )

    def action_open_backup(self) -> dict:
        """Show the backup that was restored."""
        return self.backup_id._get_records_action()


class StewardDrillCheck(models.Model):
    """One thing that a drill looked at."""

    _name = "steward.drill.check"
    _inherit = "steward"
    _description = "Check of a Drill"
    _order = "ok, id"
    _steward_own_fields = ("drill_id", "name", "ok", "expected", "found", "sentence")

    drill_id = fields.Many2one(
        "steward.drill", required=True, readonly=True, index=True, ondelete="cascade"
    )
    name = fields.Char("Check", required=True, readonly=True)
    ok = fields.Boolean("Passed", readonly=True)
    expected = fields.Char(readonly=True)
    found = fields.Char(readonly=True)
    sentence = fields.Char("In words", readonly=True)


def _text(value):
    if value is None or isinstance(value, str):
        return value or False
    return json.dumps(value, ensure_ascii=False)
