import base64
import difflib

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid
from odoo.addons.steward.kernel.schema import Problems
from odoo.addons.steward.models.steward_version import as_html

from ..kernel import specification as kernel


class StewardAgentImport(models.TransientModel):
    """Paste or upload an agent; see what it would change before it does."""

    _name = "steward.agent.import"
    _description = "Import an Agent"

    file = fields.Binary("File (YAML or JSON)", attachment=False)
    file_name = fields.Char()
    text = fields.Text("Document", compute="_compute_text", store=True, readonly=False)
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company
    )
    problems = fields.Text(compute="_compute_preview")
    agent_id = fields.Many2one(
        "steward.agent", "Changes", compute="_compute_preview", help="If it exists."
    )
    preview = fields.Html(compute="_compute_preview", sanitize=False)

    @api.depends("file")
    def _compute_text(self):
        for wizard in self:
            if wizard.file:
                content = base64.b64decode(wizard.file)
                wizard.text = content.decode("utf-8", "replace").replace("\0", "\ufffd")

    @api.depends("text", "company_id", "file_name")
    def _compute_preview(self):
        for wizard in self:
            wizard.agent_id = wizard.preview = wizard.problems = False
            if not (wizard.text or "").strip():
                continue
            try:
                specification = wizard._parsed()
                agents = self.env["steward.agent"]
                agents._values_of(specification, wizard.text, wizard.company_id)
            except Problems as error:
                wizard.problems = str(error)
                continue
            wizard.agent_id = wizard._existing(specification["code"])
            before = wizard.agent_id._definition() if wizard.agent_id else ""
            wizard.preview = as_html(
                list(
                    difflib.unified_diff(
                        before.splitlines(),
                        wizard._completed(specification).splitlines(),
                        lineterm="",
                        n=100,
                    )
                )[3:]
            )

    def _parsed(self):
        is_json = (self.file_name or "").lower().endswith(".json")
        # most JSON is YAML, but only JSON's own reader tells its mistakes well
        return kernel.parse(self.text, "json" if is_json else "yaml")

    def _completed(self, specification):
        """The document with all that it leaves out, as an export would have it."""
        usual = {
            "format": kernel.FORMAT,
            "kind": "playbook",
            "tools": [],
            "capture": "truncated",
        }
        limits = {"steps": 500, "seconds": 3600, "cost": 0.0, "at_a_time": 2}
        whole = {**usual, **specification}
        whole["tools"] = sorted(whole["tools"])
        whole["limits"] = {**limits, **specification.get("limits", {})}
        return kernel.dump(whole)

    def _existing(self, code):
        return (
            self.env["steward.agent"]
            .with_context(active_test=False)
            .search([("code", "=", code), ("company_id", "=", self.company_id.id)])
        )

    def action_import(self) -> dict:
        """Make the agent, or change the one with the same code.

        :return: the agent's form
        """
        self.ensure_one()
        agents = self.env["steward.agent"]
        try:
            specification = self._parsed()
            values = agents._values_of(specification, self.text, self.company_id)
        except Problems as error:
            raise Invalid(str(error)) from error
        values["change_note"] = self.env._("Imported")
        agent = self._existing(specification["code"])
        if agent:
            agent.write(values)
        else:
            agent = agents.create({**values, "company_id": self.company_id.id})
        return agent.get_formview_action()
