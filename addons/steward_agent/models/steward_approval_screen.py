import json

from odoo import api, fields, models
from odoo.addons.steward.kernel.redactor import redact_value
from odoo.tools import format_date, format_datetime, html2plaintext

MASK = "•••"
MAX_WORDS = 2000  # characters of one value
MAX_RECORDS = 50  # that are told of


class StewardApproval(models.Model):
    """What people see of the use of a tool: of each record only what they may read."""

    _inherit = "steward.approval"

    runs_as_id = fields.Many2one(related="run_id.user_id", string="Runs as")
    asked_by_id = fields.Many2one(related="run_id.asked_by_id", string="Started by")
    run_cost = fields.Float(related="run_id.cost", string="Run's cost so far (USD)")
    asked_ids = fields.Many2many(
        "res.users",
        compute="_compute_asked_ids",
        compute_sudo=True,  # one sees one's own activities only
        string="Asked of",
    )
    can_decide = fields.Boolean(compute="_compute_can_decide")
    what_changes = fields.Html(
        compute="_compute_what_changes",
        sanitize=False,
        help="Masked where you may not read the record or the field.",
    )

    @api.depends("activity_ids.user_id")
    def _compute_asked_ids(self):
        for approval in self:
            approval.asked_ids = approval.activity_ids.user_id

    @api.depends("state", "run_id.user_id", "decider_ids")
    @api.depends_context("uid")
    def _compute_can_decide(self):
        user = self.env.user
        for approval in self:
            approval.can_decide = (
                approval.state == "pending"
                and self._may_decide(user, approval.run_id)
                and approval._is_for(user)
            )

    @api.depends("changes", "arguments")
    @api.depends_context("uid", "lang", "tz", "allowed_company_ids")
    def _compute_what_changes(self):
        for approval in self:
            told = approval.kind == "tool" and approval._told()
            approval.what_changes = told and self.env["ir.qweb"]._render(
                "steward_agent.approval_changes",
                {"told": told, "more": approval._untold()},
            )

    def _as_json(self):
        values = super()._as_json()
        if self.kind == "tool":
            values |= {"tool": self.tool_name, "risk": self.risk, "what": self._told()}
        if self.decider_ids:
            values["deciders"] = self.decider_ids.mapped("login")
        if self.run_cost:
            values["cost"] = self.run_cost
        return values

    # -- what changes, for who looks at it ----------------------------------------

    def _told(self):
        """What would change, in words, as far as the reader may know.

        :return: ``[{"name", "model", "changes": [{"label", "before"?, "after"}]}]``
        """
        self.ensure_one()
        self.check_access("read")
        # sudo: steward.approval - what the reader may not see of these is masked
        kept = self.sudo()
        if not kept.changes:
            return [self._told_arguments(kept.tool_id, kept.arguments or {})]
        ids_of = {}
        changes = kept.changes[:MAX_RECORDS]
        for part in changes:
            ids_of.setdefault(part["model"], []).append(part["id"])
        readable = {name: self._readable(name, ids) for name, ids in ids_of.items()}
        return [self._told_record(part, readable[part["model"]]) for part in changes]

    def _untold(self):
        """Of how many more records nothing is told."""
        # sudo: steward.approval - a number
        return max(0, len(self.sudo().changes or ()) - MAX_RECORDS)

    def _told_record(self, part, readable):
        """One record, and what would change in it, field by field."""
        model = self.env.get(part["model"])
        is_readable = part["id"] in readable
        name = self.env._("New")
        if part["id"]:
            name = readable[part["id"]] if is_readable else MASK
        return {
            "name": name,
            "model": self._model_name(part["model"]),
            "changes": [
                self._told_change(model, change, is_readable)
                for change in part["changes"]
            ],
        }

    def _told_change(self, model, change, is_readable):
        field = None if model is None else model._fields.get(change["field"])
        label = field._description_string(self.env) if field else change["field"]
        if not (is_readable and field and model._has_field_access(field, "read")):
            return {"label": label, "before": MASK, "after": MASK}
        return {
            "label": label,
            "before": self._in_words(field, change["before"]),
            "after": self._in_words(field, change["after"]),
        }

    def _told_arguments(self, tool, arguments):
        """What a tool that cannot tell what it changes, is called with."""
        model, ids = tool._target(arguments) if tool else (None, [])
        readable = self._readable(model, ids or [None]) if model else {}
        # nobody knows what else the words of others are about
        is_hidden = bool(model) and not all(i in readable for i in ids or [None])
        is_known = {"model", "record_id", "record_ids", "ids"}
        return {
            "name": ", ".join(readable.get(i, MASK) for i in ids[:10])
            or self.tool_name,
            "model": self._model_name(model) if model else "",
            "changes": [
                {
                    "label": name,
                    "after": MASK
                    if is_hidden and name not in is_known
                    else self._as_text(value),
                }
                for name, value in redact_value(arguments).items()
            ],
        }

    def _readable(self, model, ids):
        """Id -> name, of those that the reader may read; None stands for a new one."""
        if model not in self.env or not self.env[model].has_access("read"):
            return {}
        records = self.env[model].browse([i for i in ids if i])
        seen = records.exists()._filtered_access("read")
        return {None: "", **{record.id: record.display_name for record in seen}}

    def _model_name(self, model):
        # sudo: ir.model - what kind of record it is
        return self.env["ir.model"].sudo()._get(model).name or model

    def _in_words(self, field, value):
        """A value as a preview tells it, for people."""
        if field.relational:
            links = value if isinstance(value, list) else [value] if value else []
            ids = [link["id"] for link in links]
            names = self._readable(field.comodel_name, ids)
            return ", ".join(names.get(i, MASK) for i in ids)
        if field.type == "boolean":
            return self.env._("Yes") if value else self.env._("No")
        if value is False or value is None:
            return ""
        match field.type:
            case "selection":
                return dict(field._description_selection(self.env)).get(value, value)
            case "datetime":
                return format_datetime(self.env, value)
            case "date":
                return format_date(self.env, value)
            case "html":
                value = html2plaintext(value)
        return self._as_text(value)

    @api.model
    def _as_text(self, value):
        text = value if isinstance(value, str) else json.dumps(value, indent=1)
        return text if len(text) <= MAX_WORDS else f"{text[:MAX_WORDS]}…"
