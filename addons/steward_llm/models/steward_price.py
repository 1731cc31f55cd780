from datetime import UTC, date
from decimal import Decimal
from typing import NamedTuple

from odoo import api, fields, models, tools
from odoo.addons.steward.const import CHANNEL_HEAVY
from odoo.exceptions import ValidationError

from ..fields import Amount, exact
from ..kernel import price_book, pricing
from ..kernel.pricing import Cost, Quote, Rates

RATES = {name: f"rate_{name}" for name in Rates._fields}
WILDCARD = "*"
FREE = Quote(pricing.flat(pricing.FREE), "computed", None, "free of charge")


class Row(NamedTuple):
    """A price of our own, as it is remembered between calls."""

    id: int
    version: int
    company: int
    provider: str
    model: str
    above: int
    begins: date
    ends: date | None
    rates: Rates

    def fits(self, model, provider, company):
        """Whether it speaks of this model, whenever."""
        return (
            (not self.company or self.company == company)
            and (not self.provider or self.provider == provider)
            and (
                model.startswith(self.model[:-1])
                if self.model.endswith(WILDCARD)
                else model == self.model
            )
        )

    def holds(self, day):
        return self.begins <= day and (not self.ends or day <= self.ends)

    @property
    def key(self):
        """What it speaks of; greater is more to the point."""
        exactly = not self.model.endswith(WILDCARD)
        return (self.company, self.provider, exactly, len(self.model), self.model)


class Offer(NamedTuple):
    """A price that was looked at, and why it applies or does not."""

    kind: str  # own | free | book | borrowed
    quote: Quote | None
    reason: str  # applies | early | late | short
    rows: tuple[Row, ...] = ()
    entry: price_book.Entry | None = None


