from odoo import api, fields, models
from odoo.addons.steward.const import CHANNEL_HEAVY

from ..adapters import local


class StewardProvider(models.Model):
    _inherit = "steward.provider"

    kind = fields.Selection(
        selection_add=[("local", "Built in: runs on this server")],
        ondelete={"local": "cascade"},
    )
    preparation = fields.Char(string="Built-in models", compute="_compute_preparation")
    is_prepared = fields.Boolean(compute="_compute_preparation")

    def _get_adapters(self):
        return {**super()._get_adapters(), "local": local.Local}

    @api.depends("kind")
    def _compute_preparation(self):
        """Say how far the files of the built-in models are on this server."""
        for provider in self:
            is_local = provider.kind == "local"
            lacks = is_local and provider._lacks()
            provider.is_prepared = is_local and not lacks
            provider.preparation = lacks or (is_local and self.env._("Ready."))

    def _lacks(self):
        if local.weights() is None:
            return self.env._(
                "Only “hash” works: the package %(package)s is not installed.",
                package=local.PACKAGE,
            )
        if local.table_path().exists():
            return ""
        if share := local.progress():
            return self.env._("The table of “static” is %(share)s done.", share=share)
        return self.env._(
            "The table of “static” is not made yet. A job makes it after the"
            " installation; “Prepare” starts it again."
        )

    def action_prepare(self) -> dict:
        """Have the files of the built-in models made, if they are not there.

        Administrators only.

        :return: a notification
        """
        self.ensure_one()
        self.check_access("write")
        self._prepare_later()
        message = self.env._("A job makes what is missing; it takes a minute.")
        return self._notification(self.name, message, True)

    def _prepare_later(self):
        self.with_delay(
            channel=CHANNEL_HEAVY,
            description=self.env._("Make the files of the built-in models"),
            identity_key=f"steward_llm.prepare/{self.id}",
        )._job_prepare()

    def _job_prepare(self):
        """Make the files of the built-in models; another server may have made them."""
        self._adapter().prepare()

    @api.model
    def _prepare_at_setup(self):
        """Called at each installation and update: an update may want another table."""
        provider = self.env.ref("steward_llm.provider_local", raise_if_not_found=False)
        is_wanted = provider and provider.active and local.weights() is not None
        if is_wanted and not local.table_path().exists():
            provider._prepare_later()
