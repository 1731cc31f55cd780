from odoo import fields, models
from odoo.addons.steward.exceptions import StewardError, converted
from odoo.exceptions import AccessError


class StewardSkillDecision(models.TransientModel):
    """Approve skills or send them back, in the versions that were there to be read."""

    _name = "steward.skill.decision"
    _description = "Decision about Skills"

    decision = fields.Selection(
        [("approve", "Approve"), ("send_back", "Send back")],
        required=True,
        default="approve",
    )
    version_ids = fields.Many2many(
        "steward.skill.version", string="Skills", required=True
    )
    note = fields.Text("Comment")
    problem = fields.Text(readonly=True)

    def action_decide(self) -> dict | bool:
        """Do it with each; those that cannot be decided stay, with the reason."""
        self.ensure_one()
        left, reasons = self.version_ids.browse(), []
        for version in self.version_ids:
            skill = version.skill_id
            try:
                with self.env.cr.savepoint():
                    if self.decision == "approve":
                        skill._approve(version.number, self.note or "")
                    else:
                        skill._send_back(self.note)
            except (StewardError, AccessError) as error:
                left |= version
                reasons.append(converted(error).sentence)
        if not left:
            return {"type": "ir.actions.act_window_close"}
        self.write({"version_ids": left, "problem": "\n".join(reasons)})
        return {
            "type": "ir.actions.act_window",
            "name": self._description,
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "target": "new",
        }
