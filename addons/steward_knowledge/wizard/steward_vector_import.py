from contextlib import closing

from odoo import api, fields, models
from odoo.exceptions import AccessError

from ..models.steward_space_import import _opened

KINDS = [
    ("jsonl", "JSON lines (Qdrant, Chroma, pgvector)"),
    ("csv", "CSV (pgvector, Supabase)"),
    ("parquet", "Parquet"),
]
ENDINGS = {"jsonl": "jsonl", "ndjson": "jsonl", "json": "jsonl"}
ENDINGS |= {"csv": "csv", "parquet": "parquet"}


class StewardVectorImport(models.TransientModel):
    """Take passages and vectors from another vector database."""

    _name = "steward.vector.import"
    _inherit = "steward"
    _description = "Import of Vectors"

    file = fields.Binary(required=True)
    file_name = fields.Char()
    kind = fields.Selection(
        KINDS,
        string="Format",
        required=True,
        compute="_compute_kind",
        precompute=True,
        store=True,
        readonly=False,
    )
    name = fields.Char(
        string="Name of the new space",
        required=True,
        default=lambda self: self.env._("Imported vectors"),
    )
    source_id = fields.Many2one(
        "steward.source",
        string="Into the source",
        domain="[('kind', '=', 'push')]",
        help="Who may find the passages is said there. Empty: a new source.",
    )
    model_id = fields.Many2one(
        "steward.model",
        string="Embedder that made them",
        domain="[('can_embedding', '=', True)]",
        help="Questions have to be embedded the same way. Without it, the vectors are"
        " kept, and questions in words cannot be compared with them.",
    )

    @api.depends("file_name")
    def _compute_kind(self):
        for wizard in self:
            ending = (wizard.file_name or "").lower().rpartition(".")[2]
            wizard.kind = ENDINGS.get(ending) or wizard.kind or "jsonl"

    def action_import(self) -> dict:
        """Take the file, and read it in the background.

        Administrators only.

        :return: the new space
        """
        self.ensure_one()
        if not self.env.user.has_group("steward.group_administrator"):
            raise AccessError(
                self.env._("Only Steward's administrators import vectors.")
            )
        attachment = self.env["ir.attachment"].create(
            {"name": self.file_name or self.name, "datas": self.file}
        )
        spaces = self.env["steward.space"]
        with closing(_opened(attachment)) as file:
            dimensions = spaces._probe(file, self.kind)
        space = spaces.create(
            {
                "name": self.name,
                "model_id": self.model_id.id,
                "dimensions": dimensions,
            }
        )
        attachment.write({"res_model": space._name, "res_id": space.id})
        source = self.source_id or self.env["steward.source"].create(
            {"name": self.name, "kind": "push"}
        )
        space._import_later(attachment, self.kind, source)
        return {
            "type": "ir.actions.act_window",
            "res_model": "steward.space",
            "res_id": space.id,
            "views": [(False, "form")],
        }