class StewardPrice(models.Model):
    """What a model costs, where we know better than the price book."""

    _name = "steward.price"
    _inherit = ["steward", "mail.thread"]
    _description = "Model Price"
    _order = "model_name, provider_code, valid_from desc, above_tokens, id"
    _rec_name = "model_name"
    _steward_own_fields = ("version",)

    model_name = fields.Char(
        string="Model",
        required=True,
        tracking=True,
        help="As the provider calls it. With * at the end: all that begin so.",
    )
    provider_code = fields.Char(
        string="Provider's code",
        tracking=True,
        help="Only at this provider; empty: wherever the model is.",
    )
    company_id = fields.Many2one(
        "res.company", index=True, help="Only for this company; empty: for all."
    )
    active = fields.Boolean(default=True, tracking=True)
    valid_from = fields.Date(
        required=True, default=fields.Date.context_today, tracking=True
    )
    valid_to = fields.Date(
        tracking=True, help="The last day, in UTC. Empty: until further notice."
    )
    above_tokens = fields.Integer(
        string="Input longer than",
        tracking=True,
        help="Tokens. For providers that ask more for long inputs: a call with more"
        " than that costs this for all its tokens. 0: any length.",
    )
    rate_input = Amount(string="Input", tracking=True)
    rate_output = Amount(string="Output", tracking=True)
    rate_cached = Amount(
        string="Cached input", tracking=True, help="Empty: as other input."
    )
    rate_cache_write = Amount(
        string="Written to the cache", tracking=True, help="Empty: as other input."
    )
    rate_reasoning = Amount(
        string="Reasoning", tracking=True, help="Empty: as other output."
    )
    origin = fields.Char(
        string="Known from", help="For example the contract or the page with prices."
    )
    version = fields.Integer(
        default=1,
        readonly=True,
        copy=False,
        help="Counts up when a rate changes; each row of the ledger says by which"
        " version it was priced.",
    )

    # one price for a model, provider, company and length on a day; hashes, because an
    # exclusion of ranges compares texts only with an extension of PostgreSQL
    _no_overlap = models.Constraint(
        "EXCLUDE USING gist ("
        "int8range(hashtextextended(lower(model_name), 0) / 2,"
        " hashtextextended(lower(model_name), 0) / 2, '[]') WITH &&, "
        "int8range(hashtextextended(COALESCE(provider_code, ''), 0) / 2,"
        " hashtextextended(COALESCE(provider_code, ''), 0) / 2, '[]') WITH &&, "
        "int4range(COALESCE(company_id, 0), COALESCE(company_id, 0), '[]') WITH &&, "
        "int4range(COALESCE(above_tokens, 0), COALESCE(above_tokens, 0), '[]')"
        " WITH &&, "
        "daterange(valid_from, valid_to, '[]') WITH &&) WHERE (active)",
        "Another price for the same model is valid in that time. End it first.",
    )
    _dates_in_order = models.Constraint(
        "CHECK (valid_to IS NULL OR valid_to >= valid_from)",
        "A price ends after it begins.",
    )
    _some_rate = models.Constraint(
        "CHECK (num_nonnulls(rate_input, rate_output, rate_cached, rate_cache_write,"
        " rate_reasoning) > 0)",
        "Enter at least one rate; 0 means free.",
    )
    _not_negative = models.Constraint(
        "CHECK (LEAST(rate_input, rate_output, rate_cached, rate_cache_write,"
        " rate_reasoning, above_tokens) >= 0)",
        "Nothing here is negative.",
    )

    @api.constrains("model_name")
    def _check_model_name(self):
        for price in self:
            if WILDCARD in price.model_name[:-1] or price.model_name == WILDCARD:
                raise ValidationError(
                    self.env._("A * stands at the end, after the beginning of a name.")
                )

    # -- CRUD ---------------------------------------------------------------------

    @api.model_create_multi
    def create(self, vals_list):
        self.env.registry.clear_cache()
        return super().create([_tidied(vals) for vals in vals_list])

    def write(self, vals):
        self.env.registry.clear_cache()
        vals = _tidied(vals)
        before = {price: price._rates() for price in self}
        done = super().write(vals)
        for price in self:
            if price._rates() != before[price]:
                price._write_own({"version": price.version + 1})
        return done

    def unlink(self):
        self.env.registry.clear_cache()
        return super().unlink()

    def _rates(self):
        return Rates(*(exact(self[name]) for name in RATES.values()))

    # -- actions ------------------------------------------------------------------

    def action_reprice(self) -> dict:
        """Price the ledger's rows that this price concerns anew, in the background.

        Administrators only. New rows are written and the old ones kept; what a
        provider said itself stays as it is.

        :return: a notification
        """
        self.check_access("write")
        self.with_delay(
            channel=CHANNEL_HEAVY,
            description=self.env._("Price the ledger anew"),
        )._reprice()
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "info",
                "message": self.env._("The ledger is priced anew in the background."),
            },
        }

    def _reprice(self):
        """The job behind it.

        :return: how many rows were written
        """
        return sum(
            self.env["steward.usage"].search(price._usage_domain())._reprice()
            for price in self
        )

    def _usage_domain(self):
        """Rows of the ledger that this price may concern."""
        name = tools.escape_psql(self.model_name.removesuffix(WILDCARD))
        like = f"{name}%" if self.model_name.endswith(WILDCARD) else name
        domain = [
            ("model_name", "=ilike", like),
            ("is_current", "=", True),
            ("cost_source", "!=", "provided"),
            ("at", ">=", fields.Datetime.to_datetime(self.valid_from)),
        ]
        if self.valid_to:
            domain.append(("at", "<", fields.Date.add(self.valid_to, days=1)))
        if self.provider_code:
            domain.append(("provider_code", "=", self.provider_code))
        if self.company_id:
            domain.append(("company_id", "=", self.company_id.id))
        return domain

    # -- what applies -------------------------------------------------------------

    @api.model
    def _cost(self, model_name, provider_code, usage, at, provided=None):
        """What a call cost the current company, in US dollars.

        What the provider said itself comes first, then its usage times the price at
        that time, then an estimate. A price that nobody knows is unknown, never 0.

        :param Usage usage: tokens
        :param at: when it was, in UTC
        :param Decimal provided: what the provider said; nonsense counts as nothing
        :rtype: Cost
        """
        told = pricing.believable(provided)
        if told is not None:
            return Cost(told, "provided")
        return pricing.charge(usage, self._quote(model_name, provider_code, at))

    @api.model
    def _quote(self, model_name, provider_code, at):
        """The price that applies at that time, or None.

        :rtype: Quote | None
        """
        offers = self._offers(model_name, provider_code, at)
        return next((offer.quote for offer in offers if offer.quote), None)

    @api.model
    def _offers(self, model_name, provider_code, at):
        """Prices for a model, the best first; those without a quote do not apply."""
        company = self.env.company.id
        provider = (provider_code or "").lower()
        yield from self._own_offers(model_name.lower(), provider, company, _day(at))
        book_name, is_free = self._provider_facts(provider, company)
        if is_free:
            yield Offer("free", FREE, "applies")
        if entry := price_book.find(model_name, book_name):
            price, is_all = entry.price(at)
            quote = Quote(
                price,
                "computed" if entry.exact and is_all else "estimated",
                None,
                f"{price_book.version()}: {entry.provider}/{entry.model}",
            )
            kind = "book" if entry.exact else "borrowed"
            yield Offer(kind, quote, "applies", entry=entry)

    @api.model
    @tools.ormcache("model_name", "provider", "company", "day")
    def _own_offers(self, model_name, provider, company, day):
        groups = {}
        for row in self._own_rows():
            if row.fits(model_name, provider, company):
                groups.setdefault(row.key, []).append(row)
        offers = []
        for key in sorted(groups, reverse=True):
            rows = tuple(row for row in groups[key] if row.holds(day))
            if not rows:
                began = any(row.begins <= day for row in groups[key])
                reason = "late" if began else "early"
                offers.append(Offer("own", None, reason, tuple(groups[key])))
            elif min(row.above for row in rows):
                offers.append(Offer("own", None, "short", rows))
            else:
                first = min(rows, key=lambda row: row.above)
                price = pricing.tiered((row.above, row.rates) for row in rows)
                version = ", ".join(f"#{row.id} v{row.version}" for row in rows)
                quote = Quote(price, "computed", first.id, version)
                offers.append(Offer("own", quote, "applies", rows))
        return tuple(offers)

    @api.model
    @tools.ormcache()
    def _own_rows(self):
        """All prices of our own."""
        # sudo: steward.price - whoever's call it was, a price applies
        prices = self.sudo().search([("active", "=", True)])
        return tuple(
            Row(
                price.id,
                price.version,
                price.company_id.id or 0,
                (price.provider_code or "").lower(),
                price.model_name.lower(),
                price.above_tokens,
                price.valid_from,
                price.valid_to or None,
                price._rates(),
            )
            for price in prices
        )

    @api.model
    @tools.ormcache("code", "company")
    def _provider_facts(self, code, company):
        """A provider's name in the price book, and whether it costs nothing."""
        # sudo: steward.provider - whoever's call it was, a price applies
        providers = self.env["steward.provider"].sudo().with_context(active_test=False)
        provider = providers.search(
            [("code", "=", code), ("company_id", "in", [company, False])],
            order="company_id",  # the company's own before the common one
            limit=1,
        )
        return (provider._book() if provider else code), provider.is_free

    # -- in words -----------------------------------------------------------------

    @api.model
    def _described(self, quote, answers=True):
        """A price in words, for one line.

        :param answers: whether the model has any output
        """
        rates = quote.price[0].rates
        if all(rate == 0 for rate in rates):
            return self.env._("free of charge")
        text = self.env._("%(dollars)s in", dollars=_dollars(rates.input))
        if answers:
            text += self.env._(", %(dollars)s out", dollars=_dollars(rates.output))
        if len(quote.price) > 1:
            text += self.env._(", more for long inputs")
        if quote.source == "estimated":
            text += self.env._(" (estimate)")
        return text


def _dollars(rate: Decimal | None) -> str:
    """A rate as people write it.

    >>> _dollars(Decimal("2.5")), _dollars(Decimal("0.0375")), _dollars(None)
    ('$2.50', '$0.0375', '?')
    """
    if rate is None:
        return "?"
    text = f"{rate.normalize():f}"
    whole, _point, places = text.partition(".")
    return f"${whole}.{places:0<2}"


def _day(at):
    return (at.astimezone(UTC) if at.tzinfo else at).date()


def _tidied(vals):
    """Codes in their one form, and no blanks around a name."""
    vals = dict(vals)
    if vals.get("model_name"):
        vals["model_name"] = vals["model_name"].strip()
    if "provider_code" in vals:
        vals["provider_code"] = (vals["provider_code"] or "").strip().lower() or False
    return vals
