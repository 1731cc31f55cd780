from odoo import fields, models

from ..kernel.control import STATES, VERDICTS


class StewardRun(models.Model):
    """One piece of work of one agent, from any door: the ledger's head line."""

    _name = "steward.run"
    _inherit = "steward"
    _description = "Run"
    _order = "id desc"
    _rec_name = "trace_id"
    # all of it is written by the ledger and the executor; nobody forges a run
    _steward_own_fields = (
        *("trace_id", "company_id", "month", "agent_id", "agent_name", "source"),
        *("user_id", "idempotency_key", "task", "input", "output", "state", "reason"),
        *("started_at", "ended_at", "duration_ms", "step_count", "error_count"),
        *("tokens_in", "tokens_out", "tokens_cached", "cost", "unpriced_count"),
        *("error", "category", "fingerprint", "verdict", "score", "comment"),
        *("intent", "judged_by_id", "judged_at", "fence", "worker", "lease_until"),
        *("prompt_version", "prompt_version_id"),
    )

    # who and where: denormalised, so that the past stays what it was
    trace_id = fields.Char("Trace", required=True, readonly=True)
    company_id = fields.Many2one("res.company", required=True, readonly=True)
    month = fields.Date(
        required=True, readonly=True, help="Of its arrival, by the server's clock."
    )
    agent_id = fields.Many2one("steward.agent", readonly=True, ondelete="set null")
    agent_name = fields.Char(readonly=True)
    agent_version = fields.Integer(readonly=True)
    prompt_version = fields.Char(readonly=True)
    source = fields.Selection(
        [("here", "Ran here"), ("reported", "Reported")], required=True, readonly=True
    )
    user_id = fields.Many2one("res.users", "Ran as", readonly=True)
    session = fields.Char(readonly=True)
    tags = fields.Json(readonly=True)
    idempotency_key = fields.Char(readonly=True)

    # what
    task = fields.Text(readonly=True)
    input = fields.Text(readonly=True)
    output = fields.Text(readonly=True)

    # how it stands
    state = fields.Selection(STATES, required=True, readonly=True)
    reason = fields.Char(readonly=True, help="Why it is in this state.")
    started_at = fields.Datetime(readonly=True)
    ended_at = fields.Datetime(readonly=True)
    duration_ms = fields.Float(readonly=True)

    # what it took: written by the ledger with each batch of steps
    model = fields.Char("Last model", readonly=True)
    step_count = fields.Integer("Steps", readonly=True)
    error_count = fields.Integer("Errors", readonly=True)
    tokens_in = fields.Integer(readonly=True)
    tokens_out = fields.Integer(readonly=True)
    tokens_cached = fields.Integer(readonly=True)
    cost = fields.Float("Cost (USD)", digits=(18, 9), readonly=True)
    unpriced_count = fields.Integer("Steps without a known price", readonly=True)

    # how it failed
    error = fields.Text(readonly=True)
    category = fields.Char("Kind of failure", readonly=True)
    fingerprint = fields.Char(readonly=True)

    # what people said of it
    verdict = fields.Selection(VERDICTS, readonly=True)
    score = fields.Integer(readonly=True)
    comment = fields.Text(readonly=True)
    intent = fields.Text("What was meant", readonly=True)
    judged_by_id = fields.Many2one("res.users", "Judged by", readonly=True)
    judged_at = fields.Datetime(readonly=True)

    # nobody can squat on, or write into, another company's trace
    _trace_uniq = models.UniqueIndex("(company_id, trace_id)")
    _key_uniq = models.UniqueIndex(
        "(agent_id, idempotency_key) WHERE idempotency_key IS NOT NULL"
    )
    _recent = models.Index("(company_id, state, id DESC)")
    _agent_recent = models.Index("(agent_id, id DESC)")
