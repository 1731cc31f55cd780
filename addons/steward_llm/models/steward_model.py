from contextlib import suppress
from datetime import timedelta

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Locked, StewardError
from odoo.exceptions import ValidationError

from ..const import MODEL_TEST
from ..fields import Amount
from ..kernel.catalog import CAPABILITIES, NAME_LIMIT

RESULT_FIELDS = ("last_test_at", "last_test_ok", "last_test_message")
CAN = {name: f"can_{name}" for name in CAPABILITIES}
TEST_TEXT = "A quotation waits for an answer."
GREETING = {"role": "user", "content": "Say: ready"}


class StewardModel(models.Model):
    """A model that a provider offers, and what it can do."""

    _name = "steward.model"
    _inherit = "steward"
    _description = "Model"
    _order = "provider_id, name, id"
    _rec_names_search = ("name", "label")
    _steward_own_fields = (*RESULT_FIELDS, "is_offered")

    name = fields.Char(required=True, size=NAME_LIMIT, help="As the provider calls it.")
    label = fields.Char(help="As people call it; empty: the name.")
    provider_id = fields.Many2one(
        "steward.provider", required=True, ondelete="cascade", index=True
    )
    company_id = fields.Many2one(
        related="provider_id.company_id", store=True, index=True
    )
    active = fields.Boolean(default=True)
    is_offered = fields.Boolean(
        string="Offered",
        default=True,
        readonly=True,
        copy=False,
        help="Whether the provider still had it when models were last fetched.",
    )
    can_chat = fields.Boolean("Chat")
    can_tools = fields.Boolean("Tools")
    can_vision = fields.Boolean("Pictures")
    can_json = fields.Boolean("JSON", help="Keeps to a given JSON schema.")
    can_streaming = fields.Boolean("Streaming")
    can_embedding = fields.Boolean("Embeddings")
    context_size = fields.Integer(
        string="Context (tokens)", help="Longest input. 0: unknown."
    )
    max_output = fields.Integer(
        string="Longest answer (tokens)", help="0: unknown, the provider decides."
    )
    dimensions = fields.Integer(help="Length of an embedding. 0: not known yet.")
    fallback_ids = fields.One2many(
        "steward.model.fallback",
        "model_id",
        string="Fallbacks",
        help="Tried in this order when the model cannot be reached.",
    )
    price_summary = fields.Char(
        string="Price today",
        compute="_compute_price_summary",
        help="US dollars for a million tokens.",
    )
    cost_30 = Amount(
        string="Cost (USD)",
        compute="_compute_cost_30",
        help="What its calls cost in the last 30 days, as far as it is known.",
    )
    last_test_at = fields.Datetime(string="Last tested", readonly=True, copy=False)
    last_test_ok = fields.Boolean(string="Answered", readonly=True, copy=False)
    last_test_message = fields.Char(string="Result", readonly=True, copy=False)

    _name_uniq = models.UniqueIndex(
        "(provider_id, name)", "The provider has this model already."
    )
    _not_negative = models.Constraint(
        "CHECK (COALESCE(context_size, 0) >= 0 AND COALESCE(max_output, 0) >= 0"
        " AND COALESCE(dimensions, 0) >= 0)",
        "Sizes cannot be negative.",
    )

    @api.depends("name", "label", "provider_id.name")
    def _compute_display_name(self):
        for model in self:
            model.display_name = (
                f"{model.label or model.name} · {model.provider_id.name}"
            )

    @api.depends("name", "provider_id", "can_embedding")
    def _compute_price_summary(self):
        prices = self.env["steward.price"]
        for model in self:
            quote = model.name and prices._quote(
                model.name, model.provider_id.code or "", fields.Datetime.now()
            )
            model.price_summary = quote and prices._described(
                quote, answers=not model.can_embedding
            )

    def _compute_cost_30(self):
        domain = [*self._costs_domain(), ("model_id", "in", self.ids)]
        known = dict(
            self.env["steward.usage"]._read_group(domain, ["model_id"], ["cost:sum"])
        )
        for model in self:
            # not called, or nobody knows
            model.cost_30 = known.get(model, 0)

    def _costs_domain(self):
        since = fields.Datetime.now() - timedelta(days=30)
        return [("is_current", "=", True), ("at", ">=", since)]

    @api.constrains(*CAN.values(), "dimensions", "name", "provider_id")
    def _check_fallbacks(self):
        """What a model can do changed: its fallbacks must still be able to stand in."""
        lines = self.env["steward.model.fallback"].search(
            ["|", ("model_id", "in", self.ids), ("fallback_id", "in", self.ids)]
        )
        lines._check_stands_in()

    @api.constrains("can_chat", "can_embedding")
    def _check_one_trade(self):
        for model in self:
            if model.can_chat and model.can_embedding:
                raise ValidationError(
                    self.env._(
                        "%(name)s either chats or embeds.", name=model.display_name
                    )
                )

    def write(self, vals):
        done = super().write(vals)
        if {"name", "provider_id"} & vals.keys():
            self._write_own(dict.fromkeys(RESULT_FIELDS, False))
        return done

    def copy_data(self, default=None):
        copies = super().copy_data(default)
        for model, values in zip(self, copies, strict=True):
            if not {"name", "provider_id"} & (default or {}).keys():
                values["name"] = self.env._("%(name)s (copy)", name=model.name)
        return copies

    # -- fetched from providers ---------------------------------------------------

    @api.model
    def _upsert(self, provider, offered):
        """Bring the list up to date, and leave alone what people changed.

        A known model gets only what nobody knew so far. What is no longer offered
        stays, marked so: runs and prices name it.

        :param offered: list of `ModelInfo`
        :return: how many are new, and how many gone
        """
        known = self.with_context(active_test=False).search(
            [("provider_id", "=", provider.id)]
        )
        by_name = {model.name: model for model in known}
        fresh = [info for info in offered if info.name not in by_name]
        self.create(
            [
                {
                    "name": info.name,
                    "provider_id": provider.id,
                    **{CAN[name]: True for name in info.capabilities},
                    **self._sizes(info),
                    # what neither chats nor embeds is kept out of the way
                    "active": bool({"chat", "embedding"} & info.capabilities),
                }
                for info in fresh
            ]
        )
        for info in offered:
            if model := by_name.pop(info.name, None):
                unknown = {
                    name: size
                    for name, size in self._sizes(info).items()
                    if not model[name]
                }
                if unknown:
                    model.write(unknown)
                if not model.is_offered:
                    model._write_own({"is_offered": True})
        gone = self.union(*by_name.values()).filtered("is_offered")
        gone._write_own({"is_offered": False})
        return len(fresh), len(gone)

    def _sizes(self, info):
        sizes = {name: getattr(info, name) for name in _SIZES}
        return {name: size for name, size in sizes.items() if size}

    # -- actions ------------------------------------------------------------------

    def action_test(self) -> dict:
        """Let the model embed or say a word, and say whether it did.

        Administrators only. What it costs is entered in the ledger.

        :return: a notification
        """
        self.ensure_one()
        self.check_access("write")
        try:
            ok, message = True, self._test()
        except StewardError as error:
            ok, message = False, error.sentence
        self._write_own(
            {
                "last_test_at": fields.Datetime.now(),
                "last_test_ok": ok,
                "last_test_message": message,
            }
        )
        return self.env["steward.provider"]._notification(
            self.display_name, message, ok
        )

    @api.readonly
    def action_open_costs(self) -> dict:
        """Show what the model's calls cost in the last 30 days.

        :return: an action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_llm.action_usage"
        )
        return {
            **action,
            "display_name": self.env._("Costs of %(name)s", name=self.display_name),
            "domain": [*self._costs_domain(), ("model_id", "=", self.id)],
            "context": {},
        }

    def _test(self):
        adapter = self.provider_id._adapter()
        if self.can_embedding:
            embedded = adapter.embed(
                self.name, [TEST_TEXT], "document", self.dimensions or None
            )
            self._record_usage(embedded.usage, "embedding", purpose=MODEL_TEST)
            dimensions = len(embedded.vectors[0])
            if not self.dimensions:
                self.dimensions = dimensions
            return self.env._("It embeds, with %(n)s dimensions.", n=dimensions)
        if self.can_chat:
            usage = adapter.chat(self.name, [GREETING]).usage
            self._record_usage(usage, "chat", purpose=MODEL_TEST)
            return self.env._("It answered, with %(n)s tokens.", n=usage.tokens_out)
        return self.env._(
            "Nothing to test: say first whether the model chats or embeds."
        )

    # -- for others ---------------------------------------------------------------

    def _get_candidates(self):
        """Return this model and then its fallbacks, as far as they can be used."""
        self.ensure_one()
        chain, waiting = self.browse(), [self]
        while waiting:
            model = waiting.pop(0)
            if model not in chain:
                chain |= model
                waiting += model.fallback_ids.fallback_id
        return chain.filtered(lambda m: m.active and m.provider_id.active)

    def _record_usage(self, usage, operation, **about):
        """Enter a call of this model in the ledger, for the current company.

        :param Usage usage: what it took
        :param operation: ``chat`` or ``embedding``
        :param about: more that the ledger keeps: ``agent_name``, ``prompt_version``,
            ``purpose``, ``trace``, ``user_id`` (the current one), ``provided``
        :rtype: steward.usage
        """
        return self.env["steward.usage"]._record(
            [self._prepare_usage(usage, operation, **about)]
        )

    def _prepare_usage(self, usage, operation, **about):
        return {
            "user_id": self.env.uid,
            **about,
            "model_id": self.id,
            "model_name": self.name,
            "provider_code": self.provider_id.code,
            "usage": usage,
            "operation": operation,
        }

    def _record_lasting(self, usage, operation, **about):
        """The same, whatever becomes of the caller's transaction: it is spent."""
        call = self._prepare_usage(usage, operation, **about)
        with suppress(Locked), self._own_transaction() as cr:
            env = self.env(cr=cr)
            # unless the caller made the model a moment ago: nobody else sees it
            if self.with_env(env).exists():
                env["steward.usage"]._record([call])
                return
        self.env["steward.usage"]._record([call])

    def _cost(self, usage):
        """What a call of this model costs now, for the current company.

        :rtype: Cost
        """
        provider = self.provider_id.code or ""
        prices = self.env["steward.price"]
        return prices._cost(self.name, provider, usage, fields.Datetime.now())

    @api.model
    def _default_embedding(self):
        """The model that embeds for the current company; empty when there is none.

        :rtype: steward.model
        """
        chosen = self.env.company.steward_embedding_model_id
        if chosen.active and chosen.can_embedding:
            return chosen
        return self.search(
            [("can_embedding", "=", True), ("provider_id.active", "=", True)],
            order="id",
            limit=1,
        )


_SIZES = ("context_size", "max_output", "dimensions")
