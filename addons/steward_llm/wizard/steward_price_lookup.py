from odoo import api, fields, models
from odoo.fields import Command

from ..const import SOURCES
from ..fields import Amount
from ..kernel import price_book, pricing
from ..kernel.usage import LARGEST, Usage
from ..models.steward_price import RATES


class StewardPriceLookup(models.TransientModel):
    """The price book: which price applies to a model, and why."""

    _name = "steward.price.lookup"
    _description = "Price Book"

    model_id = fields.Many2one("steward.model", string="Known model")
    model_name = fields.Char(string="Model", help="As the provider calls it.")
    provider_code = fields.Char(
        string="Provider's code", help="For example openai, anthropic, azure."
    )
    at = fields.Datetime(string="On", default=fields.Datetime.now, required=True)
    tokens_in = fields.Integer(string="Input tokens", default=1000)
    tokens_cached = fields.Integer(string="of them cached")
    tokens_out = fields.Integer(string="Output tokens", default=200)
    cost = Amount(string="A call costs (USD)", compute="_compute_lines")
    cost_source = fields.Selection(SOURCES, string="Known by", compute="_compute_lines")
    book = fields.Char(string="List prices", compute="_compute_lines")
    line_ids = fields.One2many(
        "steward.price.lookup.line", "lookup_id", compute="_compute_lines"
    )

    @api.depends("model_name")
    def _compute_display_name(self):
        for lookup in self:
            lookup.display_name = lookup.model_name or self.env._("Price Book")

    @api.onchange("model_id")
    def _onchange_model_id(self):
        if self.model_id:
            self.model_name = self.model_id.name
            self.provider_code = self.model_id.provider_id.code

    @api.depends(
        *("model_name", "provider_code", "at"),
        *("tokens_in", "tokens_out", "tokens_cached"),
    )
    @api.depends_context("company")
    def _compute_lines(self):
        prices = self.env["steward.price"]
        for lookup in self:
            counts = (lookup.tokens_in, lookup.tokens_out, lookup.tokens_cached)
            usage = Usage(*(min(max(0, count), LARGEST) for count in counts))
            name, code = lookup.model_name or "", (lookup.provider_code or "").strip()
            offers = [
                *prices._offers(name.strip(), code, lookup.at or fields.Datetime.now())
            ]
            applied = next((offer.quote for offer in offers if offer.quote), None)
            cost = pricing.charge(usage, applied)
            lookup.cost = cost.amount
            lookup.cost_source = cost.source
            lookup.book = price_book.version() or self.env._("not installed")
            lookup.line_ids = [Command.clear()] + [
                Command.create(values)
                for offer in offers
                for values in self._line_values(offer, offer.quote is applied)
            ]

    def _line_values(self, offer, applies):
        """Return the values of an offer's lines: one for each length of input."""
        if offer.quote:
            tiers = offer.quote.price
        else:
            tiers = [pricing.Tier(row.above, row.rates) for row in offer.rows]
        applies = applies and offer.quote is not None
        why = self._why(offer, applies)
        return [
            {
                "kind": offer.kind,
                "price_id": offer.rows[0].id if offer.rows else False,
                "applies": applies,
                "why": why,
                "above_tokens": tier.above,
                **{field: getattr(tier.rates, name) for name, field in RATES.items()},
            }
            for tier in tiers
        ]

    def _why(self, offer, applies):
        """A sentence on why a price applies, or does not."""
        if offer.reason == "early":
            return self.env._("Not yet valid on that day.")
        if offer.reason == "late":
            return self.env._("No longer valid on that day.")
        if offer.reason == "short":
            return self.env._("Says nothing about short inputs.")
        if not applies:
            return self.env._("Stands behind a better one.")
        return {
            "own": self.env._("Entered here: goes before every list."),
            "free": self.env._("The provider is marked as costing nothing per token."),
            "book": self.env._("The provider's list price."),
            "borrowed": self.env._(
                "Not known of this provider: what %(provider)s asks for the model, as"
                " an estimate.",
                provider=offer.entry.provider if offer.entry else "",
            ),
        }[offer.kind]


class StewardPriceLookupLine(models.TransientModel):
    """One price that was looked at."""

    _name = "steward.price.lookup.line"
    _description = "Price Book Line"

    lookup_id = fields.Many2one("steward.price.lookup", ondelete="cascade", index=True)
    kind = fields.Selection(
        [
            ("own", "Own price"),
            ("free", "Free of charge"),
            ("book", "List price"),
            ("borrowed", "Another provider's"),
        ],
        string="What",
    )
    price_id = fields.Many2one("steward.price", string="Own price")
    applies = fields.Boolean()
    why = fields.Char()
    above_tokens = fields.Integer("Input longer than")
    rate_input = Amount("Input")
    rate_output = Amount("Output")
    rate_cached = Amount("Cached input")
    rate_cache_write = Amount("Written to the cache")
    rate_reasoning = Amount("Reasoning")
