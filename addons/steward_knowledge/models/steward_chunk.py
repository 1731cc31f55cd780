from odoo import fields, models
from odoo.tools import SQL, sql

LEXICAL = "lexical"  # the column that only a database with pgvector has


class StewardChunk(models.Model):
    """A passage of a document: what is embedded, found and cited."""

    _name = "steward.chunk"
    _inherit = "steward"
    _description = "Passage"
    _order = "document_id, sequence, id"
    _rec_name = "path"
    _log_access = False

    document_id = fields.Many2one(
        "steward.document", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="document_id.company_id")
    sequence = fields.Integer(required=True)
    path = fields.Char(help="The title and the headings above it.")
    text = fields.Text(required=True)
    start = fields.Integer(help="Where in the document's text it begins.")

    def init(self):
        """Add what only the search itself reads: lexemes, and their weights.

        Weights need pgvector's `sparsevec`. A database that gets the extension later
        has them with the next update of the addon; until then words are weighed while
        searching, which is slower.
        """
        done = super().init()
        cr = self.env.cr
        cr.execute(
            """
            ALTER TABLE steward_chunk
                ADD COLUMN IF NOT EXISTS tsv tsvector,
                ADD COLUMN IF NOT EXISTS dictionary varchar,
                ADD COLUMN IF NOT EXISTS length integer;
            CREATE INDEX IF NOT EXISTS steward_chunk_tsv_idx
                ON steward_chunk USING gin (tsv) WITH (fastupdate = off);
            ALTER TABLE steward_document
                ADD COLUMN IF NOT EXISTS lexical_length integer;
            """
        )
        if self.env["steward.space"]._ensure_extension():
            for table in ("steward_chunk", "steward_document"):
                cr.execute(
                    SQL(
                        "ALTER TABLE %s ADD COLUMN IF NOT EXISTS %s sparsevec",
                        SQL.identifier(table),
                        SQL.identifier(LEXICAL),
                    )
                )
                # beside the row's other values, not away from them: it is read most
                cr.execute(
                    SQL(
                        "ALTER TABLE %s ALTER %s SET STORAGE MAIN",
                        SQL.identifier(table),
                        SQL.identifier(LEXICAL),
                    )
                )
        _HAS_LEXICAL.pop(cr.dbname, None)
        return done

    def _has_lexical(self):
        """Whether weights are kept: whether this database has pgvector."""
        name = self.env.cr.dbname
        if name not in _HAS_LEXICAL:
            _HAS_LEXICAL[name] = sql.column_exists(self.env.cr, self._table, LEXICAL)
        return _HAS_LEXICAL[name]

    def _forget(self):
        """Delete many at once; what hangs on them goes with them."""
        if self:
            self.env.cr.execute(
                SQL("DELETE FROM steward_chunk WHERE id = ANY(%s)", list(self.ids))
            )
            self.invalidate_model()

    def _embedding_texts(self):
        """Return what of each passage is embedded, in their order."""
        return [f"{chunk.path or ''}\n{chunk.text}" for chunk in self]


_HAS_LEXICAL: dict[str, bool] = {}  # per process
