from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid
from odoo.exceptions import ValidationError

from ..kernel import expression


class IrActionsServer(models.Model):
    _inherit = "ir.actions.server"

    state = fields.Selection(
        selection_add=[("steward_agent", "Run an agent"), ("multi",)],
        ondelete={"steward_agent": "cascade"},
    )
    steward_agent_id = fields.Many2one("steward.agent", "Agent", ondelete="restrict")
    steward_task = fields.Char(
        "Task",
        help="What the agent is to do; {{ name }} is the record's name, {{ count }} how"
        " many records there are.",
    )

    @api.constrains("state", "steward_agent_id", "steward_task")
    def _check_steward_agent(self):
        for action in self.filtered(lambda a: a.state == "steward_agent"):
            if not action.steward_agent_id or not (action.steward_task or "").strip():
                raise ValidationError(
                    self.env._("Choose the agent, and say what it is to do.")
                )
            try:
                unknown = expression.names_in(action.steward_task) - {"name", "count"}
            except expression.ExpressionError as error:
                raise ValidationError(str(error)) from error
            if unknown:
                raise ValidationError(
                    self.env._(
                        "A task may hold {{ name }} and {{ count }}, not %(names)s.",
                        names=", ".join(sorted(unknown)),
                    )
                )

    def _name_depends(self):
        return [*super()._name_depends(), "steward_agent_id"]

    def _generate_action_name(self):
        if self.state == "steward_agent" and self.steward_agent_id:
            return self.env._("Run %(agent)s", agent=self.steward_agent_id.name)
        return super()._generate_action_name()

    def _run_action_steward_agent_multi(self, eval_context=None):
        """Start one run for all the records at hand.

        They are given to the playbook's inputs of the type records.
        """
        records = eval_context.get("records") or eval_context.get("record")
        agent = self.steward_agent_id
        given = {}
        for name, wanted in agent.playbook_id._parsed().inputs.items():
            if wanted.type == "records":
                if not records:
                    raise Invalid(
                        self.env._("%(agent)s needs records.", agent=agent.name)
                    )
                given[name] = {"model": records._name, "ids": records.ids}
        task = expression.render(
            self.steward_task,
            {
                "name": records[:1].display_name if records else "",
                "count": len(records or ()),
            },
        )
        agent._start(str(task), given)
