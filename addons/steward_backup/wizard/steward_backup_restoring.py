import re

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid

from ..kernel.verbs import DATABASE_NAME


class StewardBackupRestoring(models.TransientModel):
    """Where a backup shall be restored to, asked before it is done."""

    _name = "steward.backup.restoring"
    _description = "Restore a Backup"

    backup_id = fields.Many2one(
        "steward.backup",
        "Restore point",
        required=True,
        domain=[("is_good", "=", True), ("kind", "!=", "filestore")],
        default=lambda self: self.env["steward.backup"].search(
            [("is_good", "=", True), ("kind", "!=", "filestore")], limit=1
        ),
    )
    age = fields.Char(related="backup_id.age")
    level = fields.Selection(related="backup_id.level")
    target = fields.Char(
        "New database", compute="_compute_target", store=True, readonly=False
    )
    neutralize = fields.Boolean(
        "Neutralize the copy",
        compute="_compute_neutralize",
        store=True,
        readonly=False,
        help="It mails, calls and pays nothing. What replaces a database that people"
        " work with is not neutralized: it shall do all of that again.",
    )
    exists = fields.Boolean(compute="_compute_exists")
    confirmed_name = fields.Char("Type the name of the database to replace")

    @api.depends("backup_id")
    def _compute_target(self):
        for wizard in self:
            backup = wizard.backup_id
            if backup:
                stamp = backup.moment.strftime("%Y%m%d_%H%M")
                wizard.target = f"{backup.database[:40]}_{stamp}"

    @api.depends("target")
    def _compute_exists(self):
        for wizard in self:
            wizard.exists = bool(
                wizard.target and wizard.backup_id._database_exists(wizard.target)
            )

    @api.depends("exists")
    def _compute_neutralize(self):
        for wizard in self:
            wizard.neutralize = not wizard.exists

    def action_restore(self) -> dict:
        """Start it, and show how far it is; Administrators only."""
        self.ensure_one()
        if not re.match(DATABASE_NAME, self.target or ""):
            raise Invalid(
                self.env._(
                    "The name of a database has letters, digits, “_”, “-” and “.”, and"
                    " at most 63 of them."
                )
            )
        if self.exists and self.confirmed_name != self.target:
            raise Invalid(
                self.env._(
                    "There is a database %(name)s. Type its name to replace it; a"
                    " safety backup of it is made first.",
                    name=self.target,
                )
            )
        self.backup_id._restore(self.target, self.neutralize, self.confirmed_name)
        if self.env.context.get("default_backup_id") == self.backup_id.id:
            return {"type": "ir.actions.act_window_close"}  # it was asked for there
        return self.backup_id._get_records_action()
