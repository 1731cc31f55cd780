import os
import re
import threading
import time
from datetime import timedelta
from urllib.parse import urlsplit

from odoo import api, fields, models
from odoo.fields import Domain

from ..exceptions import Invalid, SecretUnavailable, StewardError
from ..kernel import reference as references
from ..kernel.redactor import REDACTOR

SCHEMES = [
    ("env", "Environment variable"),
    ("file", "File"),
    ("vault", "HashiCorp Vault"),
]
HEALTH = [
    ("untested", "Not tested"),
    ("ok", "Works"),
    ("due", "Rotation due"),
    ("failed", "Does not resolve"),
]
CACHE_SECONDS = 60
CACHE_SIZE = 1000  # values
RESULT_FIELDS = ("last_test_at", "last_test_ok", "last_test_message")
VAULT_SECONDS = 10


class _Cache:
    """Values of this process, for a short while; never written anywhere."""

    def __init__(self):
        self.lock = threading.Lock()
        self.values = {}

    def get(self, key):
        with self.lock:
            value, until = self.values.get(key, (None, 0))
            if time.monotonic() < until:
                return value
            self.values.pop(key, None)
            return None

    def put(self, key, value):
        with self.lock:
            self.values.pop(key, None)
            while len(self.values) >= CACHE_SIZE:
                del self.values[next(iter(self.values))]
            self.values[key] = (value, time.monotonic() + CACHE_SECONDS)

    def clear(self):
        with self.lock:
            self.values.clear()


CACHE = _Cache()


