import re
from contextlib import nullcontext

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid, StewardError
from odoo.addons.steward.kernel import netguard
from odoo.exceptions import ValidationError

from ..adapters.openai_compatible import OpenAICompatible
from ..kernel.catalog import PRESETS

TIMEOUT = 60  # seconds for one call, its repetitions included
LONGEST_TIMEOUT = 3600
RESULT_FIELDS = ("last_test_at", "last_test_ok", "last_test_message")
CODE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
PLACEHOLDER = "YOUR-"  # in an address that nobody completed


class StewardProvider(models.Model):
    """Who answers: a service or a server with models, and how it is reached."""

    _name = "steward.provider"
    _inherit = ["steward", "mail.thread"]
    _description = "Model Provider"
    _order = "sequence, name, id"
    _steward_own_fields = (*RESULT_FIELDS, "fetched_at")

    name = fields.Char(required=True, tracking=True)
    code = fields.Char(
        required=True,
        help="Its short name in the ledger and the price book; its circuit breaker and"
        " its rate limit are called llm/<code>.",
    )
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True, tracking=True)
    company_id = fields.Many2one(
        "res.company",
        index=True,
        help="Only this company uses the provider; empty: all of them.",
    )
    kind = fields.Selection(
        selection=[],
        required=True,
        default="openai_compatible",
        help="How Steward talks to it.",
    )
    preset = fields.Selection(
        [(name, preset.label) for name, preset in PRESETS.items()],
        string="Service",
        help="Fills in the address and says what is needed.",
    )
    needs = fields.Char(string="What is needed", compute="_compute_needs")
    base_url = fields.Char(
        string="Address",
        tracking=True,
        help="Up to and including the version, as https://api.example.com/v1.",
    )
    secret_id = fields.Many2one(
        "steward.secret",
        string="Key",
        groups="steward.group_administrator",
        index="btree_not_null",
        help="Where the key is kept. Its value is never stored or shown.",
    )
    timeout = fields.Integer(
        default=TIMEOUT,
        required=True,
        help="Seconds for one call, with all its repetitions.",
    )
    is_free = fields.Boolean(
        string="Costs nothing per token",
        help="For servers of your own. The ledger then says 0 instead of unknown.",
    )
    model_ids = fields.One2many("steward.model", "provider_id", string="Models")
    model_count = fields.Integer(compute="_compute_model_count")
    fetched_at = fields.Datetime(string="Models fetched", readonly=True, copy=False)
    last_test_at = fields.Datetime(string="Last tested", readonly=True, copy=False)
    last_test_ok = fields.Boolean(string="Answered", readonly=True, copy=False)
    last_test_message = fields.Char(string="Result", readonly=True, copy=False)
    health = fields.Selection(
        [("untested", "Not tested"), ("ok", "Works"), ("failed", "Failed")],
        compute="_compute_health",
    )

    _code_uniq = models.UniqueIndex(
        "(code, COALESCE(company_id, 0))", "Another provider has this code."
    )
    _timeout_bounds = models.Constraint(
        f"CHECK (timeout BETWEEN 1 AND {LONGEST_TIMEOUT})",
        "A call may take between a second and an hour.",
    )

    # -- computes and constraints -------------------------------------------------

    @api.depends("preset")
    def _compute_needs(self):
        for provider in self:
            preset = PRESETS.get(provider.preset)
            provider.needs = preset and preset.needs

    @api.depends("model_ids")
    def _compute_model_count(self):
        counts = dict(
            self.env["steward.model"]._read_group(
                [("provider_id", "in", self.ids)], ["provider_id"], ["__count"]
            )
        )
        for provider in self:
            provider.model_count = counts.get(provider, 0)

    @api.depends("last_test_at", "last_test_ok")
    def _compute_health(self):
        for provider in self:
            if not provider.last_test_at:
                provider.health = "untested"
            else:
                provider.health = "ok" if provider.last_test_ok else "failed"

    @api.onchange("preset")
    def _onchange_preset(self):
        preset = PRESETS.get(self.preset)
        if not preset:
            return
        self.base_url = preset.base_url
        self.is_free = preset.at_home
        labels = {known.label for known in PRESETS.values()}
        if not self.name or self.name in labels:
            self.name = preset.label
        if not self.code or self.code in PRESETS:
            self.code = self.preset

    @api.constrains("code")
    def _check_code(self):
        for provider in self:
            if not CODE.fullmatch(provider.code):
                raise ValidationError(
                    self.env._(
                        "A code has small letters, digits, dots and dashes: %(code)s"
                        " is none.",
                        code=provider.code,
                    )
                )

    @api.constrains("kind", "base_url")
    def _check_base_url(self):
        for provider in self.filtered(lambda p: p.kind == "openai_compatible"):
            if not provider.base_url:
                continue  # a neutralized copy; said when it is called
            try:
                netguard.check_url(provider.base_url)
            except netguard.Refusal as error:
                raise ValidationError(str(error)) from error
            if re.search(r"[?#]", provider.base_url):
                raise ValidationError(
                    self.env._("The address ends before any “?” or “#”.")
                )

    @api.constrains("company_id", "secret_id")
    def _check_secret_company(self):
        for provider in self:
            # sudo: steward.secret - whoever changes the company need not see secrets
            owner = provider.sudo().secret_id.company_id
            if owner and owner != provider.company_id:
                raise ValidationError(
                    self.env._(
                        "The key belongs to %(company)s alone: let the provider belong"
                        " to that company, or share the key.",
                        company=owner.name,
                    )
                )

    # -- CRUD ---------------------------------------------------------------------

    @api.model_create_multi
    def create(self, vals_list):
        self.env.registry.clear_cache()  # of prices
        return super().create(vals_list)

    def write(self, vals):
        if {"code", "company_id", "preset", "is_free", "active"} & vals.keys():
            self.env.registry.clear_cache()
        done = super().write(vals)
        if {"base_url", "secret_id", "kind"} & vals.keys():
            self._write_own(dict.fromkeys(RESULT_FIELDS, False))
        return done

    def unlink(self):
        self.env.registry.clear_cache()
        return super().unlink()

    def copy_data(self, default=None):
        copies = super().copy_data(default)
        for provider, values in zip(self, copies, strict=True):
            values["name"] = self.env._("%(name)s (copy)", name=provider.name)
            if not (default or {}).get("code"):
                values["code"] = self._free_code(provider.code)
        return copies

    def _free_code(self, code):
        code = code[:58]
        like = self.with_context(active_test=False).search(
            [("code", "=like", f"{code}%")]
        )
        known = set(like.mapped("code"))
        numbered = (f"{code}-{number}" for number in range(2, len(known) + 3))
        return next(wanted for wanted in numbered if wanted not in known)

    # -- actions ------------------------------------------------------------------

    def action_test(self) -> dict:
        """Call the provider and say whether it answers.

        Administrators only. The result is kept with the provider.

        :return: a notification
        """
        self.ensure_one()
        self.check_access("write")
        try:
            ok, message = True, self._adapter().test()
        except StewardError as error:
            ok, message = False, error.sentence
        self._record_test(ok, message)
        return self._notification(self.name, message, ok)

    def action_fetch_models(self) -> dict:
        """Ask the provider for its models and add those that are not known yet.

        Administrators only. What somebody changed on a known model stays; what the
        provider offers no longer is marked so.

        :return: a notification
        """
        self.ensure_one()
        self.check_access("write")
        try:
            offered = self._adapter().models()
        except StewardError as error:
            self._record_test(False, error.sentence)
            return self._notification(self.name, error.sentence, False)
        added, gone = self.env["steward.model"]._upsert(self, offered)
        self._write_own({"fetched_at": fields.Datetime.now()})
        message = self.env._(
            "%(offered)s models, %(added)s of them new; %(gone)s are gone.",
            offered=len(offered),
            added=added,
            gone=gone,
        )
        self._record_test(True, message)
        return self._notification(self.name, message, True)

    def action_open_models(self) -> dict:
        """Show the provider's models.

        :return: an action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "steward_llm.action_model"
        )
        return {
            **action,
            "domain": [("provider_id", "=", self.id)],
            "context": {"default_provider_id": self.id, "active_test": False},
        }

    def _record_test(self, ok, message):
        self._write_own(
            {
                "last_test_at": fields.Datetime.now(),
                "last_test_ok": ok,
                "last_test_message": message,
            }
        )

    @api.model
    def _notification(self, title, message, ok):
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success" if ok else "danger",
                "title": title,
                "message": message,
                "sticky": not ok,
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    # -- for adapters -------------------------------------------------------------

    def _get_adapters(self):
        """Return the adapter's class for each kind. Called for each call."""
        return {"openai_compatible": OpenAICompatible}

    def _adapter(self):
        """The way to talk to this provider.

        :rtype: Adapter
        :raises Invalid: when it may not be used
        """
        self.ensure_one()
        if not self.active:
            raise Invalid(
                self.env._("The provider %(name)s is archived.", name=self.name)
            )
        return self._get_adapters()[self.kind](self)

    def _address(self):
        """Where it is.

        :raises Invalid: when nobody said so
        """
        if not self.base_url or PLACEHOLDER in self.base_url:
            raise Invalid(
                self.env._("Complete the address of %(name)s first.", name=self.name)
            )
        return self.base_url

    def _key(self):
        """The key's value, or None. Never hand it to a field, a log or a screen."""
        # sudo: steward.secret - who uses a provider need not see its secret
        secret = self.sudo().secret_id.with_env(self.env)
        return secret._resolve() if secret else None

    def _get_headers(self, key):
        """Return headers that this service wants beside the protocol's."""
        preset = PRESETS.get(self.preset)
        headers = dict(preset.headers) if preset else {}
        if key and self.preset == "anthropic":
            headers["x-api-key"] = key  # its list of models knows no other way
        return headers

    def _circuit(self):
        """The name of its circuit breaker and of its rate limit."""
        company = f"@{self.company_id.id}" if self.company_id else ""
        return f"llm/{self.code}{company}"

    def _timeout(self):
        return self.timeout

    def _book(self):
        """Its name in the price book."""
        preset = PRESETS.get(self.preset)
        return (preset and preset.book) or self.code


class OpenAIProvider(models.Model):
    _inherit = "steward.provider"

    kind = fields.Selection(
        selection_add=[("openai_compatible", "OpenAI-compatible server")],
        ondelete={"openai_compatible": "cascade"},
    )


class StewardModelHttp(models.AbstractModel):
    """The way out to models: the adapter tells the breaker how each attempt went."""

    _name = "steward.model.http"
    _inherit = "steward.http"
    _description = "Outbound HTTP to Models"

    def _guard_circuit(self, name):  # noqa: ARG002 - a hook
        return nullcontext()
