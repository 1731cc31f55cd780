from odoo import fields, models
from odoo.addons.steward_agent.kernel.playbook import CATEGORIES

ACTIONS = [
    ("block", "Refuse it"),
    ("approve", "Ask a person"),
    ("rewrite", "Correct it"),
    ("warn", "Warn"),
    ("retry", "Try again differently"),
]
STATES = [
    ("draft", "Draft"),
    ("review", "In review"),
    ("approved", "Active"),
    ("retired", "Retired"),
]


class StewardGuardrail(models.Model):
    """What keeps a failure from happening again: code looks at it before each step."""

    _name = "steward.guardrail"
    _inherit = ["steward.versioned.mixin", "mail.thread", "mail.activity.mixin"]
    _description = "Guardrail"
    _order = "id desc"
    _steward_own_fields = (
        *("version_id", "approved_version_id", "state", "fingerprint", "failure_id"),
        *("confidence", "evidence", "tested", "hit_count", "prevented_count"),
        *("false_alarm_count", "last_hit_at", "source_traces"),
    )

    name = fields.Char(required=True, tracking=True)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one("res.company", index="btree_not_null")
    owner_id = fields.Many2one("res.users", default=lambda self: self.env.user)
    category = fields.Selection([(name, name.capitalize()) for name in CATEGORIES])
    condition = fields.Json(
        help="{tool: pattern, arguments: [...], context: [...]}: all must hold."
    )
    action = fields.Selection(ACTIONS, required=True, default="warn", tracking=True)
    change = fields.Json("Correction", help="Of a rewrite: argument -> value.")
    text = fields.Text("What agents are told", required=True)
    state = fields.Selection(
        STATES, required=True, readonly=True, default="draft", copy=False, tracking=True
    )
    version_id = fields.Many2one(
        "steward.guardrail.version", "Newest version", readonly=True, copy=False
    )
    version_ids = fields.One2many(
        "steward.guardrail.version", "guardrail_id", "Versions", readonly=True
    )
    approved_version_id = fields.Many2one(
        "steward.guardrail.version", "In force", readonly=True, copy=False
    )
    failure_id = fields.Many2one(
        "steward.failure", readonly=True, copy=False, index="btree_not_null"
    )
    fingerprint = fields.Char(readonly=True, copy=False, index="btree_not_null")
    confidence = fields.Float(readonly=True, copy=False)
    evidence = fields.Json(readonly=True, copy=False)
    source_traces = fields.Json(readonly=True, copy=False)
    tested = fields.Json(
        readonly=True, copy=False, help="What it did to the failing and to good runs."
    )
    hit_count = fields.Integer("Hits", readonly=True, copy=False)
    prevented_count = fields.Integer("Prevented", readonly=True, copy=False)
    false_alarm_count = fields.Integer("False alarms", readonly=True, copy=False)
    last_hit_at = fields.Datetime("Last hit", readonly=True, copy=False)

    def _definition(self):
        return self.text or ""

    def _definition_values(self, text):
        return {"text": text}


class StewardGuardrailVersion(models.Model):
    """A guardrail at one time."""

    _name = "steward.guardrail.version"
    _inherit = ["steward.version.mixin", "steward"]
    _description = "Version of a Guardrail"
    _version_of = "guardrail_id"
    _version_facts = ("approver_id", "approved_at", "tested")
    _steward_own_fields = _version_facts

    guardrail_id = fields.Many2one(
        "steward.guardrail",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    company_id = fields.Many2one(related="guardrail_id.company_id", store=True)
    approver_id = fields.Many2one("res.users", "Approved by", readonly=True)
    approved_at = fields.Datetime("Approved", readonly=True)
    tested = fields.Json(readonly=True)

    _number_uniq = models.UniqueIndex("(guardrail_id, number)")
