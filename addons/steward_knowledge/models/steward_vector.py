import io

from odoo import api, fields, models
from odoo.tools import SQL, sql

from ..kernel import vector_copy

COLUMN = "embedding"
COPY = "COPY steward_vector_new (chunk_id, embedding) FROM STDIN WITH (FORMAT binary)"


class StewardVector(models.Model):
    """A passage's vector in a space. Narrow rows, so that reading all of them is quick.

    The column ``embedding`` is ``halfvec`` without a dimension, as spaces differ, and
    is none of Odoo's fields: it is there once the database has the extension
    ``vector``, and is read and written in SQL alone.
    """

    _name = "steward.vector"
    _inherit = "steward"
    _description = "Vector"
    _log_access = False
    _rec_name = "chunk_id"
    _steward_own_fields = ("space_id", "chunk_id")

    space_id = fields.Many2one("steward.space", required=True, ondelete="cascade")
    chunk_id = fields.Many2one(
        "steward.chunk", required=True, index=True, ondelete="cascade"
    )

    _passage_uniq = models.UniqueIndex("(space_id, chunk_id)")

    def init(self):
        if self.env["steward.space"]._ensure_extension():
            self._add_column()

    @api.model
    def _add_column(self):
        cr = self.env.cr
        if sql.column_exists(cr, self._table, COLUMN):
            return
        # a table without the column holds vectors of nothing
        cr.execute("DELETE FROM steward_vector")
        cr.execute("ALTER TABLE steward_vector ADD COLUMN embedding halfvec NOT NULL")
        # else PostgreSQL would keep long ones elsewhere: four times as slow to read
        cr.execute("ALTER TABLE steward_vector ALTER embedding SET STORAGE PLAIN")

    @api.model
    def _store(self, space, chunk_ids, vectors):
        """Keep vectors of passages; what is there already stays as it is.

        :param vectors: float32 array (n, dimensions of the space), of length one each
        :return: how many are new
        """
        cr = self.env.cr
        cr.execute(
            "CREATE TEMP TABLE IF NOT EXISTS steward_vector_new"
            " (chunk_id integer, embedding halfvec) ON COMMIT DROP"
        )
        cr.copy_expert(COPY, io.BytesIO(vector_copy.rows(chunk_ids, vectors)))
        # a passage that goes this very moment: then somebody tries again
        cr.execute(
            SQL(
                "INSERT INTO steward_vector (space_id, chunk_id, embedding)"
                " SELECT %s, chunk.id, new.embedding::halfvec(%s)"
                " FROM steward_vector_new AS new"
                " JOIN steward_chunk AS chunk ON chunk.id = new.chunk_id"
                " FOR KEY SHARE OF chunk"
                " ON CONFLICT DO NOTHING",
                space.id,
                SQL(str(int(space.dimensions))),
            )
        )
        stored = cr.rowcount
        cr.execute("TRUNCATE steward_vector_new")
        return stored
