import re

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..kernel import netguard
from ..kernel import reference as references


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    steward_contact_id = fields.Many2one(
        "res.users",
        string="Steward's contact",
        config_parameter="steward.contact_id",
        help="Is told, besides the Operators, when something needs a person.",
    )

    # -- outbound HTTP ------------------------------------------------------------

    steward_http_allowed_networks = fields.Char(
        string="Private networks that may be called",
        config_parameter="steward.http.allowed_networks",
        help="For example 10.1.0.0/16, separated by commas. Without an entry, Steward"
        " calls public addresses only.",
    )
    steward_http_allowed_hosts = fields.Char(
        string="Private hosts that may be called",
        config_parameter="steward.http.allowed_hosts",
        help="Names such as ollama.lan, separated by commas.",
    )
    steward_http_proxy = fields.Char(
        string="Proxy",
        config_parameter="steward.http.proxy",
        help="http://host:port; it must allow CONNECT to addresses. The server's"
        " environment is not asked.",
    )
    steward_http_ca_file = fields.Char(
        string="Own certificate authority",
        config_parameter="steward.http.ca_file",
        help="A file on the server with certificates (PEM) that are trusted beside"
        " the public ones.",
    )

    # -- secrets ------------------------------------------------------------------

    steward_secret_folders = fields.Char(
        string="Folders with secrets",
        config_parameter="steward.secret.folders",
        help="Absolute folders, separated by commas, whose files may be named as"
        " file:name. For example /run/secrets.",
    )
    steward_vault_address = fields.Char(
        string="Vault's address",
        config_parameter="steward.vault.address",
        help="https://host:port of HashiCorp Vault.",
    )
    steward_vault_token = fields.Char(
        string="Vault's token",
        config_parameter="steward.vault.token",
        help="Where the token is kept: env:NAME or file:name. Never the token itself.",
    )
    steward_vault_namespace = fields.Char(
        string="Vault's namespace", config_parameter="steward.vault.namespace"
    )

    @api.model_create_multi
    def create(self, vals_list):
        return super().create([self._with_sound_token(vals) for vals in vals_list])

    def write(self, vals):
        return super().write(self._with_sound_token(vals))

    def _with_sound_token(self, vals):
        """Refuse a pasted token before it reaches even a transient table."""
        token = vals.get("steward_vault_token")
        if not token:
            return vals
        checked = self.env["steward.secret"]._checked_reference(token, ("env", "file"))
        return {**vals, "steward_vault_token": checked}

    @api.onchange("steward_vault_token")
    def _onchange_steward_vault_token(self):
        if not self.steward_vault_token:
            return None
        try:
            references.parse(self.steward_vault_token)
        except references.Invalid as error:
            self.steward_vault_token = False
            return {
                "warning": {"title": self.env._("Not stored"), "message": str(error)}
            }
        return None

    @api.constrains("steward_http_allowed_networks")
    def _check_steward_http_allowed_networks(self):
        for settings in self:
            text = settings.steward_http_allowed_networks or ""
            try:
                netguard.Policy.of(re.findall(r"[^\s,;]+", text))
            except ValueError as error:
                raise ValidationError(
                    self.env._("This is no network: %(error)s.", error=error)
                ) from error

    @api.constrains("steward_http_proxy")
    def _check_steward_http_proxy(self):
        for settings in self.filtered("steward_http_proxy"):
            try:
                scheme = netguard.check_url(settings.steward_http_proxy).scheme
            except netguard.Refusal as error:
                raise ValidationError(str(error)) from error
            if scheme != "http":
                raise ValidationError(
                    self.env._(
                        "The address of the proxy has the form http://host:port."
                    )
                )

    @api.constrains("steward_vault_address")
    def _check_steward_vault_address(self):
        example = references.Reference("vault", "secret/example", "key")
        for settings in self.filtered("steward_vault_address"):
            try:
                references.vault_url(settings.steward_vault_address, example)
            except references.Invalid as error:
                raise ValidationError(str(error)) from error

    @api.constrains("steward_secret_folders")
    def _check_steward_secret_folders(self):
        for settings in self:
            for folder in re.split(r"[,;\n]+", settings.steward_secret_folders or ""):
                # the root would make every file of the server a secret
                if folder.strip() and not re.match(r"/[^/]", folder.strip()):
                    raise ValidationError(
                        self.env._(
                            "A folder with secrets is absolute and not the root:"
                            " %(folder)s.",
                            folder=folder.strip(),
                        )
                    )

    @api.model
    def _steward_contact(self):
        """The person to tell besides the Operators; empty when nobody is named."""
        # sudo: ir.config_parameter - whoever's work failed reads neither
        env = self.sudo().env
        told = env["ir.config_parameter"].get_param("steward.contact_id") or ""
        users = env["res.users"]
        known = users.browse(int(told)) if told.isdigit() else users
        return known.exists().filtered("active")
