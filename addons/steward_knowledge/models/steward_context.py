from odoo import api, models
from odoo.addons.steward.kernel.context import Item

MOST = 12  # passages that are looked at


class StewardContext(models.AbstractModel):
    _inherit = "steward.context"

    @api.model
    def _get_providers(self):
        return {**super()._get_providers(), "passages": self._passages}

    @api.model
    def _passages(self, task, _tokens):
        """What documents say about it that the user may read; best first."""
        found = self.env["steward.document"]._find(task, limit=MOST, log=False)
        for row in found["results"]:
            about = {
                name: row[name]
                for name in ("document_id", "chunk_id", "source", "version")
                if row.get(name)
            }
            yield Item(
                row["text"],
                row.get("path") or row["title"],
                row.get("url") or "",
                row["score"],
                about,
            )
