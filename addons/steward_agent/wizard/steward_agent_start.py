import json

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid
from odoo.addons.steward.kernel.schema import SchemaProblem, load


class StewardAgentStart(models.TransientModel):
    """What an agent shall do, asked before it starts."""

    _name = "steward.agent.start"
    _description = "Run an Agent"

    agent_id = fields.Many2one("steward.agent", required=True)
    task = fields.Text(help="What to do, in your own words.")
    input = fields.Text(
        "Values",
        compute="_compute_input",
        store=True,
        readonly=False,
        help="What the playbook wants to know, a line each.",
    )
    has_inputs = fields.Boolean(compute="_compute_has_inputs")

    @api.depends("agent_id")
    def _compute_input(self):
        for start in self:
            start.input = "\n".join(
                f"{name}: {json.dumps(wanted.default)}"
                + (f"  # {wanted.description}" if wanted.description else "")
                for name, wanted in start.agent_id.playbook_id._inputs().items()
            )

    @api.depends("agent_id")
    def _compute_has_inputs(self):
        for start in self:
            start.has_inputs = bool(start.agent_id.playbook_id._inputs())

    def action_start(self) -> dict:
        """Start the run and show it."""
        self.ensure_one()
        self.agent_id._check_may_run()
        try:
            values = load(self.input or "").value or {}
        except SchemaProblem as error:
            raise Invalid(str(error)) from error
        if not isinstance(values, dict):
            raise Invalid(self.env._("Write each value as name: value."))
        task = self.task or self.agent_id.description or self.agent_id.name
        run = self.agent_id._start(task, values)
        return {
            "type": "ir.actions.act_window",
            "res_model": "steward.run",
            "res_id": run.id,
            "views": [(False, "form")],
        }
