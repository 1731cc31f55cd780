import json

from odoo import api, fields, models
from odoo.addons.steward.exceptions import StewardError
from odoo.addons.steward.kernel.schema import SchemaProblem, load

from ..kernel.specification import as_yaml


class StewardToolTrial(models.TransientModel):
    """Call a tool as oneself, and take back what it did."""

    _name = "steward.tool.trial"
    _description = "Try a Tool"

    tool_id = fields.Many2one("steward.tool", required=True, ondelete="cascade")
    risk = fields.Selection(related="tool_id.risk")
    schema_text = fields.Text(related="tool_id.schema_text")
    arguments = fields.Text(
        compute="_compute_arguments", store=True, readonly=False, help="YAML or JSON."
    )
    refusal = fields.Text(readonly=True)
    answer = fields.Text(readonly=True)

    @api.depends("tool_id")
    def _compute_arguments(self):
        for trial in self:
            schema = trial.tool_id.schema or {}
            trial.arguments = as_yaml(_example(schema)) if schema else False

    def action_try(self) -> dict:
        """Call the tool with the rights of who tries it; nothing of it stays."""
        self.ensure_one()
        self.tool_id.check_access("read")
        answer, refusal = self._try()
        self.write({"answer": answer, "refusal": refusal})
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Try a Tool"),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "target": "new",
        }

    def _try(self):
        """What the tool answered, or why it refused."""
        if self.tool_id.risk == "external":
            return False, self.env._(
                "It leaves the database, and what has left cannot be taken back."
            )
        try:
            arguments = load(self.arguments or "{}").value
        except SchemaProblem as error:
            return False, str(error)
        # mails are only queued, so that they are taken back with the rest
        tool = self.tool_id.with_context(mail_notify_force_send=False)
        try:
            with self.env.cr.savepoint():
                raise _TakeBack(tool._call(arguments))
        except _TakeBack as done:
            result = done.result
        except StewardError as error:
            return False, error.sentence
        shown = json.dumps(result.value, indent=2, ensure_ascii=False)
        if result.more:
            shown += f"\n\n… {json.dumps(result.more)}"
        return shown, False


class _TakeBack(Exception):
    """Carries an answer out of the savepoint that it undoes."""

    def __init__(self, result):
        super().__init__()
        self.result = result


def _example(schema):
    """Arguments to begin with: what is needed, empty, and the usual for the rest."""
    found = {}
    for name, property_ in schema["properties"].items():
        if "default" in property_ and property_["default"] is not None:
            found[name] = property_["default"]
        elif name in schema["required"]:
            found[name] = _EMPTY.get(property_.get("type"), "")
    return found


_EMPTY = {"array": [], "object": {}, "integer": 0, "number": 0, "boolean": False}