class StewardSecret(models.Model):
    """Where a secret is kept: its reference, never its value."""

    _name = "steward.secret"
    _inherit = ["steward", "mail.thread", "mail.activity.mixin"]
    _description = "Secret"
    _order = "name, id"
    _steward_own_fields = (*RESULT_FIELDS, "scheme", "rotate_by")

    name = fields.Char(required=True)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company",
        index=True,
        help="Only this company uses the secret; empty: all of them.",
    )
    reference = fields.Char(
        required=True,
        groups="steward.group_administrator",
        help="Where the value is kept: env:NAME, file:name or vault:path#key."
        " Never the value itself.",
    )
    scheme = fields.Selection(
        SCHEMES, string="Kept in", compute="_compute_scheme", store=True
    )
    rotated_on = fields.Date(
        string="Last rotated", default=fields.Date.context_today, copy=False
    )
    rotation_days = fields.Integer(
        string="Rotate every (days)",
        help="After so many days the secret is marked as due for a new value;"
        " 0: never.",
    )
    rotate_by = fields.Date(compute="_compute_rotate_by", store=True)
    rotation_due = fields.Boolean(
        compute="_compute_rotation_due", search="_search_rotation_due"
    )
    last_test_at = fields.Datetime(string="Last tested", readonly=True, copy=False)
    last_test_ok = fields.Boolean(string="Resolved", readonly=True, copy=False)
    last_test_message = fields.Char(
        string="Result",
        readonly=True,
        copy=False,
        groups="steward.group_administrator",  # it may name the place
    )
    health = fields.Selection(HEALTH, compute="_compute_health")

    _rotation_days_positive = models.Constraint(
        "CHECK (rotation_days >= 0)", "The days until rotation cannot be negative."
    )

    @api.depends("reference")
    def _compute_scheme(self):
        for secret in self:
            secret.scheme = (secret.reference or "").partition(":")[0] or False

    @api.depends("rotated_on", "rotation_days")
    def _compute_rotate_by(self):
        for secret in self:
            known = secret.rotated_on and secret.rotation_days
            secret.rotate_by = known and secret.rotated_on + timedelta(
                days=min(secret.rotation_days, 36500)
            )

    @api.depends("rotate_by")
    @api.depends_context("tz")
    def _compute_rotation_due(self):
        today = fields.Date.context_today(self)
        for secret in self:
            secret.rotation_due = bool(secret.rotate_by and secret.rotate_by <= today)

    def _search_rotation_due(self, operator, value):
        if operator != "in":
            return NotImplemented
        today = fields.Date.context_today(self)
        due = Domain("rotate_by", "<=", today)
        kept = Domain("rotate_by", "=", False) | Domain("rotate_by", ">", today)
        wanted = Domain.FALSE
        if True in value:
            wanted |= due
        if False in value:
            wanted |= kept
        return wanted

    @api.depends("last_test_at", "last_test_ok", "rotation_due")
    def _compute_health(self):
        for secret in self:
            if secret.last_test_at and not secret.last_test_ok:
                secret.health = "failed"
            elif secret.rotation_due:
                secret.health = "due"
            else:
                secret.health = "ok" if secret.last_test_at else "untested"

    @api.onchange("reference")
    def _onchange_reference(self):
        if not self.reference:
            return None
        try:
            self.reference = str(references.parse(self.reference))
        except references.Invalid as error:
            self.reference = False
            return {
                "warning": {"title": self.env._("Not stored"), "message": str(error)}
            }
        return None

    @api.model_create_multi
    def create(self, vals_list):
        return super().create([self._checked(vals) for vals in vals_list])

    def write(self, vals):
        vals = self._checked(vals)
        done = super().write(vals)
        if "rotated_on" in vals:
            self.filtered(lambda s: not s.rotation_due)._open_reminders().action_done()
        if "reference" in vals:  # what was tested was another place
            self._write_own(dict.fromkeys(RESULT_FIELDS, False))
        return done

    def _record_test(self, ok, message):
        """Keep the result of a test."""
        self._write_own(
            {
                "last_test_at": fields.Datetime.now(),
                "last_test_ok": ok,
                "last_test_message": message,
            }
        )

    @api.model
    def _checked(self, vals):
        """The values with a sound reference; a pasted secret never gets further."""
        if "reference" not in vals:
            return dict(vals)
        return {**vals, "reference": self._checked_reference(vals["reference"])}

    @api.model
    def _checked_reference(self, text, schemes=tuple(dict(SCHEMES))):
        """The reference in its usual form.

        :raises Invalid: with a hint that does not repeat what was entered
        """
        try:
            reference = references.parse(text or "")
        except references.Invalid as error:
            raise Invalid(str(error)) from None
        if reference.scheme not in schemes:
            raise Invalid(
                self.env._(
                    "Here, only these references will do: %(schemes)s.",
                    schemes=", ".join(schemes),
                )
            )
        return str(reference)

    # -- reminder -----------------------------------------------------------------

    @api.model
    def _cron_remind(self):
        """Ask somebody, once, to renew each secret whose rotation is due."""
        for secret in self.search([("rotation_due", "=", True)]):
            if not secret._open_reminders():
                secret.activity_schedule(
                    "mail.mail_activity_data_todo",
                    summary=self.env._("Renew the value and note the date"),
                    user_id=secret._get_reminded().id,
                )

    def _open_reminders(self):
        todo = self.env.ref("mail.mail_activity_data_todo")
        # sudo: mail.activity - also those of others count
        return self.sudo().activity_ids.filtered(
            lambda activity: activity.automated and activity.activity_type_id == todo
        )

    def _get_reminded(self):
        """Who renews secrets: the contact if it may, else an administrator."""
        group = self.env.ref("steward.group_administrator")
        administrators = group.all_user_ids.filtered("active")
        contact = self.env["res.config.settings"]._steward_contact()
        people = administrators - self.env.ref("base.user_root")
        return (contact & people) or people[:1] or administrators[:1]

    # -- actions ------------------------------------------------------------------

    def action_test(self) -> dict:
        """Say whether the reference leads to a value, without showing it.

        Administrators only. The result is kept with the secret.

        :return: a notification
        """
        self.ensure_one()
        self.check_access("write")
        try:
            _value, remark = self._fetch()
            ok, message = True, remark or self.env._("The reference leads to a value.")
        except SecretUnavailable as error:
            ok, message = False, error.sentence
        self._record_test(ok, message)
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success" if ok else "danger",
                "title": self.name,
                "message": message,
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    # -- values -------------------------------------------------------------------

    def _resolve(self):
        """Return the value. Never hand it to a field, a log or a screen.

        Whoever may use the record that names this secret may use the secret; the
        caller's companies must allow it all the same.

        :rtype: str
        :raises SecretUnavailable: with a sentence for people
        """
        self.ensure_one()
        # sudo: steward.secret - who uses a secret need not see it in the list
        secret = self.sudo()
        if not secret.active:
            raise SecretUnavailable(
                self.env._("The secret %(name)s is archived.", name=secret.name)
            )
        company = secret.company_id
        if company and company not in self.env.companies and not self.env.su:
            raise SecretUnavailable(self.env._("The secret is another company's."))
        return self._fetch(cached=True)[0]

    def _fetch(self, cached=False):
        """The value and a remark on how it is kept."""
        # sudo: steward.secret - its users need the value, not to know where it is
        text = self.sudo().reference
        key = (self.env.cr.dbname, self.id, text)
        if cached and (value := CACHE.get(key)):
            return value, ""
        value, remark = self._lookup(text)
        CACHE.put(key, value)
        return value, remark

    @api.model
    def _lookup(self, text):
        """Look a reference up, past any cache; what is found, the log never shows."""
        try:
            reference = references.parse(text)
            value, remark = getattr(self, f"_lookup_{reference.scheme}")(reference)
        except references.ReferenceProblem as problem:
            error = SecretUnavailable(str(problem), detail=problem.code)
            error.retryable = problem.code in ("sealed", "unavailable")
            raise error from None
        except SecretUnavailable:
            raise
        except StewardError as problem:  # of the call to Vault
            error = SecretUnavailable(
                problem.sentence,
                detail=problem.code,
                retry_after=problem.retry_after,
            )
            error.retryable = problem.retryable
            raise error from problem
        REDACTOR.learn(value)
        return value, remark

    def _lookup_env(self, reference):
        return references.resolve_env(reference, os.environ), ""

    def _lookup_file(self, reference):
        found = references.resolve_file(reference, self._get_folders())
        return found.value, found.warning

    def _lookup_vault(self, reference):
        answer = self.env["steward.vault"]._read(reference)
        value = references.parse_vault_response(
            answer.status,
            answer.headers.get("Content-Type") or "",
            answer.content,
            reference.key,
        )
        return value, ""

    @api.model
    def _get_folders(self):
        """Folders whose files may be read as secrets: an administrator's setting."""
        # sudo: ir.config_parameter - needed by every user of a secret
        get = self.env["ir.config_parameter"].sudo().get_param
        folders = re.split(r"[,;\n]+", get("steward.secret.folders") or "")
        return [folder.strip() for folder in folders if folder.strip().startswith("/")]


