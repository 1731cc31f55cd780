from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid


class StewardHook(models.Model):
    """Documents come in at an address, without a key of Odoo."""

    _inherit = "steward.hook"

    kind = fields.Selection(
        selection_add=[("documents", "Takes documents")],
        ondelete={"documents": "cascade"},
    )
    source_id = fields.Many2one(
        "steward.source",
        index="btree_not_null",
        ondelete="cascade",
        domain="[('kind', '=', 'push')]",
        help="What comes in belongs to this source of pushed documents.",
    )

    @api.constrains("kind", "source_id")
    def _check_source(self):
        for hook in self.filtered(lambda hook: hook.kind == "documents"):
            if hook.source_id.kind != "push":
                raise Invalid(self.env._("Choose a source of pushed documents for it."))

    def _receive_documents(self, payload):
        """Take documents as `steward.document.push` does, for the hook's source."""
        documents = payload.get("documents") if isinstance(payload, dict) else payload
        # sudo: steward.hook - Agents see no hooks, and act for this one
        source = self.sudo().source_id
        return self.env["steward.document"].push(documents, source=source.id)


class StewardSource(models.Model):
    _inherit = "steward.source"

    hook_ids = fields.One2many("steward.hook", "source_id", string="Addresses")

    def action_new_hook(self) -> dict:
        """Make another address that takes documents for this source; show it, once.

        :return: the form with the address
        """
        self.ensure_one()
        hook = self.env["steward.hook"].create(
            {
                "name": self.name,
                "kind": "documents",
                "source_id": self.id,
                "company_id": (self.company_id or self.env.company).id,
            }
        )
        return hook.action_new_address()
