from odoo import api, fields, models
from odoo.exceptions import AccessError

from ..const import SOURCES
from ..fields import Amount, exact
from ..kernel.pricing import Cost
from ..kernel.usage import Usage

TOKENS = Usage._fields[:5]
ABOUT = ("agent_name", "user_id", "prompt_version", "purpose", "trace")
COST_FIELDS = ("cost", "cost_source", "price_id", "price_version")


class StewardUsage(models.Model):
    """What a call of a model took and cost: written once, never changed."""

    _name = "steward.usage"
    _inherit = "steward"
    _description = "Model Usage"
    _order = "at desc, id desc"
    _rec_name = "model_name"
    _steward_own_fields = (*COST_FIELDS, "is_current", "origin_id")

    at = fields.Datetime(
        string="When", required=True, default=fields.Datetime.now, index=True
    )
    company_id = fields.Many2one(
        "res.company",
        required=True,
        index=True,
        default=lambda self: self.env.company,
        ondelete="cascade",
    )
    # names beside links: the ledger outlives what it speaks of
    model_id = fields.Many2one(
        "steward.model",
        string="Known model",
        ondelete="set null",
        index="btree_not_null",
    )
    model_name = fields.Char(string="Model", required=True, index=True)
    provider_code = fields.Char(string="Provider")
    agent_name = fields.Char(string="Agent")
    user_id = fields.Many2one(
        "res.users",
        string="Asked by",
        ondelete="set null",
        index="btree_not_null",
    )
    prompt_version = fields.Char(
        help="Of the prompt that was used, as its code and number."
    )
    purpose = fields.Char(help="What it was for, as a repair of an answer.")
    trace = fields.Char(index="btree_not_null")
    operation = fields.Selection(
        [("chat", "Chat"), ("embedding", "Embedding"), ("other", "Other")],
        required=True,
        default="other",
    )
    tokens_in = fields.Integer("Input tokens", help="Cached ones included.")
    tokens_out = fields.Integer("Output tokens", help="Reasoning included.")
    tokens_cached = fields.Integer("Cached tokens")
    tokens_cache_write = fields.Integer("Written to cache")
    tokens_reasoning = fields.Integer("Reasoning tokens")
    estimated = fields.Boolean(
        "Tokens counted by us", help="The provider did not tell how many."
    )
    cost = Amount(string="Cost (USD)", readonly=True)
    cost_source = fields.Selection(
        SOURCES,
        string="Known by",
        required=True,
        readonly=True,
        default="unknown",
        index=True,
    )
    price_id = fields.Many2one(
        "steward.price",
        string="Own price",
        ondelete="set null",
        readonly=True,
        index="btree_not_null",
    )
    price_version = fields.Char(string="By price", readonly=True)
    is_current = fields.Boolean(
        string="Counts",
        default=True,
        readonly=True,
        help="No longer when it was priced anew: then the newer row counts.",
    )
    origin_id = fields.Many2one(
        "steward.usage",
        string="Priced anew from",
        readonly=True,
        ondelete="set null",
        index="btree_not_null",
    )

    _tokens_not_negative = models.Constraint(
        "CHECK (LEAST(tokens_in, tokens_out, tokens_cached, tokens_cache_write,"
        " tokens_reasoning) >= 0)",
        "Tokens cannot be negative.",
    )
    _by_company = models.Index("(company_id, at DESC) WHERE is_current")

    @api.model
    def _record(self, calls):
        """Enter calls in the ledger, each with what it cost.

        :param calls: dictionaries with ``usage`` (a `Usage`) and ``model_id``, or
            ``model_name`` and ``provider_code``; perhaps ``operation``, ``at`` (now),
            ``company_id`` (the current one), ``provided`` (dollars), and of `ABOUT`
        :rtype: steward.usage
        """
        # sudo: steward.usage - nobody writes the ledger but our code
        return self.sudo()._create_own([self._prepare(call) for call in calls])

    def _prepare(self, call):
        """Return the values of a row."""
        usage = Usage(*call["usage"])
        model = self.env["steward.model"].browse(call.get("model_id"))
        company = call.get("company_id") or self.env.company.id
        name = call.get("model_name") or model.name
        provider = call.get("provider_code") or model.provider_id.code or ""
        at = call.get("at") or fields.Datetime.now()
        prices = self.env["steward.price"].with_company(company)
        cost = prices._cost(name, provider, usage, at, call.get("provided"))
        return {
            "at": at,
            "company_id": company,
            "model_id": model.id,
            "model_name": name,
            "provider_code": provider,
            **{name: call.get(name) for name in ABOUT},
            "operation": call.get("operation") or "other",
            "estimated": usage.estimated,
            **{tokens: getattr(usage, tokens) for tokens in TOKENS},
            **self._cost_values(cost),
        }

    @api.model
    def _cost_values(self, cost):
        return dict(
            zip(
                COST_FIELDS,
                (cost.amount, cost.source, cost.price_id, cost.version),
                strict=True,
            )
        )

    def _usage(self):
        return Usage(*(self[name] for name in TOKENS), estimated=self.estimated)

    # -- again --------------------------------------------------------------------

    def action_reprice(self) -> dict:
        """Price the selected rows anew, by the prices known today for their time.

        Administrators only. New rows are written, and the old ones kept.

        :return: a notification
        """
        if not self.env.user.has_group("steward.group_administrator"):
            raise AccessError(
                self.env._("Only Steward's administrators price the ledger anew.")
            )
        self.check_access("read")
        written = self._reprice()
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._(
                    "%(written)s of %(all)s rows cost something else now; the old ones"
                    " are kept.",
                    written=written,
                    all=len(self),
                ),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    def _reprice(self):
        """Write a new row for each that costs something else by now.

        What a provider said itself is not questioned.

        :return: how many rows were written
        """
        written = 0
        # sudo: steward.usage - nobody writes the ledger but our code
        for row in self.sudo():
            if not row.is_current or row.cost_source == "provided":
                continue
            prices = self.env["steward.price"].with_company(row.company_id)
            cost = prices._cost(row.model_name, row.provider_code, row._usage(), row.at)
            known = Cost(
                exact(row.cost),
                row.cost_source,
                row.price_id.id or None,
                row.price_version or "",
            )
            if cost == known:
                continue
            values = row.copy_data()[0] | self._cost_values(cost)
            row._create_own([{**values, "origin_id": row.id}])
            row._write_own({"is_current": False})
            written += 1
        return written
