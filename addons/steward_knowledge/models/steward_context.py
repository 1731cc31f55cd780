from odoo import api, models
from odoo.addons.steward.kernel.context import Item, tokens_of
from odoo.tools import SQL

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

    @api.model
    def _saved_tokens(self, context):
        """The documents of the passages would be told as a whole without us."""
        passages = context["passages"]
        ids = {row["document_id"] for row in passages if row.get("document_id")}
        if not ids:
            return super()._saved_tokens(context)
        # their lengths and not their texts: those may be long
        [[characters]] = self.env.execute_query(
            SQL(
                "SELECT sum(length(text)) FROM steward_document WHERE id = ANY(%s)",
                list(ids),
            )
        )
        told = "".join(row["text"] for row in passages)
        whole = (characters or 0) * tokens_of(told) / max(len(told), 1)
        saved = round(whole) - context["tokens"]
        return max(0, saved) + (super()._saved_tokens(context) or 0)
