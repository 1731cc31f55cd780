import logging
from datetime import UTC, timedelta

from dateutil.relativedelta import relativedelta

from odoo import api, fields, models

from ..kernel.failure import CATEGORIES
from ..kernel.ledger import COST_SOURCES, KINDS, STATUSES

_logger = logging.getLogger(__name__)

KEEP_MONTHS = 13  # so that a month can be compared with that of the year before
RETRY = timedelta(minutes=10)  # when somebody was reading what should be dropped


class StewardStep(models.Model):
    """One thing an agent did within a run. Written once, by the ledger."""

    _name = "steward.step"
    _inherit = "steward.partitioned"
    _description = "Step"
    _auto = False
    _log_access = False
    _order = "started_at, id"
    _partition_indexes = {
        "span_uniq": "UNIQUE (run_id, span_id, period)",
        "failure_idx": "(fingerprint, id) WHERE fingerprint IS NOT NULL",
    }

    run_id = fields.Many2one("steward.run", required=True, readonly=True)
    company_id = fields.Many2one("res.company", required=True, readonly=True)
    agent_id = fields.Many2one("steward.agent", readonly=True)
    agent_name = fields.Char(readonly=True)
    span_id = fields.Char("Span", required=True, readonly=True)
    parent_span_id = fields.Char("Parent span", readonly=True)
    kind = fields.Selection(KINDS, required=True, readonly=True)
    name = fields.Char(required=True, readonly=True)
    status = fields.Selection(STATUSES, required=True, readonly=True)
    started_at = fields.Datetime(required=True, readonly=True)
    started_ms = fields.Float(
        "Started (ms)",
        compute="_compute_started_ms",
        help="Milliseconds since 1970: dates on screens know seconds only.",
    )
    duration_ms = fields.Float("Duration (ms)", readonly=True, aggregator="avg")
    model = fields.Char(readonly=True)
    provider = fields.Char(readonly=True)
    tokens_in = fields.Integer(readonly=True)
    tokens_out = fields.Integer(readonly=True)
    tokens_cached = fields.Integer(readonly=True)
    cost = fields.Float(
        "Cost (USD)", digits=(18, 9), readonly=True, help="Empty: not known."
    )
    cost_source = fields.Selection(COST_SOURCES, readonly=True)
    input = fields.Text(readonly=True)
    output = fields.Text(readonly=True)
    error_type = fields.Char(readonly=True)
    error_message = fields.Text(readonly=True)
    category = fields.Selection(CATEGORIES, "Kind of failure", readonly=True)
    fingerprint = fields.Char(readonly=True)
    attributes = fields.Json(readonly=True)
    # of runs that run here: which step of the playbook, and which try
    step_key = fields.Char(readonly=True)
    attempt = fields.Integer(readonly=True)
    iteration = fields.Char(readonly=True)

    @api.depends("started_at")
    def _compute_started_ms(self):
        for step in self:
            moment = step.started_at
            step.started_ms = moment and moment.replace(tzinfo=UTC).timestamp() * 1000

    @api.model
    def _get_oldest_kept(self):
        """The first month whose steps are kept; hook."""
        # sudo: ir.config_parameter - the retention holds for whoever runs the clean-up
        parameters = self.env["ir.config_parameter"].sudo()
        months = int(parameters.get_param("steward.ledger.months") or KEEP_MONTHS)
        first = fields.Date.today().replace(day=1)
        return first - relativedelta(months=max(1, months) - 1)

    @api.model
    def _cron_partitions(self):
        """Have a place for the months to come, drop those whose time is over."""
        self._make_partitions()
        # their locks are not kept while we wait for those of a drop
        self.env["ir.cron"]._commit_progress(1)
        if not self._drop_partitions_before(self._get_oldest_kept()):
            _logger.info("old steps are being read; they are dropped later")
            cron = self.env.ref("steward_agent.cron_partitions")
            cron._trigger(at=fields.Datetime.now() + RETRY)