class StewardVault(models.AbstractModel):
    """HashiCorp Vault, KV version 2, over the one outbound pipeline."""

    _name = "steward.vault"
    _inherit = "steward.http"
    _description = "HashiCorp Vault"

    def _read(self, reference):
        """Return Vault's answer, whatever its status: the kernel reads it."""
        address = self._setting("address")
        if not address:
            raise SecretUnavailable(
                self.env._("No address of Vault is set in Steward's settings.")
            )
        return self._request(
            "GET",
            references.vault_url(address, reference),
            circuit="vault",
            timeout=VAULT_SECONDS,
            read_timeout=VAULT_SECONDS / 2,
            retries=1,
            max_bytes=references.VAULT_LIMIT,
        )

    def _setting(self, name):
        # sudo: ir.config_parameter - needed by every user of a secret
        return self.env["ir.config_parameter"].sudo().get_param(f"steward.vault.{name}")

    def _get_auth(self, url):
        token = self._setting("token") or ""
        if not token.startswith(("env:", "file:")):
            raise SecretUnavailable(
                self.env._("No token for Vault is set in Steward's settings.")
            )
        value, _remark = self.env["steward.secret"]._lookup(token)
        headers = {**super()._get_auth(url), "X-Vault-Token": value}
        if namespace := self._setting("namespace"):
            headers["X-Vault-Namespace"] = namespace
        return headers

    def _get_rules(self):
        """Vault is mostly at home: the host that the administrator named will do."""
        rules = super()._get_rules()
        return rules.with_host(urlsplit(self._setting("address")).hostname or "")

    def _parse_error(self, answer):  # noqa: ARG002 - none of them is one here
        return None
